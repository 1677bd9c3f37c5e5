use http::Request;
use http::uri::Builder;
use proptest::prelude::*;

use super::*;

const LIMITS: GateLimits = GateLimits {
    head: 8192,
    headers: 20,
    uri: 1024,
};

fn head(authority: &str, path: &str, fields: &[(&str, &str)]) -> Parts {
    let uri = Builder::new()
        .scheme("https")
        .authority(authority)
        .path_and_query(path);
    let mut request = Request::builder().uri(uri.build().expect("a URI"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn text(head: Parts) -> Result<String, Fault> {
    translated(head, LIMITS).map(|text| String::from_utf8(text).expect("ASCII"))
}

#[test]
fn a_head_gets_the_form_of_http_1_1() {
    let fields = [
        ("cookie", "a=1"),
        ("x-a", "y"),
        ("cookie", "b=2"),
        ("cookie", "c=3"),
    ];
    let text = text(head("a.example:8443", "/p?q", &fields)).expect("it is in order");
    let mut lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /p?q HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "",
            "",
            "cookie: a=1; b=2; c=3",
            "host: a.example:8443",
            "x-a: y"
        ]
    );
}

#[test]
fn the_limits_of_a_head_hold() {
    let long = "v".repeat(9000);
    assert_eq!(
        text(head("a.example", "/", &[("x-a", &long)])),
        Err(Fault::HeadTooLarge)
    );
    let path = format!("/{}", "p".repeat(1024));
    assert_eq!(
        text(head("a.example", &path, &[])),
        Err(Fault::TargetTooLong)
    );
    let names: Vec<String> = (0..20).map(|n| format!("x-{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (&**name, "v")).collect();
    assert_eq!(
        text(head("a.example", "/", &fields)),
        Err(Fault::TooManyFields)
    );
    assert!(text(head("a.example", "/", &fields[1..])).is_ok());
}

proptest! {
    /// What is accepted is one request, for the gate as well: nothing that is done after it was looked at changes that.
    #[test]
    fn what_is_accepted_is_one_request(
        path in "/[!-~]{0,20}",
        host in "[a-z.-]{1,12}|[a-z.@: /-]{1,12}",
        fields in prop::collection::vec(("[a-z_-]{1,18}|cookie|host|content-length|transfer-encoding", "[\\t -~]{0,20}"), 0..6),
    ) {
        let uri = Builder::new().scheme("http").authority(&*host).path_and_query(&*path).build();
        let Ok(uri) = uri else { return Ok(()) };
        let mut request = Request::builder().uri(uri);
        for (name, value) in &fields {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(()) else { return Ok(()) };
        let (head, ()) = request.into_parts();
        if let Ok(text) = translated(head, LIMITS) {
            let scanned = Gate::new(LIMITS).scan(&text);
            prop_assert_eq!(scanned, Ok(Step::Pass(text.len())));
        }
    }
}
