//! Clients that others wrote: what they send is in order, and has to go through as they mean it.

use std::process::{Command, Stdio};

use super::recorder::Recorder;
use super::{JUDGED, STREAMING};
use crate::support::{Proxy, Upstream};
use portcullis::engine::Registry;

/// What a program prints; `None` where it is not installed and need not be. Where services are required it is a failure.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{program} {arguments:?}: {errors}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) if std::env::var("PORTCULLIS_REQUIRE_SERVICES").is_ok() => {
            panic!("{program}: {error}")
        }
        Err(_) => None,
    }
}

#[test]
fn curl_is_served() {
    for chain in [STREAMING, JUDGED] {
        let recorder = Recorder::start();
        let proxy = Proxy::start_with(recorder.address, chain, Registry::default());
        let url = format!("http://{}/curl", proxy.address);
        let status = "%{http_code} ";
        let cases: [(&[&str], &str, &str, &str); 14] = [
            (&[], "GET", "/curl", ""),
            (&["--http1.0"], "GET", "/curl", ""),
            (&["--head"], "HEAD", "/curl", ""),
            (&["--data", "a=b&c=d"], "POST", "/curl", "a=b&c=d"),
            (
                &["--data", "a=b", "--request", "PUT"],
                "PUT",
                "/curl",
                "a=b",
            ),
            (
                &["--data", "a=b", "--header", "Transfer-Encoding: chunked"],
                "POST",
                "/curl",
                "a=b",
            ),
            (
                &["--data", "a=b", "--header", "Expect: 100-continue"],
                "POST",
                "/curl",
                "a=b",
            ),
            (
                &["--data", "a=b", "--request", "DELETE"],
                "DELETE",
                "/curl",
                "a=b",
            ),
            (
                &["--get", "--data-urlencode", "q=a&b"],
                "GET",
                "/curl?q=a%26b",
                "",
            ),
            (&["--header", "X-Empty;"], "GET", "/curl", ""),
            // What it believes to speak HTTP/2 about.
            (&["--http2"], "GET", "/curl", ""),
            (
                &["--request", "OPTIONS", "--request-target", "*"],
                "OPTIONS",
                "*",
                "",
            ),
            (
                &["--request-target", "http://other.example/curl"],
                "GET",
                "/curl",
                "",
            ),
            (&["--header", "Connection: close"], "GET", "/curl", ""),
        ];
        let mut arrived = 0;
        for (more, method, target, body) in cases {
            let mut arguments = vec![
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--output",
                "/dev/null",
                "--write-out",
                status,
            ];
            arguments.extend(more);
            arguments.push(&url);
            let Some(printed) = output("curl", &arguments) else {
                return;
            };
            assert_eq!(printed, "200 ", "{more:?}");
            let seen = recorder.settled();
            arrived += 1;
            assert_eq!(seen.len(), arrived, "{more:?}");
            let seen = &seen[arrived - 1];
            assert_eq!(
                (
                    seen.method.as_str(),
                    seen.target.as_slice(),
                    seen.body.as_slice()
                ),
                (method, target.as_bytes(), body.as_bytes()),
                "{more:?}"
            );
        }
        // Several over one connection.
        let next = [
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--write-out",
            status,
            "--output",
            "/dev/null",
            &url,
            "--next",
            "--silent",
            "--write-out",
            status,
            "--output",
            "/dev/null",
            "--data",
            "a=b",
            &url,
        ];
        assert_eq!(output("curl", &next).as_deref(), Some("200 200 "));
        assert_eq!(recorder.settled().len(), arrived + 2);
    }
}

#[test]
fn curl_is_refused_what_it_should_not_send() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let url = format!("http://{}/", proxy.address);
    for (more, expected) in [
        (&["--request", "TRACE"][..], "405 "),
        (&["--request", "get"], "400 "),
        (&["--header", "Host:"], "400 "),
        (&["--header", "Host: a b"], "400 "),
        (
            &[
                "--data",
                "a=b",
                "--header",
                "Content-Length: 3",
                "--header",
                "Transfer-Encoding: chunked",
            ],
            "400 ",
        ),
        (
            &[
                "--data",
                "a=b",
                "--header",
                "Transfer-Encoding: gzip, chunked",
            ],
            "400 ",
        ),
        (&["--header", "Expect: something"], "417 "),
    ] {
        let mut arguments = vec![
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} ",
        ];
        arguments.extend(more);
        arguments.push(&url);
        let Some(printed) = output("curl", &arguments) else {
            return;
        };
        assert_eq!(printed, expected, "{more:?}");
    }
    assert_eq!(upstream.count(), 0);
}

/// What it does over one connection, and what it prints of each answer.
const PYTHON: &str = r#"
import http.client, sys
host, port = sys.argv[1].rsplit(":", 1)
connection = http.client.HTTPConnection(host, int(port), timeout=20)
def ask(method, target, body=None, headers={}, **more):
    connection.request(method, target, body, headers, **more)
    answer = connection.getresponse()
    print(method, answer.status, answer.read().decode() != "" or method == "HEAD")
ask("GET", "/py")
ask("HEAD", "/py")
ask("POST", "/py", b"a=b")
ask("PUT", "/py", iter([b"abc", b"def"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
ask("GET", "/py", headers={"Host": "other.example:81", "X-Empty": "", "Connection": "keep-alive"})
ask("POST", "/py")
ask("OPTIONS", "*")
connection.putrequest("POST", "/py", skip_host=True)
connection.putheader("Host", "a")
connection.putheader("Content-Length", "3")
connection.putheader("Content-Length", "4")
connection.endheaders(b"abc")
answer = connection.getresponse()
print("refused", answer.status, answer.read()[:1] == b"{")
ask("GET", "/py/after")
"#;

#[test]
fn python_is_served() {
    for chain in [STREAMING, JUDGED] {
        let recorder = Recorder::start();
        let proxy = Proxy::start_with(recorder.address, chain, Registry::default());
        let address = proxy.address.to_string();
        let Some(printed) = output("python3", &["-c", PYTHON, &address]) else {
            return;
        };
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(
            lines,
            [
                "GET 200 True",
                "HEAD 200 True",
                "POST 200 True",
                "PUT 200 True",
                "GET 200 True",
                "POST 200 True",
                "OPTIONS 200 True",
                "refused 400 True",
                "GET 200 True"
            ]
        );
        let seen = recorder.settled();
        let bodies: Vec<_> = seen
            .iter()
            .map(|seen| String::from_utf8_lossy(&seen.body).into_owned())
            .collect();
        assert_eq!(bodies, ["", "", "a=b", "abcdef", "", "", "", ""]);
        assert_eq!(
            seen.last().map(|seen| seen.target.clone()),
            Some(b"/py/after".to_vec())
        );
    }
}
