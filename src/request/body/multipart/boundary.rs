//! The boundary that a `Content-Type` names, by every reading of it.
//!
//! A boundary is simple, and every parser reads a simple one alike. Where it is written oddly, they differ: in which of two
//! they take, whether single quotes belong to it, where an unquoted one ends. Then a body is taken apart by each reading.

use std::ops::Range;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::super::label::Charset;
use super::super::params::params;

/// The longest boundary that the format allows (RFC 2046, 5.1.1).
const LONGEST: usize = 70;

/// The longest boundary that is searched for, whatever the format allows.
pub(super) const MAX_BOUNDARY: usize = 256;

/// How many readings of a boundary are followed; each is one more pass over the body.
const MAX_READINGS: usize = 4;

/// What is said of the boundary of a multipart body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Boundary {
    /// What it may be, the likeliest first.
    readings: Vec<Vec<u8>>,
    /// What is odd about it, as the name of an ambiguity.
    note: Option<&'static str>,
    /// Whether something else than parts may be read: the type is another one, or the charset none that has ASCII in it.
    is_else: bool,
}

impl Boundary {
    /// The boundary that the headers of a body name.
    pub(in super::super) fn of(headers: &HeaderMap) -> Self {
        let mut boundary = Self::default();
        let values = headers.get_all(CONTENT_TYPE);
        for value in &values {
            boundary.add(value.as_bytes());
        }
        if values.iter().nth(1).is_some() {
            boundary.is_odd("multipart_boundary_repeated");
        }
        boundary.complete();
        boundary
    }

    /// The boundary that the `Content-Type` of a part names.
    pub(super) fn of_part(content_type: &[u8]) -> Self {
        let mut boundary = Self::default();
        boundary.add(content_type);
        boundary.complete();
        boundary
    }

    /// What it may be, the likeliest first; empty where nothing is said.
    pub(super) fn readings(&self) -> &[Vec<u8>] {
        &self.readings
    }

    /// What is odd about it.
    pub(super) const fn note(&self) -> Option<&'static str> {
        self.note
    }

    /// The boundary, if every parser reads the same, and parts by it.
    pub(super) fn certain(&self) -> Option<&[u8]> {
        match &self.readings[..] {
            [only] if self.note.is_none() && !self.is_else => Some(only),
            _ => None,
        }
    }

    fn complete(&mut self) {
        if self.readings.is_empty() {
            self.is_odd("multipart_boundary_missing");
        }
    }

    fn add(&mut self, value: &[u8]) {
        let begins = value.get(..10).unwrap_or_default();
        self.is_else |= !begins.eq_ignore_ascii_case(b"multipart/");
        let mut is_first = self.readings.is_empty();
        let mut own = Vec::new();
        for param in params(value, 0..value.len()) {
            let name = value.get(param.name.clone()).unwrap_or_default();
            let is_named = |by: &[u8]| name.eq_ignore_ascii_case(by);
            if is_named(b"boundary") {
                if !is_first {
                    self.is_odd("multipart_boundary_repeated");
                }
                is_first = false;
                own.push(param.name.start..param.value.end);
                self.look_within(name, value.get(param.value.clone()).unwrap_or_default());
                let is_quoted = param
                    .value
                    .start
                    .checked_sub(1)
                    .and_then(|at| value.get(at))
                    == Some(&b'"');
                self.read(value.get(param.value).unwrap_or_default(), is_quoted);
            } else if is_named(b"charset") || is_named(b"charset*") {
                let charset = Charset::of(value.get(param.value).unwrap_or_default());
                self.is_else |=
                    !matches!(charset, Some(Charset::Plain) | None) || is_named(b"charset*");
            } else if name.to_ascii_lowercase().starts_with(b"boundary*") {
                // RFC 2231: few parsers read it, and those that do not find no boundary or another one.
                self.is_odd("multipart_boundary_repeated");
                self.push(value.get(param.value).unwrap_or_default());
            }
        }
        if !self.is_else {
            self.look_elsewhere(value, &own);
        }
    }

    /// Looks for the word in the boundary itself: PHP looks for it in small letters first.
    fn look_within(&mut self, name: &[u8], boundary: &[u8]) {
        if name != b"boundary" && memchr::memmem::find(boundary, b"boundary").is_some() {
            self.is_odd("multipart_boundary_repeated");
        }
    }

    /// Looks for the word outside of the parameters that are it: PHP takes what follows the first equals sign behind it,
    /// wherever it stands.
    fn look_elsewhere(&mut self, value: &[u8], own: &[Range<usize>]) {
        const WORD: &[u8] = b"boundary";
        let mut words = value.windows(WORD.len()).enumerate();
        let is_own = |at: usize| own.iter().any(|range| range.contains(&at));
        if words.any(|(at, word)| word.eq_ignore_ascii_case(WORD) && !is_own(at)) {
            self.is_odd("multipart_boundary_repeated");
        }
    }

    /// Adds what a boundary that is written so may be.
    fn read(&mut self, text: &[u8], is_quoted: bool) {
        if text.is_empty() {
            return;
        }
        self.push(text);
        let is_simple =
            !text.ends_with(b" ") && text.iter().all(|byte| is_allowed(*byte, is_quoted));
        if text.len() > LONGEST {
            self.is_odd("multipart_boundary_long");
        }
        if is_simple {
            return;
        }
        self.is_odd("multipart_boundary_odd");
        let unescaped: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\\').collect();
        self.push(&unescaped);
        if let Some(inner) = text
            .strip_prefix(b"'")
            .and_then(|rest| rest.strip_suffix(b"'"))
        {
            self.push(inner);
        }
        // Some end it at the first byte that no token has.
        let end = text
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b',' | b'"' | b'\\'));
        self.push(text.get(..end.unwrap_or(0)).unwrap_or_default());
        self.push(text.trim_ascii());
    }

    fn push(&mut self, reading: &[u8]) {
        if reading.len() > MAX_BOUNDARY {
            self.is_odd("multipart_boundary_long");
        } else if !reading.is_empty()
            && self.readings.len() < MAX_READINGS
            && self.readings.iter().all(|known| known != reading)
        {
            self.readings.push(reading.to_vec());
        }
    }

    /// The first oddity stands, but gives way to the one that leaves nothing certain.
    fn is_odd(&mut self, note: &'static str) {
        if note == "multipart_boundary_repeated" {
            self.note = Some(note);
        }
        self.note.get_or_insert(note);
    }
}

/// Whether a boundary may have this byte (RFC 2046, 5.1.1), and one without quotes be ended by it nowhere.
const fn is_allowed(byte: u8, is_quoted: bool) -> bool {
    match byte {
        b'-' | b'_' | b'.' | b'+' => true,
        // Browsers and libraries write these without quotes, though no token may have them; all read them alike.
        b'/' | b':' | b'=' | b'?' => true,
        b'(' | b')' | b',' | b' ' => is_quoted,
        _ => byte.is_ascii_alphanumeric(),
    }
}
