//! The control listener of a running portcullis, asked over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Session, Usage};
use crate::app::Loaded;
use crate::config::environment::Process;
use crate::config::{Environment, Secret};
use crate::control::token;

/// Where a running portcullis is asked, and by what right.
#[derive(Debug, clap::Args)]
pub(super) struct Remote {
    /// Address of the control listener. Default: `control.listen` of the configuration
    #[arg(long, value_name = "ADDRESS")]
    control: Option<SocketAddr>,

    /// File with the token. Default: $PORTCULLIS_TOKEN; or else `control.token` of the configuration; or else the file of
    /// that name in the state directory
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A control listener to be asked.
#[derive(Debug)]
pub(super) struct Control {
    address: SocketAddr,
    token: Option<Secret>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// How long an answer may take: a reload compiles everything anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

impl Remote {
    /// Finds out where to ask.
    pub(super) fn control(&self, session: &Session) -> anyhow::Result<Control> {
        // The configuration is looked into only for what the command line does not say.
        let loaded = match (&self.control, &self.token_file) {
            (Some(_), Some(_)) => None,
            _ => Some(session.load()),
        };
        let address = match (self.control, &loaded) {
            (Some(address), _) => address,
            (None, Some(Ok(loaded))) => loaded.settings.control.listen.ok_or_else(|| {
                Usage("the configuration has no control listener: `control.listen` is null".into())
            })?,
            (None, _) => {
                let why = "the configuration does not say where to ask, since it has mistakes; name the address with `--control`";
                return Err(Usage(why.into()).into());
            }
        };
        let token = match &self.token_file {
            Some(path) => Some(
                token::read(path).with_context(|| format!("no token in `{}`", path.display()))?,
            ),
            None => in_environment().or_else(|| of(loaded.as_ref()?.as_ref().ok()?)),
        };
        Ok(Control {
            address: near(address),
            token,
        })
    }
}

fn in_environment() -> Option<Secret> {
    let token = Process.variable("PORTCULLIS_TOKEN").ok()?;
    (!token.is_empty()).then(|| Secret::new(token))
}

/// The token of a configuration.
fn of(loaded: &Loaded) -> Option<Secret> {
    let settings = &loaded.settings;
    let in_state = || {
        let directory = settings.state.directory.as_ref()?;
        // Without one the listener answers what is missing.
        token::read(&loaded.base.join(directory).join(token::FILE)).ok()
    };
    settings.control.token.clone().or_else(in_state)
}

/// One that listens everywhere is asked on this machine.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => [127, 0, 0, 1].into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Control {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answered> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let answered = runtime
            .block_on(async {
                tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await
            })
            .map_err(|_| anyhow!("{} does not answer", self.address))?
            .with_context(|| format!("the control listener at {} cannot be asked", self.address))?;
        if answered.status.is_success() || answered.status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(answered);
        }
        let detail = answered.body.get("detail").and_then(Value::as_str);
        Err(anyhow!(
            "{}: {}",
            answered.status,
            detail.unwrap_or("no reason was given")
        ))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answered> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        let body = body.map(serde_json::to_vec).transpose()?;
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        #[expect(clippy::disallowed_methods, reason = "it has a bound")]
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| anyhow!(error))?.to_bytes();
        driven.abort();
        Ok(Answered {
            status,
            body: serde_json::from_slice(&body)
                .map_err(|_| anyhow!("the answer is no JSON: is this the control listener?"))?,
        })
    }
}
