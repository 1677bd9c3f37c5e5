//! `malicious_payload`.

use super::Judge;
use crate::judge::{Request, findings};

/// The rules that recognise something in a request.
fn rules(settings: &str, request: &Request) -> Vec<String> {
    let judge = Judge::new(&format!("malicious_payload: {{ {settings} }}"));
    let evaluation = judge.judged(request, 0);
    let found = findings(&evaluation).into_iter();
    found.map(|(_, finding)| finding.rule.to_string()).collect()
}

/// The same for one pattern of one's own.
fn pattern(pattern: &str, request: &Request) -> Vec<String> {
    rules(
        &format!("builtin: false, patterns: [{{ {pattern} }}]"),
        request,
    )
}

const NONE: [&str; 0] = [];

pub fn id() {
    let request = Request::get("/?q=evil");
    for id in ["word-list", "another"] {
        assert_eq!(pattern(&format!("id: {id}, words: [evil]"), &request), [id]);
    }
}

pub fn words() {
    let request = Request::get("/?q=EVIL");
    assert_eq!(pattern("id: a, words: [evil]", &request), ["a"]);
    assert_eq!(pattern("id: a, words: [devil]", &request), NONE);
}

pub fn regexes() {
    let request = Request::get("/?q=e123l");
    assert_eq!(pattern("id: a, regexes: ['e\\d+l']", &request), ["a"]);
    assert_eq!(pattern("id: a, regexes: ['e\\dl']", &request), NONE);
}

pub fn places() {
    let everywhere = [
        ("path", Request::get("/a/evil")),
        ("query", Request::get("/?q=evil")),
        ("headers", Request::get("/").header("x-any", "evil")),
        ("cookies", Request::get("/").header("cookie", "a=evil")),
        ("body", Request::get("/").body("text/plain", "evil")),
    ];
    for (place, _) in &everywhere {
        let own = format!("id: a, words: [evil], places: [{place}]");
        for (other, request) in &everywhere {
            let found = !pattern(&own, request).is_empty();
            assert_eq!(found, place == other, "{place} {other}");
        }
    }
    for (place, request) in &everywhere {
        let found = pattern("id: a, words: [evil]", request);
        assert!(!found.is_empty(), "{place}");
    }
}

pub fn score() {
    let request = Request::get("/?q=evil");
    let passes = |score: u32| {
        Judge::new(&format!(
            "malicious_payload: {{ builtin: false, patterns: [{{ id: a, words: [evil], score: {score} }}] }}"
        ))
        .passes(&request)
    };
    assert!(passes(4) && !passes(5));
}

pub fn message() {
    let request = Request::get("/?q=evil");
    let message = |more: &str| {
        let judge = Judge::new(&format!(
            "malicious_payload: {{ builtin: false, patterns: [{{ id: a, words: [evil]{more} }}] }}"
        ));
        findings(&judge.judged(&request, 0))[0]
            .1
            .message
            .to_string()
    };
    assert_eq!(message(", message: Not here."), "Not here.");
    assert_ne!(message(""), "Not here.");
}

/// Attacks of two classes, in a query and in a header.
const SQL: &str = "1'%20UNION%20SELECT%20password%20FROM%20users--";

fn sql() -> Request {
    Request::get(&format!("/wiki/page?comment={SQL}"))
}

pub fn builtin() {
    assert!(!rules("builtin: true", &sql()).is_empty());
    assert_eq!(rules("builtin: false", &sql()), NONE);
}

pub fn doctype() {
    let found = |settings, body: &str| {
        let mut found = rules(settings, &Request::get("/").body("application/xml", body));
        found.retain(|rule| rule.starts_with("ambiguity."));
        found
    };
    let plain = "<!DOCTYPE note [<!ELEMENT note ANY>]><note>x</note>";
    assert_eq!(
        found("xml: { doctype: refuse }", plain),
        ["ambiguity.xml_doctype"]
    );
    assert_eq!(found("xml: { doctype: allow }", plain), NONE);
    let entity = "<!DOCTYPE note [<!ENTITY e 'x'>]><note>&e;</note>";
    assert_eq!(
        found("xml: { doctype: allow }", entity),
        ["ambiguity.xml_entity"]
    );
    assert_eq!(found("", "<!DOCTYPE html><p>x</p>"), NONE);
}

/// An exclusion that covers the attack switches every rule off, one that covers something else none.
fn assert_exclusion(covers: &str, other: &str) {
    let all = rules("exclusions: []", &sql());
    assert!(!all.is_empty());
    let left = |exclusion| rules(&format!("exclusions: [{{ {exclusion} }}]"), &sql());
    assert_eq!(left(covers), NONE, "{covers}");
    assert_eq!(left(other), all, "{other}");
}

pub fn excluded_rule() {
    assert_exclusion("rule: '*'", "rule: path_traversal.*");
}

pub fn excluded_place() {
    assert_exclusion("place: query", "place: body");
}

pub fn excluded_name() {
    assert_exclusion("name: comment", "name: title");
}

pub fn excluded_path() {
    assert_exclusion("path: /wiki", "path: /shop");
}

pub fn excluded_method() {
    assert_exclusion("method: GET", "method: POST");
}

/// Every kind of content switches off what belongs there, in the fields that hold it and in no others.
pub fn fields() {
    let all = rules("", &sql());
    assert!(!all.is_empty());
    let left = |fields: &str| rules(&format!("fields: {fields}"), &sql());
    for content in ["sql", "markdown", "code"] {
        assert_eq!(
            left(&format!("{{ comment: {content} }}")),
            NONE,
            "{content}"
        );
        assert_eq!(left(&format!("{{ title: {content} }}")), all, "{content}");
    }
    for content in ["html", "shell", "template", "url", "path"] {
        assert_eq!(left(&format!("{{ comment: {content} }}")), all, "{content}");
    }
    let json = Request::get("/").body(
        "application/json",
        r#"{"a":{"comment":"1' UNION SELECT password FROM users--"}}"#,
    );
    assert!(!rules("", &json).is_empty());
    assert_eq!(rules("fields: { comment: sql }", &json), NONE);
    // What stands in a name is expected nowhere.
    let key = Request::get(&format!("/?{SQL}=1"));
    assert_eq!(rules("fields: { comment: sql }", &key), rules("", &key));
}

/// What is left of the attack where the fields of a path hold something.
fn left_by_route(path: &str, fields: &str) -> Vec<String> {
    let settings = format!("routes: [{{ path: {path}, fields: {{ {fields} }} }}]");
    rules(&settings, &sql())
}

pub fn paths_of_routes() {
    assert_eq!(left_by_route("/wiki", "comment: sql"), NONE);
    assert_eq!(left_by_route("/wiki/*", "comment: sql"), NONE);
    assert_eq!(left_by_route("/shop", "comment: sql"), rules("", &sql()));
}

pub fn fields_of_routes() {
    let all = rules("", &sql());
    assert_eq!(left_by_route("/wiki", "comment: sql"), NONE);
    assert_eq!(left_by_route("/wiki", "comment: html"), all);
    // What holds for a path goes before what holds for all.
    let settings = "fields: { comment: sql }, routes: [{ path: /wiki, fields: { comment: html } }]";
    assert_eq!(rules(settings, &sql()), all);
}
