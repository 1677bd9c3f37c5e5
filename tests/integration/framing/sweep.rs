//! Every byte in every place where parsers are known to differ: whatever becomes of it, no second request arrives.

use std::io::Read;

use portcullis::engine::Registry;

use super::recorder::Recorder;
use super::{JUDGED, STREAMING};
use crate::support::{Client, Proxy};

/// What would be a request of its own if the framing before it were misread.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Where a byte is put: between these.
fn places() -> Vec<(&'static str, String, String)> {
    let chunked =
        "POST /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let end = "\r\nHost: a\r\nConnection: close\r\n\r\n";
    // A body of a length that ends before the smuggled request, if a length counts.
    let with_length = format!("{end}{SMUGGLED}");
    // Chunks that hold the smuggled request, if they count.
    let with_chunks = format!("{end}{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let place = |name, before: &str, after: &str| (name, before.to_owned(), after.to_owned());
    vec![
        place("before the method", "", &format!("GET /1 HTTP/1.1{end}")),
        place("in the method", "GE", &format!("T /1 HTTP/1.1{end}")),
        place("after the method", "GET", &format!(" /1 HTTP/1.1{end}")),
        place("for the first space", "GET", &format!("/1 HTTP/1.1{end}")),
        place("in the target", "GET /1", &format!("x HTTP/1.1{end}")),
        place("in the query", "GET /1?a", &format!("b HTTP/1.1{end}")),
        place("after the version", "GET /1 HTTP/1.1", end),
        place("for the minor version", "GET /1 HTTP/1.", end),
        place(
            "for the request line's CR",
            "GET /1 HTTP/1.1",
            "\nHost: a\r\nConnection: close\r\n\r\n",
        ),
        place(
            "before a length's name",
            "POST /1 HTTP/1.1\r\n",
            &format!("Content-Length: 0{with_length}"),
        ),
        place(
            "in a length's name",
            "POST /1 HTTP/1.1\r\nContent",
            &format!("Length: 0{with_length}"),
        ),
        place(
            "after a length's name",
            "POST /1 HTTP/1.1\r\nContent-Length",
            &format!(": 0{with_length}"),
        ),
        place(
            "before a length",
            "POST /1 HTTP/1.1\r\nContent-Length:",
            &format!("0{with_length}"),
        ),
        place(
            "after a length",
            "POST /1 HTTP/1.1\r\nContent-Length: 0",
            &with_length,
        ),
        place(
            "for a line end after a field",
            "POST /1 HTTP/1.1\r\nX: y",
            &format!("Content-Length: 0{with_length}"),
        ),
        place(
            "before a coding's name",
            "POST /1 HTTP/1.1\r\n",
            &format!("Transfer-Encoding: chunked{with_chunks}"),
        ),
        place(
            "in a coding's name",
            "POST /1 HTTP/1.1\r\nTransfer",
            &format!("Encoding: chunked{with_chunks}"),
        ),
        place(
            "after a coding's name",
            "POST /1 HTTP/1.1\r\nTransfer-Encoding",
            &format!(": chunked{with_chunks}"),
        ),
        place(
            "for a coding's colon",
            "POST /1 HTTP/1.1\r\nTransfer-Encoding",
            &format!("chunked{with_chunks}"),
        ),
        place(
            "before a coding",
            "POST /1 HTTP/1.1\r\nTransfer-Encoding:",
            &format!("chunked{with_chunks}"),
        ),
        place(
            "in a coding",
            "POST /1 HTTP/1.1\r\nTransfer-Encoding: chun",
            &format!("ked{with_chunks}"),
        ),
        place(
            "after a coding",
            "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked",
            &with_chunks,
        ),
        place(
            "in a Host",
            "GET /1 HTTP/1.1\r\nHost: a",
            "b\r\nConnection: close\r\n\r\n",
        ),
        place("in a value", "GET /1 HTTP/1.1\r\nX: y", &format!("z{end}")),
        place(
            "before the empty line",
            "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
            &format!("\r\n{SMUGGLED}"),
        ),
        place(
            "before a chunk's size",
            chunked,
            &format!("0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "after a chunk's size",
            &format!("{chunked}0"),
            &format!("\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "for a size's CR",
            &format!("{chunked}3"),
            &format!("\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "in an extension",
            &format!("{chunked}3;a"),
            &format!("b\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "in a quoted extension",
            &format!("{chunked}3;a=\"b"),
            &format!("\"\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "after a chunk's data",
            &format!("{chunked}3\r\nabc"),
            &format!("\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "for a chunk's last CR",
            &format!("{chunked}3\r\nabc"),
            &format!("\n0\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "before a trailer",
            &format!("{chunked}0\r\n"),
            &format!("X: y\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "in a trailer's name",
            &format!("{chunked}0\r\nX"),
            &format!("Y: z\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "in a trailer",
            &format!("{chunked}0\r\nX: y"),
            &format!("z\r\n\r\n{SMUGGLED}"),
        ),
        place(
            "before the last line",
            &format!("{chunked}0\r\nX: y\r\n"),
            &format!("\r\n{SMUGGLED}"),
        ),
    ]
}

fn sweep(chain: &str, bytes: impl Iterator<Item = u8> + Clone) -> (usize, usize) {
    let recorder = Recorder::start();
    let yaml = format!("limits: {{ header_time: 5s, idle_time: 5s, body_time: 300ms }}\n{chain}");
    let proxy = Proxy::start_with(recorder.address, &yaml, Registry::default());
    let (mut served, mut refused, mut arrived) = (0, 0, 0);
    for (place, before, after) in places() {
        for byte in bytes.clone() {
            let what = format!("{byte:#04x} {place}");
            let stream = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let mut client = proxy.connect();
            client.try_send(&stream);
            let statuses = statuses(&mut client);
            let good = statuses.iter().filter(|status| **status == 200).count();
            let bad = statuses.len() - good;
            assert!(
                good <= 1 && bad <= 1 && !statuses.is_empty(),
                "{what}: {statuses:?}"
            );
            assert!(
                statuses.iter().all(|status| (200..=499).contains(status)),
                "{what}: {statuses:?}"
            );
            let seen = recorder.settled_after(arrived);
            assert_eq!(seen.len(), good, "{what}: {seen:?}");
            for seen in &seen {
                assert!(seen.target.starts_with(b"/1"), "{what}: {seen:?}");
            }
            arrived += seen.len();
            (served, refused) = (served + good, refused + bad);
        }
    }
    (served, refused)
}

/// The statuses of all answers until the connection ends.
fn statuses(client: &mut Client) -> Vec<u16> {
    let mut answers = Vec::new();
    let _ = client.reader().read_to_end(&mut answers);
    let text = String::from_utf8_lossy(&answers);
    let after = text.split("HTTP/1.").skip(1);
    after
        .map(|after| after[2..5].parse().unwrap())
        .filter(|status| *status >= 200)
        .collect()
}

#[test]
fn no_byte_in_any_place_makes_a_second_request() {
    let (served, refused) = sweep(STREAMING, 0..=255);
    // Neither is everything let through, nor everything refused.
    assert!(served > 1000, "{served} were served");
    assert!(refused > 5000, "{refused} were refused");
    println!("{served} served, {refused} refused");
}

#[test]
fn nor_where_the_body_is_judged_first() {
    let odd = [
        0, 9, 10, 11, 12, 13, 32, 34, 44, 45, 47, 48, 58, 59, 61, 92, 95, 127, 133, 160, 255,
    ];
    let (served, refused) = sweep(JUDGED, odd.into_iter());
    assert!(served > 50 && refused > 300, "{served} and {refused}");
}
