//! Paths as components (POSIX, Windows, RFC 3986 section 5.2.4), in every spelling that some decoder takes for a dot or a
//! separator.

use super::super::bytes::{begins, rest};

/// A component of a path, between two separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// How many separators follow; none at the end of a path.
    pub(super) separators: usize,
    /// Whether a dot of it, or a separator beside it, is spelled as only lenient decoders read it.
    pub(super) is_odd: bool,
    /// Whether a parameter follows its dots: `..;x=1`.
    pub(super) has_parameter: bool,
    /// Whether it begins a path.
    pub(super) is_first: bool,
}

/// What a component is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing but so many dots.
    Dots(usize),
    /// Anything else.
    Name,
    /// Nothing: a path that begins with a separator.
    Nothing,
}

impl Component {
    pub(super) fn is_up(&self) -> bool {
        self.kind == Kind::Dots(2)
    }

    pub(super) fn text<'t>(&self, bytes: &'t [u8]) -> &'t [u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Dot {
        is_odd: bool,
    },
    Separator {
        is_odd: bool,
    },
    /// What ends a path.
    End,
    Other,
}

/// What stands at `at`, and how long its spelling is.
fn unit(text: &[u8], at: usize) -> (Unit, usize) {
    let here = rest(text, at);
    match here {
        [] => (Unit::End, 0),
        [b'.', ..] => (Unit::Dot { is_odd: false }, 1),
        [b'/' | b'\\', ..] => (Unit::Separator { is_odd: false }, 1),
        [
            0..=b' '
            | b'"'
            | b'\''
            | b'<'
            | b'>'
            | b'('
            | b')'
            | b'='
            | b'`'
            | b','
            | b'|'
            | b'&'
            | b'['
            | b']'
            | b'{'
            | b'}',
            ..,
        ] => (Unit::End, 1),
        [
            b'%' | b'0' | 0xc0 | 0xc1 | 0xe0 | 0xe2 | 0xef | 0xf0 | 0xf8 | 0xfc,
            ..,
        ] => odd(here).unwrap_or((Unit::Other, 1)),
        _ => (Unit::Other, 1),
    }
}

const DOT: Unit = Unit::Dot { is_odd: true };
const SEPARATOR: Unit = Unit::Separator { is_odd: true };

/// A dot or a separator in a spelling that only lenient decoders read.
fn odd(here: &[u8]) -> Option<(Unit, usize)> {
    match here {
        [b'0', b'x' | b'X', b'2', b'e' | b'E', ..] => Some((DOT, 4)),
        [b'0', b'x' | b'X', b'2', b'f' | b'F', ..] | [b'0', b'x' | b'X', b'5', b'c' | b'C', ..] => {
            Some((SEPARATOR, 4))
        }
        [b'0', ..] => None,
        _ => named(here).or_else(|| bytes(here)),
    }
}

/// An escape by the number of its character that is left when all decoding is done.
fn named(here: &[u8]) -> Option<(Unit, usize)> {
    const NUMBERS: [(&[u8], Unit); 8] = [
        (b"u002e", DOT),
        (b"uff0e", DOT),
        (b"u002f", SEPARATOR),
        (b"u005c", SEPARATOR),
        (b"u2215", SEPARATOR),
        (b"u2216", SEPARATOR),
        (b"uefc8", SEPARATOR),
        (b"uf025", SEPARATOR),
    ];
    let inner = here.strip_prefix(b"%")?;
    let number = NUMBERS.iter().find(|(number, _)| begins(inner, number));
    number.map(|(number, unit)| (*unit, 1 + number.len()))
}

/// The byte that is written at `at`, by itself or as an escape, and the length of its spelling. Some decoders count on from
/// `a` for every letter, so that `%qf` is AF to them.
fn byte(here: &[u8], at: usize) -> Option<(u8, usize)> {
    let here = rest(here, at);
    let mut len = 1;
    if let Some(inner) = here.strip_prefix(b"%") {
        while rest(inner, len - 1).starts_with(b"25") {
            len += 2;
        }
        let digit = |byte: &u8| match *byte {
            b'0'..=b'9' => Some(u32::from(*byte - b'0')),
            byte if byte.is_ascii_alphabetic() => {
                Some(u32::from(byte.to_ascii_lowercase() - b'a') + 10)
            }
            _ => None,
        };
        if let [high, low, ..] = rest(inner, len - 1)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            let [value, ..] = ((high << 4) + low).to_le_bytes();
            return Some((value, len + 2));
        }
    }
    here.first().map(|byte| (*byte, 1))
}

/// What bytes of UTF-8 stand for that is longer than it may be (RFC 3629, 3), that of full-width and mathematical relatives
/// of dots and slashes, or an escape that is left.
fn bytes(here: &[u8]) -> Option<(Unit, usize)> {
    let (first, first_len) = byte(here, 0)?;
    let is_escape = first_len > 1;
    let (length, lead): (usize, &[u8]) = match first {
        b'.' if is_escape => return Some((DOT, first_len)),
        b'/' | b'\\' if is_escape => return Some((SEPARATOR, first_len)),
        0xc0 | 0xc1 => (2, &[]),
        0xe0 | 0xe2 | 0xef => (3, &[]),
        0xf0 => (4, &[0x80, 0x80]),
        0xf8 => (5, &[0x80, 0x80, 0x80]),
        0xfc => (6, &[0x80, 0x80, 0x80, 0x80]),
        _ => return None,
    };
    let mut at = first_len;
    let mut next = || {
        let (value, len) = byte(here, at)?;
        at += len;
        Some(value)
    };
    if !lead.iter().all(|known| next() == Some(*known)) {
        return None;
    }
    let (middle, last) = if length == 3 {
        (next()?, next()?)
    } else {
        (0x80, next()?)
    };
    // Where only the lowest six bits of a byte count.
    let low = last & 0x3f;
    let unit = match (first, middle) {
        (0xc1, _) => (low == 0x1c || matches!(last, 0xaf | 0x81)).then_some(SEPARATOR),
        (0xc0, _) if matches!(last, 0x5c | 0xbc) => Some(SEPARATOR),
        (0xc0, _) if matches!(last, 0x5e | 0xfe) => Some(DOT),
        (0xef, 0xbc) => match last {
            0x8e => Some(DOT),
            0x8f => Some(SEPARATOR),
            _ => None,
        },
        (0xef, 0x80) => (last == 0xa5).then_some(SEPARATOR),
        (0xe2, 0x88) => matches!(last, 0x95 | 0x96).then_some(SEPARATOR),
        (0xe2, 0x81) => (last == 0x84).then_some(SEPARATOR),
        (0xe2 | 0xef, _) => None,
        (0xe0, middle) if !matches!(middle, 0x80 | 0x40 | 0x90) => None,
        _ => match low {
            0x2e => Some(DOT),
            0x2f => Some(SEPARATOR),
            _ => None,
        },
    }?;
    Some((unit, at))
}

/// Whether a byte beside a dot is no name: a question mark in the place of one, a control character between two or behind
/// them, if what follows is a dot or a separator again.
fn is_filler(text: &[u8], at: usize, is_behind: bool) -> bool {
    let next = || unit(text, at + 1).0;
    match text.get(at) {
        Some(b'?') => match next() {
            Unit::Dot { .. } => matches!(unit(text, at + 2).0, Unit::Separator { .. }),
            Unit::Separator { is_odd } => is_behind && is_odd,
            _ => text.get(at + 1) == Some(&b'?') && unit(text, at + 2).0 == SEPARATOR,
        },
        Some(0..=0x08) => is_behind && matches!(next(), Unit::Dot { .. } | Unit::Separator { .. }),
        _ => false,
    }
}

/// How many bytes at the beginning of `text` are nothing but parts of a name, in any spelling: most of what there is.
fn plain(text: &[u8]) -> usize {
    let is_plain = |byte: &&u8| matches!(**byte, b'a'..=b'z' | b'A'..=b'Z' | b'1'..=b'9' | b'_' | b'-' | 0x80..0xc0 | 0xc2..0xe0);
    text.iter().take_while(is_plain).count()
}

/// Shows every component of every path in a text.
pub(super) fn walk(text: &[u8], mut see: impl FnMut(Component)) {
    let mut at = 0;
    let mut is_first = true;
    let mut odd_before = false;
    while at < text.len() {
        let start = at;
        let (mut dots, mut others, mut is_odd, mut has_parameter) = (0, false, odd_before, false);
        let (end, mut separators, ended) = loop {
            if others && !has_parameter {
                at += plain(rest(text, at));
            }
            let (here, len) = unit(text, at);
            match here {
                Unit::Dot { is_odd: odd } => {
                    others |= has_parameter;
                    dots += 1;
                    is_odd |= odd;
                }
                Unit::Separator { is_odd: odd } => {
                    is_odd |= odd;
                    odd_before = odd;
                    at += len;
                    break (at - len, 1, false);
                }
                // What a converter leaves of a dot that it does not know, and what is passed over between dots.
                Unit::Other | Unit::End
                    if !others && !has_parameter && is_filler(text, at, at > start) =>
                {
                    dots += usize::from(text.get(at) == Some(&b'?'));
                    is_odd = true;
                }
                Unit::End if !has_parameter || text.get(at) != Some(&b'=') => {
                    odd_before = false;
                    at += len;
                    break (at - len, 0, true);
                }
                Unit::Other | Unit::End => {
                    has_parameter |= text.get(at) == Some(&b';') && dots > 0 && !others;
                    others |= !has_parameter;
                }
            }
            at += len;
        };
        while !ended && let (Unit::Separator { is_odd: odd }, len) = unit(text, at) {
            separators += 1;
            is_odd |= odd;
            odd_before |= odd;
            at += len;
        }
        let kind = match (dots, others) {
            (_, true) => Kind::Name,
            (0, false) if has_parameter => Kind::Name,
            (0, false) => Kind::Nothing,
            (dots, false) => Kind::Dots(dots),
        };
        if kind != Kind::Nothing || separators > 0 {
            see(Component {
                start,
                end,
                kind,
                separators,
                is_odd,
                has_parameter,
                is_first,
            });
        }
        is_first = ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> Vec<(String, Kind, usize, bool)> {
        let mut all = Vec::new();
        walk(text, |component| {
            all.push((
                String::from_utf8_lossy(component.text(text)).into_owned(),
                component.kind,
                component.separators,
                component.is_odd,
            ));
        });
        all
    }

    #[test]
    fn components_are_read_in_every_spelling() {
        let name = |name: &str, separators| (name.to_owned(), Kind::Name, separators, false);
        assert_eq!(of(b"a/b.c"), [name("a", 1), name("b.c", 0)]);
        assert_eq!(
            of(b"/..//x"),
            [
                ("".into(), Kind::Nothing, 1, false),
                ("..".into(), Kind::Dots(2), 2, false),
                name("x", 0)
            ]
        );
        for up in [
            &b"..\xc0\xafx"[..],
            b"\xc0\xae./x",
            b"..%2fx",
            b"%252e./x",
            b"0x2e0x2e/x",
            b"..%u2215x",
            "．．/x".as_bytes(),
        ] {
            let found = of(up);
            assert_eq!(found[0].1, Kind::Dots(2), "{}", up.escape_ascii());
            assert!(found[0].3, "{}", up.escape_ascii());
        }
        assert_eq!(of(b"a..b/c")[0].1, Kind::Name);
        assert_eq!(of(b"..;x=1/y")[0].1, Kind::Dots(2));
        assert_eq!(of(b"x ../y").len(), 3);
    }
}
