//! How much memory a million address blocks take, and how long a lookup does. Goals: 20 MiB, 50 ns.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis::config::Cidr;
use portcullis::detections::ip_allowlist::CidrSet;

const BLOCKS: usize = 1_000_000;
const LOOKUPS: usize = 2_000_000;

fn main() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // As block lists are: mostly single hosts, many small networks, few large ones.
    measure("v4", &mut random, |random| {
        let prefix = match random.next() % 20 {
            0..11 => 32,
            11..16 => 24,
            _ => 16 + random.next() % 7,
        };
        format!("{}/{prefix}", v4(random))
    });
    measure("v6", &mut random, |random| {
        let prefix = match random.next() % 8 {
            0 => 32,
            1..3 => 48,
            3 => 56,
            4..7 => 64,
            _ => 128,
        };
        format!("{}/{prefix}", v6(random))
    });
}

fn measure(family: &str, random: &mut Random, block: impl Fn(&mut Random) -> String) {
    let blocks: Vec<Cidr> = (0..BLOCKS)
        .map(|_| block(random).parse().expect("a block"))
        .collect();
    let began = portcullis::proxy::clock::now();
    let set = CidrSet::new(blocks);
    let build = began.elapsed();
    let addresses: Vec<IpAddr> = (0..LOOKUPS)
        .map(|_| match family {
            "v4" => IpAddr::V4(v4(random)),
            _ => IpAddr::V6(v6(random)),
        })
        .collect();
    let began = portcullis::proxy::clock::now();
    let hits = addresses
        .iter()
        .filter(|&&address| black_box(&set).contains(black_box(address)))
        .count();
    let nanoseconds = began.elapsed().as_nanos() as f64 / LOOKUPS as f64;
    println!(
        "{family}: {BLOCKS} blocks, {} kept, {:.1} MiB, built in {build:.0?}, {nanoseconds:.1} ns a lookup ({hits} hits)",
        set.len(),
        set.heap_bytes() as f64 / f64::from(1 << 20),
    );
}

fn v4(random: &mut Random) -> Ipv4Addr {
    Ipv4Addr::from_bits((random.next() >> 32) as u32)
}

/// An address of the public range 2000::/3.
fn v6(random: &mut Random) -> Ipv6Addr {
    let bits = u128::from(random.next()) << 64 | u128::from(random.next());
    Ipv6Addr::from_bits(bits >> 3 | 1 << 125)
}

/// xorshift64*: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
