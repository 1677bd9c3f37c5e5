//! `portcullis explain`: what the chain says of one request, step by step. Nothing runs, and nothing is counted.

mod explanation;
mod inputs;
mod text;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::judge::Judge;
use super::recorded::{FileError, OneError, Pieces, Recorded, Which, curl};
use super::{Format, Limit, Session, Usage, output};
use crate::config::environment::Process;
use crate::request::raw::RawRequest;
use explanation::{Bounds, Explanation, Seen};

/// Say what each detection says of a request, and what would be decided
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// A file with the request: as it is sent (`GET /path HTTP/1.1`, headers, body), as a curl command line, as a line of
    /// JSON, in a HAR, or an event; `-` is standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["target", "method", "header", "data", "curl"])]
    file: Option<PathBuf>,

    /// Of several requests in the file, the one at this line
    #[arg(long, value_name = "N", conflicts_with_all = ["id", "curl", "target"])]
    line: Option<usize>,

    /// Of several requests or events in the file, the one with this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["curl", "target"])]
    id: Option<String>,

    /// A command line of curl, in one word: --curl "curl -d a=b http://localhost/"
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["target", "method", "header", "data"])]
    curl: Option<String>,

    /// The path and query, or a URL
    #[arg(
        long,
        alias = "url",
        value_name = "TARGET",
        required_unless_present_any = ["file", "curl"]
    )]
    target: Option<String>,

    /// The method. Default: GET, or POST with --data
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,

    /// A header; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// The body
    #[arg(long, short = 'd', value_name = "TEXT")]
    data: Option<String>,

    /// Who sends it. Default: whom an event names, or else 192.0.2.1
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,

    /// How many values are listed: a number, or `all`. JSON has up to 10,000
    #[arg(long, value_name = "COUNT", default_value = "40")]
    limit: Limit,
}

/// An address that nobody has (RFC 5737).
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// How much JSON tells: programs do not tire, but what they read must end.
const JSON: Bounds = Bounds {
    inputs: 10_000,
    text: 4096,
};

/// The longest text of a value that people are shown, in bytes.
const SHOWN: usize = 160;

impl Explain {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let loaded = session.load()?;
        let recorded = self.recorded()?;
        let client = self.client.or(recorded.client).unwrap_or(NOBODY);
        let judge = Judge::new(loaded, client);
        let bounds = match session.format {
            Format::Json => JSON,
            Format::Text => Bounds {
                inputs: self.limit.0,
                text: SHOWN,
            },
        };
        let unsendable = recorded.unsendable.iter();
        let left_out = unsendable.map(|why| format!("A header was left out: {why}."));
        let notes = left_out.chain(recorded.notes.iter().cloned()).collect();
        let explanation = judge.judge(&recorded.request, |judged| {
            let seen = Seen::new(judged, bounds);
            Explanation::new(session.source.to_string(), &seen, notes)
        });
        match session.format {
            Format::Text => {
                let paint = session.color.of_results(&Process);
                output::print(&text::text(&explanation, paint)?)?;
            }
            Format::Json => output::print_json(&explanation)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn recorded(&self) -> anyhow::Result<Recorded> {
        if let Some(path) = &self.file {
            return self.read(path);
        }
        match &self.curl {
            Some(command) => curl(command).map_err(|wrong| usage(format!("`--curl`: {wrong}"))),
            None => self.flags().map(Recorded::from),
        }
    }

    fn read(&self, path: &Path) -> anyhow::Result<Recorded> {
        let which = match (&self.line, &self.id) {
            (Some(line), _) => Which::AtLine(*line),
            (None, Some(id)) => Which::Called(id),
            (None, None) => Which::Only,
        };
        let pieces = Pieces::open(path).map_err(OneError::File);
        let piece = pieces.and_then(|pieces| pieces.one(&path.display().to_string(), &which));
        match piece {
            Ok(piece) => piece.read().map_err(usage),
            Err(OneError::File(error @ FileError::Io(..))) => Err(error.into()),
            Err(error) => Err(usage(error)),
        }
    }

    fn flags(&self) -> anyhow::Result<RawRequest> {
        let usual = if self.data.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(usual);
        let target = self.target.as_deref().unwrap_or("/");
        let mut request = RawRequest::new(method, target).map_err(|error| usage(error.wrong))?;
        for header in &self.header {
            let added = request.add_header(header.as_bytes());
            // It may hold a secret, so it is not repeated here.
            added.map_err(|(_, wrong)| usage(format!("`--header`: {wrong}")))?;
        }
        request.body = self.data.as_deref().unwrap_or_default().into();
        Ok(request)
    }
}

fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    Usage(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Source, load};
    use crate::cli::output::Paint;
    use crate::config::load::Shared;
    use crate::engine::policy::Revision;
    use crate::engine::{
        Chain, Context, DetectionError, Evidence, Finding, Link, Phase, Policy, PolicyConfig,
        Registry, RuleId, Score, ThreatDetection, Verdict, Weight,
    };
    use crate::request::RequestView;

    /// Finds every header value that contains `attack`.
    #[derive(Debug)]
    struct Attack;

    impl ThreatDetection for Attack {
        fn phases(&self) -> &'static [Phase] {
            &[Phase::RequestHeaders]
        }

        fn on_headers(
            &self,
            request: &RequestView<'_>,
            _: &Context<'_>,
        ) -> Result<Verdict, DetectionError> {
            let bad = |value: &[u8]| memchr::memmem::find(value, b"attack").is_some();
            let inputs = request.inputs().iter().filter(|input| bad(input.value()));
            let findings: Vec<Finding> = inputs
                .map(|input| Finding {
                    rule: RuleId::new("attack.word"),
                    weight: Weight::Score(Score(3)),
                    evidence: Evidence::bytes(
                        &input.place(),
                        input.value(),
                        input.origin(),
                        Vec::new(),
                    ),
                    place: input.place().into_owned(),
                    message: "A word.".into(),
                })
                .collect();
            Ok(if findings.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Threat(findings)
            })
        }
    }

    /// Cannot judge.
    #[derive(Debug)]
    struct Broken;

    impl ThreatDetection for Broken {
        fn phases(&self) -> &'static [Phase] {
            &[Phase::RequestHeaders]
        }

        fn on_headers(
            &self,
            _: &RequestView<'_>,
            _: &Context<'_>,
        ) -> Result<Verdict, DetectionError> {
            Err(DetectionError::Fault("no idea".into()))
        }
    }

    fn explain(text: &str) -> Explanation {
        let link = |name: &str, detection: Box<dyn ThreatDetection>| Link {
            name: name.into(),
            mode: None,
            on_error: None,
            monitor: Vec::new(),
            status: http::StatusCode::FORBIDDEN,
            detection,
        };
        let chain = Chain::new(vec![
            link("attack", Box::new(Attack)),
            link("broken", Box::new(Broken)),
        ]);
        let policy = Policy::new(
            Revision::default(),
            &PolicyConfig::default(),
            std::sync::Arc::new(chain),
        );
        let request = RawRequest::parse(text.as_bytes()).expect("a request");
        let client = IpAddr::from([192, 0, 2, 1]);
        let (registry, shared) = (Registry::default(), Shared::default());
        let loaded = load(&Source::Embedded, &registry, &shared, &Process, 1);
        let mut loaded = loaded.expect("it is in order");
        loaded.compiled.policy = policy;
        Judge::new(loaded, client).judge(&request, |judged| {
            let bounds = Bounds {
                inputs: 40,
                text: SHOWN,
            };
            Explanation::new("a test".into(), &Seen::new(judged, bounds), Vec::new())
        })
    }

    #[test]
    fn a_block_is_told_with_its_evidence_and_what_was_not_asked() {
        let told = explain("GET / HTTP/1.1\nX-A: an attack\nX-B: attack\n\n");
        let text = text::text(&told, Paint::none()).expect("a text");
        for part in [
            "  attack               request_headers    2 findings\n",
            "  broken               request_headers    not asked, the decision had fallen\n",
            "  attack               attack.word  headers.x-a  score 3\n",
            "    evidence  an attack\n    raw       an attack  header 0[0..9]\n",
            "score          6 of 5\n",
            "decision       block: 403 by attack\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_fault_is_told() {
        let text = text::text(&explain("GET / HTTP/1.1\n\n"), Paint::none()).expect("a text");
        assert!(text.contains("failed: no idea"), "{text}");
        assert!(text.contains("block: 403 by broken"), "{text}");
    }

    #[test]
    fn what_is_found_in_a_secret_is_masked_everywhere() {
        for (request, mask) in [
            (
                "GET / HTTP/1.1\nAuthorization: attack-hunter2\n\n",
                "[masked, 14 bytes]",
            ),
            (
                "GET / HTTP/1.1\nX-Auth: attack-hunter2\n\n",
                "[masked, 14 bytes]",
            ),
            (
                "GET /?name=pin&value=attack-hunter2 HTTP/1.1\n\n",
                "[masked, 14 bytes]",
            ),
            (
                "GET /reset/token/attack-hunter2 HTTP/1.1\n\n",
                "/reset/token/[masked]",
            ),
            (
                "GET / HTTP/1.1\nX-A: password: an attack, and hunter2\n\n",
                "password: [masked]",
            ),
        ] {
            let shown = told(request);
            assert!(
                shown.contains("attack.word") && shown.contains(mask),
                "{shown}"
            );
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for request in [
            "GET /?name=Pinboard&value=attack-2 HTTP/1.1\n\n",
            "GET /docs/token/attack HTTP/1.1\nX-Author: joe\n\n",
            "GET / HTTP/1.1\nX-A: Password manager: an attack-2\n\n",
        ] {
            let shown = told(request);
            assert!(shown.contains("evidence  "), "{shown}");
            assert!(!shown.contains("masked"), "{shown}");
        }
    }

    /// An explanation in all its formats.
    fn told(request: &str) -> String {
        let told = explain(request);
        let text = text::text(&told, Paint::none()).expect("a text");
        text + &serde_json::to_string(&told).expect("JSON")
    }
}
