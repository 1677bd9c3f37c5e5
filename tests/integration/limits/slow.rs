//! Clients that are slow in every way they can be, all at once, and honest ones meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::process::Program;
use crate::support::{Client, Upstream, json};

/// How many of each kind.
const MANY: usize = 100;

/// The limit of everything that takes time, in the test.
const LIMIT: Duration = Duration::from_secs(1);

/// What is promised of the end after the limit, and how much more the test allows: it says that they end, not how fast
/// this machine is.
const PROMISED: Duration = Duration::from_secs(2);
const SLACK: u32 = 10;

/// How often a slow client does something.
const TICK: Duration = Duration::from_millis(100);

/// A kind of slow client.
struct Kind {
    name: &'static str,
    /// What it sends at once.
    first: &'static str,
    /// What it sends again and again.
    then: &'static str,
    /// How much it reads each time; a client that reads nothing else is done when its connection ends.
    reads: usize,
}

const TEXT: &str =
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\n";
const BINARY: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
                      4\r\n\0\x01\x02\x03\r\n";

const KINDS: [Kind; 9] = [
    Kind {
        name: "sends nothing",
        first: "",
        then: "",
        reads: 4096,
    },
    Kind {
        name: "stops within a head",
        first: "GET / HTTP/1.1\r\nX-",
        then: "",
        reads: 4096,
    },
    Kind {
        name: "trickles a head",
        first: "GET / HTTP/1.1\r\n",
        then: "X: y\r\n",
        reads: 4096,
    },
    Kind {
        name: "sends empty lines",
        first: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        then: "\r\n",
        reads: 4096,
    },
    Kind {
        name: "trickles a body that is judged",
        first: TEXT,
        then: "x",
        reads: 4096,
    },
    Kind {
        name: "trickles a body that streams",
        first: BINARY,
        then: "1\r\nx\r\n",
        reads: 4096,
    },
    Kind {
        name: "idles after a request",
        first: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        then: "",
        reads: 4096,
    },
    Kind {
        name: "reads nothing",
        first: "GET /big HTTP/1.1\r\nHost: h\r\n\r\n",
        then: "",
        reads: 0,
    },
    Kind {
        name: "trickles an answer",
        first: "GET /big HTTP/1.1\r\nHost: h\r\n\r\n",
        then: "",
        reads: 1,
    },
];

/// One slow client.
struct Slow {
    kind: &'static Kind,
    stream: TcpStream,
    began: Instant,
    ended: Option<Duration>,
}

impl Slow {
    fn start(kind: &'static Kind, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // So that little of an answer is on its way before the client has to read.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.write_all(kind.first.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            kind,
            stream,
            began: Instant::now(),
            ended: None,
        }
    }

    /// Does what it does again and again; notes when the connection has ended.
    fn tick(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let is_open = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
        let sent = self.stream.write(self.kind.then.as_bytes());
        let mut buffer = vec![0; self.kind.reads];
        let read = match self.kind.reads {
            // Who reads nothing learns of the end by the error that waits on its socket.
            0 => match self.stream.take_error() {
                Ok(None) => Err(ErrorKind::WouldBlock.into()),
                _ => Ok(0),
            },
            _ => self.stream.read(&mut buffer),
        };
        let has_ended = matches!(read, Ok(0))
            || [read.err(), sent.err()]
                .iter()
                .flatten()
                .any(|error| !is_open(error));
        if has_ended {
            self.ended = Some(self.began.elapsed());
        }
    }
}

/// Asks again and again, on a connection of its own each time, until told to stop; how long each answer took.
fn honest(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let mut client = Client::connect(address);
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
        took.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    took.sort();
    took
}

#[test]
fn slow_clients_of_every_kind_end_and_honest_ones_hardly_notice() {
    let big = "x".repeat(4 << 20);
    let upstream = Upstream::start(move |request| match request.target.as_str() {
        "/big" => json("200 OK", &big),
        _ => json("200 OK", "\"small\""),
    });
    let yaml = "events: { log: none }\n\
                limits: { header_time: 1s, body_time: 1s, write_time: 1s, idle_time: 1s }\n\
                detections: [{ malicious_payload: {} }]\n";
    let program = Program::start(&upstream, yaml);
    let (address, stop) = (program.address(), AtomicBool::new(false));
    let (slow, took) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| honest(address, &stop));
        let mut slow: Vec<Slow> = (0..MANY)
            .flat_map(|_| KINDS.iter().map(|kind| Slow::start(kind, address)))
            .collect();
        let deadline = Instant::now() + LIMIT + PROMISED * SLACK;
        while slow.iter().any(|slow| slow.ended.is_none()) && Instant::now() < deadline {
            slow.iter_mut().for_each(Slow::tick);
            std::thread::sleep(TICK);
        }
        stop.store(true, Ordering::SeqCst);
        (slow, asking.join().unwrap())
    });
    for kind in &KINDS {
        let of_kind = slow.iter().filter(|slow| slow.kind.name == kind.name);
        let ends: Option<Vec<Duration>> = of_kind.map(|slow| slow.ended).collect();
        let ends = ends.unwrap_or_else(|| panic!("one that {} did not end", kind.name));
        let last = ends.iter().max().unwrap();
        println!("{}: {MANY} ended within {last:.1?}", kind.name);
    }
    let p99 = took[took.len() * 99 / 100];
    println!("honest requests meanwhile: {}, p99 {p99:.1?}", took.len());
    assert!(took.len() > 10);
    assert!(p99 < Duration::from_millis(250) * SLACK, "{p99:?}");
}
