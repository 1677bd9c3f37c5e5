//! Commands, and the requests that curl sends for them.

use super::*;

/// A request as one text, its headers sorted by name.
fn sent(command: &str) -> String {
    let request = parse(command).expect(command).request;
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    headers.sort();
    format!(
        "{} {}|{}|{}",
        request.method,
        request.target,
        headers.join("|"),
        request.body.escape_ascii()
    )
}

#[test]
fn a_command_is_the_request_that_curl_sends() {
    let usual = "accept: */*|host: a|user-agent: curl/8.0";
    let form =
        "accept: */*|content-type: application/x-www-form-urlencoded|host: a|user-agent: curl/8.0";
    for (command, expected) in [
        ("curl a/b?c=d", format!("GET /b?c=d|{usual}|")),
        ("curl -sSLo out https://a", format!("GET /|{usual}|")),
        ("curl -I a", format!("HEAD /|{usual}|")),
        ("curl -XPUT a", format!("PUT /|{usual}|")),
        ("curl a -d b=c -d 'd=e f'", format!("POST /|{form}|b=c&d=e f")),
        ("curl --data-raw @b a", format!("POST /|{form}|@b")),
        ("curl -G a?x=y --data-urlencode 'q=1 & 2'", format!("GET /?x=y&q=1+%26+2|{usual}|")),
        ("curl --url a --data-urlencode '<b>'", format!("POST /|{form}|%3Cb%3E")),
        (
            "curl --json '{\"a\":1}' a",
            "POST /|accept: application/json|content-type: application/json|host: a|user-agent: curl/8.0|{\\\"a\\\":1}".into(),
        ),
        (
            "curl a -H 'X-A: 1' -H 'Accept:' -H 'X-B;' -A me -e http://r/ -b 'c=d' -u joe:x",
            "GET /|authorization: Basic am9lOng=|cookie: c=d|host: a|referer: http://r/|user-agent: me|x-a: 1|x-b: |".into(),
        ),
        (
            "curl a -H 'content-type: text/plain' -d x -H 'Host: b' -H 'user-agent: u' --compressed",
            "POST /|accept-encoding: deflate, gzip, br, zstd|accept: */*|content-type: text/plain|host: b|user-agent: u|x".into(),
        ),
    ] {
        assert_eq!(sent(command), expected, "{command}");
    }
}

#[test]
fn a_form_with_files_has_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "inside").expect("a file");
    let path = path.display();
    let command = format!("curl http://a/ -F b=c -F 'f=@{path};type=text/x;filename=g'");
    let request = parse(&command).expect("a request").request;
    let body = String::from_utf8(request.body).expect("text");
    assert!(body.contains("name=\"b\"\r\n\r\nc\r\n"), "{body}");
    let file = "name=\"f\"; filename=\"g\"\r\nContent-Type: text/x\r\n\r\ninside\r\n";
    assert!(body.contains(file), "{body}");
    let kind = request.headers.get(CONTENT_TYPE).expect("a type");
    assert!(kind.to_str().is_ok_and(|kind| kind.contains(BOUNDARY)));
    assert!(body.ends_with(&format!("--{BOUNDARY}--\r\n")), "{body}");
}

#[test]
fn curl_takes_dots_out_of_a_path_and_that_is_told() {
    for (command, target, notes) in [
        ("curl 'a/../../etc/passwd?x=../y'", "/etc/passwd?x=../y", 1),
        ("curl a/b/./c/..", "/b/", 1),
        ("curl --path-as-is a/../b", "/../b", 0),
        ("curl a/..b/.c", "/..b/.c", 0),
    ] {
        let recorded = parse(command).expect(command);
        assert_eq!(recorded.request.target, target, "{command}");
        assert_eq!(recorded.notes.len(), notes, "{command}");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_its_place() {
    for (command, at, reason) in [
        ("wget a", (1, 1), "no command line of curl"),
        ("curl", (1, 1), "no URL"),
        ("curl a b", (1, 8), "second URL"),
        ("curl a --no-such", (1, 8), "`--no-such`"),
        ("curl a \\\n -Z", (2, 2), "`-Z`"),
        ("curl a -H", (1, 8), "wants a value"),
        ("curl a -H none", (1, 11), "no header"),
        ("curl a -X 'G T'", (1, 11), "no method"),
        ("curl 'a/b c'", (1, 6), "a space"),
        ("curl a -d @/no/such/file", (1, 11), "cannot read"),
        ("curl a -b jar.txt", (1, 11), "cookies"),
    ] {
        let wrong = parse(command).expect_err(command);
        assert_eq!((wrong.line, wrong.column), at, "{command}: {wrong}");
        assert!(wrong.to_string().contains(reason), "{command}: {wrong}");
    }
}
