//! Bodies that come in pieces: the same as bodies that come whole, whatever they are and however they are cut.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::scanner::{Scanner, Token, TokenKind};
use super::*;
use crate::request::BodyView;

/// A token and its bytes, as it is compared: content in one piece, and where what is odd about it ends.
type Seen = (TokenKind, Vec<u8>, Vec<(&'static str, usize)>);

fn add(seen: &mut Vec<Seen>, at: usize, token: Token, bytes: &[u8]) {
    let note = token.note.map(|note| (note, at + token.length));
    let is_piece = matches!(token.kind, TokenKind::Content | TokenKind::Outside);
    match seen.last_mut() {
        Some(last) if is_piece && last.0 == token.kind => {
            last.1.extend_from_slice(bytes);
            last.2.extend(note);
        }
        _ => seen.push((token.kind, bytes.to_vec(), note.into_iter().collect())),
    }
}

/// What a scanner says of a body that comes in pieces of these sizes, over and over; and how often it was asked.
fn scanned(body: &[u8], sizes: &[usize]) -> (Vec<Seen>, usize) {
    let mut scanner = Scanner::new(b"x");
    let (mut seen, mut asked) = (Vec::new(), 0);
    let (mut at, mut come) = (0, 0);
    for size in sizes.iter().cycle() {
        come = body.len().min(come + size);
        loop {
            asked += 1;
            let Some(token) = scanner.next(&body[at..come], come == body.len()) else {
                break;
            };
            add(&mut seen, at, token, &body[at..at + token.length]);
            at += token.length;
        }
        if come == body.len() {
            assert_eq!(at, body.len(), "every byte belongs to a token");
            return (seen, asked);
        }
    }
    unreachable!("a body ends")
}

/// Everything of which multipart bodies are made, well and badly.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "--x", "\r\n--x\r\n", "\n--x\n", "--x--", "\r\n--x--\r\n", "--x--x", "--xy", "--x \t", "--x -", "-", "\r",
            "\n", "\r\n", "\r\n\r\n", "\n\n", " ", "\t",
            "Content-Disposition: form-data; name=\"a\"\r\n",
            "Content-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=x\r\n", "Content-Transfer-Encoding: base64\r\n",
            ":", "=", "\"", ";", "\0\0\0",
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => (any::<u8>(), 0..6000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The units of a body that comes in pieces of these sizes, over and over, and what goes on of it in order.
fn cut(body: &[u8], sizes: &[usize], most: usize) -> Option<(Vec<Unit>, Vec<u8>)> {
    let headers = headers("multipart/form-data; boundary=x");
    let mut units = Units::of(&headers, &body[..body.len().min(1024)], most)?;
    let (mut all, mut gone) = (Vec::new(), Vec::new());
    let (mut come, mut sizes) = (0, sizes.iter().cycle());
    loop {
        match units.proceed() {
            Next::Unit(unit) => {
                gone.extend_from_slice(&unit.goes_on());
                assert_eq!(
                    &body[unit.offset() as usize..][..unit.bytes().len()],
                    unit.bytes()
                );
                all.push(unit);
            }
            Next::Pass(bytes) => gone.extend_from_slice(&bytes),
            Next::TooLong => {
                let unit = units.let_pass();
                gone.extend_from_slice(&unit.goes_on());
                all.push(unit);
            }
            Next::More => {
                let next = body.len().min(come + sizes.next().unwrap());
                units.push(&body[come..next]);
                come = next;
                if come == body.len() {
                    units.end();
                }
            }
            Next::End => {
                assert_eq!((come, units.held()), (body.len(), 0));
                return Some((all, gone));
            }
        }
        assert!(units.held() <= most + 128 * 1024, "{}", units.held());
    }
}

/// The values of units as texts, and the kinds of their ambiguities.
fn judged(units: &[Unit]) -> (Vec<String>, Vec<&'static str>) {
    let headers = headers("multipart/form-data; boundary=x");
    let (mut values, mut notes) = (Vec::new(), Vec::new());
    for unit in units {
        let view = BodyView::of_unit(&headers, unit);
        for input in view.inputs() {
            let value = input.value().escape_ascii();
            values.push(format!("{}={value}", input.place()));
        }
        notes.extend(view.ambiguities().iter().map(|note| note.kind));
    }
    (values, notes)
}

/// The values of a body that is judged as a whole.
fn judged_whole(body: &[u8]) -> (Vec<String>, Vec<&'static str>) {
    let headers = headers("multipart/form-data; boundary=x");
    let view = BodyView::new(&headers, body);
    let values = view.inputs().iter();
    let values = values
        .map(|input| format!("{}={}", input.place(), input.value().escape_ascii()))
        .collect();
    (
        values,
        view.ambiguities().iter().map(|note| note.kind).collect(),
    )
}

proptest! {
    /// Byte by byte, in pieces and whole a body has the same tokens, and they are found with work that its length allows.
    #[test]
    fn however_a_body_is_cut_its_tokens_are_the_same(
        body in body(),
        sizes in proptest::collection::vec(1..200_usize, 1..5),
    ) {
        let (whole, _) = scanned(&body, &[usize::MAX / 2]);
        for sizes in [&[1][..], &sizes] {
            let (pieces, asked) = scanned(&body, sizes);
            prop_assert_eq!(&pieces, &whole);
            prop_assert!(asked <= 3 * body.len() + 10);
        }
    }

    /// Whatever comes in whatever pieces goes on byte by byte, in order, and all of it. Nothing breaks.
    #[test]
    fn what_is_cut_into_units_goes_on_as_it_came(
        body in body(),
        sizes in proptest::collection::vec(1..9000_usize, 1..5),
        most in prop_oneof![Just(1 << 20), 1..5000_usize],
    ) {
        let body = [b"--x\r\n", &body[..]].concat();
        let (units, gone) = cut(&body, &sizes, most).expect("it begins as it should");
        prop_assert_eq!(gone, body);
        judged(&units);
    }

    /// Where every part is one that is judged whole, judging unit by unit finds what judging the whole finds.
    #[test]
    fn units_hold_what_the_whole_holds(
        body in body(),
        sizes in proptest::collection::vec(1..9000_usize, 1..5),
    ) {
        let body = [b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n", &body[..]].concat();
        let body = String::from_utf8_lossy(&body).replace("filename", "title").into_bytes();
        let (units, _) = cut(&body, &sizes, 1 << 20).expect("it begins as it should");
        let (values, notes) = judged(&units);
        let (whole, whole_notes) = judged_whole(&body);
        prop_assert_eq!(values, whole);
        // Of one body a hundred are kept.
        if whole_notes.len() < 100 {
            // A head that is too long by the delimiter that cuts it off is either, by what is seen of it.
            let one = |note| match note {
                "multipart_long_head" => "multipart_no_content",
                note => note,
            };
            let kinds = |notes: Vec<_>| notes.into_iter().map(one).collect::<BTreeSet<_>>();
            prop_assert_eq!(kinds(notes), kinds(whole_notes));
        }
    }
}

const FILE: &str = "Content-Disposition: form-data; name=\"up\"; filename=\"f\"\r\nContent-Type: image/png\r\n\r\n";

/// A form of a field, a file and a field.
fn form(file: &[u8]) -> Vec<u8> {
    let field = |name, value| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    [
        field("first", "1").as_bytes(),
        format!("--x\r\n{FILE}").as_bytes(),
        file,
        b"\r\n",
        field("last", "2").as_bytes(),
        b"--x--\r\n",
    ]
    .concat()
}

#[test]
fn of_a_binary_file_the_beginning_is_judged_and_the_rest_goes_on() {
    let mut file = vec![0; 3 << 20];
    file[100..118].copy_from_slice(b"in the first bytes");
    file[10_000..10_015].copy_from_slice(b"far behind them");
    let body = form(&file);
    let (units, gone) = cut(&body, &[1400], 1 << 20).unwrap();
    assert_eq!(gone, body);
    let (values, notes) = judged(&units);
    assert_eq!(
        values,
        [
            "body.first (name)=first",
            "body.first=1",
            "body.up (name)=up",
            "body.up (name)=f",
            "body.Content-Type=image/png",
            "body.up=in the first bytes",
            "body.last (name)=last",
            "body.last=2",
        ]
    );
    assert_eq!(notes, [""; 0]);
    let most = units.iter().map(|unit| unit.bytes().len()).max();
    assert!(most < Some(8 * 1024), "{most:?}");
}

#[test]
fn a_binary_file_without_a_type_is_judged_to_its_end() {
    let mut file = vec![0; 1 << 20];
    file[500_000..500_019].copy_from_slice(b"far from its bounds");
    let body = String::from_utf8(form(&file)).unwrap();
    let body = body.replace("Content-Type: image/png\r\n", "").into_bytes();
    let (units, gone) = cut(&body, &[1400], 1 << 18).unwrap();
    assert_eq!(gone, body);
    let (values, notes) = judged(&units);
    assert!(
        values.contains(&"body.up=far from its bounds".to_owned()),
        "{values:?}"
    );
    assert_eq!(notes, [""; 0]);
    let most = units.iter().map(|unit| unit.bytes().len()).max();
    assert!(most < Some(64 * 1024), "{most:?}");
}

#[test]
fn a_text_file_is_judged_in_windows_that_overlap() {
    for at in [0, 48 * 1024 - 5, 48 * 1024, 1_000_003, 2_999_990] {
        let mut file = b"plain text ".repeat(300_000);
        file.truncate(3_000_000);
        file[at..at + 9].copy_from_slice(b"<payload>");
        let body = form(&file);
        let (units, gone) = cut(&body, &[10_007], 1 << 20).unwrap();
        assert_eq!(gone, body);
        let (values, notes) = judged(&units);
        assert!(
            values
                .iter()
                .any(|value| value.starts_with("body.up=") && value.contains("<payload>")),
            "{at}"
        );
        assert_eq!(values.last().unwrap(), "body.last=2");
        assert_eq!(notes, [""; 0]);
        assert!(units.iter().all(|unit| unit.bytes().len() <= 64 * 1024));
    }
}

#[test]
fn a_text_file_in_utf16_is_judged_in_utf16() {
    let text = "plain text ".repeat(20_000) + "<payload>" + &"more text ".repeat(20_000);
    let file: Vec<u8> = text.bytes().flat_map(|byte| [byte, 0]).collect();
    let (units, _) = cut(&form(&file), &[777], 1 << 20).unwrap();
    let (values, _) = judged(&units);
    assert!(values.iter().any(|value| value.contains("<payload>")));
}

#[test]
fn what_some_parser_takes_for_a_part_within_a_binary_file_is_judged() {
    for within in ["\r\n--xy\r\n", "--x\r\n"] {
        let mut file = vec![0; 1 << 20];
        file.splice(
            500_000..500_000,
            [within, FILE, "<payload> of a part"].concat().into_bytes(),
        );
        let (units, gone) = cut(&form(&file), &[1400], 1 << 20).unwrap();
        assert_eq!(gone, form(&file));
        let (values, notes) = judged(&units);
        assert!(
            values.iter().any(|value| value.contains("<payload>")),
            "{within}"
        );
        assert_eq!(notes.len(), 1, "{within}: {notes:?}");
    }
}

#[test]
fn the_last_bytes_of_a_file_that_nothing_ends_do_not_go_on_before_it_is_noted() {
    for file in [
        vec![0; 100_000],
        b"text ".repeat(20_000),
        // As long as what is judged at a time of a text.
        vec![b'x'; 2 * 48 * 1024],
    ] {
        let body = [b"--x\r\n", FILE.as_bytes(), &file].concat();
        let (units, gone) = cut(&body, &[1000], 1 << 20).unwrap();
        assert_eq!(gone, body);
        let last = units.last().unwrap();
        assert!(!last.goes_on().is_empty());
        assert_eq!(last.offset() as usize + last.bytes().len(), body.len());
        assert_eq!(
            judged(std::slice::from_ref(last)).1,
            ["multipart_unterminated"]
        );
    }
}

#[test]
fn a_field_beyond_the_limit_is_too_long_and_a_file_is_not() {
    let headers = headers("multipart/form-data; boundary=x");
    let field =
        "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n".to_owned() + &"v".repeat(3000);
    let mut units = Units::of(&headers, field.as_bytes(), 1000).unwrap();
    units.push(field.as_bytes());
    assert!(matches!(units.proceed(), Next::TooLong));
    let mut units = Units::of(&headers, field.as_bytes(), 5000).unwrap();
    units.push(field.as_bytes());
    assert!(matches!(units.proceed(), Next::More));
    for doubtful in ["filename=\"\"", "filename*=utf-8''", "filename=\"b"] {
        let part = format!("--x\r\nContent-Disposition: form-data; name=\"a\"; {doubtful}\r\n\r\n");
        let part = [part.as_bytes(), &[0; 3000]].concat();
        let mut units = Units::of(&headers, &part, 1000).unwrap();
        units.push(&part);
        assert!(matches!(units.proceed(), Next::TooLong), "{doubtful}");
    }
}

#[test]
fn binary_data_that_is_likely_a_file_is_judged_in_windows_to_its_end() {
    let heads = [
        "Content-Disposition: form-data; name=\"a\"; filename*=utf-8''b",
        "Content-Type: image/png\r\nContent-ID: <b>",
    ];
    for head in heads {
        let file = [&[0; 150_000][..], b"hidden payload", &[0; 150_000]].concat();
        let form = |file: &[u8]| {
            let head = format!("--x\r\n{head}\r\n\r\n");
            [head.as_bytes(), file, b"\r\n--x--\r\n"].concat()
        };
        let body = form(&file);
        let (units, gone) = cut(&body, &[8000], 100_000).expect("it begins as it should");
        assert_eq!(gone, body);
        assert!(units.len() > 4, "{head}");
        let (values, _) = judged(&units);
        let is_found = |value: &String| value.ends_with("=hidden payload");
        assert!(values.iter().any(is_found), "{head}: {values:?}");
        // Text is some field's value, and judged whole or not at all.
        let body = form(&[b'v'; 150_000]);
        let mut units =
            Units::of(&headers("multipart/form-data; boundary=x"), &body, 100_000).unwrap();
        units.push(&body);
        assert!(matches!(units.proceed(), Next::TooLong), "{head}");
    }
}

#[test]
fn only_a_body_whose_parts_everybody_finds_is_cut_into_units() {
    const FORM: &str = "multipart/form-data; boundary=x";
    for (content_type, body, is_cut) in [
        (FORM, "--x\r\n", true),
        (FORM, "\r\n--x\r\n", true),
        ("multipart/form-data; boundary=\"x\"", "--x\r\n", true),
        (FORM, "--x\n", false),
        (FORM, "--x \r\n", false),
        (FORM, "--xy\r\n", false),
        (FORM, "--x--\r\n", false),
        (FORM, "a\r\n--x\r\n", false),
        (FORM, "--x", false),
        (FORM, "{\"a\":1}", false),
        ("multipart/form-data", "--x\r\n", false),
        (
            "multipart/form-data; boundary=x; boundary=y",
            "--x\r\n",
            false,
        ),
        ("multipart/form-data; boundary='x'", "--'x'\r\n", false),
        ("text/plain; boundary=x", "--x\r\n", false),
        (
            "Multipart/Related; charset=utf-8; boundary=x",
            "--x\r\n",
            true,
        ),
        (
            "multipart/form-data; boundary=x; charset=utf-7",
            "--x\r\n",
            false,
        ),
        (
            "multipart/form-data; boundary=x; charset=utf-16le",
            "--x\r\n",
            false,
        ),
    ] {
        let units = Units::of(&headers(content_type), body.as_bytes(), 1000);
        assert_eq!(units.is_some(), is_cut, "{content_type} {body:?}");
    }
}

/// How often the scanner is asked, and how many values and notes there are, for a body of this piece repeated.
fn work(piece: &str, times: usize) -> [usize; 3] {
    let body = format!("--x\r\n\r\n{}", piece.repeat(times));
    let (_, asked) = scanned(body.as_bytes(), &[usize::MAX / 2]);
    let (_, values, notes) = read("x", &body);
    [asked, values.len(), notes.len()]
}

/// How many units there are of a body of this piece repeated that comes in pieces of so many bytes, and of how many bytes
/// all together.
fn units_of(piece: &str, times: usize, size: usize) -> [usize; 2] {
    let body = [b"--x\r\n", FILE.as_bytes(), piece.repeat(times).as_bytes()].concat();
    let (units, _) = cut(&body, &[size], 20_000).unwrap();
    let judged: usize = units.iter().map(|unit| unit.bytes().len()).sum();
    // A window begins with the end of the one before.
    assert!(
        judged <= body.len() + body.len() / 8 + 8192,
        "{piece:?}: {judged} of {}",
        body.len()
    );
    [units.len(), judged]
}

#[test]
fn floods_that_stream_make_units_in_proportion_to_their_length() {
    let field = "\r\n--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv";
    let file = format!("\r\n--x\r\n{FILE}text");
    for piece in [
        field,
        &file,
        "--x",
        "\r\n--xy",
        "\r\n--x\r\n",
        "text ",
        "\r\n",
        "\r\n--x--",
        "\0",
    ] {
        for size in [1, 1400] {
            let once = units_of(piece, 1000, size);
            for factor in [2, 10] {
                let more = units_of(piece, 1000 * factor, size);
                // What is short is no window yet.
                for ((more, once), least) in more.iter().zip(once).zip([50, 8192]) {
                    assert!(
                        *more <= factor * once + least,
                        "{piece:?}: {once} then {more}"
                    );
                }
            }
        }
    }
}

#[test]
fn floods_make_work_in_proportion_to_their_length() {
    let field = "\r\n--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv";
    let many = "\r\n--x\r\n".to_owned() + &"a:b\r\n".repeat(20) + "\r\n";
    for piece in [
        field,
        &many,
        "--x",
        "\r\n--x",
        "\r\n--xy",
        "\r\n--x\r\n",
        "\n--x\n",
        "-",
        "\r\n",
        "\r\n--x--",
    ] {
        let once = work(piece, 300);
        for factor in [2, 10] {
            let more = work(piece, 300 * factor);
            for (more, once) in more.iter().zip(once) {
                assert!(*more <= factor * once + 20, "{piece:?}: {once} then {more}");
            }
        }
        assert!(once[0] <= 3 * 300 * piece.len(), "{piece:?}: {once:?}");
    }
}
