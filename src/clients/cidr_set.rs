//! A set of address blocks, made for a million of them: built once, never changed, asked for every request.
//!
//! Two blocks are either disjoint or one lies in the other, so dropping every block that lies in another leaves disjoint
//! ones. Those are cut into sections by some leading bits, a few blocks in each; a lookup goes to the section of the
//! address and searches it by halving. What a section has in common need not be kept, which leaves room for the block's
//! length in the number that is searched: a lookup touches two places of memory, and is done with the second one.
//!
//! Of IPv6 the upper half is searched. The lower one matters only to blocks within one /64.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::Cidr;

/// A set of address blocks.
#[derive(Debug, Default)]
pub struct CidrSet {
    v4: Table<u32>,
    v6: Table<u64>,
    /// The lower halves of the IPv6 blocks at the same positions; empty where none is longer than its upper half.
    v6_lower: Box<[u64]>,
    /// How many blocks there are, and the lowest address of them.
    len: usize,
    first: Option<IpAddr>,
}

/// Disjoint blocks in ascending order.
#[derive(Debug)]
struct Table<A> {
    /// For each block its bits behind those that its section shares, and its prefix length in the lowest byte.
    keys: Box<[A]>,
    /// How many leading bits all blocks share, and what they are. The sections are cut by the bits that follow: public IPv6
    /// addresses begin alike, and cutting by their very first bits would put most of them into few sections.
    shared: u32,
    first: A,
    /// How many bits choose a section.
    section_bits: u32,
    /// Where each section begins, and where the last one ends; empty where there are no blocks.
    sections: Box<[u32]>,
}

/// An address, or the upper half of one, as a number.
trait Bits: Copy + Ord + Default {
    const WIDTH: u32;

    /// How many leading bits `self` and `other` share.
    fn common(self, other: Self) -> u32;

    /// The bits after the first `skip`, followed by zeros.
    fn after(self, skip: u32) -> Self;

    /// The first `count` bits as a number.
    fn leading(self, count: u32) -> usize;

    fn with_low_byte(self, byte: u8) -> Self;

    fn low_byte(self) -> u8;
}

/// As many sections as put this many blocks into each.
const BLOCKS_PER_SECTION: usize = 4;

/// The fewest and most bits that choose a section. The lowest byte of a key is free only if at least eight bits are left
/// out.
const SECTION_BITS: std::ops::RangeInclusive<u32> = 8..=18;

// === impl CidrSet ===

impl CidrSet {
    /// The set of the addresses in any of `blocks`.
    #[must_use]
    pub fn new(blocks: impl IntoIterator<Item = Cidr>) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for block in blocks {
            match block.get() {
                IpNet::V4(block) => v4.push((block.network().to_bits(), block.prefix_len())),
                IpNet::V6(block) => v6.push((block.network().to_bits(), block.prefix_len())),
            }
        }
        disjoint(&mut v4, |a, b| (a ^ b).leading_zeros());
        disjoint(&mut v6, |a, b| (a ^ b).leading_zeros());
        let first = match (v4.first(), v6.first()) {
            (Some(first), _) => Some(IpAddr::V4(first.0.into())),
            (None, first) => first.map(|first| IpAddr::V6(first.0.into())),
        };
        let len = v4.len() + v6.len();
        let (v4, _) = Table::new(v4.into_iter().map(|(bits, prefix)| (bits, prefix, 0)));
        let (v6, v6_lower) = Table::new(
            v6.into_iter()
                .map(|(bits, prefix)| (upper(bits), prefix, bits as u64)),
        );
        let is_long = |key: &u64| key.low_byte() > 64;
        Self {
            v6_lower: if v6.keys.iter().any(is_long) {
                v6_lower
            } else {
                Box::default()
            },
            v4,
            v6,
            len,
            first,
        }
    }

    /// The widest block that holds `address`. `address` must be canonical: IPv4-mapped addresses as IPv4.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<IpNet> {
        match address {
            IpAddr::V4(address) => {
                let prefix = self.v4.find(address.to_bits())?.prefix;
                let block = Ipv4Net::new(address, prefix).ok()?;
                Some(IpNet::V4(block.trunc()))
            }
            IpAddr::V6(address) => {
                let prefix = self.find_v6(address.to_bits())?;
                let block = Ipv6Net::new(address, prefix).ok()?;
                Some(IpNet::V6(block.trunc()))
            }
        }
    }

    /// Whether any block holds `address`, which must be canonical.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.find(address.to_bits()).is_some(),
            IpAddr::V6(address) => self.find_v6(address.to_bits()).is_some(),
        }
    }

    /// How many blocks are left after those inside others were dropped.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the set holds no address.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest address of the set.
    #[must_use]
    pub const fn first(&self) -> Option<IpAddr> {
        self.first
    }

    /// The memory that the set holds besides itself.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes() + self.v6.heap_bytes() + size_of_val(&*self.v6_lower)
    }

    fn find_v6(&self, address: u128) -> Option<u8> {
        let found = self.v6.find(upper(address))?;
        if found.prefix <= 64 {
            return Some(found.prefix);
        }
        // The blocks within one /64 lie together, sorted by their lower halves.
        let lower = address as u64;
        let starts = self.v6_lower.get(found.from..found.to)?;
        let at = found.from + starts.partition_point(|&start| start <= lower);
        let at = at.checked_sub(1).filter(|at| *at >= found.from)?;
        let prefix = self.v6.keys.get(at)?.low_byte();
        let common = 64 + (self.v6_lower.get(at)? ^ lower).leading_zeros();
        (common >= u32::from(prefix)).then_some(prefix)
    }
}

const fn upper(address: u128) -> u64 {
    (address >> 64) as u64
}

/// Sorts blocks and drops those that lie in others.
fn disjoint<A: Copy + Ord>(blocks: &mut Vec<(A, u8)>, common: impl Fn(A, A) -> u32) {
    blocks.sort_unstable();
    // A block that holds the next one begins no later and, beginning alike, is sorted first, being the wider one.
    blocks.dedup_by(|next, kept| common(kept.0, next.0) >= u32::from(kept.1));
}

// === impl Table ===

/// A block that holds an address: one alone, or where it is longer than the table's bits, one of those between `from` and
/// `to`.
struct Found {
    prefix: u8,
    from: usize,
    to: usize,
}

impl<A: Bits> Default for Table<A> {
    fn default() -> Self {
        Self {
            keys: Box::default(),
            shared: 0,
            first: A::default(),
            section_bits: *SECTION_BITS.start(),
            sections: Box::default(),
        }
    }
}

impl<A: Bits> Table<A> {
    /// A table of sorted, disjoint blocks, each with a number that is returned in the order of the keys.
    fn new(blocks: impl Iterator<Item = (A, u8, u64)>) -> (Self, Box<[u64]>) {
        let blocks: Vec<_> = blocks.collect();
        let (Some(&(first, ..)), Some(&(last, ..))) = (blocks.first(), blocks.last()) else {
            return (Self::default(), Box::default());
        };
        let wanted = (blocks.len() / BLOCKS_PER_SECTION).max(1).ilog2();
        let section_bits = wanted.clamp(*SECTION_BITS.start(), *SECTION_BITS.end());
        let widest = blocks.iter().map(|block| u32::from(block.1)).min();
        let shared = first
            .common(last)
            .min(widest.unwrap_or(0))
            .min(A::WIDTH - section_bits - 1);
        let skip = shared + section_bits;
        let mut keys = Vec::with_capacity(blocks.len());
        let mut numbers = Vec::with_capacity(blocks.len());
        let mut sections = Vec::with_capacity((1 << section_bits) + 1);
        for (bits, prefix, number) in blocks {
            let from = bits.after(shared).leading(section_bits);
            // A block wider than a section is entered in each that it covers.
            let covers = 1usize << skip.saturating_sub(u32::from(prefix));
            for section in from..from + covers {
                sections.resize(section + 1, position(keys.len()));
                keys.push(bits.after(skip).with_low_byte(prefix));
                numbers.push(number);
            }
        }
        sections.resize((1 << section_bits) + 1, position(keys.len()));
        let table = Self {
            keys: keys.into(),
            shared,
            first,
            section_bits,
            sections: sections.into(),
        };
        (table, numbers.into())
    }

    fn find(&self, address: A) -> Option<Found> {
        if self.first.common(address) < self.shared {
            return None;
        }
        let section = address.after(self.shared).leading(self.section_bits);
        let &[from, to] = self.sections.get(section..)?.first_chunk()?;
        let (from, to) = (from as usize, to as usize);
        let keys = self.keys.get(from..to)?;
        // Only the last block that begins at or before the address can hold it; compared without the lengths.
        let skip = self.shared + self.section_bits;
        let rest = address.after(skip);
        let until = keys.partition_point(|&key| key <= rest.with_low_byte(u8::MAX));
        let &key = keys.get(until.checked_sub(1)?)?;
        let prefix = key.low_byte();
        let common = skip + key.with_low_byte(0).common(rest);
        if common < u32::from(prefix).min(A::WIDTH) {
            return None;
        }
        let begin = if u32::from(prefix) > A::WIDTH {
            keys.partition_point(|&key| key < rest)
        } else {
            until - 1
        };
        Some(Found {
            prefix,
            from: from + begin,
            to: from + until,
        })
    }

    const fn heap_bytes(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.sections)
    }
}

/// Blocks are far fewer than `u32::MAX`: that many would not fit in memory as text.
fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

macro_rules! bits {
    ($type:ty) => {
        impl Bits for $type {
            const WIDTH: u32 = Self::BITS;

            fn common(self, other: Self) -> u32 {
                (self ^ other).leading_zeros()
            }

            fn after(self, skip: u32) -> Self {
                self << skip
            }

            fn leading(self, count: u32) -> usize {
                (self >> (Self::BITS - count)) as usize
            }

            fn with_low_byte(self, byte: u8) -> Self {
                self & !0xff | Self::from(byte)
            }

            fn low_byte(self) -> u8 {
                self as u8
            }
        }
    };
}

bits!(u32);
bits!(u64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block() -> impl Strategy<Value = Cidr> {
        // Few distinct leading bits, so that blocks nest and touch.
        let v4 = (0u32..64, 0u8..=32).prop_map(|(bits, prefix)| {
            Ipv4Net::new((bits << 26 | bits << 2).into(), prefix).map(IpNet::V4)
        });
        let v6 = (0u128..64, 0u8..=128).prop_map(|(bits, prefix)| {
            Ipv6Net::new((0x2000 << 112 | bits << 100 | bits).into(), prefix).map(IpNet::V6)
        });
        prop_oneof![v4, v6].prop_map(|block| {
            let text = block.expect("a valid prefix").to_string();
            text.parse().expect("a block")
        })
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0u32..64, 0u32..256).prop_map(|(high, low)| IpAddr::V4((high << 26 | low).into())),
            (0u128..64, 0u128..64)
                .prop_map(|(high, low)| IpAddr::V6((0x2000 << 112 | high << 100 | low).into())),
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ]
    }

    proptest! {
        #[test]
        fn the_set_holds_what_any_block_holds(
            blocks in prop::collection::vec(block(), 0..12),
            addresses in prop::collection::vec(address(), 1..32),
        ) {
            let set = CidrSet::new(blocks.iter().copied());
            for address in addresses {
                let widest = blocks
                    .iter()
                    .filter(|block| block.contains(address))
                    .map(|block| block.get().trunc())
                    .min_by_key(IpNet::prefix_len);
                prop_assert_eq!(set.find(address), widest, "{}", address);
            }
        }
    }

    #[test]
    fn blocks_within_one_64_are_told_apart() {
        let blocks = [
            "2001:db8::/80",
            "2001:db8::1:0:0:1/128",
            "2001:db8:0:1::/64",
        ];
        let set = CidrSet::new(blocks.map(|block| block.parse().expect("a block")));
        for (address, expected) in [
            ("2001:db8::ffff", Some("2001:db8::/80")),
            ("2001:db8::1:0:0:1", Some("2001:db8::1:0:0:1/128")),
            ("2001:db8::1:0:0:2", None),
            ("2001:db8::2:0:0:1", None),
            ("2001:db8:0:1::9", Some("2001:db8:0:1::/64")),
            ("2001:db8:0:2::", None),
            ("2001:db7:ffff:ffff::", None),
            ("::", None),
        ] {
            let found = set.find(address.parse().expect("an address"));
            assert_eq!(
                found.map(|block| block.to_string()).as_deref(),
                expected,
                "{address}"
            );
        }
        assert_eq!(set.len(), 3);
    }

    #[test]
    fn a_million_hosts_of_ipv6_stay_below_20_mib() {
        let hosts = (0..1_000_000u128).map(|host| {
            let bits = 0x2000 << 112 | host.wrapping_mul(0x9e37_79b9_7f4a_7c15) << 40 | host;
            let host = Ipv6Net::new(bits.into(), 128).map(IpNet::V6);
            host.expect("a valid prefix")
                .to_string()
                .parse()
                .expect("a block")
        });
        let set = CidrSet::new(hosts.collect::<Vec<Cidr>>());
        assert!(set.heap_bytes() < 20 << 20, "{}", set.heap_bytes());
    }

    #[test]
    fn the_ends_of_the_address_space_are_held() {
        let set = CidrSet::new(["0.0.0.0/0", "::/0"].map(|block| block.parse().expect("a block")));
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::ffff"] {
            assert!(
                set.contains(address.parse().expect("an address")),
                "{address}"
            );
        }
        assert!(!CidrSet::default().contains("192.0.2.1".parse().expect("an address")));
    }
}
