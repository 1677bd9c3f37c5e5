//! `version`, `listen`, `upstream`, `control`, and the limits that are sizes and counts.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::app::{self, Source};
use portcullis::config::environment::Process;
use portcullis::engine::Registry;

use super::{NOTHING, WORD};
use crate::http2::wire::{Http2, Outcome};
use crate::support::{Client, Proxy, Response, Upstream, wait_until};

pub fn version() {
    let folder = tempfile::tempdir().unwrap();
    let load = |version: u32| {
        let path = folder.path().join("rules.yaml");
        std::fs::write(&path, format!("version: {version}\n{NOTHING}")).unwrap();
        let (source, registry) = (Source::File(path), Registry::default());
        app::load(&source, &registry, &std::sync::Arc::default(), &Process, 1)
            .map_err(|report| report.draw(false))
    };
    assert!(load(1).is_ok());
    let refused = load(2).unwrap_err();
    assert!(refused.contains("version 2 is unknown"), "{refused}");
}

pub fn listen() {
    let upstream = Upstream::plain();
    for (text, is_v4) in [("127.0.0.1:0", true), ("'[::1]:0'", false)] {
        let proxy = Proxy::start(&upstream, &format!("listen: {text}\n{NOTHING}"));
        assert_eq!(proxy.address.is_ipv4(), is_v4);
        assert_eq!(proxy.get("/").status, 200);
    }
}

pub fn listen_address() {
    let upstream = Upstream::plain();
    let listening = |list: &str| {
        let proxy = Proxy::start(&upstream, &format!("listen: [{list}]\n{NOTHING}"));
        let addresses = proxy.running().addresses().to_vec();
        for address in &addresses {
            let mut client = Client::connect(*address);
            client.request("GET", "/", &[], b"");
            assert_eq!(client.response().status, 200);
        }
        addresses
            .iter()
            .map(SocketAddr::is_ipv4)
            .collect::<Vec<_>>()
    };
    let (v4, v6) = ("{ address: '127.0.0.1:0' }", "{ address: '[::1]:0' }");
    assert_eq!(listening(v4), [true]);
    assert_eq!(listening(&format!("{v6}, {v4}")), [false, true]);
}

pub fn http2() {
    let upstream = Upstream::plain();
    for (spoken, expected) in [("true", Outcome::Status(200)), ("false", Outcome::Closed)] {
        let listen = format!("listen: [{{ address: 127.0.0.1:0, http2: {spoken} }}]\n{NOTHING}");
        let proxy = Proxy::start(&upstream, &listen);
        let mut client = Http2::connect(proxy.address);
        client.get(1, "/");
        // Without it the answer is one of HTTP/1, and no frame.
        let outcome = client.outcome(1);
        let is_served = outcome == Outcome::Status(200);
        assert_eq!(
            is_served,
            expected == Outcome::Status(200),
            "{spoken}: {outcome:?}"
        );
    }
    assert_eq!(upstream.count(), 1);
}

pub fn proxy_protocol_from() {
    let upstream = Upstream::plain();
    let header = "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n";
    let request = format!("{header}GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    for (from, taken) in [("127.0.0.1", true), ("192.0.2.1", false)] {
        let listen = format!(
            "listen: [{{ address: 127.0.0.1:0, proxy_protocol: {{ from: [{from}] }} }}]\n{NOTHING}"
        );
        let proxy = Proxy::start(&upstream, &listen);
        let mut client = proxy.connect();
        client.try_send(&request);
        let mut answer = Vec::new();
        // Who is not listed is cut off, perhaps by a reset.
        let _ = std::io::Read::read(&mut client.reader(), &mut [0]).map(|n| answer.push(n));
        assert_eq!(answer.contains(&1), taken, "{from}");
    }
    assert_eq!(upstream.last().one("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(upstream.count(), 1);
}

pub fn upstream() {
    assert_upstream("upstream: http://ADDRESS\n");
}

pub fn upstream_url() {
    assert_upstream("upstream: { servers: [{ url: 'http://ADDRESS' }] }\n");
}

/// Requests go to the address that the key names, and to no other.
fn assert_upstream(yaml: &str) {
    let (one, other) = (Upstream::plain(), Upstream::plain());
    for (named, count) in [(&one, [1, 0]), (&other, [1, 1])] {
        let yaml = yaml.replace("ADDRESS", &named.address.to_string());
        let proxy = Proxy::start(&one, &format!("{yaml}{NOTHING}"));
        assert_eq!(proxy.get("/").status, 200);
        assert_eq!([one.count(), other.count()], count);
    }
}

pub fn control_listen() {
    let upstream = Upstream::plain();
    let on = Proxy::start(
        &upstream,
        &format!("control: {{ listen: '127.0.0.1:0' }}\n{NOTHING}"),
    );
    assert_eq!(on.control("/livez").status, 200);
    let off = Proxy::start(
        &upstream,
        &format!("control: {{ listen: null }}\n{NOTHING}"),
    );
    assert_eq!(off.running().control_address(), None);
    assert_eq!(off.get("/").status, 200);
}

/// The statuses of one request under values of one key of `limits`.
fn under<const N: usize>(
    key: &str,
    values: [&str; N],
    detections: &str,
    send: impl Fn(&Proxy) -> Response,
) -> [u16; N] {
    let upstream = Upstream::plain();
    values.map(|value| {
        let yaml = format!("limits: {{ {key}: {value} }}\n{detections}");
        send(&Proxy::start(&upstream, &yaml)).status
    })
}

pub fn head() {
    let long = "x".repeat(10_000);
    let send = |proxy: &Proxy| proxy.get_with("/", &[("X-Long", &long)]);
    assert_eq!(under("head", ["8KiB", "32KiB"], NOTHING, send), [431, 200]);
}

pub fn uri() {
    let target = format!("/?{}", "x".repeat(998));
    let send = |proxy: &Proxy| proxy.get(&target);
    assert_eq!(under("uri", ["999B", "1000B"], NOTHING, send), [414, 200]);
}

pub fn headers() {
    let send = |proxy: &Proxy| proxy.get_with("/", &[("X-Many", "1"); 20]);
    assert_eq!(under("headers", ["10", "100"], NOTHING, send), [431, 200]);
}

pub fn body() {
    let text = "x".repeat(3000);
    let send = |proxy: &Proxy| proxy.post("/", "text/plain", &text);
    assert_eq!(under("body", ["2KiB", "3KiB"], WORD, send), [413, 200]);
}

pub fn buffered() {
    let upstream = Upstream::plain();
    let yaml = format!("limits: {{ body: 64KiB, buffered: 100KiB }}\n{WORD}");
    let proxy = Proxy::start(&upstream, &yaml);
    let head =
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n";
    let body = "x".repeat(60_000);
    let mut first = proxy.connect();
    wait_until("the room to be taken", || {
        // Until the first is in, there is room for the second, and then none for the first.
        first = proxy.connect();
        first.send(head);
        first.send(&body[..59_999]);
        std::thread::sleep(Duration::from_millis(20));
        let shed = proxy.post("/", "text/plain", &body);
        if shed.status == 200 {
            return false;
        }
        assert_eq!((shed.status, shed.header("retry-after")), (503, Some("1")));
        assert_eq!(proxy.event(&shed.id()).rule.as_deref(), Some("buffered"));
        true
    });
    assert_eq!(proxy.post("/", "text/plain", "short").status, 200);
    first.send("x");
    assert_eq!(first.response().status, 200);
    wait_until("the room to be given back", || {
        proxy.post("/", "text/plain", &body).status == 200
    });
}

pub fn over_body() {
    let upstream = Upstream::plain();
    // Longer than what may come in one piece, of which a little more than the prefix may be judged.
    let padding = "x".repeat(1 << 20);
    let (begins, ends) = (
        format!("malicious {padding}"),
        format!("{padding} malicious"),
    );
    for (value, expected) in [
        ("reject", [413, 413]),
        ("inspect_prefix", [403, 200]),
        ("pass", [200, 200]),
    ] {
        let yaml = format!("limits: {{ body: 2KiB, over_body: {value} }}\n{WORD}");
        let proxy = Proxy::start(&upstream, &yaml);
        let statuses = [&begins, &ends].map(|body| proxy.post("/", "text/plain", body).status);
        assert_eq!(statuses, expected, "{value}");
    }
    assert_eq!(upstream.last().body, ends.as_bytes());
}

pub fn encoded_body() {
    let encoded = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, text).unwrap();
        encoder.finish().unwrap()
    };
    // The word is written twice, so that the second time is no plain text in what is sent.
    let (innocent, attack) = (encoded(b"delicious"), encoded(b"mali mali malicious"));
    let statuses = |body: &[u8]| {
        let send = |proxy: &Proxy| {
            let headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
            proxy.request("POST", "/", &headers, body)
        };
        under("encoded_body", ["decode", "reject", "pass"], WORD, send)
    };
    assert_eq!(statuses(&innocent), [200, 415, 200]);
    assert_eq!(statuses(&attack), [403, 415, 200]);
    assert_eq!(statuses(b"delicious"), [400, 415, 200]);
}

pub fn decoded_ratio() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &[b'x'; 200_000]).unwrap();
    let body = encoder.finish().unwrap();
    let send = |proxy: &Proxy| {
        let headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
        proxy.request("POST", "/", &headers, &body)
    };
    assert_eq!(
        under("decoded_ratio", ["100", "2000"], WORD, send),
        [413, 200]
    );
}

pub fn upload() {
    let binary: Vec<u8> = (0..3000_u32).map(|n| (n * 7 % 256) as u8).collect();
    let send = |proxy: &Proxy| proxy.post("/", "application/octet-stream", &binary);
    let more = "body: 1KiB, upload";
    assert_eq!(under(more, ["2KiB", "3KiB"], WORD, send), [413, 200]);
}

pub fn uploads() {
    let upstream = Upstream::plain();
    let part = |disposition: &str, content: &[u8]| {
        let head = format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let file = part("name=\"up\"; filename=\"f\"", &[0; 1 << 20]);
    let guilty = part("name=\"a\"", b"malicious");
    let body = [&file[..], &guilty, b"--b--\r\n"].concat();
    for (value, begun) in [("stream", 1), ("hold", 0)] {
        let before = upstream.count();
        let yaml = format!("limits: {{ body: 2KiB, uploads: {value} }}\n{WORD}");
        let proxy = Proxy::start(&upstream, &yaml);
        let refused = proxy.post("/", "multipart/form-data; boundary=b", &body);
        assert_eq!(refused.status, 403, "{value}");
        if begun > 0 {
            wait_until("the beginning to arrive", || upstream.count() > before);
            assert!(!upstream.last().complete);
        }
        assert_eq!(upstream.count() - before, begun, "{value}");
    }
}

pub fn held() {
    let upstream = Upstream::plain();
    let yaml = format!("limits: {{ body: 2KiB, uploads: hold, held: 1MiB }}\n{WORD}");
    let proxy = Proxy::start(&upstream, &yaml);
    let file = vec![0; 600_000];
    let send = || proxy.post("/", "application/octet-stream", &file);
    let mut first = proxy.connect();
    wait_until("the room to be taken", || {
        // Until the first is in, there is room for the second, and then none for the first.
        first = proxy.connect();
        first.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nContent-Length: 600000\r\n\r\n");
        first.send(&file[..599_999]);
        std::thread::sleep(Duration::from_millis(20));
        let shed = send();
        if shed.status == 200 {
            return false;
        }
        assert_eq!(shed.status, 503);
        let event = proxy.event(&shed.id());
        assert_eq!(event.rule.as_deref(), Some("upload_not_held"));
        true
    });
    first.send("x");
    assert_eq!(first.response().status, 200);
    wait_until("the room to be given back", || send().status == 200);
}
