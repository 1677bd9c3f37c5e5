//! JavaScript (ECMA-262) in values that are put into a script, or run as one.
//!
//! What an attack cannot do without is a place where its code begins (the value's beginning, or a quote that it closes and
//! what joins the rest), and something that has an effect: a call, or an assignment to what calls. Names of such things
//! occur in prose as well, but there words stand before them, and no operators.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::bytes::{
    Texts, begins, blanks, is_boundary, is_one_of, is_word, rest, word, word_before,
};
use super::context::{Before, before};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The usual test for script.
    Dialog,
    /// A function that runs text, or sends or fetches something.
    Function,
    /// An object by which the page or its window is reached.
    Object,
}

const DIALOGS: [&str; 3] = ["alert", "confirm", "prompt"];

const FUNCTIONS: [&str; 20] = [
    "eval",
    "fetch",
    "import",
    "settimeout",
    "setinterval",
    "setimmediate",
    "function",
    "execscript",
    "open",
    "atob",
    "xmlhttprequest",
    "websocket",
    "eventsource",
    "sendbeacon",
    "importscripts",
    "getscript",
    "image",
    "queuemicrotask",
    "requestanimationframe",
    "createcontextualfragment",
];

pub(super) const OBJECTS: [&str; 15] = [
    "document",
    "window",
    "self",
    "top",
    "parent",
    "location",
    "localstorage",
    "sessionstorage",
    "navigator",
    "globalthis",
    "frames",
    "cookiestore",
    "indexeddb",
    "opener",
    "this",
];

/// What of a page or window an attack is after.
const PROPERTIES: [&str; 38] = [
    "cookie",
    "write",
    "writeln",
    "domain",
    "location",
    "body",
    "head",
    "documentelement",
    "createelement",
    "queryselector",
    "queryselectorall",
    "getelementbyid",
    "getelementsbytagname",
    "getelementsbyname",
    "getelementsbyclassname",
    "url",
    "referrer",
    "baseuri",
    "open",
    "alert",
    "confirm",
    "prompt",
    "eval",
    "name",
    "onerror",
    "onload",
    "localstorage",
    "sessionstorage",
    "postmessage",
    "fetch",
    "settimeout",
    "setinterval",
    "function",
    "sendbeacon",
    "href",
    "hash",
    "assign",
    "replace",
];

static NAMES: LazyLock<Texts> = LazyLock::new(|| {
    let names = DIALOGS.iter().chain(&FUNCTIONS).chain(&OBJECTS);
    Texts::new(names.map(|name| name.as_bytes()))
});

/// A name in a text, and how it is used.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    pub(super) before: Before,
}

/// Every name of effect that stands by itself.
pub(super) fn uses(text: &[u8]) -> impl Iterator<Item = Use> {
    NAMES.find(text).filter_map(|(number, range)| {
        let is_whole = is_boundary(text, range.start)
            && !text
                .get(range.end)
                .is_some_and(|byte| is_word(*byte) || *byte >= 0x80);
        is_whole.then(|| {
            let kind = if number < DIALOGS.len() {
                Kind::Dialog
            } else if number < DIALOGS.len() + FUNCTIONS.len() {
                Kind::Function
            } else {
                Kind::Object
            };
            Use {
                kind,
                before: before(text, range.start),
                range,
            }
        })
    })
}

/// Whether what follows a name at `at` calls it, and where its arguments begin: behind `(` or `` ` ``.
pub(super) fn call(text: &[u8], at: usize) -> Option<usize> {
    const MOST: usize = 24;
    let near = rest(text, at);
    let near = near.get(..MOST).unwrap_or(near);
    let mut inner = near;
    loop {
        let before = inner.len();
        inner = rest(inner, blanks(inner));
        // `(alert)(1)`, `['alert'](1)`, `alert?.(1)`, `alert/**/(1)`.
        while let [b')' | b']' | b'"' | b'\'', more @ ..] = inner {
            inner = more;
        }
        if let Some(more) = inner.strip_prefix(b"?.") {
            inner = more;
        }
        if let Some(more) = inner.strip_prefix(b"/*") {
            let end = memchr::memmem::find(more, b"*/")?;
            inner = rest(more, end + 2);
        }
        if before == inner.len() {
            break;
        }
    }
    matches!(inner.first(), Some(b'(' | b'`')).then(|| at + near.len() - inner.len())
}

/// Whether the arguments that begin with the bracket at `open` are what an attack gives a dialog: a number, a text, an
/// expression without blanks, nothing; and no sentence in brackets.
pub(super) fn is_test(text: &[u8], open: usize) -> bool {
    if text.get(open) == Some(&b'`') {
        return true;
    }
    let inner = rest(text, open + 1);
    let inner = rest(inner, blanks(inner).min(16));
    match inner.first() {
        Some(
            b'0'..=b'9'
            | b'"'
            | b'\''
            | b'`'
            | b'/'
            | b'['
            | b'('
            | b'!'
            | b'~'
            | b'+'
            | b'-'
            | b'{'
            | b'\\'
            | b'&',
        ) => true,
        Some(b')') => matches!(
            rest(inner, 1).trim_ascii_start().first(),
            None | Some(
                b';' | b'"' | b'\'' | b'<' | b'/' | b'}' | b'`' | b'+' | b'-' | b',' | b'&' | b')'
            )
        ),
        Some(_) => {
            let name = word(inner);
            let behind = rest(inner, name.len());
            is_one_of(name, &OBJECTS)
                || is_one_of(
                    name,
                    &[
                        "string",
                        "origin",
                        "xss",
                        "name",
                        "atob",
                        "eval",
                        "unescape",
                        "decodeuricomponent",
                    ],
                )
                || (!name.is_empty()
                    && matches!(behind.first(), Some(b')'))
                    && matches!(behind.get(1), Some(b'/' | b'"' | b'\'' | b';')))
        }
        None => false,
    }
}

/// Whether the arguments are a text, an address, or made of something that hides one.
pub(super) fn is_loaded(text: &[u8], open: usize) -> bool {
    if text.get(open) == Some(&b'`') {
        return true;
    }
    let inner = rest(text, open + 1);
    let inner = rest(inner, blanks(inner).min(16));
    let name = word(inner);
    let called = || rest(inner, name.len()).first() == Some(&b'(');
    matches!(
        inner.first(),
        Some(b'"' | b'\'' | b'`' | b'/' | b'\\' | b'[')
    ) || is_one_of(
        name,
        &[
            "atob", "name", "location", "string", "unescape", "document", "window", "self", "top",
            "this", "url",
        ],
    ) || begins(name, b"decodeuri")
        || (!name.is_empty() && called())
}

/// Whether a member of an object that an attack is after follows at `at`: its name's end.
pub(super) fn member(text: &[u8], at: usize) -> Option<usize> {
    let near = rest(text, at);
    let mut inner = rest(near, blanks(near).min(8));
    if let Some(more) = inner.strip_prefix(b"?") {
        inner = more;
    }
    inner = match inner {
        [b'.', more @ ..] => rest(more, blanks(more).min(8)),
        [b'[', more @ ..] => {
            let more = rest(more, blanks(more).min(8));
            match more {
                [b'"' | b'\'' | b'`', more @ ..] => more,
                _ => return None,
            }
        }
        _ => return None,
    };
    let name = word(inner);
    is_one_of(name, &PROPERTIES).then(|| at + near.len() - inner.len() + name.len())
}

/// Whether a name is given to a function that is to call it: `map(alert)`, `apply(alert,…`; or to another name that is called
/// behind it: `a=alert,a(1)`.
pub(super) fn is_handed_over(text: &[u8], name: &Range<usize>) -> bool {
    let before = name.start.checked_sub(1).and_then(|at| text.get(at));
    let behind = text.get(name.end);
    match before {
        Some(b'(') => matches!(behind, Some(b')' | b',')),
        Some(b'=') if matches!(behind, Some(b',' | b';')) => {
            let given = word_before(text, name.start - 1);
            let called = rest(text, name.end + 1);
            let called = rest(called, blanks(called).min(8));
            !given.is_empty()
                && called.starts_with(given)
                && matches!(rest(called, given.len()).first(), Some(b'(' | b'`'))
        }
        _ => false,
    }
}

/// Where a member of an object is called whose name is computed: `self['al'+'ert'](1)`, `top[/al/.source+…](1)`.
pub(super) fn computed_call(text: &[u8], at: usize) -> Option<usize> {
    const NEAR: usize = 120;
    let near = rest(text, at);
    let near = near.get(..NEAR).unwrap_or(near);
    let inner = near.strip_prefix(b"[")?;
    let is_computed = memchr::memchr3(b'+', b'/', b'(', inner)?;
    let close =
        memchr::memmem::find(inner, b"](").or_else(|| memchr::memmem::find(inner, b"]`"))?;
    (is_computed < close).then_some(at + close + 3)
}

/// Whether a function runs the text that it is given.
pub(super) fn runs_text(name: &[u8]) -> bool {
    is_one_of(
        name,
        &[
            "eval",
            "settimeout",
            "setinterval",
            "setimmediate",
            "function",
            "execscript",
        ],
    )
}

/// Whether what is asked of an object at `name` is what only thieves are after: the cookies, or the page to be written.
pub(super) fn is_theft(text: &[u8], name: &Range<usize>) -> bool {
    let object = text.get(name.clone()).unwrap_or_default();
    let Some(end) = member(text, name.end) else {
        return false;
    };
    let before = text.get(..end).unwrap_or_default();
    let len = before
        .iter()
        .rev()
        .take_while(|byte| is_word(**byte))
        .count();
    let property = rest(before, end - len);
    object.eq_ignore_ascii_case(b"document")
        && is_one_of(property, &["cookie", "write", "writeln", "domain"])
}

/// Whether something is assigned at `at`, and what: behind the equals sign.
pub(super) fn assigned(text: &[u8], at: usize) -> Option<usize> {
    let near = rest(text, at);
    let gap = blanks(near).min(8);
    match rest(near, gap) {
        [b'=', b'=', ..] => None,
        [b'=', ..] => Some(at + gap + 1),
        [b'+', b'=', ..] => Some(at + gap + 2),
        _ => None,
    }
}

/// A text that a value closes, a call of anything behind it, and a comment or a further quote at the end that takes care of
/// what follows: `';f()//`, `"-f()-"`, `'+f('x')+'`.
pub(super) fn joined_call(text: &[u8]) -> Option<Range<usize>> {
    const LONGEST: usize = 400;
    let value = text.trim_ascii();
    if value.len() > LONGEST {
        return None;
    }
    let quote = value
        .iter()
        .take(64)
        .position(|byte| matches!(*byte, b'"' | b'\'' | b'`'))?;
    let inner = rest(value, quote + 1);
    let is_joint = |byte: &u8| matches!(*byte, b')' | b'}' | b']' | b' ');
    let closers = inner.iter().take_while(|byte| is_joint(byte)).count();
    let joint = rest(inner, closers);
    let (&first, code) = joint.split_first()?;
    if !matches!(
        first,
        b';' | b'-' | b'+' | b'*' | b'/' | b'^' | b'|' | b'&' | b'%' | b'?' | b'<' | b'>'
    ) {
        return None;
    }
    let code = code.trim_ascii_start();
    let is_name = |byte: &u8| is_word(*byte) || matches!(*byte, b'.' | b'$');
    let name = code.iter().take_while(|byte| is_name(byte)).count();
    let is_called = name > 0
        && !code.first()?.is_ascii_digit()
        && matches!(code.get(name), Some(b'(' | b'`' | b'['));
    let end = value.strip_suffix(b";").unwrap_or(value);
    let quoted = value.get(quote)?;
    let is_closed = value.ends_with(b"//")
        || value.ends_with(b"/*")
        || value.ends_with(b"<!--")
        || (end.last() == Some(quoted)
            && matches!(
                end.iter().nth_back(1),
                Some(b'-' | b'+' | b'*' | b'/' | b'^' | b'|' | b'&' | b'%' | b':' | b',')
            ))
        || (first != b'-' && first != b'|' && first != b'&' && value.ends_with(b";//"));
    let has_end = code.iter().any(|byte| matches!(*byte, b')' | b']' | b'`'));
    let start = text.len() - text.trim_ascii_start().len() + quote;
    (is_called && is_closed && has_end).then(|| start..start + value.len() - quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(Kind, Before)> {
        uses(text.as_bytes())
            .map(|found| (found.kind, found.before))
            .collect()
    }

    #[test]
    fn what_stands_before_a_name_tells_code_from_prose() {
        use Before::{Breakout, Operator, Start, Word};
        use Kind::{Dialog, Function, Object};
        for (text, expected) in [
            ("alert(1)", &[(Dialog, Start)][..]),
            ("';alert(1)//", &[(Dialog, Breakout)]),
            ("\"-prompt`1`-\"", &[(Dialog, Breakout)]),
            ("x=1;alert(1)", &[(Dialog, Operator)]),
            ("please confirm", &[(Dialog, Word)]),
            ("window.alert(1)", &[(Object, Start), (Dialog, Start)]),
            (
                "')+top['alert'](1)",
                &[(Object, Breakout), (Dialog, Breakout)],
            ),
            ("'}/*x*/;fetch('/')", &[(Function, Breakout)]),
            ("x.alert(1)", &[(Dialog, Word)]),
            ("say 'a', open (the) door", &[(Function, Breakout)]),
            ("redalert(1) alerts", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn calls_members_and_assignments_are_seen() {
        for (text, at, open) in [
            ("alert(1)", 5, Some(5)),
            ("alert /**/ (1)", 5, Some(11)),
            ("'alert'](1)", 6, Some(8)),
            ("alert?.`1`", 5, Some(7)),
            ("alert me", 5, None),
        ] {
            assert_eq!(call(text.as_bytes(), at), open, "{text}");
        }
        assert_eq!(member(b"document.cookie", 8), Some(15));
        assert_eq!(member(b"top['alert']", 3), Some(10));
        assert_eq!(member(b"document.pdf", 8), None);
        assert_eq!(assigned(b"x = 1", 1), Some(3));
        assert_eq!(assigned(b"x == 1", 1), None);
    }

    #[test]
    fn calls_that_are_joined_to_a_text_are_seen() {
        for text in [
            "';anything(1)//",
            "\"-f()-\"",
            "a')};f`x`;//",
            "'+a.b['c'](1)+'",
        ] {
            assert!(joined_call(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "'quoted' (text)",
            "it's; so (what)",
            "'a' - b",
            "f('x') + g('y')",
            "'; drop table x--",
            "say 'x'; then f(1)",
        ] {
            assert!(joined_call(text.as_bytes()).is_none(), "{text}");
        }
    }
}
