//! An upstream that keeps every byte it gets, and answers what its own strict reader takes for a request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::strict::{Parsed, Reading, read};
use crate::support::wait_until;

/// What came.
#[derive(Debug, Default)]
struct Tape {
    /// Every whole request, in the order of arrival.
    requests: Vec<Parsed>,
    /// What was no request, or no part of one.
    wrong: Vec<String>,
    /// By connection: what came after its last whole request, and whether it is closed.
    rests: Vec<(Vec<u8>, bool)>,
}

pub struct Recorder {
    pub address: SocketAddr,
    tape: Arc<Mutex<Tape>>,
    is_over: Arc<AtomicBool>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tape: Arc<Mutex<Tape>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared, over) = (Arc::clone(&tape), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let number = {
                    let rests = &mut shared.lock().unwrap().rests;
                    rests.push((Vec::new(), false));
                    rests.len() - 1
                };
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), number, &shared));
            }
        });
        Self {
            address,
            tape,
            is_over,
        }
    }

    /// Every whole request so far, once nothing is under way: a part of a request is left only where its connection was
    /// closed. Fails where something came that is no request.
    pub fn settled(&self) -> Vec<Parsed> {
        self.settled_after(0)
    }

    /// As [`settled`](Self::settled), without the first `known` ones.
    pub fn settled_after(&self, known: usize) -> Vec<Parsed> {
        wait_until("what is under way to arrive or to be cut", || {
            let tape = self.tape.lock().unwrap();
            tape.rests
                .iter()
                .all(|(rest, is_closed)| *is_closed || rest.is_empty())
        });
        let tape = self.tape.lock().unwrap();
        assert!(tape.wrong.is_empty(), "no requests: {:?}", tape.wrong);
        tape.requests[known..].to_vec()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, number: usize, tape: &Mutex<Tape>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        let answers = tape.lock().unwrap().take_in(number, &bytes[..length]);
        for _ in 0..answers.unwrap_or(0) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        if answers.is_none() {
            break;
        }
    }
    tape.lock().unwrap().rests[number].1 = true;
}

impl Tape {
    /// How many requests have become whole; `None` where something is none.
    fn take_in(&mut self, number: usize, bytes: &[u8]) -> Option<usize> {
        let rest = &mut self.rests[number].0;
        rest.extend_from_slice(bytes);
        let before = self.requests.len();
        loop {
            match read(rest) {
                Reading::Whole(request, length) => {
                    rest.drain(..length);
                    self.requests.push(*request);
                }
                Reading::Partial => return Some(self.requests.len() - before),
                Reading::Wrong(what) => {
                    self.wrong.push(format!("{what}: {}", rest.escape_ascii()));
                    return None;
                }
            }
        }
    }
}
