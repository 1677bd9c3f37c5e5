//! What a configuration may say, and what is told of one that may not: place, message and help.

mod support;

use std::collections::HashMap;
use std::path::Path;

use portcullis::app::load::{Loaded, Source, load};
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::config::{Document, Environment, Report};
use portcullis::engine::Registry;
use proptest::prelude::*;
use support::registry;

/// An environment for tests.
#[derive(Default)]
struct Fake(HashMap<String, String>);

impl Fake {
    fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Self(pairs.collect())
    }
}

impl Environment for Fake {
    fn variable(&self, name: &str) -> Result<String, String> {
        let missing = || "the variable is not set".into();
        self.0.get(name).cloned().ok_or_else(missing)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        self.variable(&path.display().to_string())
    }
}

fn load_with(text: &str, environment: &dyn Environment) -> Result<Loaded, Report> {
    load_of(text, &registry(), environment)
}

fn load_of(
    text: &str,
    registry: &Registry,
    environment: &dyn Environment,
) -> Result<Loaded, Report> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, text).expect("a file");
    let shared = Shared::default();
    load(&Source::File(path), registry, &shared, environment, 1)
}

fn load_text(text: &str) -> Result<Loaded, Report> {
    load_with(text, &Fake::default())
}

/// A text, and for each mistake in it the place and a part of what is said.
type Refused = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What is refused.
const REFUSED: &[Refused] = &[
    (
        "unknown section",
        "version: 1\nlimit: {}\n",
        &[("2:1", "did you mean `limits`?")],
    ),
    (
        "unknown key",
        "limits:\n  bodyy: 1MiB\n",
        &[("2:3", "did you mean `body`? the keys here are `head`,")],
    ),
    (
        "wrong type",
        "limits:\n  headers: many\n",
        &[(
            "2:12",
            "expected a whole number that is not negative, found the text \"many\"",
        )],
    ),
    (
        "map for a list",
        "clients:\n  trusted: {}\n",
        &[(
            "2:3",
            "expected a list (`[…]`, or lines that begin with `- `), found a map",
        )],
    ),
    (
        "bad word",
        "policy:\n  mode: enforced\n",
        &[(
            "2:9",
            "did you mean `enforce`? the words are `enforce`, `monitor`",
        )],
    ),
    (
        "yes for a word",
        "limits:\n  over_body: yes\n",
        &[("2:14", "`yes`")],
    ),
    (
        "true for a word",
        "limits:\n  over_body: true\n",
        &[("2:14", "expected a word, found `true`")],
    ),
    (
        "duplicate key",
        "limits:\n  body: 1MiB\n  body: 2MiB\n",
        &[("3:3", "the key `body` is here for the second time")],
    ),
    (
        "duplicate section",
        "policy: {}\nlimits: {}\npolicy: {}\n",
        &[("3:1", "the key `policy` is here for the second time")],
    ),
    (
        "duplicate deep in a list",
        "detections:\n  - words: { words: [{ id: a, id: b }] }\n",
        &[("2:31", "the key `id` is here for the second time")],
    ),
    (
        "tab indentation",
        "limits:\n\tbody: 1MiB\n",
        &[("2:2", "indent with spaces")],
    ),
    (
        "unclosed quote",
        "events:\n  log: \"out\n",
        &[("2:8", "close the quote")],
    ),
    (
        "unclosed bracket",
        "clients:\n  trusted: [10.0.0.0/8\n",
        &[("3:1", "this is no YAML")],
    ),
    (
        "two documents",
        "version: 1\n---\nversion: 1\n",
        &[("2:1", "a second document")],
    ),
    (
        "missing colon",
        "version: 1\nlimits\n",
        &[("3:1", "this is no YAML")],
    ),
    (
        "wrong indentation",
        "limits:\n  body: 1MiB\n   head: 32KiB\n",
        &[("3:8", "this is no YAML")],
    ),
    (
        "octal-like number",
        "limits:\n  headers: 010\n",
        &[("2:12", "found the text \"010\"")],
    ),
    (
        "an anchor",
        "clients:\n  trusted: &a [127.0.0.1]\n",
        &[("2:12", "an anchor or an alias")],
    ),
    ("an alias", "events:\n  log: *a\n", &[("2:8", "")]),
    (
        "alias bomb",
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        &[("1:4", "an anchor or an alias")],
    ),
    (
        "a merge key",
        "x: &x { body: 1MiB }\nlimits:\n  <<: *x\n",
        &[("1:4", "write the value out")],
    ),
    (
        "a tag",
        "limits: !mine { body: 1MiB }\n",
        &[("1:9", "a tag")],
    ),
    (
        "control character",
        "version: 1\nlimits: \u{7}\n",
        &[("2:9", "a control character (U+0007)")],
    ),
    (
        "key is a list",
        "[a, b]: 1\n",
        &[("1:1", "a key must be a text")],
    ),
    (
        "no map",
        "- a\n- b\n",
        &[("1:1", "this is no map of sections")],
    ),
    (
        "a lone text",
        "hello\n",
        &[("1:1", "this is no map of sections")],
    ),
    (
        "other version",
        "version: 2\n",
        &[("1:10", "write `version: 1`")],
    ),
    (
        "version as text",
        "version: \"1\"\n",
        &[("1:10", "found the text \"1\"")],
    ),
    (
        "number without unit",
        "limits:\n  header_time: 30\n",
        &[("2:16", "expected a text, found the number 30")],
    ),
    (
        "unknown unit",
        "limits:\n  header_time: 30 parsecs\n",
        &[("2:16", "write a whole number and ms, s, m, h or d")],
    ),
    (
        "no CIDR",
        "clients:\n  trusted: [10.0.0.0/8, 10.0.0.0/64]\n",
        &[("2:25", "`10.0.0.0/64` is no address block")],
    ),
    (
        "head too small",
        "limits: { head: 1KiB }\n",
        &[("1:17", "write at least 8KiB")],
    ),
    (
        "number out of range",
        "clients: { ipv6_prefix: 0 }\n",
        &[("1:25", "write a number from 1 to 128")],
    ),
    (
        "number far out of range",
        "clients: { ipv6_prefix: 300 }\n",
        &[(
            "1:25",
            "expected a whole number from 0 to 255, found the number 300",
        )],
    ),
    (
        "threshold of zero",
        "policy: { threshold: 0 }\n",
        &[("1:22", "write a number from 1")],
    ),
    (
        "few keys",
        "clients: { max_keys: 10 }\n",
        &[("1:22", "write a number from 1024")],
    ),
    (
        "no connections",
        "limits: { connections: 0 }\n",
        &[("1:24", "write a number from 1")],
    ),
    (
        "no connections of a client",
        "limits: { client_connections: 0 }\n",
        &[("1:31", "write a number from 1")],
    ),
    (
        "no requests of a connection",
        "limits: { connection_requests: 0 }\n",
        &[("1:32", "write a number from 1")],
    ),
    (
        "nothing in flight",
        "limits: { in_flight: 0 }\n",
        &[("1:22", "write a number from 1")],
    ),
    (
        "target too short",
        "limits: { uri: 10B }\n",
        &[("1:16", "write at least 256B")],
    ),
    (
        "target too long",
        "limits: { uri: 64KiB }\n",
        &[("1:16", "write at most 63KiB")],
    ),
    ("no rate", "limits: { body_rate: 500 }\n", &[("1:22", "")]),
    (
        "no time to read",
        "limits: { write_time: 0s }\n",
        &[("1:23", "write a span like `10s`")],
    ),
    (
        "no time to idle",
        "limits: { idle_time: 0ms }\n",
        &[("1:22", "write a span like `10s`")],
    ),
    (
        "no headers",
        "limits: { headers: 1001 }\n",
        &[("1:20", "write a number from 1 to 1000")],
    ),
    (
        "zero time",
        "limits: { body_time: 0s }\n",
        &[("1:22", "write a span like `10s`")],
    ),
    (
        "zero timeout",
        "upstream: { servers: [{ url: http://a }], connect_timeout: 0s }\n",
        &[("1:60", "a time of zero")],
    ),
    (
        "no way to name a client",
        "clients: { identity: x_real_ip }\n",
        &[("1:22", "`x_real_ip` is none of the words")],
    ),
    (
        "no header of a name",
        "clients: { identity: { header: 'a b' } }\n",
        &[("1:32", "`a b` is no name of a header")],
    ),
    (
        "a header that has a word of its own",
        "clients: { identity: { header: X-Forwarded-For } }\n",
        &[("1:32", "write `x_forwarded_for`")],
    ),
    (
        "a header that never goes on, and one that would",
        "clients: { strip: [X-Forwarded-Host, X-Forwarded-Prefix] }\n",
        &[("1:38", "it need not be said")],
    ),
    (
        "headers that name no client",
        "clients: { identity: { header: Host }, forward_identity_as: { header: Proxy-X }, strip: [A, Cookie] }\n",
        &[
            ("1:32", "`host` is no header for a client's address"),
            ("1:71", "`proxy-x` is no header"),
            ("1:93", "`cookie` is no header"),
        ],
    ),
    (
        "hosts",
        "clients:\n  hosts:\n    - { host: 'a:80', identity: peer }\n    - { host: b, identity: peer }\n    - { host: B, identity: { header: TE } }\n    - { host: c }\n",
        &[("6:9", "the key `identity` is missing")],
    ),
    (
        "hosts that are none",
        "clients:\n  hosts:\n    - { host: 'a:80', identity: peer }\n    - { host: b, identity: peer }\n    - { host: B, identity: { header: TE } }\n",
        &[
            ("3:15", "without a port"),
            ("5:15", "the host `B` is here twice"),
            ("5:38", "`te` is no header"),
        ],
    ),
    (
        "no address",
        "listen: localhost\n",
        &[("1:9", "write address and port")],
    ),
    (
        "empty list of addresses",
        "listen: []\n",
        &[("1:1", "an empty list listens nowhere")],
    ),
    (
        "address twice",
        "listen: [{ address: 127.0.0.1:80 }, { address: 0.0.0.0:80 }]\n",
        &[("1:48", "0.0.0.0:80 is already listened on")],
    ),
    (
        "nobody may send a PROXY protocol header",
        "listen: [{ address: 127.0.0.1:80, proxy_protocol: { from: [] } }]\n",
        &[("1:53", "nobody is listed")],
    ),
    (
        "control on the traffic port",
        "control:\n  listen: 127.0.0.1:8080\n",
        &[("2:11", "a port of its own")],
    ),
    (
        "upstream is the control listener",
        "upstream: http://localhost:9090\n",
        &[("1:11", "the upstream is the control listener")],
    ),
    (
        "upstream is ourselves",
        "upstream:\n  servers:\n    - url: http://127.0.0.1:8080\n",
        &[("3:12", "requests would go round in circles")],
    ),
    (
        "upstream with a path",
        "upstream: http://127.0.0.1:5000/app\n",
        &[("1:11", "has a path or a query")],
    ),
    (
        "upstream without server",
        "upstream: {}\n",
        &[("1:1", "the key `servers` is missing")],
    ),
    (
        "detections as a map",
        "detections:\n  words: {}\n",
        &[("1:1", "the detections are no list")],
    ),
    (
        "unknown detection",
        "detections:\n  - word: {}\n",
        &[(
            "2:5",
            "did you mean `words`? the detections are `words`, `plain`",
        )],
    ),
    (
        "unknown detection by name alone",
        "detections:\n  - word\n",
        &[("2:5", "there is no detection `word`")],
    ),
    (
        "detection twice",
        "detections:\n  - words: {}\n  - plain\n  - words:\n",
        &[("4:5", "for the second time")],
    ),
    (
        "two in one item",
        "detections:\n  - words: {}\n    plain: {}\n",
        &[("2:5", "with a `- ` before each name")],
    ),
    (
        "settings are no map",
        "detections:\n  - words: 5\n",
        &[("2:12", "write `- words: { key: value }`")],
    ),
    (
        "status of no refusal",
        "detections:\n  - words: { status: 200 }\n",
        &[("2:22", "write a status from 400 to 599")],
    ),
    (
        "mode of a detection",
        "detections:\n  - words: { mode: off }\n",
        &[("2:20", "`enforce`, `monitor`")],
    ),
    (
        "unknown key of a detection",
        "detections:\n  - words: { wrods: [] }\n",
        &[(
            "2:14",
            "did you mean `words`? the keys here are `words`, `token`, `mode`, `status`, `on_error`",
        )],
    ),
    (
        "unknown key where there are none",
        "detections:\n  - plain: { word: a }\n",
        &[("2:14", "the keys here are `mode`, `status`, `on_error`")],
    ),
    (
        "meaning of a detection",
        "detections:\n  - words:\n      words: [{ id: a }, { id: a }]\n",
        &[("3:32", "the id `a` is here twice")],
    ),
    (
        "unset variable",
        "upstream: http://${HOST}:80\n",
        &[(
            "1:11",
            "`${HOST}` stands for nothing: the variable is not set",
        )],
    ),
    (
        "unreadable file",
        "upstream: ${file:/no/such}\n",
        &[("1:11", "`${file:/no/such}` stands for nothing")],
    ),
    (
        "no reference",
        "upstream: http://${ho-st}\n",
        &[("1:11", "`${ho-st}` is no reference")],
    ),
    (
        "unfinished reference",
        "upstream: http://${HOST\n",
        &[("1:11", "`${` is no reference")],
    ),
    (
        "a log too small to rotate",
        "events: { rotate: 1KiB }\n",
        &[("1:19", "write at least 4KiB, or 0B")],
    ),
    (
        "too many old logs",
        "events: { keep: 100000 }\n",
        &[("1:17", "write a number from 0 to 10000")],
    ),
    (
        "a log over the configuration",
        "events: { log: ./rules.yaml }\n",
        &[("1:16", "written into a file of the configuration")],
    ),
    (
        "every section at once",
        "version: 3\nlimits: { bodyy: 1 }\npolicy: { mode: x }\nclients: { ipv6_prefix: 0 }\ndetections:\n  - nothing\n  - words: { words: 1 }\n  - plain: { x: 1 }\n",
        &[
            ("1:10", "version 3"),
            ("2:11", "bodyy"),
            ("3:17", "`x`"),
            ("4:25", "0 is out of range"),
            ("6:5", "nothing"),
            ("7:21", "expected a list"),
            ("8:14", "`x`"),
        ],
    ),
];

#[test]
fn every_mistake_is_told_at_its_place() {
    assert_refused(REFUSED, &registry());
    assert_eq!(REFUSED.len(), 83);
}

/// What the detections that come with portcullis refuse.
const DETECTIONS_REFUSED: &[Refused] = &[
    (
        "a decoy that everybody asks for",
        "detections:\n  - enumeration: { decoys: [/.env, /] }\n",
        &[("2:36", "everybody asks for `/`, which `/` covers")],
    ),
    (
        "a decoy that is everything",
        "detections:\n  - enumeration: { decoys: [/*] }\n",
        &[("2:29", "everybody asks for `/`, which `/*` covers")],
    ),
    (
        "a status of no error",
        "detections:\n  - enumeration: { statuses: [404, 200] }\n",
        &[("2:36", "write statuses from 400 to 599")],
    ),
    (
        "an exclusion where no rule looks",
        "detections:\n  - malicious_payload: { exclusions: [{ place: client }] }\n",
        &[("2:48", "path, query, headers, cookies, body")],
    ),
    (
        "an exclusion for no path",
        "detections:\n  - malicious_payload: { exclusions: [{ path: wiki }] }\n",
        &[("2:47", "begin it with `/`, as in `/wiki`")],
    ),
    (
        "an exclusion of everything",
        "detections:\n  - malicious_payload: { exclusions: [{}] }\n",
        &[("2:39", "would switch off every rule everywhere")],
    ),
    (
        "a limit of nothing",
        "detections:\n  - rate_limit: { limits: [{ name: a, limit: 0, per: 1m }] }\n",
        &[("2:46", "would refuse every request")],
    ),
    (
        "a method in small letters",
        "detections:\n  - rate_limit: { limits: [{ name: a, limit: 1, per: 1m, methods: [get] }] }\n",
        &[("2:68", "write `GET`")],
    ),
    (
        "an agent that everybody has",
        "detections:\n  - user_agent: { block: [''] }\n",
        &[("2:27", "an empty pattern would match every agent")],
    ),
];

#[test]
fn the_detections_tell_their_mistakes_at_their_places() {
    assert_refused(DETECTIONS_REFUSED, &Registry::default());
    assert_eq!(DETECTIONS_REFUSED.len(), 9);
}

/// What is accepted with a warning.
const DOUBTED: &[(&str, &str)] = &[
    (
        "listen: [{ address: 127.0.0.1:8080, proxy_protocol: { from: [10.0.0.1, 0.0.0.0/0] } }]\n",
        "1:72: listen[0].proxy_protocol.from[1]: 0.0.0.0/0 is everybody: every client may say who it is",
    ),
    (
        "clients:\n  trusted: [10.0.0.0/8, 0.0.0.0/0]\n",
        "rules.yaml:2:25: clients.trusted[1]: 0.0.0.0/0 is everybody: nobody is judged",
    ),
    (
        "clients:\n  trusted_proxies: ['::/0']\n",
        "rules.yaml:2:21: clients.trusted_proxies[0]: ::/0 is everybody: every client may say who it is",
    ),
    (
        "clients: { identity: forwarded }\n",
        "1:22: clients.identity: without `trusted_proxies` no forwarding header is believed",
    ),
    (
        "clients: { identity: { header: X-Real-IP } }\n",
        "1:12: clients.identity: without `trusted_proxies` no forwarding header is believed",
    ),
    (
        "clients: { hosts: [{ host: a, identity: forwarded }] }\n",
        "1:22: clients.hosts[0]: without `trusted_proxies` no forwarding header is believed",
    ),
    (
        "clients: { hosts: [{ host: a, identity: forwarded, trusted_proxies: ['::/0'] }] }\n",
        "1:22: clients.hosts[0]: everybody is believed",
    ),
    (
        "clients: { identity: peer, trusted_proxies: [10.0.0.1] }\n",
        "1:22: clients.identity: all clients of a trusted proxy are that proxy",
    ),
    (
        "events: { log: none, access_log: true }\n",
        "1:34: events.access_log: the access log is written where `log` says",
    ),
    (
        "events: { rotate: 1MiB }\n",
        "1:19: events.rotate: only a file is rotated",
    ),
    (
        "events: { log: none, keep: 9 }\n",
        "1:28: events.keep: only a file is rotated",
    ),
    (
        "detections:\n  - ip_allowlist: { deny: [0.0.0.0/0] }\n",
        "`deny` has 0.0.0.0/0, which refuses everybody",
    ),
    (
        "detections:\n  - user_agent: { block: [] }\n",
        "so nobody is refused",
    ),
    (
        "detections:\n  - rate_limit: { limits: [] }\n",
        "it has no limits",
    ),
    (
        "detections:\n  - rate_limit: { limits: [{ name: a, key: header X-Key, limit: 1, per: 1m }] }\n",
        "add a limit with `key: client`",
    ),
    (
        "detections:\n  - malicious_payload: { builtin: false }\n",
        "so nothing is found",
    ),
    (
        "detections:\n  - enumeration: { statuses: [] }\n",
        "notices nobody",
    ),
];

#[test]
fn what_is_doubtful_is_a_warning() {
    for (text, expected) in DOUBTED {
        // Without the default chain, which takes a while to compile.
        let quiet = if text.starts_with("detections") {
            ""
        } else {
            "detections: []\n"
        };
        let text = format!("{text}{quiet}");
        let loaded = load_of(&text, &Registry::default(), &Fake::default());
        let warnings = loaded.unwrap_or_else(|report| panic!("{report}")).warnings;
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(
            warnings.iter().all(|warning| warning.contains(expected)),
            "{warnings:?}"
        );
    }
    assert_eq!(DOUBTED.len(), 17);
    let plain = "clients: { trusted_proxies: [10.0.0.0/8], identity: forwarded }\nevents: { log: e.jsonl, rotate: 1MiB, keep: 0 }\ndetections: []\n";
    assert_eq!(load_text(plain).expect("accepted").warnings, [""; 0]);
}

fn assert_refused(cases: &[Refused], registry: &Registry) {
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let Err(report) = load_of(text, registry, &Fake::default()) else {
            wrong.push(format!("{name}: accepted"));
            continue;
        };
        let found: Vec<(String, String)> = report
            .problems()
            .iter()
            .map(|problem| {
                let place = problem
                    .spot
                    .as_ref()
                    .map_or_else(String::new, |spot| format!("{}:{}", spot.line, spot.column));
                let said = format!(
                    "{}; {}",
                    problem.message,
                    problem.help.as_deref().unwrap_or("")
                );
                (place, said)
            })
            .collect();
        let fits = found.len() == expected.len()
            && found
                .iter()
                .zip(*expected)
                .all(|(found, expected)| found.0 == expected.0 && found.1.contains(expected.1));
        if !fits {
            wrong.push(format!("{name}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is accepted.
const ACCEPTED: &[&str] = &[
    "version: 1\n",
    "---\nversion: 1\n...\n",
    "\u{feff}version: 1\n",
    "version: 1\r\nlimits:\r\n  body: 2MiB\r\n",
    "listen: 0.0.0.0:8080\nupstream: http://10.0.0.1:8080\n",
    "listen: 127.0.0.1:0\ncontrol: { listen: 127.0.0.1:0 }\n",
    "listen: [{ address: \"[::]:8080\" }, { address: 0.0.0.0:8080 }]\n",
    "control: { listen: null }\nupstream: http://127.0.0.1:9090\n",
    "control:\nlimits:\npolicy: ~\n",
    "detections: []\n",
    "detections:\n  - words\n  - plain:\n",
    "detections:\n  - plain: { mode: monitor, status: 429, on_error: allow }\n",
    "detections:\n  - words: { words: [{ id: NO }, { id: '942100' }] }\n",
    "events: { log: 'Grüße/öffentlich.jsonl' }\n",
    "events: { log: events.jsonl, rotate: 0B, keep: 0 }\n",
];

/// A file that is being written, or was cut off, is empty; taken for a configuration it would swap in the defaults.
#[test]
fn an_empty_file_is_refused() {
    for text in ["", "# nothing but a comment\n", "---\n", "null\n"] {
        let report = load_text(text).expect_err(text);
        assert!(report.to_string().contains("this is empty"), "{report}");
    }
}

/// A list that is a pipe would be waited for, and a device read without end.
#[test]
fn a_list_is_a_regular_file_of_bounded_length() {
    for file in ["/dev/zero", "/dev"] {
        let text = format!("version: 1\ndetections:\n  - ip_allowlist: {{ files: [{file}] }}\n");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.yaml");
        std::fs::write(&path, text).expect("written");
        let (registry, shared) = (Registry::default(), Shared::default());
        let report = load(&Source::File(path), &registry, &shared, &Process, 1).expect_err(file);
        assert!(report.to_string().contains("no regular file"), "{report}");
    }
}

#[test]
fn what_is_right_is_accepted() {
    for text in ACCEPTED {
        if let Err(report) = load_text(text) {
            panic!("{text:?}\n{report}");
        }
    }
    assert_eq!(ACCEPTED.len(), 15);
}

#[test]
fn a_report_draws_the_line_the_caret_and_the_help() {
    let document = Document::parse(
        "rules.yaml",
        "limits:\n  bodyy: 1MiB\n  bodyy: 2\n",
        Path::new(""),
        &Fake::default(),
    );
    let drawn = document.expect_err("a duplicate").to_string();
    assert_eq!(
        drawn,
        "\
error: the key `bodyy` is here for the second time
 --> rules.yaml:3:3
  |
3 |   bodyy: 2
  |   ^^^^^
  |
  = help: keep one of the two
note: it is here for the first time
 --> rules.yaml:2:3
  |
2 |   bodyy: 1MiB
  |   -----"
    );
}

#[test]
fn a_report_is_a_list_for_machines() {
    let report = load_text("limits:\n  bodyy: 1MiB\n").expect_err("an unknown key");
    let json = report.to_json();
    let item = json.get(0).expect("one item");
    let field = |name: &str| item.get(name).cloned().expect("a field");
    assert_eq!(field("line"), 2);
    assert_eq!(field("column"), 3);
    assert_eq!(field("path"), "limits.bodyy");
    assert_eq!(field("message"), "the key `bodyy` is unknown");
    assert!(
        field("file")
            .as_str()
            .expect("a name")
            .ends_with("rules.yaml")
    );
    assert!(field("help").as_str().expect("help").contains("`body`"));
}

#[test]
fn a_text_that_is_too_large_is_refused_unread() {
    let text = "#".repeat((4 << 20) + 1);
    let report = load_text(&text).expect_err("too large");
    assert!(report.to_string().contains("at most 4MiB"));
}

#[test]
fn nesting_costs_nothing() {
    for (open, close) in [
        ("[", "]"),
        ("{a: ", "}"),
        ("- ", ""),
        ("? ", ""),
        ("a:\n ", ""),
    ] {
        let text = format!("a: {}{}", open.repeat(100_000), close.repeat(100_000));
        let begun = portcullis::proxy::clock::now();
        load_text(&text).expect_err("nested too deep");
        let taken = begun.elapsed();
        assert!(taken.as_secs() < 5, "{open:?} took {taken:?}");
    }
    let deep = format!("events: {}{}\n", "[".repeat(65), "]".repeat(65));
    let said = load_text(&deep).expect_err("nested too deep").to_string();
    assert!(said.contains("nested more than 64 deep"), "{said}");
}

#[test]
fn many_mistakes_cost_little_and_are_counted() {
    let text: String = (0..20_000).map(|n| format!("key{n}: 1\n")).collect();
    let begun = portcullis::proxy::clock::now();
    let report = load_text(&text).expect_err("unknown keys");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(report.problems().len(), 51);
    assert!(
        report
            .to_string()
            .contains("19950 more mistakes are not shown")
    );
}

// === What comes from outside the file ===

#[test]
fn references_become_text_and_nothing_else() {
    let environment = Fake::of(&[
        ("HOST", "10.0.0.9"),
        ("TOKEN", "a: [b]\n- c"),
        ("/run/secrets/token", "hunter22\n"),
        ("PORT", "8000"),
    ]);
    let loaded = load_with(
        "upstream: http://${HOST}:${PORT}\nevents: { log: '$${HOST}-$$' }\ndetections: [{ words: { token: '${TOKEN}' } }]\n",
        &environment,
    )
    .expect("accepted");
    assert_eq!(
        loaded
            .settings
            .upstream
            .servers
            .first()
            .map(|server| server.url.to_string()),
        Some("http://10.0.0.9:8000".into())
    );
    assert_eq!(
        String::from(loaded.settings.events.log.clone()),
        "${HOST}-$$"
    );
    let own = &loaded.settings.detections.first().expect("one").own;
    assert_eq!(
        own.get("token").and_then(|token| token.as_str()),
        Some("a: [b]\n- c")
    );

    let loaded = load_with(
        "detections: [{ words: { token: '${file:/run/secrets/token}' } }]\n",
        &environment,
    )
    .expect("accepted");
    let own = &loaded.settings.detections.first().expect("one").own;
    assert_eq!(
        own.get("token").and_then(|token| token.as_str()),
        Some("hunter22")
    );
    assert!(
        loaded.files.paths().any(|file| file.ends_with("token")),
        "{:?}",
        loaded.files
    );
}

/// Secrets in all the places where a message might quote them.
#[test]
fn what_comes_from_outside_is_never_shown() {
    const SECRETS: [&str; 5] = [
        "hunter2-secret",
        "hunter2\n\"secret\"",
        "(hunter2",
        "http://u:hunter2@x",
        "h2",
    ];
    const TEXTS: [&str; 13] = [
        "upstream: ${S}\n",
        "upstream: http://x:${S}/\n",
        "listen: ${S}\n",
        "limits: ${S}\n",
        "limits: { body: '${S}', headers: '${S}' }\n",
        "policy: { mode: '${S}' }\n",
        "clients: { trusted: ['${S}', 'x${S}y'] }\n",
        "version: ${S}\n",
        "detections: ['${S}']\n",
        "detections: '${S}'\n",
        "detections: [{ words: '${S}' }]\n",
        "detections: [{ words: { words: [{ id: '${S}' }, { id: '${S}' }] } }]\n",
        "detections: [{ words: { words: '${S}', mode: '${S}' } }]\n",
    ];
    for secret in SECRETS {
        for text in TEXTS {
            let report = load_with(text, &Fake::of(&[("S", secret)])).expect_err(text);
            let shown = format!("{report}\n{}\n{report:?}", report.to_json());
            // The name of the folder is random, and may hold the shortest secret.
            let shown = shown.replace(report.file(), "rules.yaml");
            assert!(
                !shown.contains("hunter2") && !shown.contains("h2"),
                "{text}: {shown}"
            );
            assert!(shown.contains("${S}"), "{text}: {shown}");
        }
        let loaded = load_with(
            "events: { log: 'x${S}' }\ndetections: [{ words: { token: '${S}', words: [{ id: '${S}' }] } }]\n",
            &Fake::of(&[("S", secret)]),
        )
        .expect("accepted");
        let effective = serde_yaml::to_string(&loaded.effective(&registry())).expect("YAML");
        let debug = format!("{:?}", loaded.settings.detections);
        assert!(!debug.contains("hunter2"), "{debug}");
        if secret.len() >= 4 {
            assert!(!effective.contains("hunter2"), "{effective}");
            assert!(
                effective.contains("id: ${S}") && effective.contains("token: '[masked]'"),
                "{effective}"
            );
        }
    }
}

#[test]
fn the_real_environment_has_variables_and_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").expect("a file");
    assert_eq!(Process.file(&path).expect("readable"), "hunter2\n");
    std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).expect("a file");
    assert!(Process.file(&path).is_err());
    assert!(Process.file(folder.path()).is_err());
    assert!(Process.variable("PATH").is_ok());
    assert!(Process.variable("PORTCULLIS_NO_SUCH_VARIABLE").is_err());
}

// === Properties ===

/// Bytes that are more often YAML than mere noise is.
fn yaml_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("detections:"),
        Just("- words:"),
        Just("limits:"),
        Just("body:"),
        Just("1MiB"),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just(" "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just("- "),
        Just(": "),
        Just("? "),
        Just("\""),
        Just("'"),
        Just("#"),
        Just("|"),
        Just(">"),
        Just("&a "),
        Just("*a"),
        Just("!x "),
        Just("---\n"),
        Just("${A}"),
        Just("$${"),
        Just("é"),
        Just("\t"),
        Just("%"),
        Just("\r\n"),
        Just("\u{2028}"),
    ];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in yaml_like()) {
        if let Err(report) = load_text(&text) {
            prop_assert!(!report.problems().is_empty());
            prop_assert!(!report.draw(true).is_empty());
        }
    }

    #[test]
    fn no_noise_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(report) = load_text(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(!report.to_string().is_empty());
        }
    }
}
