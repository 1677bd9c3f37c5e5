//! What a second core adds: requests a second of portcullis on two cores beside one.
//!
//! Load and upstream need processor time too, and a machine of two cores has none to spare. So what is doubled is the whole:
//! on one core, portcullis with its upstream and one thread of wrk; on two cores, all of it again with two threads of wrk and
//! twice the connections. In both, each core has the same work to do, and the quotient of the two rates is what two cores are
//! worth. From four cores on, load and upstream are beside, on cores of their own, and that quotient is of portcullis alone.
//!
//! Refused requests need no upstream: most of the time is portcullis' own. Forwarded ones show what the pools of connections
//! to the upstream add. All come from one address, so every request writes to the same counter of the rate limit: the worst
//! case for caches.
//!
//! # What the figures mean
//!
//! - A rate is requests in each second that the cores were there for: the time that the whole used plus the time in which
//!   they idled. On a quiet machine that is the plain rate. What other programs took is not counted, so that figures of a
//!   busy one are usable; idling is, so that cores which wait for each other or for an uneven share of connections show.
//! - A quotient is the median of the quotients of the rounds, which are close in time, and not of the medians.
//! - `two apart` is the same work by two programs on a core each, which share nothing: what the machine gives at most. Two
//!   cores of a virtual machine may be halves of one, that share its caches or even its units.
//! - `µs of the server` is processor time of portcullis alone for a request: on one core with all that it needs, on one core
//!   with the rest on the other, and on two. To wake a program on another core costs more than on the same; in the first case
//!   none are on another, in the second all, on two cores half of them. So the third is compared with the mean of the others:
//!   twice that quotient, `alone`, is how portcullis would scale if the rest cost nothing.
//! - `rest` is processor time of load and upstream for a request, on one core and on two: wrk shares nothing, and by its part
//!   makes the quotient of the rates look better.
//!
//! # Limits
//!
//! On a busy machine the figures of a run differ from those of the next by a tenth or two; quotients above 2 tell how much.
//! Cores beyond the second are not measured, and connections are many and kept: with a few, one thread may get most of them.
//! The upstream is one process also on two cores; it has time to spare there.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::servers::{Server, cores, on_cores};
use crate::{HEADERS, PLAIN, REFUSED, median, rules_before, upstream};

/// The connections of one thread of load.
const CONNECTIONS: usize = 32;

/// A tick of `/proc`.
const TICK: Duration = Duration::from_millis(10);

/// portcullis with an upstream of its own.
struct Stack {
    server: Server,
    upstream: Server,
    cores: Cores,
}

/// The cores of portcullis, and those of the load and the upstream.
#[derive(Clone, Copy)]
struct Cores {
    own: &'static [usize],
    rest: &'static [usize],
}

/// Stacks that are loaded at the same time.
struct Layout(Vec<Stack>);

/// Figures of a layout, one of each round.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    server: Vec<f64>,
    rest: Vec<f64>,
    idle: Vec<f64>,
}

/// Prints what portcullis does with one core and with two.
pub(crate) fn compare(rounds: usize, folder: &Path) {
    if cores() < 2 {
        println!("\nThere is one core: what a second adds cannot be measured.");
        return;
    }
    let [first, second, both] = if cores() < 4 {
        [[0].as_slice(), &[1], &[0, 1]]
    } else {
        [[2].as_slice(), &[3], &[2, 3]]
    };
    let on = |own, rest| Cores { own, rest };
    let layouts = [
        Layout::of(folder, "one", &[on(&[0], first)]),
        Layout::of(folder, "beside", &[on(&[0], second)]),
        Layout::of(folder, "two", &[on(&[0, 1], both)]),
        Layout::of(folder, "apart", &[on(&[0], first), on(&[1], second)]),
    ];
    println!(
        "\n{:<20}{:>10}{:>11}{:>10}{:>11}{:>22}{:>8}{:>14}{:>12}",
        "requests a second",
        "one core",
        "two cores",
        "/ one",
        "two apart",
        "µs of the server",
        "alone",
        "rest",
        "idle"
    );
    for (name, target) in [("refused GET", REFUSED), ("GET of 1 KB", PLAIN)] {
        let mut figures: [Figures; 4] = Default::default();
        for round in 0..=rounds {
            for (figures, layout) in figures.iter_mut().zip(&layouts) {
                let mut thrown = Figures::default();
                // The first round warms up.
                layout.load(target, if round > 0 { figures } else { &mut thrown });
            }
        }
        line(name, &figures);
    }
}

fn line(name: &str, [one, beside, two, apart]: &[Figures; 4]) {
    let middle = |figures: &[f64]| median(&mut figures.to_vec());
    let quotient = |over: &[f64], under: &[f64]| {
        let quotients = over.iter().zip(under).map(|(over, under)| over / under);
        median(&mut quotients.collect::<Vec<_>>())
    };
    let alone = one.server.iter().zip(&beside.server);
    let alone: Vec<f64> = alone.map(|(near, far)| near + far).collect();
    let servers = [one, beside, two].map(|figures| format!("{:.1}", middle(&figures.server)));
    let both = |of: fn(&Figures) -> &Vec<f64>, digits: usize| {
        let [one, two] = [one, two].map(|figures| middle(of(figures)));
        format!("{one:.digits$}, {two:.digits$}")
    };
    println!(
        "{name:<20}{:>10.0}{:>11.0}{:>9.2}x{:>10.2}x{:>22}{:>7.2}x{:>14}{:>12}",
        middle(&one.rate),
        middle(&two.rate),
        quotient(&two.rate, &one.rate),
        quotient(&apart.rate, &one.rate),
        servers.join(", "),
        quotient(&alone, &two.server),
        both(|figures| &figures.rest, 1),
        both(|figures| &figures.idle, 0) + " %",
    );
}

/// As `taskset` takes them.
fn list(cores: &[usize]) -> String {
    let cores: Vec<_> = cores.iter().map(usize::to_string).collect();
    cores.join(",")
}

impl Stack {
    fn on(folder: &Path, name: &str, cores: Cores) -> Self {
        let (name, own) = (format!("{name}-{}", list(cores.own)), list(cores.own));
        let upstream = upstream(folder, &format!("upstream-{name}"), &list(cores.rest));
        let rules = rules_before(upstream.address);
        Self {
            server: Server::portcullis_on(&own, folder, &name, &rules),
            upstream,
            cores,
        }
    }

    /// Starts the load.
    fn load(&self, target: &str) -> Child {
        let threads = self.cores.own.len();
        let connections = CONNECTIONS * threads;
        let mut command = on_cores("/usr/bin/wrk", &list(self.cores.rest));
        command.args(["-d", "2s", "--timeout", "10s", "-t", &threads.to_string()]);
        command.args(["-c", &connections.to_string()]);
        command.args(HEADERS.iter().flat_map(|header| ["-H", header]));
        command.arg(format!("http://{}{target}", self.server.address));
        command.stdout(Stdio::piped()).spawn().unwrap()
    }
}

impl Layout {
    fn of(folder: &Path, name: &str, cores: &[Cores]) -> Self {
        let stack = |cores: &Cores| Stack::on(folder, name, *cores);
        Self(cores.iter().map(stack).collect())
    }

    /// Loads all stacks for as long as wrk takes.
    fn load(&self, target: &str, figures: &mut Figures) {
        let before = self.times();
        let loads: Vec<Child> = self.0.iter().map(|stack| stack.load(target)).collect();
        let requests: f64 = loads.into_iter().map(|load| answers(load, target)).sum();
        let after = self.times();
        let spent = |which: usize| (after[which] - before[which]).as_secs_f64();
        let [server, rest, idle] = [0, 1, 2].map(spent);
        let mut all = self.0.iter().map(|stack| stack.cores);
        let is_shared = all.all(|cores| cores.own == cores.rest);
        let there = server + idle + if is_shared { rest } else { 0.0 };
        let cores = u32::try_from(self.own().count()).unwrap();
        figures.rate.push(requests / there * f64::from(cores));
        figures.server.push(server / requests * 1e6);
        figures.rest.push(rest / requests * 1e6);
        figures.idle.push(idle / there * 100.0);
    }

    /// The cores of portcullis.
    fn own(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(|stack| stack.cores.own).copied()
    }

    /// The processor time of portcullis, of what it needs, and in which its cores idled, so far.
    fn times(&self) -> [Duration; 3] {
        let servers = self.0.iter().map(|stack| stack.server.used());
        let upstreams = self.0.iter().map(|stack| stack.upstream.used());
        [
            servers.sum(),
            upstreams.sum::<Duration>() + of_loads(),
            self.own().map(idle).sum(),
        ]
    }
}

/// How many answers wrk got, all of which were as expected.
fn answers(load: Child, target: &str) -> f64 {
    let told = load.wait_with_output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    let number = |after: &str| -> f64 {
        let line = told.lines().find(|line| line.contains(after));
        let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        line.and_then(|line| line.split_whitespace().find(is_number))
            .map_or(0.0, |word| word.parse().unwrap())
    };
    let (all, refused) = (number(" requests in "), number("Non-2xx"));
    let expected = if target == REFUSED { all } else { 0.0 };
    assert!(
        all > 0.0 && refused == expected && !told.contains("Socket errors"),
        "{told}"
    );
    all
}

/// The processor time of all children that have ended, which are the loads.
fn of_loads() -> Duration {
    let account = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = account.rsplit_once(") ").unwrap();
    ticks(fields.split(' ').skip(13).take(2))
}

/// The time in which a core had nothing to do.
fn idle(core: usize) -> Duration {
    let account = fs::read_to_string("/proc/stat").unwrap();
    let name = format!("cpu{core} ");
    let line = account.lines().find(|line| line.starts_with(&name));
    ticks(line.unwrap().split_whitespace().skip(4).take(2))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let all = fields.map(|ticks| ticks.parse::<u32>().unwrap());
    TICK * all.sum::<u32>()
}
