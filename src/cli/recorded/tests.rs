//! Every format, read from texts.

use super::*;

fn pieces(text: &str) -> Result<Vec<Piece>, FileError> {
    let source = std::io::Cursor::new(text.as_bytes().to_vec());
    Pieces::of("a".into(), Box::new(source))?.collect()
}

/// Everything that was read of a text, a line each; what could not be read with its reason.
fn read(text: &str) -> Vec<String> {
    let pieces = match pieces(text) {
        Ok(pieces) => pieces,
        Err(error) => return vec![error.to_string()],
    };
    pieces.iter().map(told).collect()
}

fn told(piece: &Piece) -> String {
    match piece.read() {
        Ok(Recorded { request, .. }) => {
            let headers: Vec<_> = request
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii()))
                .collect();
            format!(
                "{} {} {} {} {}",
                piece.at,
                request.method,
                request.target,
                headers.join(","),
                request.body.escape_ascii()
            )
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn lines_of_json_are_requests() {
    let text = concat!(
        "\u{feff}\n",
        r#"{"id":"1","label":"malicious","category":"c","source":"s","placement":"p","method":"PUT","path":"/a?b=c","headers":[["X-A","1"],["X-A","2"]],"body":"d","more":[1]}"#,
        "\n\n",
        r#"{"path":"/"}"#,
        "\r\n",
        r#"{"target":"http://h/x","headers":{"X-B":"é"},"body_b64":"AP8"}"#,
    );
    assert_eq!(
        read(text),
        [
            "a:2 PUT /a?b=c x-a=1,x-a=2 d",
            "a:4 GET /  ",
            "a:5 POST /x host=h,x-b=\\xc3\\xa9 \\x00\\xff",
        ]
    );
    let first = &pieces(text).expect("pieces")[0];
    let recorded = first.read().expect("a request");
    assert_eq!(
        (&*recorded.id, recorded.label),
        ("1", Some(Label::Malicious))
    );
    assert_eq!(recorded.category.as_deref(), Some("c"));
    assert_eq!(recorded.source.as_deref(), Some("s"));
    assert_eq!(recorded.placement.as_deref(), Some("p"));
    assert!(first.is_called("1") && !first.is_called("2"));
}

#[test]
fn a_broken_line_is_told_by_its_place_and_the_others_are_read() {
    let text = concat!(
        "{\"path\":\"/1\"}\n",
        "{\"path\":/2}\n",
        "{\"label\":\"evil\",\"path\":\"/3\"}\n",
        "{\"label\":\"legit\"}\n",
        "{\"path\":\"/a b\"}\n",
        "{\"path\":\"/\",\"headers\":[[\"A B\",\"\"],[\"B\",\"1\"]]}\n",
        "{\"path\":\"/\",\"body_b64\":\"*\"}\n",
        "GET / HTTP/1.1\n",
        "{\"path\":\"/9\"}",
    );
    let read = read(text);
    for (line, part) in [
        (0, "a:1 GET /1"),
        (1, "a:2:9: expected value"),
        (
            2,
            "a:3:15: unknown variant `evil`, expected `malicious` or `legit`",
        ),
        (3, "a:4: missing field `path`"),
        (4, "a:5: a request target cannot hold a space"),
        (5, "a:6 GET / b=1 "),
        (6, "no base64"),
        (7, "a:8:1: expected value"),
        (8, "a:9 GET /9"),
    ] {
        assert!(read[line].contains(part), "{part}: {}", read[line]);
    }
    assert_eq!(read.len(), 9);
    let odd = pieces(text).expect("pieces")[5].read().expect("a request");
    assert_eq!(odd.unsendable, ["`A B` is no name of a header"]);
    // A first line that is broken does not make the file something else.
    let read = self::read("{\"path\":}\n{\"path\":\"/2\"}\n");
    assert_eq!(read[1], "a:2 GET /2  ");
}

#[test]
fn an_event_is_the_excerpt_that_it_keeps() {
    let event = r#"{"schema":1,"id":"e1","kind":"threat","client":{"ip":"198.51.100.7"},"decision":"block","rule":"r.s","method":"POST","path":"/a",
"request":{"method":"POST","target":"/a?b=[masked]","headers":[["x-a","1"]],"body":"c","body_bytes":9,"cut":["headers","body"],"masked":2}}"#;
    let all = pieces(event).expect("laid out over two lines");
    let recorded = all[0].read().expect("a request");
    assert_eq!(told(&all[0]), "a:1 POST /a?b=[masked] x-a=1 c");
    assert_eq!(recorded.client, Some([198, 51, 100, 7].into()));
    assert_eq!(
        recorded.notes,
        [
            "This is an event: its decision was block by r.s.",
            "Not all of the request is kept (`events.excerpt`): headers and body cut, of a body of 9 bytes. What lies beyond is not judged.",
            "Secrets were masked in 2 places, and what may have been found in them is not found again.",
        ]
    );
    let log = event.replace('\n', " ");
    assert!(pieces(&log).expect("a line")[0].is_called("e1"));
    for (line, part) in [
        (
            r#"{"kind":"access","path":"/a"}"#,
            "a:1: this is a line of the access log",
        ),
        (
            r#"{"kind":"threat","path":"/a"}"#,
            "a:1: this event keeps nothing of its request",
        ),
    ] {
        assert!(read(line)[0].starts_with(part), "{}", read(line)[0]);
    }
}

#[test]
fn a_har_is_what_a_browser_sent() {
    let text = r#"
{
  "log": { "version": "1.2", "entries": [
    { "time": 1, "request": { "method": "GET", "url": "https://h/a?b=c#d",
        "headers": [{"name": ":authority", "value": "h"}, {"name": ":path", "value": "/x"}, {"name": "X-A", "value": "1"}],
        "cookies": [{"name": "k", "value": "v"}, {"name": "l", "value": "w"}] }, "response": {} },
    { "request": { "method": "GET", "url": "data:text/plain,x" } },
    { "request": { "method": "POST", "url": "http://h/f",
        "headers": [{"name": "Content-Length", "value": "99"}, {"name": "Cookie", "value": "k=v"}],
        "cookies": [{"name": "k", "value": "v"}],
        "postData": { "mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "c&d"}, {"name": "e"}] } } },
    { "request": { "method": "POST", "url": "http://h/j",
        "postData": { "mimeType": "application/json", "text": "{}" } } },
    { "request": { "method": "POST", "url": "http://h/m",
        "postData": { "mimeType": "multipart/form-data", "params": [{"name": "f", "value": "x", "fileName": "n\".txt", "contentType": "text/x"}] } } },
    { "request": { "method": "G T", "url": "http://h/" } },
    { "request": { "method": 5 } }
  ] }
}"#;
    let read = read(text);
    assert_eq!(
        read[..3],
        [
            "a:4:5 GET /a?b=c host=h,x-a=1,cookie=k=v; l=w ",
            "a:8:5 POST /f host=h,cookie=k=v,content-type=application/x-www-form-urlencoded a+b=c%26d&e=",
            "a:12:5 POST /j host=h,content-type=application/json {}",
        ]
    );
    for part in [
        "boundary=portcullis-boundary",
        "name=\\\"f\\\"; filename=\\\"n%22.txt\\\"\\r\\nContent-Type: text/x\\r\\n\\r\\nx\\r\\n",
    ] {
        assert!(read[3].contains(part), "{part}: {}", read[3]);
    }
    assert!(
        read[4].starts_with("a:16:5: `G T` is no method"),
        "{}",
        read[4]
    );
    assert!(read[5].starts_with("a:17:30: invalid type"), "{}", read[5]);
    assert_eq!(read.len(), 6);
    // On one line it is a HAR as well.
    assert_eq!(self::read(&text.replace('\n', " ")).len(), 6);
    let broken = self::read("{\n  \"log\": {}\n}");
    assert!(
        broken[0].starts_with("a:2:11: this is neither JSON lines nor a HAR: missing field"),
        "{broken:?}"
    );
}

#[test]
fn requests_as_they_are_sent_may_be_one_or_several() {
    let one = "POST /a HTTP/1.1\r\nHost: h\r\n\r\n# Title\n\n### Part\ntext\n";
    assert_eq!(
        read(one),
        ["a:1 POST /a host=h # Title\\n\\n### Part\\ntext\\n"]
    );
    let several = concat!(
        "\n# How it is used\n",
        "### first\n",
        "# @name first\n",
        "GET http://h/1\n",
        "X-A: 1\n",
        "\n",
        "###\n",
        "// second\n",
        "POST /2 HTTP/1.1\n",
        "Content-Length: 9\n",
        "\n",
        "###\nGET /\n",
        "###\n",
        "\n",
        "###\n",
        "GET /3\n",
        "###\n",
    );
    assert_eq!(
        read(several),
        [
            "a:5 GET /1 host=h,x-a=1 ",
            "a:10 POST /2 content-length=9 ###\\nGET /",
            "a:18 GET /3  ",
        ]
    );
    let broken = read("GET /1\n\n###\nGET /2\nno header\n");
    assert_eq!(broken[0], "a:1 GET /1  ");
    assert!(
        broken[1].starts_with("a:5:1: this is no header"),
        "{broken:?}"
    );
}

#[test]
fn a_command_of_curl_is_a_request() {
    let read = read("curl 'http://h/a' \\\n  -H 'X-A: 1'");
    assert_eq!(
        read,
        ["a:1 GET /a host=h,x-a=1,user-agent=curl/8.0,accept=*/* "]
    );
    let wrong = self::read("\ncurl http://h/ \\\n  --what");
    assert!(
        wrong[0].starts_with("a:3:3: the option `--what`"),
        "{wrong:?}"
    );
}

#[test]
fn what_is_none_of_them_is_refused() {
    for text in ["# Title\n\ntext\n", "hello", "[1]", "<a/>", "\0\0"] {
        assert!(read(text)[0].contains("no recording of requests"), "{text}");
    }
    assert!(read("").is_empty() && read(" \n\n").is_empty());
}

#[test]
fn one_is_chosen_by_its_line_or_its_id() {
    let text = "{\"path\":\"/1\"}\n\n{\"id\":\"two\",\"path\":\"/2\"}\n";
    let one = |text: &str, which| {
        let source = std::io::Cursor::new(text.as_bytes().to_vec());
        let pieces = Pieces::of("a".into(), Box::new(source)).expect("pieces");
        pieces
            .one("a", &which)
            .map(|piece| piece.at.line)
            .map_err(|error| error.to_string())
    };
    assert_eq!(one(text, Which::AtLine(1)), Ok(1));
    assert_eq!(one(text, Which::AtLine(3)), Ok(3));
    assert_eq!(one(text, Which::Called("two")), Ok(3));
    assert_eq!(one("{\"path\":\"/1\"}", Which::Only), Ok(1));
    for (text, which, said) in [
        (text, Which::Only, "there are 2 requests in a; choose one"),
        (text, Which::AtLine(0), "no request at line 0 in a"),
        (text, Which::Called("x"), "no request with the id `x` in a"),
        ("", Which::Only, "it is empty"),
    ] {
        let error = one(text, which).expect_err(text);
        assert!(error.contains(said), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        begins in "(\\{|curl |GET /|\\{\"log\":\\{\"entries\":\\[)?",
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        text in "([\\PC\n]|###\n|GET / |\\\\|'|\"|\\$|\\{|content-length: 5\n){0,60}",
    ) {
        for rest in [&bytes[..], text.as_bytes()] {
            let all = [begins.as_bytes(), rest].concat();
            if let Ok(pieces) = Pieces::of("a".into(), Box::new(std::io::Cursor::new(all))) {
                for piece in pieces.flatten() {
                    drop(piece.read());
                }
            }
        }
    }
}
