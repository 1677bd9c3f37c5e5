//! What is kept of a request for its event, while everything that was taken apart of it is still there.

use super::{Evaluation, Observed, Outcome};
use crate::event::Excerpt;
use crate::request::{BodyView, RequestView};

/// The excerpt of a request, and what it shows.
#[derive(Debug, Default)]
pub(super) struct Kept {
    excerpt: Option<Box<Excerpt>>,
    shows: Shows,
}

/// What an excerpt shows, the more the better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    #[default]
    Nothing,
    Head,
    /// A body, but none in which something was found.
    Body,
    /// The body, or the piece of it, in which something was found.
    FoundIn,
}

impl Evaluation {
    /// Keeps an excerpt once there is something to tell of the request. A body may be judged in several readings, and
    /// piece by piece; the first is the one in which something was found, and that is what was observed since `made`.
    pub(super) fn keep_excerpt(
        &mut self,
        request: &RequestView<'_>,
        body: Option<(&BodyView<'_>, usize)>,
    ) {
        let limit = self.policy.excerpt;
        let shows = match body {
            None => Shows::Head,
            Some((_, made)) if self.observations.len() == made => Shows::Body,
            Some(_) => Shows::FoundIn,
        };
        if limit > 0 && shows > self.excerpt.shows && self.is_told() {
            let body = body.map(|(body, _)| body);
            let excerpt = Excerpt::of(request, body, limit).map(Box::new);
            self.excerpt = Kept { excerpt, shows };
        }
    }

    /// What was kept of the request, if anything is to be told of it.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.excerpt.excerpt.as_deref()
    }

    /// Whether there will be an event, and the request itself is what it is about: not its sender, nor how often he came.
    fn is_told(&self) -> bool {
        let mut seen = self.observations.iter().map(|seen| &seen.what);
        match self.outcome() {
            Outcome::Exempt => false,
            Outcome::Pass => seen.any(|what| matches!(what, Observed::Fault(_))),
            Outcome::Block | Outcome::WouldBlock => seen.any(|what| match what {
                Observed::Finding(finding) => finding.evidence.origin.is_some(),
                Observed::Exhausted(_) | Observed::Fault(_) => true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue, Method, StatusCode};

    use super::*;
    use crate::clients::Clients;
    use crate::engine::{
        BodyNeed, Chain, Context, DetectionError, Evidence, Finding, Link, Mode, Phase, Policy,
        PolicyConfig, RuleId, ThreatDetection, Verdict, Weight,
    };
    use crate::proxy::clock;
    use crate::request::ClientIdentity;
    use crate::request::body::{Next, Units};
    use crate::request::coding::{Budget, Codings, decode};

    /// Finds every value of a body that contains `attack`.
    #[derive(Debug)]
    struct Attack;

    impl ThreatDetection for Attack {
        fn phases(&self) -> &'static [Phase] {
            &[Phase::RequestBody]
        }

        fn body_need(&self, _: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
            BodyNeed::Whole
        }

        fn on_body(
            &self,
            _: &RequestView<'_>,
            body: &BodyView<'_>,
            _: &Context<'_>,
        ) -> Result<Verdict, DetectionError> {
            let inputs = body.inputs();
            let bad = |value: &[u8]| memchr::memmem::find(value, b"attack").is_some();
            let found = inputs.iter().find(|input| bad(input.value()));
            Ok(found.map_or(Verdict::Pass, |input| {
                let (place, origin) = (input.place().into_owned(), input.origin());
                Verdict::Threat(vec![Finding {
                    rule: RuleId::new("attack.word"),
                    weight: Weight::Decisive,
                    evidence: Evidence::bytes(&place, input.value(), origin, Vec::new()),
                    place,
                    message: "A word.".into(),
                }])
            }))
        }
    }

    /// The body that is kept of one that is judged in these views, one after another.
    fn kept(headers: &HeaderMap, views: &[BodyView<'_>], mode: Mode) -> Option<Excerpt> {
        judged(headers, views, mode).excerpt().cloned()
    }

    fn judged(headers: &HeaderMap, views: &[BodyView<'_>], mode: Mode) -> Evaluation {
        let link = Link {
            name: "attack".into(),
            mode: None,
            on_error: None,
            monitor: Vec::new(),
            status: StatusCode::FORBIDDEN,
            detection: Box::new(Attack),
        };
        let config = PolicyConfig {
            mode,
            ..PolicyConfig::default()
        };
        let mut policy = Policy::new(
            crate::engine::policy::Revision::default(),
            &config,
            Arc::new(Chain::new(vec![link])),
        );
        policy.excerpt = 2048;
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let request = RequestView::new(&Method::POST, "/", headers, &client);
        let mut evaluation = Evaluation::begin(&Arc::new(policy), &request);
        let facts = Clients::scratch();
        evaluation.on_headers(&request, &facts, clock::now());
        for view in views {
            evaluation.on_body(&request, view, &facts, clock::now());
        }
        evaluation
    }

    /// The detection saw the value alone.
    #[test]
    fn evidence_shows_nothing_that_a_neighbour_names_as_a_secret() {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert("content-type", json);
        for (name, evidence) in [
            ("password", "[masked, 14 bytes]"),
            ("Password manager", "attack-hunter2"),
        ] {
            let body = format!(r#"{{"name": "{name}", "value": "attack-hunter2"}}"#);
            let view = BodyView::new(&headers, body.as_bytes());
            let evaluation = judged(&headers, &[view], Mode::Enforce);
            let [seen] = evaluation.observations() else {
                panic!("one finding");
            };
            let Observed::Finding(finding) = &seen.what else {
                panic!("a finding");
            };
            assert_eq!(finding.evidence.text, evidence);
            let excerpt = evaluation.excerpt().and_then(|kept| kept.body.as_deref());
            let is_shown = excerpt.is_some_and(|kept| kept.contains("hunter2"));
            assert_eq!(is_shown, evidence.contains("hunter2"), "{excerpt:?}");
        }
    }

    #[test]
    fn of_a_decoded_body_that_is_kept_in_which_something_was_found() {
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert("content-type", form);
        let budget = Budget {
            output: 1000,
            ratio: 100,
            is_prefix: false,
        };
        for (text, comment, expected) in [
            ("a=attack", "&b=c&", Some(Some("a=attack"))),
            ("a=attack", "&b=attack&", Some(Some("a=attack"))),
            // It is no text; but what is shown is not what was harmless.
            ("a=b", "&b=attack&", Some(None)),
            ("a=b", "&b=c&", None),
        ] {
            let packed = flate2::GzBuilder::new().comment(comment);
            let mut packed = packed.write(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut packed, text.as_bytes()).expect("written");
            let packed = packed.finish().expect("packed");
            let codings = Codings::of(&headers).expect("known");
            let decoded = decode(codings, &packed, budget).expect("in order");
            for mode in [Mode::Enforce, Mode::Monitor] {
                let views = [
                    BodyView::decoded(&headers, &decoded),
                    BodyView::still_encoded(&headers, &packed).expect("a form"),
                ];
                let kept = kept(&headers, &views, mode);
                let body = kept.as_ref().map(|kept| kept.body.as_deref());
                assert_eq!(body, expected, "{text} {comment} {mode:?}");
            }
        }
    }

    #[test]
    fn of_a_form_that_streams_the_unit_is_kept_in_which_something_was_found() {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("multipart/form-data; boundary=x");
        headers.insert("content-type", form);
        let fields = ["one", "an attack", "three", "another attack", "five"];
        let field = |value: &&str| {
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}{}\r\n",
                " ".repeat(90_000)
            )
        };
        let mut body: String = fields.iter().map(field).collect();
        body.push_str("--x--\r\n");
        let mut units = Units::of(&headers, body.as_bytes(), 100_000).expect("a form");
        units.push(body.as_bytes());
        units.end();
        let mut all = Vec::new();
        loop {
            match units.proceed() {
                Next::Unit(unit) => all.push(unit),
                Next::End => break,
                Next::Pass(_) | Next::More => {}
                Next::TooLong => panic!("no field is too long"),
            }
        }
        assert!(all.len() > 3, "{}", all.len());
        let views: Vec<_> = all
            .iter()
            .map(|unit| BodyView::of_unit(&headers, unit))
            .collect();
        let kept = kept(&headers, &views, Mode::Monitor).expect("an excerpt");
        let body = kept.body.expect("a text");
        assert!(body.contains("an attack"), "{body}");
    }
}
