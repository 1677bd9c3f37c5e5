//! A set of address blocks, made for a million of them: built once, never changed, asked for every request.
//!
//! Two blocks are either disjoint or one lies in the other, so dropping every block that lies in another leaves disjoint
//! ones. Those are sorted and cut into sections by 16 (IPv6: 18) leading bits; a lookup goes to the section of the address
//! and searches it by halving. Nothing is chased through memory, as it would be in a tree: two cache misses are the
//! rule.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::Cidr;

/// A set of address blocks.
#[derive(Debug, Default)]
pub struct CidrSet {
    v4: Table<u32>,
    v6: Table<u128>,
}

/// Disjoint blocks of one address family in ascending order.
#[derive(Debug)]
struct Table<A> {
    starts: Box<[A]>,
    /// How many leading bits the block at the same position in `starts` fixes.
    prefixes: Box<[u8]>,
    /// How many leading bits the widest block fixes. An address that shares fewer with the start before it is in no
    /// block, which most lookups learn without touching `prefixes`.
    widest: u32,
    /// How many leading bits all starts share. The sections are cut by the bits that follow: public IPv6 addresses
    /// begin alike, and cutting by their very first bits would put most of them into few sections.
    shared: u32,
    /// Where each section begins, and where the last one ends; empty where there are no blocks.
    sections: Box<[u32]>,
}

/// An address as a number.
trait Bits: Copy + Ord {
    const WIDTH: u32;

    /// How many bits choose a section. IPv6 has more of them, because its blocks are four times as long in memory and a
    /// section should still lie in one or two cache lines.
    const SECTION_BITS: u32;

    /// How many leading bits `self` and `other` share.
    fn common(self, other: Self) -> u32;

    /// The [`SECTION_BITS`](Self::SECTION_BITS) bits after the first `skip`.
    fn section(self, skip: u32) -> usize;
}

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
        Self {
            v4: Table::new(v4),
            v6: Table::new(v6),
        }
    }

    /// The widest block that holds `address`. `address` must be canonical: IPv4-mapped addresses as IPv4.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<IpNet> {
        match address {
            IpAddr::V4(address) => {
                let (start, prefix) = self.v4.find(address.to_bits())?;
                Ipv4Net::new(start.into(), prefix).ok().map(IpNet::V4)
            }
            IpAddr::V6(address) => {
                let (start, prefix) = self.v6.find(address.to_bits())?;
                Ipv6Net::new(start.into(), prefix).ok().map(IpNet::V6)
            }
        }
    }

    /// Whether any block holds `address`, which must be canonical.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.find(address).is_some()
    }

    /// How many blocks are left after those inside others were dropped.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.starts.len() + self.v6.starts.len()
    }

    /// Whether the set holds no address.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest address of the set.
    #[must_use]
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self
            .v4
            .starts
            .first()
            .map(|&start| IpAddr::V4(start.into()));
        v4.or_else(|| {
            self.v6
                .starts
                .first()
                .map(|&start| IpAddr::V6(start.into()))
        })
    }

    /// The memory that the set holds besides itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes() + self.v6.heap_bytes()
    }
}

// === impl Table ===

impl<A> Default for Table<A> {
    fn default() -> Self {
        Self {
            starts: Box::default(),
            prefixes: Box::default(),
            widest: 0,
            shared: 0,
            sections: Box::default(),
        }
    }
}

impl<A: Bits> Table<A> {
    fn new(mut blocks: Vec<(A, u8)>) -> Self {
        blocks.sort_unstable();
        // A block that holds the next one begins no later and, beginning alike, is sorted first, being the wider one.
        blocks.dedup_by(|next, kept| kept.0.common(next.0) >= u32::from(kept.1));
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Self::default();
        };
        let shared = first.0.common(last.0).min(A::WIDTH - A::SECTION_BITS);
        let mut sections = vec![0u32; (1 << A::SECTION_BITS) + 1];
        for (start, _) in &blocks {
            if let Some(count) = sections.get_mut(start.section(shared) + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for section in &mut sections {
            before += *section;
            *section = before;
        }
        Self {
            starts: blocks.iter().map(|block| block.0).collect(),
            prefixes: blocks.iter().map(|block| block.1).collect(),
            widest: blocks
                .iter()
                .map(|block| u32::from(block.1))
                .min()
                .unwrap_or(0),
            shared,
            sections: sections.into(),
        }
    }

    fn find(&self, address: A) -> Option<(A, u8)> {
        // Only the last block that begins at or before the address can hold it.
        let at = self.begin_until(address)?.checked_sub(1)?;
        let &start = self.starts.get(at)?;
        let common = start.common(address);
        if common < self.widest {
            return None;
        }
        let &prefix = self.prefixes.get(at)?;
        (common >= u32::from(prefix)).then_some((start, prefix))
    }

    /// How many blocks begin at or before `address`.
    fn begin_until(&self, address: A) -> Option<usize> {
        let &first = self.starts.first()?;
        if first.common(address) < self.shared {
            return Some(if address < first {
                0
            } else {
                self.starts.len()
            });
        }
        let section = address.section(self.shared);
        let from = *self.sections.get(section)? as usize;
        let to = *self.sections.get(section + 1)? as usize;
        let starts = self.starts.get(from..to)?;
        Some(from + starts.partition_point(|&start| start <= address))
    }

    const fn heap_bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.prefixes) + size_of_val(&*self.sections)
    }
}

impl Bits for u32 {
    const WIDTH: u32 = Self::BITS;
    const SECTION_BITS: u32 = 16;

    fn common(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }

    fn section(self, skip: u32) -> usize {
        ((self << skip) >> (Self::BITS - Self::SECTION_BITS)) as usize
    }
}

impl Bits for u128 {
    const WIDTH: u32 = Self::BITS;
    const SECTION_BITS: u32 = 18;

    fn common(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }

    fn section(self, skip: u32) -> usize {
        // At most 18 bits are left.
        usize::try_from((self << skip) >> (Self::BITS - Self::SECTION_BITS)).unwrap_or(0)
    }
}

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
