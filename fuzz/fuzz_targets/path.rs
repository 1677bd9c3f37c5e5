//! Paths of any bytes: every reading of one is a normal path, and looking for them is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::request::target::{Readings, normalize, readings};

fuzz_target!(|input: &[u8]| {
    let Ok(path) = std::str::from_utf8(input) else { return };
    let normal = normalize(path);
    assert_eq!(normalize(&normal), normal);
    assert!(normal.starts_with('/') && !normal.contains("/../") && !normal.contains('\0'));
    if let Readings::Several(others) = readings(path) {
        assert!(!others.is_empty() && others.is_sorted());
        for other in others {
            assert_eq!(*normalize(&other), other);
            assert_ne!(other, normal);
        }
    }
    // A normal path has no other reading, so nobody is limited for what he did not ask.
    assert_eq!(readings(&normal), Readings::One);
});
