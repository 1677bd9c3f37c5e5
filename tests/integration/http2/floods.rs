//! Clients that send much and want nothing: their connection ends, and others are served.

use std::time::Duration;

use super::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, Outcome, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, request,
};
use crate::support::{Proxy, Upstream, json, wait_until};

/// Sends `flood` over and over, up to `most` times; whether the connection was closed.
fn is_cut_off(proxy: &Proxy, most: u32, mut flood: impl FnMut(u32) -> Vec<u8>) -> bool {
    let mut client = Http2::connect(proxy.address);
    let mut number = 0;
    while number < most {
        let piece: Vec<u8> = (number..number + 100).flat_map(&mut flood).collect();
        number += 100;
        if !client.send(piece) {
            return true;
        }
        // What it is answered has to be read, or it is the socket that stops it.
        while let Ok(frame) = client.frame_within(Duration::from_millis(1)) {
            if frame.kind == GOAWAY {
                return true;
            }
        }
    }
    loop {
        match client.frame_within(Duration::from_secs(1)) {
            Ok(frame) if frame.kind == GOAWAY => return true,
            Ok(_) => {}
            Err(outcome) => return outcome == Outcome::Closed,
        }
    }
}

fn assert_others_are_served(proxy: &Proxy) {
    let mut client = Http2::connect(proxy.address);
    client.get(1, "/other");
    assert_eq!(
        client.outcome_within(1, Duration::from_secs(10)),
        Outcome::Status(200)
    );
    assert_eq!(proxy.get("/").status, 200);
}

/// What is sent for the n-th time.
type Flood = Box<dyn FnMut(u32) -> Vec<u8>>;

#[test]
fn floods_end_their_connection() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let open = |stream| frame(HEADERS, END_HEADERS, stream, &block(&request("POST", "/x")));
    let get = |stream| {
        frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &block(&request("GET", "/x")),
        )
    };
    let once = |first: Vec<u8>, then: Vec<u8>| {
        move |number: u32| {
            if number == 0 {
                [first.clone(), then.clone()].concat()
            } else {
                then.clone()
            }
        }
    };
    let floods: Vec<(&str, u32, Flood)> = vec![
        ("PING", 20_000, Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("SETTINGS", 2_000, Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        (
            "PRIORITY",
            20_000,
            Box::new(|n| frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 9])),
        ),
        (
            "unknown frames",
            20_000,
            Box::new(|_| frame(0xee, 0, 0, &[])),
        ),
        (
            "WINDOW_UPDATE by one",
            40_000,
            Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ),
        (
            "empty DATA",
            20_000,
            Box::new(once(open(1), frame(DATA, 0, 1, &[]))),
        ),
        (
            "padding alone",
            20_000,
            Box::new(once(open(1), frame(DATA, 8, 1, &[0]))),
        ),
        (
            "CONTINUATION",
            20_000,
            Box::new(once(
                frame(HEADERS, 0, 1, &[]),
                frame(CONTINUATION, 0, 1, &[]),
            )),
        ),
        (
            "CONTINUATION with fields",
            20_000,
            Box::new(once(
                frame(HEADERS, 0, 1, &[]),
                frame(CONTINUATION, 0, 1, &block(&[("x-long", "y".repeat(500))])),
            )),
        ),
        // CVE-2023-44487
        (
            "rapid reset",
            20_000,
            Box::new(move |n| {
                [
                    get(2 * n + 1),
                    frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]),
                ]
                .concat()
            }),
        ),
        // CVE-2025-8671: errors that make us reset
        (
            "a window's update by nothing",
            20_000,
            Box::new(move |n| {
                [open(2 * n + 1), frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0; 4])].concat()
            }),
        ),
        (
            "a window beyond measure",
            20_000,
            Box::new(move |n| {
                [
                    open(2 * n + 1),
                    frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0x7f, 0xff, 0xff, 0xff]),
                ]
                .concat()
            }),
        ),
        (
            "priority of itself",
            20_000,
            Box::new(|n| {
                frame(
                    HEADERS,
                    END_STREAM | END_HEADERS | 0x20,
                    2 * n + 1,
                    &[
                        &(2 * n + 1).to_be_bytes()[..],
                        &[1],
                        &block(&request("GET", "/x")),
                    ]
                    .concat(),
                )
            }),
        ),
        (
            "headers that are malformed",
            20_000,
            Box::new(|n| {
                frame(
                    HEADERS,
                    END_STREAM | END_HEADERS,
                    2 * n + 1,
                    &block(&[("X-Up", "1")]),
                )
            }),
        ),
        (
            "bodies of the wrong length",
            20_000,
            Box::new(|n| {
                let mut fields = request("POST", "/x");
                fields.push(("content-length".to_owned(), b"1".to_vec()));
                [
                    frame(HEADERS, END_HEADERS, 2 * n + 1, &block(&fields)),
                    frame(DATA, END_STREAM, 2 * n + 1, b"12"),
                ]
                .concat()
            }),
        ),
    ];
    for (name, most, flood) in floods {
        assert!(is_cut_off(&proxy, most, flood), "{name}");
        assert_others_are_served(&proxy);
    }
    let events = proxy.events();
    let told = events
        .iter()
        .filter(|event| event.rule.as_deref() == Some("http2_frames"));
    assert!(told.count() >= 5);
}

#[test]
fn a_head_that_becomes_too_long_is_refused() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let mut client = Http2::connect(proxy.address);
    let mut fields = request("GET", "/x");
    fields.extend((0..90).map(|n| (format!("x-{n}"), vec![b'v'; 1000])));
    let all = block(&fields);
    let (first, rest) = all.split_at(10_000);
    client.send(frame(HEADERS, END_STREAM, 1, first));
    let mut pieces = rest.chunks(10_000).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        client.send(frame(CONTINUATION, flags, 1, piece));
    }
    let outcome = client.outcome(1);
    assert!(
        !matches!(outcome, Outcome::Status(200) | Outcome::Silence),
        "{outcome:?}"
    );
    // A few bytes that stand for many: one field, put into the table and named a thousand times.
    let mut client = Http2::connect(proxy.address);
    let mut bomb = block(&request("GET", "/x"));
    bomb.extend([0x40, 3, b'x', b'-', b'y', 0x7f, 0x80 | 0x01, 0x1e]);
    bomb.extend([b'v'; 127 + 1 + 30 * 128]);
    bomb.extend(std::iter::repeat_n(0xbe, 8_000));
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb));
    let outcome = client.outcome(1);
    assert!(
        !matches!(outcome, Outcome::Status(200) | Outcome::Silence),
        "{outcome:?}"
    );
    assert_eq!(upstream.count(), 0);
    // As many lines as are allowed, and one more.
    for (lines, expected) in [(90, 200), (101, 431)] {
        let mut client = Http2::connect(proxy.address);
        let mut fields = request("GET", "/x");
        fields.extend((0..lines).map(|n| (format!("x-{n}"), b"v".to_vec())));
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields)));
        assert_eq!(client.outcome(1), Outcome::Status(expected), "{lines}");
    }
}

#[test]
fn a_client_that_takes_no_answer_loses_its_stream_and_no_other() {
    let body = "x".repeat(4 << 20);
    let upstream = Upstream::start(move |request| {
        json(
            "200 OK",
            if request.target == "/long" {
                &body
            } else {
                "{}"
            },
        )
    });
    let proxy = Proxy::start(&upstream, "limits: { write_time: 500ms }\ndetections: []\n");
    let mut client = Http2::connect(proxy.address);
    client.get(1, "/long");
    assert_eq!(client.outcome(1), Outcome::Status(200));
    // The window is never opened again.
    let reset = loop {
        match client.frame_within(Duration::from_secs(10)) {
            Ok(frame) if frame.stream == 1 && frame.kind == RST_STREAM => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    assert!(reset);
    wait_until("the slow reader to be told of", || {
        let events = proxy.events();
        events
            .iter()
            .any(|event| event.rule.as_deref() == Some("write_time"))
    });
    // The stream is gone; its connection is not. Its window is still what it was.
    client.send(frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()));
    client.get(3, "/short");
    let answered = loop {
        match client.frame_within(Duration::from_secs(5)) {
            Ok(frame) if frame.stream == 3 && frame.kind == HEADERS => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    assert!(answered);
}

#[test]
fn a_client_that_takes_its_time_within_the_limits_gets_everything() {
    let body = "x".repeat(300_000);
    let upstream = Upstream::start(move |_| json("200 OK", &body));
    let proxy = Proxy::start(
        &upstream,
        "limits: { write_time: 1s, body_rate: 1KiB }\ndetections: []\n",
    );
    let mut client = Http2::connect(proxy.address);
    client.get(1, "/long");
    let mut got = 0;
    while got < 300_000 {
        match client.frame_within(Duration::from_secs(3)) {
            Ok(frame) if frame.kind == DATA => {
                got += frame.payload.len();
                if got.is_multiple_of(65_535) || got % 60_000 < frame.payload.len() {
                    std::thread::sleep(Duration::from_millis(200));
                }
                let more = u32::try_from(frame.payload.len()).unwrap();
                if more > 0 {
                    for stream in [0, 1] {
                        client.send(frame_update(stream, more));
                    }
                }
            }
            Ok(frame) => assert_ne!(frame.kind, RST_STREAM),
            Err(outcome) => panic!("{outcome:?} after {got} bytes"),
        }
    }
    assert!(
        proxy
            .events()
            .iter()
            .all(|event| event.rule.as_deref() != Some("write_time"))
    );
}

fn frame_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}
