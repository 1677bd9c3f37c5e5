//! Values of any bytes in any syntax: decoding them never panics, has an end, and every form leads back to the value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::request::{Marks, Work};
use portcullis::request::decode::{Decoded, MAX_FURTHER, Syntax, forms};

const SYNTAXES: [Syntax; 10] = [
    Syntax::Path,
    Syntax::Form,
    Syntax::Header,
    Syntax::Cookie,
    Syntax::JsonString,
    Syntax::Xml,
    Syntax::Text,
    Syntax::Base64,
    Syntax::QuotedPrintable,
    Syntax::Utf16 { big_endian: true },
];

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let syntax = SYNTAXES[usize::from(*choice) % SYNTAXES.len()];
    let Some(found) = forms(text, Marks::of(text), syntax, &Work::for_head()) else { return };
    assert!(found.more.len() <= MAX_FURTHER);
    let all: Vec<&Decoded> = found.first.iter().chain(&found.more).collect();
    for (index, form) in all.iter().enumerate() {
        assert_eq!(form.marks, Marks::of(&form.text));
        assert!(all.iter().skip(index + 1).all(|other| other.text != form.text), "a form is made twice");
        let (mut begin, mut end) = (0, 0);
        for at in 0..=form.text.len() {
            let (here, end_here) = (form.offsets.raw(at), form.offsets.raw_end(at));
            assert!(begin <= here && end <= end_here, "offsets decrease");
            assert!(here <= end_here && end_here <= text.len(), "a form leads beyond its value");
            (begin, end) = (here, end_here);
        }
    }
});
