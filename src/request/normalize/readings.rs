//! The paths that servers may take one path for.
//!
//! `/a%2fb/../c` is `/a/c` to a server that decodes first, and `/c` to one that resolves first; `/a//../c` is `/c` to one
//! that merges slashes, and `/a/c` to RFC 3986; `/a;x%2fb/c` is `/a/c` to one that drops parameters first. No single normal
//! path serves all, so here are all of them: one for each combination of what servers differ in, as far as the path has
//! anything to differ about, and that for what is left of it after one or two servers in front have decoded it.

use std::collections::BTreeSet;

use super::{
    Meaning, hex_digit, hex_unit, is_blank, is_normal, normalize, to_text, trim_end, unescape,
};

/// How a path may be read beside its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readings {
    /// In no other way.
    One,
    /// As each of these normal paths, too, in the order of the alphabet.
    Several(Vec<String>),
    /// It is too long to tell. No client writes such a path that does not mean to be misread.
    Any,
}

/// The longest path that goes up and of which all readings are looked for. Each costs its length, and there may be
/// hundreds.
const LONGEST: usize = 512;

/// How often servers in front may have decoded a path before it is read.
const LEVELS: usize = 3;

/// All ways to read a path; cheap for one that neither goes up, nor has a NUL or parameters with escapes in them.
#[must_use]
pub fn readings(path: &str) -> Readings {
    let is_plain = !path.contains(['%', '\\', '\0']) && !path.contains("..");
    if is_plain || is_normal(path) {
        return Readings::One;
    }
    let decoded = unescape(path.as_bytes());
    let goes_up = goes_up(&decoded);
    if !goes_up && !decoded.contains(&0) && !decoded.contains(&b';') {
        return Readings::One;
    }
    if goes_up && path.len() > LONGEST {
        return Readings::Any;
    }
    let normal = normalize(path);
    let mut found = BTreeSet::new();
    let views = View::all(&decoded, goes_up);
    let mut level = path.as_bytes().to_vec();
    for _ in 0..LEVELS {
        for view in &views {
            let read = to_text(&view.read(&level));
            let read = normalize(&read);
            if read != normal {
                found.insert(read.into_owned());
            }
        }
        let below = decoded_once(&level, false);
        if below == level {
            break;
        }
        level = below;
    }
    if found.is_empty() {
        Readings::One
    } else {
        Readings::Several(found.into_iter().collect())
    }
}

/// Whether a segment begins with `..`, whatever separates segments and whether or not NULs count.
fn goes_up(decoded: &[u8]) -> bool {
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| {
        let mut bytes = segment.iter().filter(|&&byte| byte != 0);
        bytes.next() == Some(&b'.') && bytes.next() == Some(&b'.')
    })
}

/// What a server takes for what while it resolves `..`.
#[derive(Clone, Copy, Debug)]
struct View {
    decoding: Decoding,
    nul: Nul,
    /// `\` separates segments.
    backslash: bool,
    parameters: Parameters,
    /// Dots and blanks at the end are no part of a segment; only names that are decoded are looked up so.
    trimmed: bool,
    /// Empty segments are none.
    merged: bool,
}

/// What is decoded before `..` is resolved.
#[derive(Clone, Copy, Debug)]
enum Decoding {
    /// Dots alone, which need no escape (RFC 3986, 6.2.2.2).
    Dots,
    /// Every escape once.
    Once,
    /// Every escape until none is left.
    Whole,
}

/// What a NUL does.
#[derive(Clone, Copy, Debug)]
enum Nul {
    Ends,
    Vanishes,
    Stays,
}

/// What `;` and what follows it in a segment are.
#[derive(Clone, Copy, Debug)]
enum Parameters {
    /// A part of it.
    Kept,
    /// Dropped before anything is decoded.
    CutFirst,
    /// Dropped once segments are known.
    CutLast,
}

impl View {
    /// The views that differ for a path with these `decoded` bytes. One that does not go up is the same to most.
    fn all(decoded: &[u8], goes_up: bool) -> Vec<Self> {
        let has = |byte: u8| decoded.contains(&byte);
        let nul = match has(0) {
            true => &[Nul::Stays, Nul::Ends, Nul::Vanishes][..],
            false => &[Nul::Stays],
        };
        let parameters = match (has(b';'), goes_up) {
            (true, true) => &[Parameters::Kept, Parameters::CutFirst, Parameters::CutLast][..],
            (true, false) => &[Parameters::Kept, Parameters::CutFirst],
            (false, _) => &[Parameters::Kept],
        };
        let decoding = match goes_up {
            true => &[Decoding::Dots, Decoding::Once, Decoding::Whole][..],
            false => &[Decoding::Dots],
        };
        let either = |differs: bool| {
            if differs {
                &[false, true][..]
            } else {
                &[false]
            }
        };
        let mut views = Vec::new();
        for &decoding in decoding {
            for &nul in nul {
                for &parameters in parameters {
                    for &backslash in either(goes_up && has(b'\\')) {
                        for &merged in either(goes_up) {
                            for &trimmed in either(!matches!(decoding, Decoding::Dots)) {
                                views.push(Self {
                                    decoding,
                                    nul,
                                    backslash,
                                    parameters,
                                    trimmed,
                                    merged,
                                });
                            }
                        }
                    }
                }
            }
        }
        views
    }

    /// The path as far as this view resolves it.
    fn read(&self, path: &[u8]) -> Vec<u8> {
        let path = match self.parameters {
            Parameters::CutFirst => &without_parameters(path),
            Parameters::Kept | Parameters::CutLast => path,
        };
        let mut bytes = match self.decoding {
            Decoding::Dots => decoded_once(path, true),
            Decoding::Once => decoded_once(path, false),
            Decoding::Whole => unescape(path),
        };
        match self.nul {
            Nul::Ends => bytes.truncate(memchr::memchr(0, &bytes).unwrap_or(bytes.len())),
            Nul::Vanishes => bytes.retain(|&byte| byte != 0),
            Nul::Stays => {}
        }
        let mut kept: Vec<&[u8]> = Vec::new();
        let separates = |byte: &u8| *byte == b'/' || (self.backslash && *byte == b'\\');
        // What stands before the first separator is empty.
        for segment in bytes.split(separates).skip(1) {
            match self.name(segment) {
                b".." => drop(kept.pop()),
                b"." => {}
                b"" if self.merged => {}
                name => kept.push(name),
            }
        }
        let mut read = Vec::with_capacity(bytes.len());
        for name in kept {
            read.push(b'/');
            read.extend_from_slice(name);
        }
        read
    }

    fn name<'s>(&self, segment: &'s [u8]) -> &'s [u8] {
        let is_cut = matches!(self.parameters, Parameters::CutLast);
        let end = memchr::memchr(b';', segment).filter(|_| is_cut);
        let name = segment
            .get(..end.unwrap_or(segment.len()))
            .unwrap_or(segment);
        if !self.trimmed {
            return name;
        }
        match trim_end(name, is_blank) {
            dots @ (b"." | b"..") => dots,
            name => trim_end(name, |byte| byte == b'.' || is_blank(byte)),
        }
    }
}

/// The path without the parameters that stand in it undecoded.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let mut in_parameters = false;
    let mut kept = path.to_vec();
    kept.retain(|&byte| {
        in_parameters = (in_parameters && byte != b'/') || byte == b';';
        !in_parameters
    });
    kept
}

/// Decodes every escape one time, or only those of dots.
fn decoded_once(path: &[u8], only_dots: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = if byte == b'%' { escape(after) } else { None };
        let escape = escape.filter(|(meaning, _)| !only_dots || *meaning == Meaning::Byte(b'.'));
        let Some((meaning, after)) = escape else {
            decoded.push(byte);
            rest = after;
            continue;
        };
        meaning.write(&mut decoded);
        rest = after;
    }
    decoded
}

/// What the escape after a `%` stands for, and what follows it. Half of a surrogate pair stands for nothing.
fn escape(after: &[u8]) -> Option<(Meaning, &[u8])> {
    if let Some((first, rest)) = unit(after) {
        let second = rest.strip_prefix(b"%").and_then(unit);
        return Some(match (u8::try_from(first), second) {
            (Ok(byte), _) => (Meaning::Byte(byte), rest),
            (_, Some((second, after))) if (0xd800..0xdc00).contains(&first) => {
                let character = char::decode_utf16([first, second]).next()?.ok()?;
                (Meaning::Character(character), after)
            }
            _ => (Meaning::Character(char::from_u32(first.into())?), rest),
        });
    }
    let (&[high, low], rest) = after.split_first_chunk()?;
    let byte = hex_digit(high)? << 4 | hex_digit(low)?;
    Some((Meaning::Byte(byte), rest))
}

/// The code unit of a `%u` escape, and what follows it.
fn unit(after: &[u8]) -> Option<(u16, &[u8])> {
    match after.split_first_chunk()? {
        (&[b'u' | b'U', a, b, c, d], rest) => Some((hex_unit([a, b, c, d])?, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &str) -> Vec<String> {
        let mut all = match readings(path) {
            Readings::One => Vec::new(),
            Readings::Several(others) => others,
            Readings::Any => panic!("too long: {path}"),
        };
        all.push(normalize(path).into_owned());
        all.sort();
        all
    }

    #[test]
    fn a_path_that_is_ambiguous_has_a_reading_for_each_kind_of_server() {
        for (path, expected) in [
            ("/a/../c", &["/c"][..]),
            ("/a//../c", &["/a/c", "/c"]),
            ("/a%2fb/../c", &["/a/c", "/c"]),
            ("/a%252fb/../c", &["/a/c", "/c"]),
            ("/a%5cb/../c", &["/a/c", "/c"]),
            ("/a\\b/../c", &["/a/c", "/c"]),
            ("/a/b/..;/../c", &["/a/b/c", "/c"]),
            ("/a/b/..%20/../c", &["/a/b/c", "/c"]),
            ("/a/.../../c", &["/a/c", "/c"]),
            ("/c%00/../a", &["/a", "/c"]),
            ("/c%00d", &["/c", "/cd"]),
            ("/a;x%2fb/c", &["/a/b/c", "/a/c"]),
            ("/a;x\\b/c", &["/a/b/c", "/a/c"]),
            ("/a%3bx%252fb/c", &["/a/b/c", "/a/c"]),
            ("/a/%2e%2e/c", &["/c"]),
            ("/a/%252e%252e/c", &["/c"]),
            // Half of a pair of surrogates is no escape, in any reading.
            ("/a/../%udd37", &["/%udd37"]),
            ("/a/../%ud83d%ude00", &["/\u{1f600}"]),
            ("/a/../%ud83d%u0061", &["/%ud83da"]),
        ] {
            assert_eq!(all(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_is_not_has_one() {
        for path in [
            "/", "/a", "/a/", "//a//b", "/a%2fb", "/a;b/c", "/a.b..c", "/a/.b", "/a...", "/%2561",
            "*", "",
        ] {
            assert_eq!(readings(path), Readings::One, "{path}");
        }
    }

    #[test]
    fn a_long_path_that_goes_up_is_any() {
        assert_eq!(readings(&format!("/..{}", "/a".repeat(254))), Readings::One);
        assert_eq!(
            readings(&format!("/..{}", "/a".repeat(1024))),
            Readings::Any
        );
        assert_eq!(readings(&"/a".repeat(9999)), Readings::One);
        let filter = format!("/a;filter={}", "x%20".repeat(999));
        assert_eq!(readings(&filter), Readings::One);
    }

    proptest::proptest! {
        #[test]
        fn every_reading_is_a_normal_path(path in r"/([/.\\;% a0-9cCeEfFuU]|%2[5ef]|%c0%a[ef]|%[uU](d[8-f]|[0-9a-f]{2})[0-9a-f]{2}|%00|\.\./|\PC){0,24}") {
            use proptest::prelude::*;
            for read in all(&path) {
                prop_assert_eq!(&*normalize(&read), &*read);
                // It has no other, so nobody is limited for what he did not ask.
                prop_assert_eq!(readings(&read), Readings::One);
            }
        }
    }
}
