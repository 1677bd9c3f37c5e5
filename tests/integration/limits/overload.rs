//! More requests than the upstream can answer: some are refused at once, so that the others are answered in time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Proxy, Upstream, json};

/// How long the upstream works on a request; it does one at a time.
const WORK: Duration = Duration::from_millis(20);

/// How many clients ask, each again as soon as it has its answer.
const CLIENTS: u32 = 100;

/// How many requests are let through at a time: each then waits for less than so many times the work.
const IN_FLIGHT: u32 = 5;

/// How much more than that the test allows. Without the limit each would wait for the work of all clients.
const SLACK: u32 = 10;

#[test]
fn what_is_let_through_is_answered_before_everybody_waits() {
    let busy = Mutex::new(());
    let upstream = Upstream::start(move |_| {
        let _alone = busy.lock();
        std::thread::sleep(WORK);
        json("200 OK", "\"done\"")
    });
    let yaml = format!("limits: {{ in_flight: {IN_FLIGHT} }}\ndetections: []\n");
    let proxy = Proxy::start(&upstream, &yaml);
    let (stop, address) = (AtomicBool::new(false), proxy.address);
    let asking = || {
        let (mut answered, mut shed) = (Vec::new(), Vec::new());
        let mut client = Client::connect(address);
        while !stop.load(Ordering::SeqCst) {
            let began = Instant::now();
            client.request("GET", "/", &[], b"");
            let response = client.response();
            match response.status {
                200 => answered.push(began.elapsed()),
                503 => {
                    assert_eq!(response.header("retry-after"), Some("1"));
                    shed.push(began.elapsed());
                    // Sooner than it was told, but not at once: the machine is needed for other tests as well.
                    std::thread::sleep(WORK);
                }
                other => panic!("{other}: {}", response.text()),
            }
        }
        (answered, shed)
    };
    let (mut answered, mut shed) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(asking)).collect();
        std::thread::sleep(Duration::from_secs(3));
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            let (here, not) = client.join().unwrap();
            answered.extend(here);
            shed.extend(not);
        }
    });
    answered.sort();
    shed.sort();
    let of = |times: &[Duration], percent: usize| times[times.len() * percent / 100];
    println!(
        "{} answered, p50 {:.0?}, p99 {:.0?}; {} refused, p50 {:.0?}, p99 {:.0?}",
        answered.len(),
        of(&answered, 50),
        of(&answered, 99),
        shed.len(),
        of(&shed, 50),
        of(&shed, 99)
    );
    assert!(of(&answered, 50) < WORK * IN_FLIGHT * SLACK);
    assert!(shed.len() > answered.len());
}

/// Signs of many attacks and none of them: about as much work as a body of this length can be.
const COSTLY: &str = "It's (a) \"note\"; see <b>/etc/</b> & ../x or 1 = one, `id` | $HOME: select {all} from -- #1 \
                      where x like '%y%' and on load = 2 http://a.example/?b=c;d e.php .ini proc/ cmd alert (x) ";

/// How many of them at a time: fewer than the pool has places for, more than it has threads.
const COSTLY_AT_A_TIME: usize = 8;

#[test]
fn a_costly_body_delays_nobody_else() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections:\n  - malicious_payload: {}\n");
    let body = COSTLY.repeat((1 << 20) / COSTLY.len());
    let left = std::sync::atomic::AtomicUsize::new(COSTLY_AT_A_TIME);
    let address = proxy.address;
    let mut honest = 0;
    std::thread::scope(|scope| {
        for _ in 0..COSTLY_AT_A_TIME {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                client.request(
                    "POST",
                    "/",
                    &[("Content-Type", "text/plain")],
                    body.as_bytes(),
                );
                assert_eq!(client.response().status, 200);
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        // Each on a connection of its own, so that every core is asked.
        while left.load(Ordering::SeqCst) > 0 {
            assert_eq!(proxy.get("/").status, 200);
            honest += 1;
        }
    });
    // If they waited in line with the costly ones, there would be one, or two.
    assert!(honest > 2 * COSTLY_AT_A_TIME, "{honest}");
    println!("{honest} honest requests while {COSTLY_AT_A_TIME} costly ones were judged");
}
