//! `portcullis explain`: what the chain says of one request, step by step. Nothing runs, and nothing is counted.

mod explanation;
mod text;

use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Format, Session, Usage, output};
use crate::clients::Clients;
use crate::engine::decide::decide;
use crate::proxy::clock;
use crate::proxy::config::ClientsConfig;
use crate::request::raw::RawRequest;
use crate::request::{BodyView, ClientIdentity, RequestView, Standing};
use explanation::Explanation;

/// Say what each detection says of a request, and what would be decided
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// A file with the request as it is sent (`GET /path HTTP/1.1`, headers, body); `-` is standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["target", "method", "header", "data"])]
    file: Option<PathBuf>,

    /// The path and query, or a URL
    #[arg(
        long,
        alias = "url",
        value_name = "TARGET",
        required_unless_present = "file"
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

    /// Who sends it
    #[arg(long, value_name = "IP", default_value = "192.0.2.1")]
    client: IpAddr,
}

/// More is not read: nobody looks through a longer request by hand.
const MAX_REQUEST: u64 = 64 << 20;

impl Explain {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let loaded = session.load()?;
        let request = self.request()?;
        let client = identity(self.client, &loaded.settings.clients);
        let view = RequestView::new(&request.method, &request.target, &request.headers, &client);
        let body = BodyView::new(&request.headers, &request.body);
        let body = (!request.body.is_empty()).then_some(&body);
        let policy = Arc::new(loaded.policy);
        let evaluation = decide(&policy, &view, body, &Clients::scratch(), clock::now());
        let explanation = Explanation::new(session.source.to_string(), &view, body, &evaluation);
        match session.format {
            Format::Text => output::print(&text::text(&explanation)?)?,
            Format::Json => output::print_json(&explanation)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn request(&self) -> anyhow::Result<RawRequest> {
        match &self.file {
            Some(path) => {
                let text = read(path).with_context(|| format!("cannot read {}", path.display()))?;
                RawRequest::parse(&text).map_err(usage)
            }
            None => self.flags(),
        }
    }

    fn flags(&self) -> anyhow::Result<RawRequest> {
        let usual = if self.data.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(usual);
        let target = self.target.as_deref().unwrap_or("/");
        let mut request = RawRequest::new(method, target).map_err(usage)?;
        for header in &self.header {
            request
                .add_header(header.as_bytes())
                // It may hold a secret, so it is not repeated here.
                .ok_or_else(|| Usage("a `--header` is none; write `Name: value`".into()))?
                .map_err(usage)?;
        }
        request.body = self.data.as_deref().unwrap_or_default().into();
        Ok(request)
    }
}

fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    Usage(error.to_string()).into()
}

fn read(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    let mut text = Vec::new();
    source.take(MAX_REQUEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_REQUEST {
        anyhow::bail!("it is longer than 64MiB");
    }
    Ok(text)
}

/// The client that a request is judged as. The address is taken at its word: forwarding headers are not looked into,
/// since who is to be judged is what `--client` says.
fn identity(address: IpAddr, config: &ClientsConfig) -> ClientIdentity {
    let mut client = ClientIdentity::from_peer(address);
    let holds =
        |blocks: &[crate::config::Cidr]| blocks.iter().any(|block| block.contains(client.address));
    client.standing = if holds(&config.trusted) {
        Standing::Trusted
    } else if holds(&config.trusted_proxies) {
        Standing::Proxy
    } else {
        Standing::Ordinary
    };
    client.ipv6_prefix = config.ipv6_prefix;
    client
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::Revision;
    use crate::engine::{
        Chain, Context, DetectionError, Evidence, Finding, Link, Phase, Policy, PolicyConfig,
        RuleId, Score, ThreatDetection, Verdict, Weight,
    };

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
            status: http::StatusCode::FORBIDDEN,
            detection,
        };
        let chain = Chain::new(vec![
            link("attack", Box::new(Attack)),
            link("broken", Box::new(Broken)),
        ]);
        let policy = Arc::new(Policy::new(
            Revision::default(),
            &PolicyConfig::default(),
            chain,
        ));
        let request = RawRequest::parse(text.as_bytes()).expect("a request");
        let client = identity(IpAddr::from([192, 0, 2, 1]), &ClientsConfig::default());
        let view = RequestView::new(&request.method, &request.target, &request.headers, &client);
        let evaluation = decide(&policy, &view, None, &Clients::scratch(), clock::now());
        Explanation::new("a test".into(), &view, None, &evaluation)
    }

    #[test]
    fn a_block_is_told_with_its_evidence_and_what_was_not_asked() {
        let told = explain("GET / HTTP/1.1\nX-A: an attack\nX-B: attack\n\n");
        let text = text::text(&told).expect("a text");
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
        let text = text::text(&explain("GET / HTTP/1.1\n\n")).expect("a text");
        assert!(text.contains("failed: no idea"), "{text}");
        assert!(text.contains("block: 403 by broken"), "{text}");
    }

    #[test]
    fn what_is_found_in_a_secret_is_masked_everywhere() {
        let told = explain("GET / HTTP/1.1\nAuthorization: attack-hunter2\n\n");
        let shown = format!(
            "{}{}",
            text::text(&told).expect("a text"),
            serde_json::to_string(&told).expect("JSON")
        );
        assert!(
            shown.contains("attack.word") && shown.contains("[masked, 14 bytes]"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
