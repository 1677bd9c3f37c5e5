//! What a request costs in allocations once everything is warm: nothing, in a detection that passes. What a body may cost
//! at most.
//!
//! The view's own are counted apart: a head has one for its lines and one for its values, and a few for each value that
//! had to be decoded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::app::{self, Source};
use portcullis::clients::Clients;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::{Evaluation, Outcome, Policy, Registry};
use portcullis::proxy::clock;
use portcullis::request::{BodyView, ClientIdentity, RequestView, ResponseView};

/// The shipped configuration.
fn policy() -> Arc<Policy> {
    let registry = Registry::default();
    let loaded = app::load(
        &Source::Embedded,
        &registry,
        &Shared::default(),
        &Process,
        1,
    );
    Arc::new(
        loaded
            .unwrap_or_else(|report| panic!("{}", report.draw(false)))
            .compiled
            .policy,
    )
}

fn headers() -> HeaderMap {
    let headers = [
        ("host", "shop.example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        ),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.7"),
        ("content-type", "application/json"),
        ("cookie", "session=OgOFFet3HfjWYASvqtprw2uv; theme=dark"),
    ];
    let headers = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    headers.into_iter().collect()
}

/// A request that is judged again and again, each time at a later time.
struct Judged {
    policy: Arc<Policy>,
    facts: Clients,
    client: ClientIdentity,
    headers: HeaderMap,
    now: Instant,
}

impl Judged {
    /// How many allocations the chain makes for a request whose values are taken apart already.
    fn allocations(&mut self, method: &Method, target: &str, body: &[u8]) -> u64 {
        self.now += Duration::from_secs(1);
        let view = RequestView::new(method, target, &self.headers, &self.client);
        let body = BodyView::new(&self.headers, body);
        assert!(!view.inputs().is_empty());
        assert_eq!(body.inputs().is_empty(), body.bytes().is_empty());
        assert!(view.normalized_path().starts_with('/'));
        let mut evaluation = Evaluation::begin(&self.policy, &view);
        let answer = ResponseView {
            status: http::StatusCode::OK,
            headers: &self.headers,
        };
        let measured = allocation_counter::measure(|| {
            evaluation.on_headers(&view, &self.facts, self.now);
            evaluation.on_body(&view, &body, &self.facts, self.now);
            evaluation.on_response(&view, &answer, &self.facts, self.now);
        });
        assert_eq!(evaluation.outcome(), Outcome::Pass);
        measured.count_total
    }
}

#[test]
fn a_detection_that_passes_allocates_nothing() {
    let mut judged = Judged {
        policy: policy(),
        facts: Clients::new(10_000, [7; 16]),
        client: ClientIdentity::from_peer([203, 0, 113, 7].into()),
        headers: headers(),
        now: clock::now(),
    };
    assert_eq!(judged.policy.chain.links().len(), 6, "the default chain");
    let json = br#"{"title":"Walnut table","note":"Oiled; it's \"good\" & well made.","tags":["a","b"],"n":12.5}"#;
    let requests = [
        (
            Method::GET,
            "/api/v1/products/4711?sort=newest&q=walnut+table",
            &b""[..],
        ),
        (Method::POST, "/api/v1/products", &json[..]),
    ];
    for (method, target, body) in requests {
        // The first rounds make what lasts: a client's counters, and the expressions' working memory.
        for _ in 0..10 {
            judged.allocations(&method, target, body);
        }
        assert_eq!(judged.allocations(&method, target, body), 0, "{method}");
    }
}

#[test]
fn a_head_is_taken_apart_with_few_allocations() {
    let headers = headers();
    let client = ClientIdentity::from_peer([203, 0, 113, 7].into());
    for (target, expected) in [
        ("/api/v1/products/4711?sort=newest&page=2", 2),
        ("/a?q=walnut+table", 4),
    ] {
        let measured = allocation_counter::measure(|| {
            let view = RequestView::new(&Method::GET, target, &headers, &client);
            assert!(!view.inputs().is_empty());
        });
        assert_eq!(measured.count_total, expected, "{target}");
    }
}

fn body_inputs(
    content_type: &'static str,
    body: &str,
) -> (usize, allocation_counter::AllocationInfo) {
    let mut headers = HeaderMap::new();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    let mut inputs = 0;
    let measured = allocation_counter::measure(|| {
        let view = BodyView::new(&headers, body.as_bytes());
        inputs = view.inputs().len();
    });
    (inputs, measured)
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_clean_body_is_taken_apart_with_a_handful_of_allocations() {
    let item = r#"{"id":4711,"name":"A lamp","tags":["green","brass"],"price":{"amount":12.5,"currency":"EUR"}},"#;
    let json = format!("[{}1]", item.repeat(600));
    let form = "name=walnut&price=12.5&".repeat(2000);
    for (content_type, body, values, most) in [
        (JSON, &*json, 600 * 12 + 1, 16),
        (FORM, &*form, 2000 * 4, 2),
        ("text/plain", "All about lamps.", 1, 2),
    ] {
        let (inputs, measured) = body_inputs(content_type, body);
        assert_eq!(inputs, values, "{content_type}");
        assert!(measured.count_total <= most, "{content_type}: {measured:?}");
    }
}

/// What it is, its declared type, and the body that repeats it.
type Shape = (&'static str, &'static str, fn(usize) -> String);

/// Shapes that make the most of each byte: what they cost in memory grows with their length, and not faster.
#[test]
fn what_a_body_costs_in_memory_is_in_proportion_to_its_length() {
    let shapes: [Shape; 11] = [
        ("a list of lists", JSON, |n| {
            format!("[{}1]", "[],".repeat(n))
        }),
        ("a list of digits", JSON, |n| {
            format!("[{}1]", "1,".repeat(n))
        }),
        ("a list of lists of digits", JSON, |n| {
            format!("[{}1]", "[1],".repeat(n))
        }),
        ("nothing but brackets", JSON, |n| "[".repeat(n)),
        ("nothing but braces", JSON, |n| "{\"\":".repeat(n)),
        ("nothing but quotes", JSON, |n| "\"".repeat(n)),
        ("the same key", JSON, |n| {
            format!("{{{}\"a\":1}}", "\"a\":1,".repeat(n))
        }),
        ("other keys", JSON, |n| {
            let keys: String = (0..n).map(|key| format!("\"{key}\":1,")).collect();
            format!("{{{keys}\"a\":1}}")
        }),
        ("strings to decode", JSON, |n| {
            format!("[{}1]", "\"\\n\",".repeat(n))
        }),
        ("keys of a form", FORM, |n| "a&".repeat(n)),
        ("pairs to decode", FORM, |n| "+=%41&".repeat(n)),
    ];
    for (what, content_type, shape) in shapes {
        let most = [1, 2, 10].map(|times| {
            let body = shape(times * 100_000);
            let (_, measured) = body_inputs(content_type, &body);
            assert!(
                measured.bytes_max < 48 * body.len() as u64,
                "{what}: {} bytes cost {measured:?}",
                body.len()
            );
            (measured.bytes_max, measured.count_total)
        });
        let [once, twice, tenfold] = most.map(|(bytes, _)| bytes + (16 << 10));
        // A table doubles when it is full, so its size is right by a factor of two.
        assert!(
            twice <= 5 * once && tenfold <= 22 * once,
            "{what}: {most:?}"
        );
        let [once, twice, tenfold] = most.map(|(_, count)| count + 100);
        assert!(
            twice <= 3 * once && tenfold <= 11 * once,
            "{what}: {most:?}"
        );
    }
}
