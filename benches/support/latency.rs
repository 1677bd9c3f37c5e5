//! How long an answer takes at a rate that every server can bear.
//!
//! The load is open: each request has its instant, whether or not the answers before it have come, and its latency counts
//! from that instant and not from when it could be sent. A server that stalls for 10 ms is thus charged for the fifty
//! requests that came due meanwhile, where a client that waits for its answers would have asked one question late and
//! noticed nothing. A connection whose answer is late sends its next request late, at the server's charge.
//!
//! The server has the first core for itself. The load is on the second core, which it shares with the upstream where there
//! are no more than two: what they wait for each other, and how late the timers of the load wake it, is in the figures of
//! all servers alike. That leaves the distances between servers about as they are, but brings quotients closer to one; so
//! the lateness of the load is printed beside them. Other programs on the machine disturb p99 first and then everything:
//! only figures of a quiet one mean anything, and where a server does not keep up, that is said.
//!
//! The peer with the rule set is left out: it needs more than 200 µs of its core for a GET, as `cost` shows, and so cannot
//! answer 5,000 a second; what would be measured is its queue.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::cores;
use crate::{PLAIN, Peer, answer, connect, get, median};

/// Requests a second, over all connections.
const RATE: u32 = 5000;

/// The kept connections that take turns.
const CONNECTIONS: u32 = 20;

/// The time between two requests of a connection: many times what an answer takes.
const TURN: Duration = Duration::from_millis((1000 * CONNECTIONS / RATE) as u64);

/// The requests of a round.
const REQUESTS: u32 = 2 * RATE;

/// What was seen of one request, counted from when it was due.
struct Sample {
    sent: Duration,
    answered: Duration,
}

/// Figures of a server in µs, one of each round.
#[derive(Default)]
struct Figures {
    p50: Vec<f64>,
    p99: Vec<f64>,
    late_p50: Vec<f64>,
    late_p99: Vec<f64>,
}

/// Prints p50 and p99 of the servers that bear the rate; the first of them is nginx, the last portcullis.
pub(crate) fn compare(rounds: usize, servers: &[Peer]) {
    let bear = |peer: &&Peer| !peer.name.contains("CRS");
    let servers: Vec<&Peer> = servers.iter().filter(bear).collect();
    let mut figures: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
    for at in 0..=rounds {
        for (figures, peer) in figures.iter_mut().zip(&servers) {
            let samples = round(peer.http1.address);
            // The first round warms up.
            if at > 0 {
                figures.add(&samples);
            }
        }
    }
    print!("\n{:<26}", format!("µs at {RATE} GETs a second"));
    for peer in &servers {
        print!("{:>14}", peer.name);
    }
    println!("{:>12}{:>12}", "- nginx", "/ nginx");
    line("p50", &mut figures, |figures| &mut figures.p50);
    line("p99", &mut figures, |figures| &mut figures.p99);
    line("p50 of sending late", &mut figures, |figures| {
        &mut figures.late_p50
    });
    line("p99 of sending late", &mut figures, |figures| {
        &mut figures.late_p99
    });
    for (figures, peer) in figures.iter_mut().zip(&servers) {
        if median(&mut figures.late_p50) > TURN.as_secs_f64() * 1e6 {
            println!(
                "{} did not keep up: most requests waited for an answer to one before. Is the machine quiet?",
                peer.name
            );
        }
    }
}

fn line(name: &str, figures: &mut [Figures], of: impl Fn(&mut Figures) -> &mut Vec<f64>) {
    let medians: Vec<f64> = figures
        .iter_mut()
        .map(|figures| median(of(figures)))
        .collect();
    print!("{name:<26}");
    for median in &medians {
        print!("{median:>14.0}");
    }
    let (nginx, ours) = (medians[0], medians[medians.len() - 1]);
    println!("{:>12.0}{:>11.2}x", ours - nginx, ours / nginx);
}

impl Figures {
    fn add(&mut self, samples: &[Sample]) {
        let answered = sorted(samples.iter().map(|sample| sample.answered));
        let sent = sorted(samples.iter().map(|sample| sample.sent));
        self.p50.push(percentile(&answered, 50));
        self.p99.push(percentile(&answered, 99));
        self.late_p50.push(percentile(&sent, 50));
        self.late_p99.push(percentile(&sent, 99));
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[sorted.len() * percent / 100].as_secs_f64() * 1e6
}

/// A round on a thread of its own, since the core it is bound to is not for what the bench does otherwise.
fn round(address: SocketAddr) -> Vec<Sample> {
    let core = 1.min(cores() - 1);
    let load = || {
        be_punctual_on(core);
        send_all(address)
    };
    thread::scope(|scope| scope.spawn(load).join().unwrap())
}

/// Binds this thread, and those that it starts, to a core, and has it woken when it is due: the kernel may else take 50 µs
/// more, to save power.
fn be_punctual_on(core: usize) {
    let own = fs::read_link("/proc/thread-self").unwrap();
    let own = own.file_name().unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", "-p", &core.to_string()]).arg(own);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    fs::write(Path::new("/proc").join(own).join("timerslack_ns"), "1").unwrap();
}

fn send_all(address: SocketAddr) -> Vec<Sample> {
    // All are connected by then.
    let begin = Instant::now() + Duration::from_millis(100);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|first| scope.spawn(move || send(address, begin, first)))
            .collect();
        let samples = senders.into_iter().map(|sender| sender.join().unwrap());
        samples.flatten().collect()
    })
}

/// Sends every request whose turn it is on one of the connections.
fn send(address: SocketAddr, begin: Instant, first: u32) -> Vec<Sample> {
    let request = get(PLAIN);
    let mut buffer = vec![0; 64 << 10];
    let mut stream = connect(address);
    let mut ask = |number: u32| {
        let due = begin + Duration::from_secs(1) / RATE * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = due.elapsed();
        std::io::Write::write_all(&mut stream, &request).unwrap();
        assert!(answer(&mut stream, &mut buffer), "the connection is kept");
        Sample {
            sent,
            answered: due.elapsed(),
        }
    };
    let turns = (first..REQUESTS).step_by(CONNECTIONS as usize);
    turns.map(&mut ask).collect()
}
