//! A path that is limited or forbidden stays so in every spelling.
//!
//! What a spelling is, says a handful of servers, written down here each for itself: whatever one of them takes for the
//! path must be caught, and a plain path that none of them takes for it must not.

use std::sync::Arc;
use std::time::Instant;

use portcullis::clients::Clients;
use portcullis::engine::{Policy, Registry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::judge::{Request, policy};
use crate::support::{Proxy, Upstream, json};

// === Servers ===

/// Percent escapes decoded once; what is none stays.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let digits = path.get(at + 1..at + 3);
        let byte = digits
            .filter(|digits| path[at] == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(path[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Segments with `.` and `..` resolved; empty ones are kept or not.
fn resolve(segments: Vec<Vec<u8>>, keep_empty: bool) -> Vec<u8> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    let last = segments.len().saturating_sub(1);
    for (index, segment) in segments.into_iter().enumerate() {
        match &segment[..] {
            b".." => drop(stack.pop()),
            b"." => {}
            // A slash at the end is forgiven.
            b"" if !keep_empty || index == last => {}
            _ => stack.push(segment),
        }
    }
    let joined = stack.join(&b'/');
    [b"/", &joined[..]].concat()
}

fn split(path: &[u8], separators: &[u8]) -> Vec<Vec<u8>> {
    let segments = path.split(|byte| separators.contains(byte));
    segments.skip(1).map(<[u8]>::to_vec).collect()
}

fn cut(segment: &[u8], at: u8) -> Vec<u8> {
    let end = segment.iter().position(|byte| *byte == at);
    segment[..end.unwrap_or(segment.len())].to_vec()
}

type Server = fn(&[u8]) -> Vec<u8>;

/// Decodes, merges slashes, resolves.
fn merging(path: &[u8]) -> Vec<u8> {
    resolve(split(&decode(path), b"/"), false)
}

/// Decodes and resolves, and takes an empty segment for one.
fn literal(path: &[u8]) -> Vec<u8> {
    resolve(split(&decode(path), b"/"), true)
}

/// Resolves as RFC 3986 says, then decodes.
fn resolving_first(path: &[u8]) -> Vec<u8> {
    let dots = String::from_utf8_lossy(path)
        .replace("%2e", ".")
        .replace("%2E", ".");
    decode(&resolve(split(dots.as_bytes(), b"/"), true))
}

/// As browsers do: `\` is `/`.
fn resolving_backslashes_first(path: &[u8]) -> Vec<u8> {
    let dots = String::from_utf8_lossy(path)
        .replace("%2e", ".")
        .replace("%2E", ".");
    decode(&resolve(split(dots.as_bytes(), b"/\\"), true))
}

/// Drops parameters from each segment, decodes, merges, resolves.
fn with_parameters(path: &[u8]) -> Vec<u8> {
    let segments = split(path, b"/");
    let names = segments.iter().map(|segment| decode(&cut(segment, b';')));
    let path = [b"/", &names.collect::<Vec<_>>().join(&b'/')[..]].concat();
    resolve(split(&path, b"/"), false)
}

/// Decodes, ends at a NUL, merges, resolves.
fn ending_at_nul(path: &[u8]) -> Vec<u8> {
    resolve(split(&cut(&decode(path), 0), b"/"), false)
}

/// Decodes, drops NULs, merges, resolves.
fn dropping_nuls(path: &[u8]) -> Vec<u8> {
    let mut path = decode(path);
    path.retain(|byte| *byte != 0);
    resolve(split(&path, b"/"), false)
}

/// Decodes twice, takes `\` for `/`, and drops dots and spaces at the end of names.
fn with_windows_names(path: &[u8]) -> Vec<u8> {
    let mut segments = split(&decode(&decode(path)), b"/\\");
    for segment in &mut segments {
        while segment.last() == Some(&b' ') {
            segment.pop();
        }
        let is_dots = matches!(&segment[..], b"." | b"..");
        while !is_dots && matches!(segment.last(), Some(b'.' | b' ')) {
            segment.pop();
        }
    }
    resolve(segments, false)
}

/// Decodes three times, merges, resolves.
fn decoding_thrice(path: &[u8]) -> Vec<u8> {
    resolve(split(&decode(&decode(&decode(path))), b"/"), false)
}

/// Takes overlong UTF-8 for what it would be.
fn forgiving_overlong(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let bytes = decode(path);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [first @ (0xc0 | 0xc1), second @ 0x80..=0xbf, ..] => {
                decoded.push((first & 3) << 6 | (second & 0x3f));
                at += 2;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    resolve(split(&decoded, b"/"), false)
}

const SERVERS: [(&str, Server); 10] = [
    ("merging", merging),
    ("literal", literal),
    ("resolving first", resolving_first),
    ("resolving backslashes first", resolving_backslashes_first),
    ("with parameters", with_parameters),
    ("ending at NUL", ending_at_nul),
    ("dropping NULs", dropping_nuls),
    ("with Windows names", with_windows_names),
    ("decoding thrice", decoding_thrice),
    ("forgiving overlong", forgiving_overlong),
];

/// The servers that take a path for another one.
fn takers(path: &str, wanted: &str) -> Vec<&'static str> {
    let takes = |server: &Server| server(path.as_bytes()) == wanted.as_bytes();
    SERVERS
        .iter()
        .filter(|(_, server)| takes(server))
        .map(|(name, _)| *name)
        .collect()
}

// === Limits ===

const LIMITED: &str = "/api/login";

fn limited() -> Arc<Policy> {
    let limit = format!("{{ name: login, key: global, limit: 1, per: 1h, path: {LIMITED} }}");
    let yaml = format!("detections:\n  - rate_limit: {{ limits: [{limit}] }}\n");
    policy(&yaml, &Registry::default())
}

/// Whether a request for `path` is refused once the limit of [`LIMITED`] is used up.
fn is_limited(path: &str) -> bool {
    let (policy, facts, now) = (limited(), Clients::scratch(), Instant::now());
    let passes = |path| {
        let judged = Request::get(path).judged(&policy, &facts, now);
        judged.permit().is_ok()
    };
    assert!(passes(LIMITED));
    !passes(path)
}

/// Spellings of `/api/login`, all but the first group of the kinds.
const SPELLINGS: [&str; 66] = [
    "/api/login",
    "/api/login/",
    "/api/login//",
    "//api/login",
    "/api//login",
    "///api////login",
    "/./api/login",
    "/api/./login",
    "/api/login/.",
    "/api/login/./",
    "/x/../api/login",
    "/api/x/../login",
    "/api/login/x/..",
    "/../api/login",
    "/../../../api/login",
    "/x/y/../../api/login",
    "/x/./../api/login",
    "/x//../api/login",
    "/api;v=1/login",
    "/api/login;jsessionid=1",
    "/api/login;",
    "/api/login;a;b=c",
    "/;x/api/login",
    "/x/..;/api/login",
    "/x/..;a=b/api/login",
    "/api%2flogin",
    "/api%2Flogin",
    "%2fapi/login",
    "/api/%6cogin",
    "/%61%70%69/%6c%6f%67%69%6e",
    "/%2e/api/login",
    "/api/%2e/login",
    "/x/%2e%2e/api/login",
    "/x/.%2e/api/login",
    "/x/%2E./api/login",
    "/x/%2e%2e%2fapi%2flogin",
    "/x%2f..%2fapi/login",
    "/api/%256cogin",
    "/api%252flogin",
    "/x/%252e%252e/api/login",
    "/api/%25256cogin",
    "/api/%2525252525256cogin",
    "/x/%25252e%25252e%25252fapi/login",
    "/api/login.",
    "/api/login...",
    "/api./login",
    "/api/login%2e",
    "/api/login%20",
    "/api/login%20.%20",
    "/api/login%09",
    "/api/login%0a",
    "\\api\\login",
    "/api\\login",
    "/api%5clogin",
    "/api%255clogin",
    "/x\\..\\api\\login",
    "/x/..%5capi/login",
    "/api/login%00",
    "/api/login%00.png",
    "/api/login%2500.png",
    "/api/lo%00gin",
    "/api%c0%aflogin",
    "/x/%c0%ae%c0%ae/api/login",
    "/api/%c1%acogin",
    "/api/%e0%81%acogin",
    "/api%25c0%25aflogin",
];

/// Spellings that only some servers take for it, and that others take for another path.
const SOME_SERVERS: [&str; 14] = [
    "/api/x%2fy/../login",
    "/api/x%252fy/../login",
    "/api/x%5cy/../login",
    "/api/x\\y/../login",
    "/api/login//..",
    "/api/x/y/..%2f../login",
    "/api/login/x;/..",
    "/api/.../../login",
    "/api/login%00/../x",
    "/x%00/../api/login",
    "/x/y/..;/../api/login",
    "/api;x=y%2fapi/login",
    "/api;%78%3d%2579%252%66%2fapi/l%6f%67in",
    "/api/x/y/.. /../login",
];

/// Other paths.
const LOOK_ALIKES: [&str; 30] = [
    "/",
    "/api",
    "/login",
    "/api/logi",
    "/api/logins",
    "/api/login2",
    "/api/login/x",
    "/api/xlogin",
    "/api/log/in",
    "/apilogin",
    "/xapi/login",
    "/api/v1/login",
    "/x/api/login",
    "/api/Login",
    "/API/LOGIN",
    "/api/login-help",
    "/api/login.html",
    "/api/login.json",
    "/api/.login",
    "/api/login%2fx",
    "/api/%6cogi",
    "/api/logi%6e2",
    "/api/login/../x",
    "/api/../login",
    "/api/login/..",
    "/api/login%2f..",
    "/api/..%2flogin",
    "/?path=/api/login",
    "/x?/../api/login",
    "/api/log%69n/x;y",
];

#[test]
fn a_limit_holds_for_every_spelling_and_not_for_look_alikes() {
    for path in SPELLINGS.iter().chain(&SOME_SERVERS) {
        assert!(is_limited(path), "{path}");
    }
    for path in LOOK_ALIKES {
        assert!(!is_limited(path), "{path}");
    }
    let long = format!("/x{}/../api/login", "/y".repeat(2000));
    assert!(
        is_limited(&long),
        "whatever a path means that is twisted and long"
    );
    assert!(!is_limited(&format!("/x{}/api/login", "/y".repeat(2000))));
}

#[test]
fn the_servers_take_different_spellings() {
    for (name, server) in SERVERS {
        assert_eq!(server(LIMITED.as_bytes()), LIMITED.as_bytes(), "{name}");
        let taken = SPELLINGS.iter().chain(&SOME_SERVERS);
        let taken = taken.filter(|path| server(path.as_bytes()) == LIMITED.as_bytes());
        assert!(taken.count() > 10, "{name}");
    }
    for path in SOME_SERVERS.iter().filter(|path| !path.contains("...")) {
        let number = takers(path, LIMITED).len();
        assert!(number > 0, "{path}: {number}");
    }
    for path in LOOK_ALIKES {
        let path = path.split('?').next().unwrap();
        assert_eq!(takers(path, LIMITED), [""; 0], "{path}");
    }
}

// === All of them, by chance ===

const PIECES: [&str; 44] = [
    "/",
    "/",
    "/",
    "//",
    "\\",
    "%2f",
    "%5C",
    "%252f",
    "%255c",
    ".",
    "..",
    "..",
    "%2e",
    "%2e%2e",
    "%252e",
    ".%2E",
    "...",
    ";",
    ";x",
    ";x=y",
    "%3b",
    "%00",
    "%2500",
    " ",
    "%20",
    "%0a",
    "api",
    "api",
    "api",
    "login",
    "login",
    "login",
    "%61pi",
    "%256cogin",
    "lo%00gin",
    "x",
    "y",
    "x/..",
    "%c0%ae",
    "%c0%af",
    "/../",
    "/./",
    "api/",
    "/login",
];

/// `/api/login` with something between or within its parts that many servers take for nothing.
fn mangled() -> impl Strategy<Value = String> {
    let nothing = prop_oneof![
        3 => Just(String::new()),
        1 => select(&["/.", "//", "/x/..", "/x/%2e%2e", "/x%2f..", "\\x\\..", "/x/..;y", "/x%00/..", "/./.", "/x/y/../.."][..])
            .prop_map(Into::into),
        1 => vec(select(&PIECES[..]), 0..4).prop_map(|pieces| pieces.concat()),
    ];
    let end = prop_oneof![
        2 => Just(String::new()),
        1 => select(&["/", ".", "%20", ";", ";x", "%00", "%00x", "/.", "/x/..", "\\", "%2f", "%252e"][..])
            .prop_map(Into::into),
    ];
    (
        nothing.clone(),
        end.clone(),
        nothing,
        end,
        0..3_u8,
        any::<u64>(),
    )
        .prop_map(|(first, after_api, second, after_login, times, which)| {
            let path = format!("{first}/api{after_api}{second}/login{after_login}");
            // Some letters are escaped, some of these again.
            let mut path = if path.starts_with('/') {
                path
            } else {
                format!("/{path}")
            };
            for round in 0..times {
                let escaped = path.bytes().enumerate().map(|(index, byte)| {
                    let chosen = which.rotate_left(u32::from(round) * 7) >> (index % 64) & 3 == 0;
                    match byte {
                        b'/' if index == 0 => "/".into(),
                        _ if chosen => format!("%{byte:02x}"),
                        _ => char::from(byte).to_string(),
                    }
                });
                path = escaped.collect();
            }
            path
        })
}

fn any_path() -> impl Strategy<Value = String> {
    let random = vec(select(&PIECES[..]), 0..9).prop_map(|pieces| format!("/{}", pieces.concat()));
    prop_oneof![2 => mangled(), 1 => random]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Whatever some server takes for the path is limited.
    #[test]
    fn what_a_server_takes_for_the_path_is_limited(path in any_path()) {
        let takers = takers(&path, LIMITED);
        prop_assert!(takers.is_empty() || is_limited(&path), "{path} by {takers:?}");
    }

    /// A plain path is limited if it is the path, and else not.
    #[test]
    fn a_plain_path_is_what_it_is(segments in vec(select(&["api", "login", "x", "Api", "login.x", "logins"][..]), 0..4)) {
        let path = format!("/{}", segments.join("/"));
        prop_assert_eq!(is_limited(&path), path == LIMITED);
    }
}

// === Decoys and counting ===

#[test]
fn a_decoy_is_one_in_every_spelling() {
    let yaml = format!("detections:\n  - enumeration: {{ decoys: [{LIMITED}] }}\n");
    let policy = policy(&yaml, &Registry::default());
    let now = Instant::now();
    let passes = |path: &str| {
        let judged = Request::get(path).judged(&policy, &Clients::scratch(), now);
        judged.permit().is_ok()
    };
    for path in SPELLINGS.iter().chain(&SOME_SERVERS) {
        assert!(!passes(path), "{path}");
    }
    for path in LOOK_ALIKES {
        assert!(passes(path), "{path}");
    }
}

/// An upstream that knows no path.
fn lost() -> Upstream {
    Upstream::start(|_| json("404 Not Found", "{}"))
}

#[test]
fn one_path_in_many_spellings_is_one_guess() {
    let upstream = lost();
    let yaml = "detections:\n  - enumeration: { limit: 2 }\n";
    let proxy = Proxy::start(&upstream, yaml);
    for path in [
        "/a;1", "/a;2", "/a", "/a/", "//a", "/%61", "/a.", "/./a", "/a%20", "/a;x=y",
    ] {
        assert_eq!(proxy.get(path).status, 404, "{path}");
    }
    assert_eq!(proxy.get("/b").status, 404);
    assert_eq!(proxy.get("/c").status, 403);
}

#[test]
fn many_guesses_are_many_whatever_else_they_could_be_read_as() {
    // To a server that merges slashes all of these are `/x`.
    let upstream = lost();
    let yaml = "detections:\n  - enumeration: { limit: 5 }\n";
    let proxy = Proxy::start(&upstream, yaml);
    let statuses: Vec<u16> = (0..8)
        .map(|n| proxy.get(&format!("/x/guess{n}//..")).status)
        .collect();
    assert_eq!(statuses, [404, 404, 404, 404, 404, 403, 403, 403]);
}

#[test]
fn the_limit_holds_over_the_wire() {
    let upstream = Upstream::plain();
    let limit = format!("{{ name: login, key: client, limit: 1, per: 1h, path: {LIMITED} }}");
    let yaml = format!("detections:\n  - rate_limit: {{ limits: [{limit}] }}\n");
    let proxy = Proxy::start(&upstream, &yaml);
    assert_eq!(proxy.get(LIMITED).status, 200);
    for path in SPELLINGS.iter().chain(&SOME_SERVERS) {
        // What is no request at all (a space, no slash) is refused as such.
        let status = proxy.get(path).status;
        assert!(matches!(status, 400 | 403), "{path}: {status}");
    }
    assert_eq!(upstream.count(), 1);
    let passed = LOOK_ALIKES
        .iter()
        .filter(|path| proxy.get(path).status == 200);
    assert_eq!(passed.count(), LOOK_ALIKES.len());
}

#[test]
fn an_exemption_holds_for_the_path_as_it_is_written_alone() {
    let rule = "patterns: [{ id: word, words: [malicious] }]";
    let yaml = format!(
        "detections:\n  - malicious_payload: {{ builtin: false, {rule}, exclusions: [{{ path: {LIMITED} }}] }}\n"
    );
    let policy = policy(&yaml, &Registry::default());
    let passes = |path: &str| {
        let request = Request::get(&format!("{path}?q=malicious"));
        let judged = request.judged(&policy, &Clients::scratch(), Instant::now());
        judged.permit().is_ok()
    };
    let plain = ["/api/login", "/api/login/"];
    for path in SPELLINGS.iter().chain(&SOME_SERVERS) {
        assert_eq!(passes(path), plain.contains(path), "{path}");
    }
    // Below it the exemption holds, too.
    let below = ["/api/login/x"];
    for path in LOOK_ALIKES.iter().filter(|path| !path.contains('?')) {
        assert_eq!(passes(path), below.contains(path), "{path}");
    }
}
