use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;

use serde_json::Value;

use super::*;
use crate::config::ByteSize;
use crate::event::EventKind;
use crate::event::id::IdSource;

const PATIENCE: Duration = Duration::from_secs(10);

fn event(message: &str) -> Event {
    let id = IdSource::new().expect("randomness").next(1);
    Event::new(id, jiff::Timestamp::UNIX_EPOCH, EventKind::Threat, message)
}

fn record(user_agent: &[u8]) -> AccessRecord {
    let client = crate::request::ClientIdentity::from_peer([192, 0, 2, 7].into());
    let agent = http::HeaderValue::from_bytes(user_agent).expect("a header value");
    AccessRecord::new(
        IdSource::new().expect("randomness").next(1),
        jiff::Timestamp::UNIX_EPOCH,
        &client,
        (&http::Method::GET, "/", http::Version::HTTP_11),
        &http::HeaderMap::from_iter([(http::header::USER_AGENT, agent)]),
    )
}

fn to_file(name: &str) -> EventsConfig {
    EventsConfig {
        log: EventLog::File(name.into()),
        ..EventsConfig::default()
    }
}

/// The lines of a file, each parsed on its own.
fn lines(path: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(&path).expect("the log");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect()
}

/// A stream that lets one write through for each message on its channel, and all once the channel is closed.
struct Gate {
    open: std_mpsc::Receiver<()>,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.open.recv();
        self.out.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk with so much room, which may get more.
struct Disk {
    room: Arc<Mutex<usize>>,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        let count = bytes.len().min(*room);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *room -= count;
        self.out.lock().unwrap().write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn everything_taken_before_the_end_is_written_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let bus = EventBus::start(&to_file("events.jsonl"), folder.path()).unwrap();
    for number in 0..5000 {
        bus.emit(event(&number.to_string()));
    }
    assert!(bus.close(PATIENCE));
    let lines = lines(folder.path().join("events.jsonl"));
    let numbers: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
    assert_eq!(messages(&lines), numbers);
    assert_eq!(bus.dropped(), 0);
    bus.emit(event("too late"));
    assert_eq!(bus.dropped(), 1);
}

#[test]
fn the_last_clone_takes_its_events_along() {
    let folder = tempfile::tempdir().unwrap();
    let bus = EventBus::start(&to_file("events.jsonl"), folder.path()).unwrap();
    let queue = Arc::clone(bus.shared.queue.as_ref().unwrap());
    bus.clone().emit(event("only"));
    drop(bus);
    assert!(queue.wait_for_end(PATIENCE));
    assert_eq!(lines(folder.path().join("events.jsonl")).len(), 1);
}

#[test]
fn a_blocked_log_blocks_nobody_and_every_drop_is_counted_and_told() {
    let (open, gate) = std_mpsc::channel();
    let out = Arc::new(Mutex::new(Vec::new()));
    let gate = Gate {
        open: gate,
        out: Arc::clone(&out),
    };
    let bus = EventBus::writing_to(Sink::stream(Box::new(gate)), 10).unwrap();
    // Would hang here if `emit` waited: nothing is let through.
    for _ in 0..1000 {
        bus.emit(event("flood"));
    }
    // At most one batch is in the writer's hands while another waits.
    let dropped = bus.dropped();
    assert!((980..=990).contains(&dropped), "{dropped}");
    assert!(!bus.close(Duration::from_millis(10)));
    drop(open);
    assert!(bus.close(PATIENCE));
    let out = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    let (mut written, mut told) = (0, 0);
    for line in out.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        match line["kind"].as_str() {
            Some("dropped") => told += line["count"].as_u64().unwrap(),
            _ => written += 1,
        }
    }
    assert_eq!((written + told, told), (1000, bus.dropped()));
}

#[test]
fn access_lines_leave_room_for_events() {
    let (_open, gate) = std_mpsc::channel();
    let gate = Gate {
        open: gate,
        out: Arc::default(),
    };
    let bus = EventBus::writing_to(Sink::stream(Box::new(gate)), 100).unwrap();
    bus.shared.access_log.store(true, Ordering::Relaxed);
    for _ in 0..1000 {
        bus.emit_access(record(b"flood"));
    }
    for _ in 0..25 {
        bus.emit(event("kept"));
    }
    assert_eq!(bus.dropped(), 0);
}

#[test]
fn a_full_disk_costs_lines_but_neither_the_writer_nor_whole_lines() {
    let room = Arc::new(Mutex::new(350));
    let out = Arc::new(Mutex::new(Vec::new()));
    let disk = Disk {
        room: Arc::clone(&room),
        out: Arc::clone(&out),
    };
    let bus = EventBus::writing_to(Sink::stream(Box::new(disk)), 100).unwrap();
    for _ in 0..20 {
        bus.emit(event("something that takes room"));
    }
    while bus.dropped() == 0 {
        std::thread::yield_now();
    }
    *room.lock().unwrap() = usize::MAX;
    bus.emit(event("something that takes room"));
    assert!(bus.close(PATIENCE));
    let out = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    let parsed: Vec<Value> = out
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    // One line was torn, and is followed by whole ones.
    assert_eq!(out.lines().count(), parsed.len() + 1);
    let told: u64 = parsed
        .iter()
        .filter(|line| line["kind"] == "dropped")
        .filter_map(|line| line["count"].as_u64())
        .sum();
    let events = parsed
        .iter()
        .filter(|line| line["kind"] == "threat")
        .count();
    assert_eq!(events as u64 + told, 21);
    assert_eq!(told, bus.dropped());
}

#[test]
fn files_are_rotated_before_they_grow_beyond_their_size_and_only_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut line = Vec::new();
    crate::event::json::append_line(&mut line, &event("00")).unwrap();
    // Three lines fit to the byte.
    let config = EventsConfig {
        rotate: ByteSize::bytes(3 * line.len() as u64),
        keep: 2,
        ..to_file("events.jsonl")
    };
    fs::write(path("events.jsonl.3"), "of a time when more were kept\n").unwrap();
    fs::write(path("events.jsonl.2"), "old\n").unwrap();
    let bus = EventBus::start(&config, folder.path()).unwrap();
    for number in 10..20 {
        bus.emit(event(&number.to_string()));
    }
    assert!(bus.close(PATIENCE));
    for (name, expected) in [
        ("events.jsonl", &["19"][..]),
        ("events.jsonl.1", &["16", "17", "18"]),
        ("events.jsonl.2", &["13", "14", "15"]),
    ] {
        assert_eq!(messages(&lines(path(name))), expected, "{name}");
    }
    assert!(!path("events.jsonl.3").exists());
    assert_eq!(
        fs::metadata(path("events.jsonl.1")).unwrap().len(),
        config.rotate.get()
    );
}

#[test]
fn a_file_that_cannot_be_rotated_is_written_to_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = EventsConfig {
        rotate: ByteSize::bytes(1),
        keep: 1,
        ..to_file("events.jsonl")
    };
    // A folder is in the way, and cannot be replaced by a file.
    fs::create_dir(folder.path().join("events.jsonl.1")).unwrap();
    let bus = EventBus::start(&config, folder.path()).unwrap();
    (0..3).for_each(|_| bus.emit(event("one")));
    assert!(bus.close(PATIENCE));
    assert_eq!(lines(folder.path().join("events.jsonl")).len(), 3);
    assert_eq!(bus.dropped(), 0);
}

#[test]
fn a_start_goes_on_where_the_file_ends_and_ends_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, "{\"message\":\"to").unwrap();
    let bus = EventBus::start(&to_file("events.jsonl"), folder.path()).unwrap();
    bus.emit(event("whole"));
    assert!(bus.close(PATIENCE));
    let text = fs::read_to_string(&path).unwrap();
    let (torn, whole) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"message\":\"to");
    assert_eq!(messages(&[serde_json::from_str(whole).unwrap()]), ["whole"]);
}

#[test]
fn keeping_none_and_never_rotating_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rotate, keep, left) in [("none", 1, 0, 1), ("all", 0, 5, 3)] {
        let config = EventsConfig {
            rotate: ByteSize::bytes(rotate),
            keep,
            ..to_file(name)
        };
        let bus = EventBus::start(&config, folder.path()).unwrap();
        (0..3).for_each(|_| bus.emit(event("one")));
        assert!(bus.close(PATIENCE));
        assert_eq!(lines(folder.path().join(name)).len(), left, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_moved_file_is_opened_again_and_another_target_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let bus = EventBus::start(&to_file("a"), folder.path()).unwrap();
    bus.emit(event("1"));
    while fs::metadata(path("a")).unwrap().len() == 0 {
        std::thread::yield_now();
    }
    fs::rename(path("a"), path("a.old")).unwrap();
    bus.reopen();
    while !path("a").exists() {
        std::thread::yield_now();
    }
    bus.emit(event("2"));
    let mut other = to_file("b");
    other.access_log = true;
    bus.reconfigure(&other, folder.path()).unwrap();
    assert!(bus.wants_access());
    bus.emit(event("3"));
    bus.reconfigure(&to_file("no/such/folder"), folder.path())
        .expect_err("no such folder");
    bus.emit(event("4"));
    assert!(bus.close(PATIENCE));
    let all: Vec<Value> = ["a.old", "a", "b"]
        .into_iter()
        .flat_map(|name| lines(path(name)))
        .collect();
    assert_eq!(messages(&all), ["1", "2", "3", "4"]);
    assert!(messages(&lines(path("b"))).ends_with(&["3", "4"]));
}

#[test]
fn hostile_text_is_one_json_object_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = EventsConfig {
        access_log: true,
        ..to_file("events.jsonl")
    };
    let bus = EventBus::start(&config, folder.path()).unwrap();
    let hostile = "a\n{\"kind\":\"forged\"}\r\u{1b}[2J\u{9b}31m\u{2028}\u{202e}\u{85}\0\"\\";
    let mut hostile_event = event(hostile);
    hostile_event.path = Some(hostile.into());
    bus.emit(hostile_event);
    bus.emit_access(record(b"\xff\xfe\xc2\x9b31m\t\""));
    assert!(bus.close(PATIENCE));
    let raw = fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    assert!(
        !raw.chars()
            .any(|c| c != '\n' && (c.is_control() || c == '\u{2028}' || c == '\u{202e}')),
        "{raw:?}"
    );
    let lines = lines(folder.path().join("events.jsonl"));
    let kinds: Vec<_> = lines.iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["threat", "access"]);
}

#[test]
fn subscribers_see_events_and_a_slow_one_only_misses_some() {
    let bus = EventBus::default();
    let mut quick = bus.subscribe(10);
    let mut slow = bus.subscribe(1);
    drop(bus.subscribe(1));
    for number in 0..3 {
        bus.emit(event(&number.to_string()));
    }
    let mut seen = Vec::new();
    while let Ok(event) = quick.try_recv() {
        seen.push(event.message.clone());
    }
    assert_eq!(seen, ["0", "1", "2"]);
    assert_eq!(slow.try_recv().unwrap().message, "0");
    assert!(slow.try_recv().is_err());
    assert_eq!(bus.missed(), 2);
    assert!(bus.close(Duration::ZERO), "there is nothing to wait for");
}

#[test]
fn the_access_log_is_off_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let bus = EventBus::start(&to_file("events.jsonl"), folder.path()).unwrap();
    assert!(!bus.wants_access());
    bus.emit_access(record(b"curl"));
    assert!(bus.close(PATIENCE));
    assert_eq!(lines(folder.path().join("events.jsonl")).len(), 0);
}
