//! Event handlers (HTML, 8.1.8): attributes that are scripts.

use super::super::bytes::{is_one_of, is_word, rest};
use super::script::{self, Kind};

/// What follows `on` in the names of handlers: the standard's, those of media, drawings, touch and animation, and what older
/// browsers had.
const EVENTS: [&str; 66] = [
    "abort",
    "afterprint",
    "afterscriptexecute",
    "auxclick",
    "begin",
    "beforecopy",
    "beforecut",
    "beforeinput",
    "beforeprint",
    "beforescriptexecute",
    "beforetoggle",
    "beforeunload",
    "blur",
    "bounce",
    "cancel",
    "change",
    "click",
    "close",
    "contextmenu",
    "copy",
    "cuechange",
    "cut",
    "dblclick",
    "drop",
    "end",
    "ended",
    "error",
    "finish",
    "formdata",
    "fullscreenchange",
    "hashchange",
    "input",
    "invalid",
    "keydown",
    "keypress",
    "keyup",
    "locationchange",
    "message",
    "mousewheel",
    "offline",
    "online",
    "pagehide",
    "pageshow",
    "paste",
    "popstate",
    "progress",
    "propertychange",
    "readystatechange",
    "repeat",
    "reset",
    "resize",
    "search",
    "securitypolicyviolation",
    "show",
    "start",
    "storage",
    "submit",
    "suspend",
    "toggle",
    "unhandledrejection",
    "unload",
    "volumechange",
    "waiting",
    "wheel",
    "zoom",
    "filterchange",
];

/// Beginnings of further ones.
const FAMILIES: [&str; 15] = [
    "animation",
    "before",
    "canplay",
    "content",
    "drag",
    "focus",
    "gesture",
    "load",
    "mouse",
    "play",
    "pointer",
    "scroll",
    "seek",
    "select",
    "touch",
];

/// What stands before an event of one engine alone.
const VENDORS: [&str; 4] = ["webkit", "moz", "ms", "transition"];

/// Whether an attribute is a handler that some browser knows.
pub(super) fn is_known(name: &[u8]) -> bool {
    let Some((on, event)) = name.split_at_checked(2) else {
        return false;
    };
    let begins = |known: &&str| {
        let beginning = event.get(..known.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(known.as_bytes()))
    };
    on.eq_ignore_ascii_case(b"on")
        && event.iter().all(u8::is_ascii_alphanumeric)
        && (is_one_of(event, &EVENTS) || FAMILIES.iter().any(begins) || VENDORS.iter().any(begins))
}

/// Whether an attribute looks like a handler, known or not.
pub(super) fn is_like_one(name: &[u8]) -> bool {
    matches!(name, [b'o' | b'O', b'n' | b'N', event @ ..] if event.len() >= 3 && event.iter().all(u8::is_ascii_alphabetic))
}

/// Whether an attribute is one that a framework of pages evaluates (AngularJS, Vue, Alpine, Knockout).
pub(super) fn is_directive(name: &[u8]) -> bool {
    let begins = |beginning: &[u8]| {
        name.get(..beginning.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    let of_frameworks: [&[u8]; 8] = [
        b"ng-",
        b"data-ng-",
        b"v-",
        b"x-",
        b"@",
        b":",
        b"data-bind",
        b"hx-on",
    ];
    of_frameworks.iter().any(|beginning| begins(beginning))
}

/// Whether an expression calls a dialog, or a function that runs a text or loads something.
pub(super) fn runs(expression: &[u8]) -> bool {
    script::uses(expression).any(|found| {
        let open = script::call(expression, found.range.end);
        match (found.kind, open) {
            (Kind::Dialog, Some(open)) => script::is_test(expression, open),
            (Kind::Dialog, None) => {
                script::is_handed_over(expression, &found.range) || expression.contains(&b'=')
            }
            (Kind::Function, Some(open)) => script::is_loaded(expression, open),
            _ => false,
        }
    })
}

/// Whether a value is a reference in the templates of components: `onClick={handleClick}`. As a script it does nothing.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let Some(inner) = value.strip_prefix(b"{") else {
        return false;
    };
    let name = inner
        .iter()
        .take(64)
        .take_while(|byte| is_word(**byte) || **byte == b'.')
        .count();
    name > 0 && rest(inner, name).first() == Some(&b'}')
}

/// An assignment to a handler, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assignment {
    /// Where the name begins.
    pub(super) start: usize,
    /// Behind the equals sign.
    pub(super) end: usize,
    /// Where the last element is that was begun before and has not ended, as far as angle brackets tell.
    pub(super) element: Option<usize>,
}

/// Every assignment to a known handler in a text.
pub(super) fn assignments(text: &[u8]) -> impl Iterator<Item = Assignment> {
    let mut element = None;
    memchr::memchr3_iter(b'<', b'>', b'=', text).filter_map(move |at| match text.get(at)? {
        b'<' => {
            let next = text.get(at + 1)?;
            if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?' | b'~' | b'/' | b'%') {
                element = Some(at);
            }
            None
        }
        b'>' => {
            element = None;
            None
        }
        _ => {
            let before = text.get(at.saturating_sub(64)..at)?;
            let is_filler = |byte: &u8| matches!(*byte, 0..=b' ' | b'/');
            let end = before.iter().rposition(|byte| !is_filler(byte))? + 1;
            let before = before.get(..end)?;
            let begin = before
                .iter()
                .rposition(|byte| !byte.is_ascii_alphanumeric());
            let name = before.get(begin.map_or(0, |begin| begin + 1)..)?;
            is_known(name).then(|| {
                let filler = at.min(64) - end;
                Assignment {
                    start: at - filler - name.len(),
                    end: at + 1,
                    element,
                }
            })
        }
    })
}

/// Where the attributes begin that an assignment is the last of, in a value that is put into an element: behind a quote, or
/// at the beginning. Nothing but attributes may stand between.
pub(super) fn attributes_before(text: &[u8], start: usize) -> Option<usize> {
    const FARTHEST: usize = 200;
    let from = start.saturating_sub(FARTHEST);
    let before = text.get(from..start)?;
    let quote = before
        .iter()
        .rposition(|byte| matches!(*byte, b'"' | b'\'' | b'`' | b'>'));
    if quote.is_none() && from > 0 {
        return None;
    }
    let between = rest(before, quote.map_or(0, |quote| quote + 1));
    let is_separated = between
        .last()
        .is_none_or(|byte| matches!(*byte, 0..=b' ' | b'/' | b',' | b';' | 0xa0));
    let are_attributes = between
        .split(|byte| matches!(*byte, 0..=b' ' | b'/' | 0xa0))
        .filter(|word| !word.is_empty())
        .all(|word| {
            let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
            word.len() <= 2
                || (name.len() < word.len()
                    && name
                        .iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(byte)))
                || is_one_of(word, &SWITCHES)
                || !word.iter().any(u8::is_ascii_alphanumeric)
        });
    (is_separated && are_attributes).then_some(from + quote.unwrap_or(0))
}

/// Attributes without a value.
const SWITCHES: [&str; 20] = [
    "autofocus",
    "contenteditable",
    "autoplay",
    "controls",
    "loop",
    "muted",
    "hidden",
    "checked",
    "disabled",
    "readonly",
    "required",
    "open",
    "selected",
    "multiple",
    "draggable",
    "async",
    "defer",
    "ismap",
    "novalidate",
    "popover",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_known_by_their_events() {
        for name in [
            "onerror",
            "ONLOAD",
            "onpointerrawupdate",
            "onwebkittransitionend",
            "onbegin",
            "onfocusin",
        ] {
            assert!(
                is_known(name.as_bytes()) && is_like_one(name.as_bytes()),
                "{name}"
            );
        }
        for name in ["one", "only", "online2", "once", "ontology", "error", "on"] {
            assert!(!is_known(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn assignments_are_found_with_the_element_they_are_in() {
        let of = |text: &str| -> Vec<(usize, Option<usize>)> {
            assignments(text.as_bytes())
                .map(|found| (found.start, found.element))
                .collect()
        };
        assert_eq!(of("<a b onload = x"), [(5, Some(0))]);
        assert_eq!(of("<a> onload=x"), [(4, None)]);
        assert_eq!(of("a=b on=c only=d"), []);
        assert_eq!(of("onclick=x"), [(0, None)]);
        assert_eq!(
            of(&format!("{}\" onerror\n=x", "y".repeat(80))),
            [(82, None)]
        );
    }

    #[test]
    fn attributes_before_a_handler_lead_back_to_where_they_began() {
        for (text, at) in [
            ("\" autofocus onfocus=", Some(0)),
            ("x' a=b/c onfocus=", Some(1)),
            ("onfocus=", Some(0)),
            ("the onfocus=", None),
            ("say \"this\" and that onfocus=", None),
            ("style=x onfocus=", Some(0)),
        ] {
            let start = text.find("onfocus").unwrap();
            assert_eq!(attributes_before(text.as_bytes(), start), at, "{text}");
        }
    }
}
