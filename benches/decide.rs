//! What the judgement of a request costs: the default chain in total, and each of its detections alone.
//!
//! ```text
//! cargo bench --bench decide                        time of each case, and allocations
//! cargo bench --bench decide -- --instructions      instructions of each case, counted by valgrind
//! ```
//!
//! Times on a shared machine say little; instructions are the same in every run. An instruction count is the difference
//! between a run of the case and one of twice as many rounds, so that start and loading do not count.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench measures time, reads its arguments and prints"
)]

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use portcullis::app::{self, Source};
use portcullis::clients::Clients;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::decide::Evaluation;
use portcullis::engine::policy::{PolicyConfig, Revision};
use portcullis::engine::{BodyNeed, Outcome, Policy, Registry};
use portcullis::request::{BodyView, ClientIdentity, RequestView, ResponseView};

/// Rounds of one measurement; the median of several is shown.
const ROUNDS: u64 = 20_000;
const MEASUREMENTS: usize = 15;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", case, chain, rounds] => {
            let case = cases()
                .into_iter()
                .find(|known| known.name == case)
                .unwrap();
            let policy = chains()
                .into_iter()
                .find(|(name, _)| name == chain)
                .unwrap()
                .1;
            case.run(&policy, rounds.parse().unwrap());
        }
        ["--instructions"] => instructions(),
        _ => times(),
    }
}

/// A request of the kind that an API gets all day.
struct Case {
    name: &'static str,
    method: Method,
    target: &'static str,
    /// One after the other, round and round.
    headers: Vec<HeaderMap>,
    body: Vec<u8>,
}

/// So many clients that none is remembered when it comes again.
const STRANGERS: usize = 4_096;

/// The same headers from clients of which each has a browser, a language and a page of its own.
fn strangers(headers: &HeaderMap) -> Vec<HeaderMap> {
    let stranger = |number: usize| {
        let mut headers = headers.clone();
        for name in [
            header::USER_AGENT,
            header::ACCEPT,
            header::ACCEPT_LANGUAGE,
            header::ACCEPT_ENCODING,
            header::REFERER,
            header::HOST,
        ] {
            let value = headers.get(&name).unwrap().to_str().unwrap();
            // As long as it was, so that the two cases differ in nothing else.
            let (kept, _) = value.split_at(value.len() - 4);
            headers.insert(name, format!("{kept}{number:04}").try_into().unwrap());
        }
        headers
    };
    (0..STRANGERS).map(stranger).collect()
}

fn cases() -> Vec<Case> {
    let browser = [
        ("host", "shop.example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        ),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.7"),
        ("accept-encoding", "gzip, deflate, br"),
        ("referer", "https://shop.example.com/products?page=3"),
        (
            "cookie",
            "session=OgOFFet3HfjWYASvqtprw2uvGP2UsuG1; _ga=GA1.2.594747496.1713195355",
        ),
    ];
    let headers = |more: &[(&'static str, &'static str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in browser.iter().chain(more) {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        map
    };
    let line = r#"{"id":97883,"title":"Walnut table","description":"Oiled by hand, seats six; it's sturdy & well made.","price":12.50,"tags":["new","sale"],"stock":{"berlin":3,"wien":0}}"#;
    let json = |lines| {
        let items = vec![line; lines].join(",");
        format!("{{\"items\":[{items}],\"note\":\"x\"}}").into_bytes()
    };
    vec![
        Case {
            name: "GET",
            method: Method::GET,
            target: "/api/v1/products/4711/reviews?sort=newest&page=2&q=walnut+table",
            headers: vec![headers(&[])],
            body: Vec::new(),
        },
        Case {
            name: "GET-of-strangers",
            method: Method::GET,
            target: "/api/v1/products/4711/reviews?sort=newest&page=2&q=walnut+table",
            headers: strangers(&headers(&[])),
            body: Vec::new(),
        },
        Case {
            name: "POST-2KiB-JSON",
            method: Method::POST,
            target: "/api/v1/products",
            headers: vec![headers(&[("content-type", "application/json")])],
            body: json(12),
        },
        Case {
            name: "POST-64KiB-JSON",
            method: Method::POST,
            target: "/api/v1/products",
            headers: vec![headers(&[("content-type", "application/json")])],
            body: json(390),
        },
    ]
}

/// The default chain, each detection of it alone, and no detection at all.
fn chains() -> Vec<(String, Arc<Policy>)> {
    let registry = Registry::default();
    let load = |source: &Source| {
        let loaded = app::load(source, &registry, &Shared::default(), &Process, 1);
        Arc::new(
            loaded
                .unwrap_or_else(|report| panic!("{}", report.draw(false)))
                .compiled
                .policy,
        )
    };
    let default = load(&Source::Embedded);
    let names: Vec<_> = default
        .chain
        .links()
        .iter()
        .map(|link| link.name.to_string())
        .collect();
    let mut chains = vec![("default".to_owned(), default)];
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(
            &path,
            format!("version: 1\ndetections:\n  - {name}: {{}}\n"),
        )
        .unwrap();
        chains.push((name, load(&Source::File(path))));
    }
    let nothing = Policy::new(
        Revision::default(),
        &PolicyConfig::default(),
        Arc::default(),
    );
    chains.push(("none".to_owned(), Arc::new(nothing)));
    chains
}

impl Case {
    /// How many small requests one of these stands for: a large one is judged fewer times.
    fn weight(&self) -> u64 {
        1 + self.body.len() as u64 / (8 << 10)
    }

    /// Judges the request as the proxy does, head, body and answer, `rounds` times.
    fn run(&self, policy: &Arc<Policy>, rounds: u64) {
        let facts = Clients::new(100_000, [7; 16]);
        let client = ClientIdentity::from_peer([203, 0, 113, 7].into());
        let begun = Instant::now();
        let senders = self.headers.iter().cycle();
        for (round, headers) in (0..rounds).zip(senders) {
            // A bench sends faster than any client may; its clock goes faster, too.
            let now = begun + Duration::from_millis(200) * u32::try_from(round).unwrap();
            self.judge(policy, &facts, &client, headers, now);
        }
    }

    fn judge(
        &self,
        policy: &Arc<Policy>,
        facts: &Clients,
        client: &ClientIdentity,
        headers: &HeaderMap,
        now: Instant,
    ) {
        let view = RequestView::new(
            &self.method,
            black_box(self.target),
            black_box(headers),
            client,
        );
        let mut evaluation = Evaluation::begin(policy, &view);
        evaluation.on_headers(&view, facts, now);
        if !self.body.is_empty() && evaluation.body_need(&view, facts, now) != BodyNeed::None {
            let body = BodyView::new(headers, black_box(&self.body));
            evaluation.on_body(&view, &body, facts, now);
        }
        let answer = ResponseView {
            status: http::StatusCode::OK,
            headers,
        };
        evaluation.on_response(&view, &answer, facts, now);
        assert_eq!(
            black_box(evaluation).outcome(),
            Outcome::Pass,
            "a bench request passes"
        );
    }
}

fn times() {
    println!(
        "{:<16} {:<18} {:>10} {:>12}",
        "case", "chain", "ns", "allocations"
    );
    for case in cases() {
        let many = ROUNDS / case.weight();
        for (name, policy) in chains() {
            let mut measured: Vec<_> = (0..MEASUREMENTS)
                .map(|_| {
                    let begun = Instant::now();
                    case.run(&policy, many);
                    begun.elapsed().as_nanos() / u128::from(many)
                })
                .collect();
            measured.sort_unstable();
            let rounds = 1_000 / case.weight();
            case.run(&policy, 1);
            let allocations = allocation_counter::measure(|| case.run(&policy, rounds)).count_total;
            let fixed = allocation_counter::measure(|| case.run(&policy, 0)).count_total;
            let median = measured.get(MEASUREMENTS / 2).copied().unwrap_or_default();
            let each = (allocations - fixed) as f64 / rounds as f64;
            println!("{:<16} {name:<18} {median:>10} {each:>12.1}", case.name);
        }
    }
}

fn instructions() {
    println!("{:<16} {:<18} {:>12}", "case", "chain", "instructions");
    for case in cases() {
        let rounds = 1_000 / case.weight();
        for (name, _) in chains() {
            let (once, twice) = (
                count(case.name, &name, rounds),
                count(case.name, &name, 2 * rounds),
            );
            println!(
                "{:<16} {name:<18} {:>12}",
                case.name,
                twice.saturating_sub(once) / rounds
            );
        }
    }
}

/// The instructions of a run of this program, as valgrind counts them.
fn count(case: &str, chain: &str, rounds: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--run", case, chain, &rounds.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let digits = collected.unwrap_or_else(|| panic!("{said}")).1;
    digits.trim().parse().unwrap()
}
