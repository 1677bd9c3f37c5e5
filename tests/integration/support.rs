//! What the tests over real sockets share: a proxy in this process, an upstream that records, a client that sees bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis::app::{self, Running, Source, StartOptions};
use portcullis::config::environment::Process;
use portcullis::engine::Registry;
use portcullis::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nothing in these tests should take this long; who waits longer has found a bug.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of a detection that has none.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

// === Upstream ===

/// One request as the upstream got it.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    /// Header lines in the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// Counts connections from 0.
    pub connection: usize,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Recorded {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "several {name}: {all:?}");
        all.first().copied()
    }
}

/// An answer as bytes on the wire.
pub type Script = dyn Fn(&Recorded) -> Answer + Send + Sync;

/// What the upstream does with a request.
pub enum Answer {
    /// Sends these bytes and keeps the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Waits and sends.
    Late(Duration, Vec<u8>),
    /// Sends pieces with pauses between them, then closes.
    Drip(Vec<Vec<u8>>, Duration),
    /// The same, and keeps the connection.
    Pieces(Vec<Vec<u8>>, Duration),
    /// Does not answer until the connection is closed.
    Silence,
}

pub fn json(status: &str, body: &str) -> Answer {
    Answer::Bytes(
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes(),
    )
}

/// A recording upstream on a free port.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    abandoned: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Upstream {
    /// Answers every request by `script`.
    pub fn start(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let abandoned = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&abandoned);
        let (script, list, stop): (Arc<Script>, _, _) =
            (Arc::new(script), Arc::clone(&seen), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (script, list, count) =
                    (Arc::clone(&script), Arc::clone(&list), Arc::clone(&count));
                std::thread::spawn(move || {
                    serve(stream.unwrap(), connection, &*script, &list, &count);
                });
            }
        });
        Self {
            address,
            seen,
            abandoned,
            stopped,
        }
    }

    /// 200 for everything, with a small JSON body.
    pub fn plain() -> Self {
        Self::start(|_| {
            json(
                "200 OK",
                "{\"message\": \"API endpoint reached successfully\"}",
            )
        })
    }

    pub fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// How many connections on which it kept silent were closed by the other side.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    pub fn last(&self) -> Recorded {
        self.seen()
            .last()
            .cloned()
            .expect("the upstream saw a request")
    }

    /// Listens no more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        wait_until("the upstream to stop", || {
            TcpStream::connect(self.address).is_err()
        });
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(
    stream: TcpStream,
    connection: usize,
    script: &Script,
    seen: &Mutex<Vec<Recorded>>,
    abandoned: &AtomicUsize,
) {
    let mut writer = stream.try_clone().unwrap();
    writer.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = read_head(&mut reader) {
        request.connection = connection;
        if request
            .headers
            .iter()
            .any(|(n, v)| n == "expect" && v == "100-continue")
        {
            let _ = writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let complete = read_body(&mut reader, &mut request).is_some();
        request.complete = complete;
        seen.lock().unwrap().push(request.clone());
        if !complete {
            return;
        }
        let sent = match script(&request) {
            Answer::Bytes(bytes) => writer.write_all(&bytes),
            Answer::Late(pause, bytes) => {
                std::thread::sleep(pause);
                writer.write_all(&bytes)
            }
            Answer::Close(bytes) => {
                let _ = writer.write_all(&bytes);
                return;
            }
            Answer::Drip(pieces, pause) => {
                for piece in pieces {
                    if writer.write_all(&piece).is_err() {
                        return;
                    }
                    std::thread::sleep(pause);
                }
                return;
            }
            Answer::Pieces(pieces, pause) => pieces.iter().try_for_each(|piece| {
                std::thread::sleep(pause);
                writer.write_all(piece)
            }),
            Answer::Silence => {
                // The end, or a reset; further bytes would be neither.
                if !matches!(reader.read(&mut [0]), Ok(1..)) {
                    abandoned.fetch_add(1, Ordering::SeqCst);
                }
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    reader
        .read_until(b'\n', &mut line)
        .ok()
        .filter(|n| *n > 0)?;
    let line = line.strip_suffix(b"\r\n")?;
    // Latin-1, so that any byte can be compared.
    Some(line.iter().map(|&byte| char::from(byte)).collect())
}

fn read_fields(reader: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<Recorded> {
    let line = read_line(reader)?;
    let mut parts = line.splitn(3, ' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    assert_eq!(version, "HTTP/1.1");
    let (method, target) = (method.to_owned(), target.to_owned());
    Some(Recorded {
        method,
        target,
        headers: read_fields(reader)?,
        ..Recorded::default()
    })
}

/// Reads a body framed strictly; `None` when it breaks off.
fn read_body(reader: &mut impl BufRead, request: &mut Recorded) -> Option<()> {
    let chunked = request.all("transfer-encoding") == ["chunked"];
    if chunked {
        assert!(
            request.all("content-length").is_empty(),
            "two framings: {request:?}"
        );
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).ok()?;
            if size == 0 {
                request.trailers = read_fields(reader)?;
                return Some(());
            }
            let start = request.body.len();
            request.body.resize(start + size, 0);
            reader.read_exact(&mut request.body[start..]).ok()?;
            assert_eq!(read_line(reader)?, "");
        }
    }
    let length: usize = request
        .one("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()
}

// === Proxy ===

/// A proxy in this process on a free port, with its configuration in a folder of its own.
pub struct Proxy {
    pub address: SocketAddr,
    pub control: SocketAddr,
    pub folder: tempfile::TempDir,
    running: Option<Running>,
    events: Mutex<tokio::sync::mpsc::Receiver<Arc<Event>>>,
    kept: Mutex<Vec<Arc<Event>>>,
    header: String,
}

impl Proxy {
    /// `yaml` is everything but `version`, `listen`, `upstream`, `control` and `events`, unless it has them itself.
    pub fn start(upstream: &Upstream, yaml: &str) -> Self {
        Self::start_with(upstream.address, yaml, Registry::default())
    }

    pub fn start_with(upstream: SocketAddr, yaml: &str, registry: Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut header = String::new();
        for (key, line) in [
            ("version", "version: 1\n".to_owned()),
            ("listen", "listen: 127.0.0.1:0\n".to_owned()),
            ("upstream", format!("upstream: http://{upstream}\n")),
            ("control", "control: { listen: 127.0.0.1:0 }\n".to_owned()),
            ("events", "events: { log: none }\n".to_owned()),
        ] {
            if !yaml.lines().any(|l| l.starts_with(&format!("{key}:"))) {
                header.push_str(&line);
            }
        }
        let path = folder.path().join("rules.yaml");
        std::fs::write(
            &path,
            format!("{header}{yaml}").replace("UPSTREAM", &upstream.to_string()),
        )
        .unwrap();
        let shared = Arc::default();
        let source = Source::File(path);
        let loaded = app::load(&source, &registry, &shared, &Process, 1)
            .unwrap_or_else(|report| panic!("{}", report.draw(false)));
        let running = app::start(
            loaded,
            StartOptions {
                source,
                monitor: false,
                registry,
                shared,
            },
        )
        .unwrap();
        let events = Mutex::new(running.events().subscribe(100_000));
        Self {
            address: running.addresses()[0],
            control: running
                .control_address()
                .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0))),
            folder,
            running: Some(running),
            events,
            kept: Mutex::default(),
            header,
        }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("rules.yaml")
    }

    /// Replaces the configuration, without reloading.
    pub fn write(&self, yaml: &str) {
        replace(&self.path(), &format!("{}{yaml}", self.header));
    }

    /// Replaces the configuration and reloads.
    pub fn reload(&self, yaml: &str) -> Result<(), String> {
        self.write(yaml);
        self.running().reload()
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Arc<Event>> {
        let mut kept = self.kept.lock().unwrap();
        let mut events = self.events.lock().unwrap();
        while let Ok(event) = events.try_recv() {
            kept.push(event);
        }
        kept.clone()
    }

    /// The only event of a request with this id.
    pub fn event(&self, id: &str) -> Arc<Event> {
        let events: Vec<_> = self
            .events()
            .into_iter()
            .filter(|event| event.id.to_string() == id)
            .collect();
        assert_eq!(events.len(), 1, "events of {id}: {events:#?}");
        events[0].clone()
    }

    /// Sends raw bytes on a connection of their own and reads one answer.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut client = self.connect();
        client.send(bytes);
        client.response()
    }

    pub fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], b"")
    }

    pub fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", target, headers, b"")
    }

    pub fn post(&self, target: &str, content_type: &str, body: impl AsRef<[u8]>) -> Response {
        self.request(
            "POST",
            target,
            &[("Content-Type", content_type)],
            body.as_ref(),
        )
    }

    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut client = self.connect();
        client.request(method, target, headers, body);
        client.response_to(method)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// An answer of the control listener.
    pub fn control(&self, target: &str) -> Response {
        let mut client = Client::connect(self.control);
        client.request("GET", target, &[("Host", "localhost")], b"");
        client.response()
    }

    pub fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// Writes a file as careful editors do: whole, then moved into place.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

// === Client ===

/// A connection that sends and reads bytes.
pub struct Client {
    reader: BufReader<Box<dyn Wire>>,
}

/// What a client's bytes go over.
pub trait Wire: Read + Write + Send {}

impl<S: Read + Write + Send> Wire for S {}

/// An answer as it came over the wire.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::from_stream(TcpStream::connect(address).unwrap())
    }

    pub fn from_stream(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub fn over(wire: impl Wire + 'static) -> Self {
        Self {
            reader: BufReader::new(Box::new(wire)),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes), "the connection is closed");
    }

    /// Sends; a connection that is already closed is no error.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let wire = self.reader.get_mut();
        wire.write_all(bytes.as_ref())
            .and_then(|()| wire.flush())
            .is_ok()
    }

    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("host") {
            head.push_str("Host: example.org\r\n");
        }
        if !given("user-agent") {
            head.push_str("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n");
        }
        for (name, value) in headers.iter().filter(|(_, value)| *value != "\0absent") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.send(bytes);
    }

    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    pub fn response_to(&mut self, method: &str) -> Response {
        let head = self.head();
        self.body_of(head, method)
    }

    /// The head of an answer, interim ones skipped.
    pub fn head(&mut self) -> Response {
        loop {
            let line = read_line(&mut self.reader).expect("an answer");
            let mut parts = line.splitn(3, ' ');
            let version = parts.next().unwrap();
            assert!(version.starts_with("HTTP/1."), "{line}");
            let status: u16 = parts.next().unwrap().parse().unwrap();
            let reason = parts.next().unwrap_or_default().to_owned();
            let headers = read_fields(&mut self.reader).expect("a whole head");
            if status >= 200 {
                return Response {
                    status,
                    reason,
                    headers,
                    body: Vec::new(),
                    trailers: Vec::new(),
                    complete: false,
                };
            }
        }
    }

    pub fn body_of(&mut self, mut response: Response, method: &str) -> Response {
        if method == "HEAD" || matches!(response.status, 204 | 304) {
            response.complete = true;
            return response;
        }
        if response.header("transfer-encoding") == Some("chunked") {
            response.complete = self.chunks(&mut response).is_some();
        } else if let Some(length) = response.header("content-length") {
            let length: u64 = length.parse().unwrap();
            let read = (&mut self.reader)
                .take(length)
                .read_to_end(&mut response.body);
            response.complete = read.is_ok() && response.body.len() as u64 == length;
        } else {
            response.complete = self.reader.read_to_end(&mut response.body).is_ok();
        }
        response
    }

    fn chunks(&mut self, response: &mut Response) -> Option<()> {
        loop {
            let size = usize::from_str_radix(&read_line(&mut self.reader)?, 16).ok()?;
            if size == 0 {
                response.trailers = read_fields(&mut self.reader)?;
                return Some(());
            }
            let start = response.body.len();
            response.body.resize(start + size, 0);
            self.reader.read_exact(&mut response.body[start..]).ok()?;
            read_line(&mut self.reader)?;
        }
    }

    pub fn reader(&mut self) -> &mut impl Read {
        &mut self.reader
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The id of a refusal.
    pub fn id(&self) -> String {
        self.json()["id"].as_str().expect("an id").to_owned()
    }
}

/// How much of a long test is to be run: `PORTCULLIS_SOAK`, a tenth by default.
pub fn soak_share() -> f64 {
    let share = std::env::var("PORTCULLIS_SOAK").ok();
    let share = share.and_then(|share| share.parse::<f64>().ok());
    share.unwrap_or(0.1).clamp(0.01, 1.0)
}

/// Waits for something that is bound to happen.
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let now = Instant::now;
    let deadline = now() + PATIENCE;
    while !happened() {
        assert!(now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a tool is there. Where it is not, that is said beside the summary, or the test fails if this machine is meant to
/// have everything (`PORTCULLIS_REQUIRE_SERVICES=1`).
pub fn has(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        let required = std::env::var("PORTCULLIS_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!required, "{tool} is missing: apt-get install {tool}");
        // Not by a macro, whose output is kept back where a test passes.
        let said = format!("\nNOT TESTED: {tool} is missing (apt-get install {tool})\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    found
}
