//! Bodies with content codings, over sockets: judged as what they stand for, passed on as they came, refused when nobody
//! can tell what they stand for.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use portcullis::event::{Decision, EventKind};
use portcullis::request::DecodeStep;

use crate::support::{Proxy, Response, Upstream};

const CHAIN: &str = "detections: [malicious_payload]\n";

const ATTACK: &str =
    "{\"id\":\"1' UNION SELECT password FROM users--\",\"page\":\"one of very many pages\"}";
const TWIN: &str =
    "{\"id\":\"1, the union selected a password for users\",\"page\":\"one of many pages\"}";

type Encode = fn(&[u8]) -> Vec<u8>;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn br(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 9, 22)
        .write_all(text)
        .unwrap();
    out
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

/// The name of an encoding, how it is made, and how an event tells of it.
const ENCODINGS: [(&str, Encode, &[DecodeStep]); 8] = [
    ("gzip", gzip, &[DecodeStep::Gzip]),
    ("X-GZip", gzip, &[DecodeStep::Gzip]),
    ("deflate", zlib, &[DecodeStep::Deflate]),
    ("deflate", bare, &[DecodeStep::Deflate]),
    ("br", br, &[DecodeStep::Brotli]),
    ("zstd", zstd, &[DecodeStep::Zstd]),
    (
        "gzip, br",
        |text| br(&gzip(text)),
        &[DecodeStep::Brotli, DecodeStep::Gzip],
    ),
    ("identity, zstd", zstd, &[DecodeStep::Zstd]),
];

fn send(proxy: &Proxy, coding: &str, kind: &str, body: &[u8]) -> Response {
    let headers = [("Content-Encoding", coding), ("Content-Type", kind)];
    proxy.request("POST", "/", &headers, body)
}

fn send_json(proxy: &Proxy, coding: &str, body: &[u8]) -> Response {
    send(proxy, coding, "application/json", body)
}

/// Sends a body that must be refused, and gives the rule that its event names.
fn refused(proxy: &Proxy, coding: &str, body: &[u8], status: u16) -> String {
    let response = send_json(proxy, coding, body);
    assert_eq!(response.status, status, "{coding}: {}", response.text());
    let event = proxy.event(&response.id());
    assert_eq!(event.kind, EventKind::Refused, "{event:?}");
    assert_eq!(
        (event.decision, event.status),
        (Decision::Block, Some(status))
    );
    assert_eq!(event.place.as_deref(), Some("body"));
    let evidence = &event.evidence.as_ref().expect("evidence").text;
    assert!(evidence.starts_with("content-encoding: "), "{evidence}");
    event.rule.clone().expect("a rule")
}

#[test]
fn an_attack_inside_a_coding_is_found_and_its_twin_arrives_as_it_was_sent() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    // Blanks without a pattern, so that they stay long when they are encoded.
    let mut state = 1_u32;
    let mut blank = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 { ' ' } else { '\n' }
    };
    let padding: String = (0..70_000).map(|_| blank()).collect();
    for (coding, encode, steps) in ENCODINGS {
        for more in ["", &padding] {
            let attack = encode(format!("{ATTACK}{more}").as_bytes());
            let before = upstream.count();
            let response = send_json(&proxy, coding, &attack);
            assert_eq!(response.status, 403, "{coding}");
            let event = proxy.event(&response.id());
            let evidence = event.evidence.as_ref().expect("evidence");
            assert!(evidence.steps.starts_with(steps), "{coding}: {evidence:?}");
            assert!(evidence.text.contains("UNION"), "{coding}: {evidence:?}");
            let origin = evidence.origin.as_ref().expect("an origin");
            let raw = &ATTACK[origin.range.clone()];
            assert!(raw.contains("UNION"), "{coding}: {raw}");
            assert_eq!(upstream.count(), before, "{coding}");

            let twin = encode(format!("{TWIN}{more}").as_bytes());
            assert_eq!(send_json(&proxy, coding, &twin).status, 200, "{coding}");
            let seen = upstream.last();
            assert!(seen.body == twin, "{coding}");
            assert_eq!(seen.one("content-encoding"), Some(coding));
        }
    }
}

#[test]
fn monitor_mode_passes_an_attack_inside_a_coding_on_and_tells_of_it() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("policy: {{ mode: monitor }}\n{CHAIN}"));
    for (coding, encode, _) in ENCODINGS {
        let attack = encode(ATTACK.as_bytes());
        assert_eq!(send_json(&proxy, coding, &attack).status, 200, "{coding}");
        let seen = upstream.last();
        assert!(seen.body == attack, "{coding}");
        let id = seen.one("x-request-id").expect("an id").to_owned();
        assert_eq!(proxy.event(&id).decision, Decision::WouldBlock, "{coding}");
    }
    // What cannot be judged is refused in monitor mode, too.
    assert_eq!(
        refused(&proxy, "gzip", b"hello, hello", 400),
        "coding_malformed"
    );
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    for (coding, encode, _) in ENCODINGS {
        let body = encode(TWIN.as_bytes());
        let cut = &body[..body.len() - 3];
        assert_eq!(refused(&proxy, coding, cut, 400), "coding_truncated");
        let more = [&body[..], b"more"].concat();
        assert_eq!(refused(&proxy, coding, &more, 400), "coding_trailing");
        assert_eq!(
            refused(
                &proxy,
                coding,
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                400
            ),
            "coding_malformed"
        );
    }
    let mut damaged = gzip(TWIN.as_bytes());
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert_eq!(refused(&proxy, "gzip", &damaged, 400), "coding_malformed");
    let both = [0x78, 0x01, 0x00, 0xfe, 0xff, b'a', 0x01, 0, 0, 0xff, 0xff];
    assert_eq!(refused(&proxy, "deflate", &both, 400), "coding_ambiguous");
    let many = gzip(b"").repeat(10_000);
    assert_eq!(refused(&proxy, "gzip", &many, 400), "coding_pieces");
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        send_json(&proxy, "gzip", &gzip(TWIN.as_bytes())).status,
        200
    );
}

#[test]
fn what_no_decoder_is_there_for_is_refused_and_says_what_is() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    for coding in [
        "compress",
        "gzip, compress",
        "gzip, gzip, gzip",
        "aws-chunked",
        "gzip;q=1",
    ] {
        assert_eq!(refused(&proxy, coding, &gzip(b"{}"), 415), "encoded_body");
        let response = send_json(&proxy, coding, &gzip(b"{}"));
        assert_eq!(
            response.header("accept-encoding"),
            Some("gzip, deflate, br, zstd")
        );
    }
    // Several lines are one list.
    let headers = [("Content-Encoding", "gzip"), ("Content-Encoding", "br")];
    let attack = br(&gzip(b"' UNION SELECT password FROM users--"));
    assert_eq!(proxy.request("POST", "/", &headers, &attack).status, 403);
    assert_eq!(upstream.count(), 0);
    // Without a body there is nothing to decode.
    let headers = [("Content-Encoding", "gzip"), ("Content-Length", "0")];
    assert_eq!(proxy.request("POST", "/", &headers, b"").status, 200);
    // A chain that looks at no body lets everything pass.
    let proxy = Proxy::start(&upstream, "detections: []\n");
    assert_eq!(send_json(&proxy, "compress", b"hello").status, 200);
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    let zeros = vec![b' '; 2 << 20];
    for (coding, encode, _) in ENCODINGS {
        assert_eq!(
            refused(&proxy, coding, &encode(&zeros), 413),
            "decoded_ratio"
        );
    }
    let nested = gzip(&gzip(&zeros));
    assert_eq!(refused(&proxy, "gzip, gzip", &nested, 413), "decoded_ratio");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_body_that_decodes_to_more_than_the_limit_is_treated_as_one_that_is_longer() {
    let upstream = Upstream::plain();
    let noise: String = (0..30_000).map(|n| format!("{n:x} ")).collect();
    let (begins, ends) = (
        gzip(format!("' UNION SELECT password FROM users-- {noise}").as_bytes()),
        gzip(format!("{noise} ' UNION SELECT password FROM users--").as_bytes()),
    );
    // 100 KiB is less than what comes out, and more than what is sent; 10 KiB is less than both.
    for limit in ["100KiB", "10KiB"] {
        for (over_body, expected) in [
            ("reject", [413, 413]),
            ("inspect_prefix", [403, 200]),
            ("pass", [200, 200]),
        ] {
            let limits = format!("limits: {{ body: {limit}, over_body: {over_body} }}\n{CHAIN}");
            let proxy = Proxy::start(&upstream, &limits);
            for (body, expected) in [&begins, &ends].into_iter().zip(expected) {
                let response = send(&proxy, "gzip", "text/plain", body);
                assert_eq!(response.status, expected, "{limit} {over_body}");
                if expected == 200 {
                    let seen = upstream.last();
                    assert!(seen.body == *body, "{limit} {over_body}");
                    let id = seen.one("x-request-id").expect("an id").to_owned();
                    assert_eq!(proxy.event(&id).kind, EventKind::Unjudged);
                }
            }
        }
    }
}

#[test]
fn an_application_that_does_not_decode_is_protected_too() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    // What the coding stands for is innocent; the bytes themselves hold a form.
    let hide = |text: &str| {
        flate2::GzBuilder::new()
            .comment(text)
            .write(Vec::new(), Compression::best())
    };
    let finish = |mut encoder: GzEncoder<Vec<u8>>| {
        encoder.write_all(b"a=b").unwrap();
        encoder.finish().unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    let attack = finish(hide("&id=1' UNION SELECT password FROM users--&"));
    assert_eq!(send(&proxy, "gzip", form, &attack).status, 403);
    let twin = finish(hide("&id=1&"));
    assert_eq!(send(&proxy, "gzip", form, &twin).status, 200);
    let multipart = "multipart/form-data; boundary=x";
    let attack = finish(hide(
        "\r\n--x\r\nContent-Disposition: form-data; name=id\r\n\r\n' UNION SELECT password FROM users--\r\n--x--",
    ));
    assert_eq!(send(&proxy, "gzip", multipart, &attack).status, 403);
    // Text may be a beginning of deflate as well, here a block with fixed codes that is nothing but padding to an end.
    let skipped = [
        b"\x50\x2a\x4d\x18\x2c\0\0\0",
        &b"&id=1' UNION SELECT password FROM users--&x="[..],
        &zstd(b"a=b"),
    ]
    .concat();
    assert_eq!(send(&proxy, "zstd", form, &skipped).status, 403);
}

/// The standard output of a program, if it is there.
fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.status.success().then_some(output.stdout)
}

#[test]
fn what_the_usual_programs_write_is_read() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, CHAIN);
    let mut seen = Vec::new();
    for (program, arguments, coding) in [
        ("gzip", &["-c"][..], "gzip"),
        ("gzip", &["-9", "-c", "--rsyncable"], "gzip"),
        ("zstd", &["-c"], "zstd"),
        ("zstd", &["-19", "-c", "--no-check"], "zstd"),
        ("brotli", &["-c"], "br"),
    ] {
        let Some(attack) = filter(program, arguments, ATTACK.as_bytes()) else {
            println!("{program} is not here, or knows no {arguments:?}");
            continue;
        };
        let twin = filter(program, arguments, TWIN.as_bytes()).unwrap();
        assert_eq!(send_json(&proxy, coding, &attack).status, 403, "{program}");
        assert_eq!(send_json(&proxy, coding, &twin).status, 200, "{program}");
        assert_eq!(upstream.last().body, twin, "{program}");
        seen.push(program);
    }
    assert!(seen.contains(&"gzip"), "{seen:?}");
    // A window that HTTP does not allow (RFC 9659, 3).
    if let Some(body) = filter("zstd", &["--ultra", "-22", "-c"], TWIN.as_bytes()) {
        assert_eq!(refused(&proxy, "zstd", &body, 400), "coding_malformed");
    }
}
