//! Headers that the operator adds to requests and answers, or takes away from them.

use std::collections::BTreeMap;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{is_forwarding, is_hop_by_hop};
use crate::config::ConfigError;

/// The section `headers`: what is set in requests for the upstream and in answers, and what is removed from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// In requests, after the chain has judged them.
    pub request: HeaderRules,
    /// In answers, our own refusals included.
    pub response: HeaderRules,
    /// Whether answers get the usual headers that browsers protect their users by, where the upstream does not send them
    /// itself: `X-Content-Type-Options: nosniff`, `X-Frame-Options: SAMEORIGIN`, `Referrer-Policy:
    /// strict-origin-when-cross-origin`, and over TLS `Strict-Transport-Security: max-age=31536000`.
    pub security: bool,
}

/// What is done to the headers of a message: first `remove`, then `set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderRules {
    /// Headers that are there afterwards with just this value.
    pub set: BTreeMap<String, String>,
    /// Headers that are gone.
    pub remove: Vec<String>,
}

/// The same, ready to be applied.
#[derive(Debug, Default)]
pub struct Headers {
    request: Rules,
    response: Rules,
    security: bool,
}

#[derive(Debug, Default)]
struct Rules {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// What browsers protect their users by; the last only over TLS.
const SECURITY: [(HeaderName, &str); 4] = [
    (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (http::header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (
        http::header::REFERRER_POLICY,
        "strict-origin-when-cross-origin",
    ),
    (http::header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

impl HeadersConfig {
    /// Everything that cannot be set or removed.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigError> {
        let request = self.request.mistakes(true);
        let response = self.response.mistakes(false);
        let request = request.into_iter().map(|error| error.under("request"));
        let response = response.into_iter().map(|error| error.under("response"));
        request.chain(response).collect()
    }

    /// The rules, ready to be applied; those with a mistake are left out.
    #[must_use]
    pub fn compile(&self) -> Headers {
        Headers {
            request: self.request.compile(),
            response: self.response.compile(),
            security: self.security,
        }
    }
}

impl HeaderRules {
    fn mistakes(&self, is_request: bool) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (name, value) in &self.set {
            let wrong = match mistake(name, is_request) {
                None if HeaderValue::from_str(value).is_err() => Some(ConfigError::new(
                    "the value has a byte that no header may have",
                )),
                wrong => wrong,
            };
            errors.extend(wrong.map(|error| error.under(name.as_str()).under("set")));
        }
        for (index, name) in self.remove.iter().enumerate() {
            let wrong = mistake(name, is_request);
            errors.extend(wrong.map(|error| error.item(index).under("remove")));
        }
        errors
    }

    fn compile(&self) -> Rules {
        let name = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        let pair = |(key, value): (&String, &String)| {
            Some((name(key)?, HeaderValue::from_str(value).ok()?))
        };
        Rules {
            set: self.set.iter().filter_map(pair).collect(),
            remove: self.remove.iter().filter_map(name).collect(),
        }
    }
}

/// Why a header cannot be touched.
fn mistake(name: &str, is_request: bool) -> Option<ConfigError> {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Some(ConfigError::new(format!("`{name}` is no name of a header")));
    };
    let frames = matches!(
        name.as_str(),
        "content-length" | "trailer" | "content-encoding"
    );
    let is_ours = is_request && is_forwarding(name.as_str());
    (frames || is_hop_by_hop(name.as_str()) || is_ours).then(|| {
        ConfigError::new(format!("`{name}` says how a message is framed or where it came from"))
            .help("leave it to portcullis; what the upstream is told of the client, `clients.forward_identity_as` says")
    })
}

impl Rules {
    fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }
}

impl Headers {
    /// Makes a request's headers what they are to be for the upstream.
    pub(super) fn of_request(&self, headers: &mut HeaderMap) {
        self.request.apply(headers);
    }

    /// Makes an answer's headers what they are to be for a client that is asked over TLS or not.
    pub(super) fn of_answer(&self, headers: &mut HeaderMap, is_encrypted: bool) {
        if self.security {
            let known = SECURITY.len() - usize::from(!is_encrypted);
            for (name, value) in SECURITY.into_iter().take(known) {
                headers
                    .entry(name)
                    .or_insert(HeaderValue::from_static(value));
            }
        }
        self.response.apply(headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> HeadersConfig {
        serde_yaml::from_str(yaml).expect("a section")
    }

    #[test]
    fn what_frames_or_tells_of_the_way_is_not_touched() {
        let wrong = |yaml: &str| config(yaml).mistakes().len();
        assert_eq!(
            wrong("{ request: { set: { X-A: '1', Host: internal }, remove: [Cookie] } }"),
            0
        );
        assert_eq!(
            wrong("{ request: { set: { Content-Length: '1', 'X A': '1' } } }"),
            2
        );
        assert_eq!(
            wrong("{ request: { remove: [Connection, X-Forwarded-For, te] } }"),
            3
        );
        assert_eq!(
            wrong("{ response: { remove: [X-Forwarded-For, Server, Via] } }"),
            0
        );
        assert_eq!(
            wrong("{ response: { set: { X-A: \"a\\nb\" }, remove: [Upgrade] } }"),
            2
        );
    }

    #[test]
    fn an_answer_gets_what_it_does_not_have() {
        let headers =
            config("{ security: true, response: { set: { X-Frame-Options: DENY } } }").compile();
        let of = |is_encrypted| {
            let mut answer = HeaderMap::new();
            answer.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
            headers.of_answer(&mut answer, is_encrypted);
            answer
        };
        assert_eq!(of(true).len(), 4);
        assert_eq!(of(true)["x-frame-options"], "DENY");
        assert_eq!(of(true)["referrer-policy"], "no-referrer");
        assert!(!of(false).contains_key("strict-transport-security"));
    }
}
