//! The items of a window in one blob: 16 bytes each, hash, time and weight, all big-endian.

use crate::clients::StoredItem;

const LENGTH: usize = 16;

pub(super) fn bytes(items: &[StoredItem]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * LENGTH);
    for item in items {
        bytes.extend(item.hash.to_be_bytes());
        bytes.extend(item.at.to_be_bytes());
        bytes.extend(item.weight.to_be_bytes());
    }
    bytes
}

/// `None` for what was not written by [`bytes`].
pub(super) fn items(bytes: &[u8]) -> Option<Vec<StoredItem>> {
    let (items, rest) = bytes.as_chunks::<LENGTH>();
    let item = |item: &[u8; LENGTH]| {
        let (hash, rest) = item.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (weight, _) = rest.split_first_chunk()?;
        Some(StoredItem {
            hash: u32::from_be_bytes(*hash),
            at: i64::from_be_bytes(*at),
            weight: u32::from_be_bytes(*weight),
        })
    };
    if !rest.is_empty() {
        return None;
    }
    items.iter().map(item).collect()
}
