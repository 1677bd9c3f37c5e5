//! Long forms and uploads: judged while they stream, field by field, and broken off at the upstream when something is found.

mod early;
mod hold;
mod memory;

use std::io::Read;

use portcullis::event::{Decision, EventKind};

use crate::support::{Client, Proxy, Response, Upstream, wait_until};

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious], places: [body] }] }\n";

const TYPE: &str = "multipart/form-data; boundary=----boundary7MA4";

/// A part, with a type if it is a file, as browsers write it.
fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let is_file = disposition.contains("filename=");
    let content_type = "Content-Type: application/octet-stream\r\n";
    let more = if is_file { content_type } else { "" };
    part_with(disposition, more, content)
}

fn part_with(disposition: &str, more: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "------boundary7MA4\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], b"------boundary7MA4--\r\n"].concat()
}

fn binary(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// A form of 3 MiB: fields of text, and two files. The `guilty` of its fields holds the word.
fn long_form(guilty: Option<usize>) -> Vec<u8> {
    let text = "delicious ".repeat(15_000);
    let mut parts: Vec<Vec<u8>> = (0..14)
        .map(|at| {
            let word = if guilty == Some(at) { "malicious" } else { "" };
            let text = format!("{text}{word}{text}");
            part(
                &format!("name=\"field{at}\""),
                &text.as_bytes()[..text.len() / 2 + 10],
            )
        })
        .collect();
    parts.insert(5, part("name=\"up\"; filename=\"a.bin\"", &binary(900_000)));
    parts.insert(9, part("name=\"up\"; filename=\"b.bin\"", &binary(70_000)));
    form(&parts)
}

/// Sends a form, in chunks or with its length, and reads the answer, also where it comes before all was sent.
fn send(proxy: &Proxy, target: &str, body: &[u8], chunk: Option<usize>) -> Response {
    let mut client = proxy.connect();
    send_over(&mut client, target, body, chunk)
}

fn send_over(client: &mut Client, target: &str, body: &[u8], chunk: Option<usize>) -> Response {
    let framing = match chunk {
        Some(_) => "Transfer-Encoding: chunked".to_owned(),
        None => format!("Content-Length: {}", body.len()),
    };
    client.send(format!(
        "POST {target} HTTP/1.1\r\nHost: example.org\r\nContent-Type: {TYPE}\r\n{framing}\r\n\r\n"
    ));
    match chunk {
        None => {
            client.try_send(body);
        }
        Some(length) => {
            let mut all = body.chunks(length).map(|piece| {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            });
            let _ = all.all(|piece| client.try_send(piece)) && client.try_send("0\r\n\r\n");
        }
    }
    client.response()
}

/// Whether the upstream has got the request as a whole.
fn arrived(upstream: &Upstream, target: &str) -> bool {
    let seen = upstream.seen();
    seen.iter()
        .any(|seen| seen.target == target && seen.complete)
}

#[test]
fn a_finding_in_any_field_keeps_the_upstream_from_a_whole_request() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    for chunk in [None, Some(60_000), Some(1400)] {
        for guilty in [0, 7, 13] {
            let target = format!("/{guilty}/{}", chunk.unwrap_or(0));
            let body = long_form(Some(guilty));
            let refused = send(&proxy, &target, &body, chunk);
            assert_eq!(refused.status, 403, "{target}");
            let event = proxy.event(&refused.id());
            let decision = if guilty == 0 {
                Decision::Block
            } else {
                Decision::Aborted
            };
            assert_eq!(
                (event.decision, event.kind),
                (decision, EventKind::Threat),
                "{target}"
            );
            assert_eq!(event.rule.as_deref(), Some("word"));
            assert_eq!(
                event.place.as_deref(),
                Some(&*format!("body.field{guilty}"))
            );
            assert_eq!(
                (event.status, event.score, event.count),
                (Some(403), Some(5), 1)
            );
            let origin = event
                .evidence
                .as_ref()
                .and_then(|evidence| evidence.origin.clone());
            assert_eq!(&body[origin.expect("raw bytes").range], b"malicious");
        }
        let target = format!("/innocent/{}", chunk.unwrap_or(0));
        let innocent = long_form(None);
        assert_eq!(send(&proxy, &target, &innocent, chunk).status, 200);
        let last = upstream.last();
        assert!(last.target == target && last.body == innocent, "{target}");
        let length = innocent.len().to_string();
        let expected = if chunk.is_none() {
            Some(&*length)
        } else {
            None
        };
        assert_eq!(last.one("content-length"), expected);
    }
    for guilty in [0, 7, 13] {
        for chunk in [0, 60_000, 1400] {
            assert!(!arrived(&upstream, &format!("/{guilty}/{chunk}")));
        }
    }
    // Of the first field nothing has gone on when it is judged.
    assert!(
        !upstream
            .seen()
            .iter()
            .any(|seen| seen.target.starts_with("/0/"))
    );
}

#[test]
fn a_form_within_the_limit_is_judged_whole_before_anything_goes_on() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let text = "delicious ".repeat(1000);
    for (last, status) in [("malicious", 403), ("delicious", 200)] {
        let body = form(&[
            part("name=\"a\"", text.as_bytes()),
            part("name=\"b\"", last.as_bytes()),
        ]);
        for chunk in [None, Some(1000)] {
            assert_eq!(send(&proxy, "/", &body, chunk).status, status);
        }
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn names_heads_and_beginnings_of_files_are_judged_and_what_follows_a_file_is() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let file = part("name=\"first\"; filename=\"first.bin\"", &binary(2 << 20));
    let mut begins = binary(1 << 20);
    begins[2000..2020].copy_from_slice(b" a malicious comment");
    let late = [&binary(300_000)[..], b"malicious", &binary(300_000)].concat();
    let text = [
        &b"delicious ".repeat(60_000)[..],
        b"malicious",
        &b" delicious".repeat(60_000),
    ]
    .concat();
    let cases = [
        (
            "a file's name",
            part("name=\"up\"; filename=\"malicious.bin\"", &binary(1 << 20)),
            403,
        ),
        ("a field's name", part("name=\"malicious\"", b"value"), 403),
        (
            "a file's beginning",
            part("name=\"up\"; filename=\"a.bin\"", &begins),
            403,
        ),
        ("a field", part("name=\"a\"", b"malicious"), 403),
        (
            "a text file",
            part("name=\"up\"; filename=\"a.txt\"", &text),
            403,
        ),
        (
            "no file to some",
            part("name=\"up\"; filename=\"\"", &late),
            403,
        ),
        (
            "deep in what is a field to some, since it has no type",
            part_with("name=\"up\"; filename=\"a.bin\"", "", &late),
            403,
        ),
        (
            "deep in a binary file",
            part("name=\"up\"; filename=\"a.bin\"", &late),
            200,
        ),
    ];
    for (at, (what, last, status)) in cases.into_iter().enumerate() {
        let target = format!("/{at}");
        let answer = send(&proxy, &target, &form(&[file.clone(), last]), Some(8000));
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(arrived(&upstream, &target), status == 200, "{what}");
    }
}

#[test]
fn a_field_beyond_the_limit_follows_over_body() {
    let upstream = Upstream::plain();
    let file = part("name=\"up\"; filename=\"a.bin\"", &binary(300_000));
    let long = |word: &str| {
        let text = "delicious ".repeat(20_000);
        form(&[
            file.clone(),
            part("name=\"a\"", format!("{word}{text}{word}").as_bytes()),
        ])
    };
    let text = "delicious ".repeat(20_000);
    let ends = form(&[
        file.clone(),
        part("name=\"a\"", format!("{text}malicious").as_bytes()),
    ]);
    for (over_body, expected) in [
        ("reject", [413, 413, 413]),
        ("inspect_prefix", [200, 403, 200]),
        ("pass", [200, 403, 200]),
    ] {
        let limits = format!("limits: {{ body: 100KiB, over_body: {over_body} }}\n{WORD}");
        let proxy = Proxy::start(&upstream, &limits);
        let bodies = [long("delicious"), long("malicious"), ends.clone()];
        let statuses = bodies
            .each_ref()
            .map(|body| send(&proxy, "/", body, Some(5000)).status);
        assert_eq!(statuses, expected, "{over_body}");
        let unjudged = proxy.events();
        let unjudged = unjudged
            .iter()
            .filter(|event| event.rule.as_deref() == Some("field_prefix_judged"));
        assert_eq!(unjudged.count() > 0, over_body != "reject");
        if over_body != "reject" {
            assert!(upstream.last().body == ends);
        }
    }
}

#[test]
fn only_a_form_that_everybody_reads_alike_is_judged_as_it_streams() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let body = long_form(None);
    for odd in [
        "multipart/form-data",
        "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=----boundary7MA4; boundary=other",
        "multipart/form-data; boundary='----boundary7MA4'",
    ] {
        let mut client = proxy.connect();
        client.try_send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {odd}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.try_send(&body);
        assert_eq!(client.response().status, 413, "{odd}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn scores_of_fields_add_up_and_a_rule_counts_once() {
    let upstream = Upstream::plain();
    let chain = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: one, words: [first-word], score: 3 }, \
                 { id: two, words: [second-word], score: 3 }] }\n";
    let proxy = Proxy::start(&upstream, &format!("limits: {{ body: 50KiB }}\n{chain}"));
    let file = part("name=\"up\"; filename=\"a.bin\"", &binary(200_000));
    let of = |words: [&str; 2]| {
        let [one, two] = words.map(|word| part("name=\"a\"", word.as_bytes()));
        form(&[file.clone(), one, file.clone(), two])
    };
    for (words, status) in [
        (["first-word", "second-word"], 403),
        (["first-word", "first-word"], 200),
        (["first-word", "word"], 200),
    ] {
        assert_eq!(
            send(&proxy, "/", &of(words), Some(4000)).status,
            status,
            "{words:?}"
        );
    }
}

/// The fields of a form share what it may make: none of these is more work than it may be, but all of them are.
#[test]
fn the_work_of_a_form_is_bounded_however_it_is_cut() {
    let upstream = Upstream::plain();
    // Words of which a text has the beginning, so that each is looked for in it; no shipped rule is what this is about.
    let patterns: Vec<String> = (0..90)
        .map(|at| format!("{{ id: costly-{at}, words: [the-beginning-of-a-long-word-{at}] }}"))
        .collect();
    let rules = format!(
        "limits: {{ body: 64KiB, upload: 4MiB }}\ndetections: [{{ malicious_payload: {{ builtin: false, patterns: [{}] }} }}]\n",
        patterns.join(", ")
    );
    let proxy = Proxy::start(&upstream, &rules);
    let costly = "the-beginning-of-a-long-word and what else there is to say of it ";
    let plain =
        "delicious, and no more than that: nothing but words, and some of them again and again ";
    let form_of = |text: &str, fields: usize| {
        let field = text.repeat(50_000 / text.len());
        let fields = (0..fields).map(|at| part(&format!("name=\"field{at}\""), field.as_bytes()));
        form(&fields.collect::<Vec<_>>())
    };
    assert_eq!(
        send(&proxy, "/plain", &form_of(plain, 40), None).status,
        200
    );
    assert_eq!(send(&proxy, "/two", &form_of(costly, 2), None).status, 200);
    assert_eq!(
        send(&proxy, "/many", &form_of(costly, 20), None).status,
        400
    );
    assert!(arrived(&upstream, "/two") && !arrived(&upstream, "/many"));
}

#[test]
fn monitor_mode_only_tells() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("policy: {{ mode: monitor }}\n{WORD}"));
    for guilty in [0, 7, 13] {
        let body = long_form(Some(guilty));
        assert_eq!(send(&proxy, "/", &body, Some(9000)).status, 200);
        assert!(upstream.last().body == body);
        let event = proxy.event(upstream.last().one("x-request-id").unwrap());
        assert_eq!(
            (event.decision, event.rule.as_deref()),
            (Decision::WouldBlock, Some("word"))
        );
    }
}

#[test]
fn a_refused_form_ends_its_connection_and_an_innocent_one_does_not() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let mut client = proxy.connect();
    for _ in 0..2 {
        let answer = send_over(&mut client, "/", &long_form(None), Some(8000));
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    let refused = send_over(&mut client, "/", &long_form(Some(7)), Some(8000));
    assert_eq!(
        (refused.status, refused.header("connection")),
        (403, Some("close"))
    );
    let mut rest = Vec::new();
    let _ = client.reader().read_to_end(&mut rest);
    assert_eq!(rest, b"");
    // The connections to the upstream that are kept carry no rest of it.
    assert_eq!(send(&proxy, "/after", &long_form(None), None).status, 200);
    assert!(upstream.last().target == "/after" && upstream.last().body == long_form(None));
}

#[test]
fn a_client_that_pauses_or_breaks_off_leaves_no_whole_request() {
    let upstream = Upstream::plain();
    let limits = "limits: { body: 200KiB, body_time: 300ms, body_rate: 0B }\n";
    let proxy = Proxy::start(&upstream, &format!("{limits}{WORD}"));
    let body = long_form(None);
    let begun = |target: &str| {
        let mut client = proxy.connect();
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body[..400_000]);
        client
    };
    let late = begun("/pauses").response();
    assert_eq!(
        (late.status, late.header("connection")),
        (408, Some("close"))
    );
    assert_eq!(proxy.event(&late.id()).rule.as_deref(), Some("body_time"));
    drop(begun("/breaks"));
    for target in ["/pauses", "/breaks"] {
        wait_until("the upstream to see the end of it", || {
            upstream.seen().iter().any(|seen| seen.target == target)
        });
        assert!(!arrived(&upstream, target));
    }
}

#[test]
fn the_limit_of_uploads_holds_for_forms_by_their_length_and_by_their_bytes() {
    let upstream = Upstream::plain();
    let limits = "limits: { body: 1MiB, upload: 2MiB }\n";
    let proxy = Proxy::start(&upstream, &format!("{limits}{WORD}"));
    for chunk in [None, Some(10_000)] {
        let refused = send(&proxy, "/long", &long_form(None), chunk);
        assert_eq!(refused.status, 413);
        assert_eq!(
            proxy.event(&refused.id()).rule.as_deref(),
            Some("body_too_large")
        );
    }
    assert!(!arrived(&upstream, "/long"));
    let fits = form(&[part("name=\"up\"; filename=\"a\"", &binary(1_900_000))]);
    assert_eq!(send(&proxy, "/", &fits, Some(10_000)).status, 200);
}

#[test]
fn a_form_that_comes_byte_by_byte_is_judged_like_any_other() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("limits: {{ body: 500B }}\n{WORD}"));
    for (word, status) in [("malicious", 403), ("delicious", 200)] {
        let body = form(&[
            part("name=\"a\"", b"1"),
            part("name=\"up\"; filename=\"a.bin\"", &binary(600)),
            part("name=\"b\"", word.as_bytes()),
        ]);
        let target = format!("/{word}");
        assert_eq!(send(&proxy, &target, &body, Some(1)).status, status);
        assert_eq!(arrived(&upstream, &target), status == 200);
        if status == 200 {
            assert!(upstream.last().body == body);
        }
    }
}
