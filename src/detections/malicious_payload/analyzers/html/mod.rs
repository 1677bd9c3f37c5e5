//! HTML and JavaScript: values that become markup or script in somebody's browser (CWE-79).
//!
//! Script runs from script elements, event handlers, addresses with the scheme `javascript:`, a few attributes that hold
//! documents or styles, and from a script that a value is put into; from nothing else. Markup that does none of this is
//! what people write in editors, and no finding in a body or a query.

mod address;
mod breakout;
mod context;
mod handlers;
mod hidden;
mod markup;
mod rules;
mod script;
mod style;

use std::ops::Range;
use std::sync::LazyLock;

use super::bytes::{Words, begins, find, is_one_of, rest};
use super::{Analyzer, Matches, Text};
use crate::request::PlaceKind;
use context::Before;
use markup::{Attribute, Tag};
use rules::{
    ACTIVE_STYLE, ANIMATED_ATTRIBUTE, DIALOG_CALL, DOCUMENT_ADDRESS, DOCUMENT_ATTRIBUTE,
    EMBEDDING_ELEMENT, EVENT_HANDLER, HANDLER_BREAKOUT, HIDDEN_SCRIPT, INLINE_FRAME,
    MARKUP_OUT_OF_PLACE, SCRIPT_ADDRESS, SCRIPT_BREAKOUT, SCRIPT_ELEMENT, SCRIPT_EXPRESSION,
};
use script::Kind;

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "cross_site_scripting",
    cwe: 79,
    gates: &[
        r"<[a-z!?/~%]",
        r"[\x00-\x20]script",
        r"</?\s*script",
        r"script[\x00-\x20]*:",
        r"data:",
        r"on(?:abort|aux|animation|before|begin|blur|bounce|canplay|change|click|close|contextmenu|copy|cut|dblclick|drag|drop|end|error|finish|focus|formdata|hash|input|invalid|key|load|message|mouse|page|paste|play|pointer|pop|property|ready|repeat|reset|resize|scroll|search|seek|select|show|start|submit|time|toggle|touch|transition|unhandled|unload|volume|waiting|webkit|wheel)\w*[\x00-\x20/]*=",
        r"(?:alert|confirm|prompt|eval|fetch|import|settimeout|setinterval|function|execscript|sendbeacon|getscript|atob|fromcharcode)[^\w]{0,20}[(`]",
        r"(?:document|window|globalthis|localstorage|sessionstorage|navigator|cookiestore)\s*(?:\.|\[|\?)",
        r"(?:self|top|parent|frames|this)\s*\[",
        r"=(?:alert|confirm|prompt)[,;]",
        r"location\s*(?:=|\.|\[)",
        r"(?:expression|@import|-moz-binding|-o-link|behavior)",
        r":.*/\*.*\*/.*\(",
        r"constructor[^\w]",
        r#"["'`][\s)\]}]*[;*/|&^%?<>+-][^"'`]*[(`].*(?://|/\*|["'`])"#,
        r"\[\]",
        r"\\u00[67]",
    ],
    rules: rules::ALL,
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    if memchr::memchr(b'<', bytes).is_some() {
        elements(text, matches);
        breakout::breakouts(bytes, matches);
    }
    assignments(text, matches);
    addresses(text, matches);
    if let Some(range) = style::active(bytes) {
        matches.add(&ACTIVE_STYLE, range);
    }
    scripts(text, matches);
    if let Some(range) = hidden::find(text) {
        matches.add(&HIDDEN_SCRIPT, range);
    }
}

/// Elements and their attributes.
fn elements(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let has_no_markup = matches!(
        text.place,
        PlaceKind::Path | PlaceKind::Cookies | PlaceKind::Headers
    );
    // Behind the last one nothing is an element that has come to its end.
    let last_end = memchr::memrchr(b'>', bytes)
        .filter(|_| has_no_markup)
        .unwrap_or(0);
    markup::walk(bytes, |tag, attribute| match attribute {
        None => element(text, tag, tag.start < last_end, matches),
        Some(attribute) => self::attribute(tag, attribute, matches),
    });
    // Also within the value of an attribute, where nothing but an attack has one.
    if let Some(range) = markup::script(bytes) {
        matches.add(&SCRIPT_ELEMENT, range);
    }
    if has_no_markup
        && let Some(at) = memchr::memmem::find(bytes, b"<!")
        && memchr::memchr(b'>', rest(bytes, at)).is_some()
    {
        matches.add(&MARKUP_OUT_OF_PLACE, at..bytes.len());
    }
    for declaration in [&b"<!entity"[..], b"<?xml-stylesheet", b"<?import"] {
        if let Some(at) = find(bytes, declaration, 0) {
            matches.add(&EMBEDDING_ELEMENT, at..at + declaration.len());
        }
    }
}

fn element(text: &Text<'_>, tag: Tag<'_>, is_out_of_place: bool, matches: &mut Matches) {
    let end = (tag.start + 2 + tag.name.len()).min(text.bytes.len());
    let name = match memchr::memchr(b':', tag.name) {
        Some(colon) => rest(tag.name, colon + 1),
        None => tag.name,
    };
    if name.eq_ignore_ascii_case(b"script") && name.len() < tag.name.len() {
        matches.add(&SCRIPT_ELEMENT, tag.start..end);
    }
    if !tag.is_strict {
        return;
    }
    if text.place != PlaceKind::Body && tag.is(&["iframe", "frame", "portal"]) && !tag.is_end {
        matches.add(&INLINE_FRAME, tag.start..end);
    }
    // `<name>` stands for a name.
    if is_out_of_place && (tag.is_known() || rest(text.bytes, end - 1).first() != Some(&b'>')) {
        matches.add(&MARKUP_OUT_OF_PLACE, tag.start..end);
    }
}

fn attribute(tag: Tag<'_>, attribute: Attribute<'_>, matches: &mut Matches) {
    let range = tag.start..attribute.end;
    let Some(value) = attribute.value else {
        return;
    };
    const LONGEST: usize = 2_048;
    let value = value.get(..LONGEST).unwrap_or(value);
    let name = attribute.name;
    let named = |names: &[&str]| is_one_of(name, names);
    if handlers::is_like_one(name) && !handlers::is_reference(value) {
        matches.add(&EVENT_HANDLER, range.clone());
    }
    if handlers::is_directive(name) && handlers::runs(value) {
        matches.add(&EVENT_HANDLER, range.clone());
    }
    if let Some(script) = address::script(value)
        && !address::does_nothing(rest(value, script))
    {
        matches.add(&SCRIPT_ADDRESS, range.clone());
    }
    let address = value.trim_ascii_start();
    if begins(address, b"data:") && address::document(address).is_some_and(|found| found.start == 0)
    {
        matches.add(&DOCUMENT_ADDRESS, range.clone());
    }
    if named(&["srcdoc", "formaction"]) {
        matches.add(&DOCUMENT_ATTRIBUTE, range.clone());
    }
    if LOADERS.has(tag.name) {
        loader(tag, attribute, value, matches);
    }
    if named(&["style"]) && style::is_active_attribute(value) {
        matches.add(&ACTIVE_STYLE, range);
    }
}

/// The elements that load something, or set attributes of others.
static LOADERS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "iframe frame embed script object applet base frameset bgsound layer ilayer isindex meta link \
        animate set animatemotion animatetransform animatecolor handler listener",
    )
});

/// An attribute of one of these.
fn loader(tag: Tag<'_>, attribute: Attribute<'_>, value: &[u8], matches: &mut Matches) {
    let range = tag.start..attribute.end;
    let name = attribute.name;
    let named = |names: &[&str]| is_one_of(name, names);
    // What a document says of itself.
    const SAID: [&str; 3] = ["content-type", "content-language", "x-ua-compatible"];
    if tag.is(&["meta"]) && named(&["http-equiv"]) && is_one_of(value.trim_ascii(), &SAID) {
        return;
    }
    let is_loader = tag.is(&["iframe", "frame", "embed", "script", "object"]);
    if is_loader && named(&["src", "data", "href"]) && is_foreign(value) {
        matches.add(&DOCUMENT_ATTRIBUTE, range.clone());
    }
    let loads = |elements: &[&str], by: &[&str]| tag.is(elements) && named(by);
    let embeds = loads(
        &["object", "embed", "applet"],
        &[
            "data", "src", "code", "codebase", "classid", "value", "archive", "movie",
        ],
    ) || loads(
        &["base", "frameset", "bgsound", "layer", "ilayer", "isindex"],
        &["href", "src", "action", "background"],
    ) || loads(&["meta"], &["http-equiv"])
        || (loads(&["meta"], &["charset"]) && begins(value, b"utf-7"))
        || loads(&["link"], &["href", "rel"]);
    if embeds {
        matches.add(&EMBEDDING_ELEMENT, range.clone());
    }
    if sets_script(tag, name, value) {
        matches.add(&ANIMATED_ATTRIBUTE, range.clone());
    }
}

/// Whether an animation sets an attribute that is a script, or has one in what it sets (SVG 1.1, 19.2).
fn sets_script(tag: Tag<'_>, name: &[u8], value: &[u8]) -> bool {
    const ANIMATIONS: [&str; 7] = [
        "animate",
        "set",
        "animatemotion",
        "animatetransform",
        "animatecolor",
        "handler",
        "listener",
    ];
    let named = |names: &[&str]| is_one_of(name, names);
    let targets = || {
        handlers::is_like_one(value)
            || is_one_of(value, &["href", "xlink:href", "innerhtml", "src", "action"])
    };
    let holds = || address::script(value).is_some() || address::document(value).is_some();
    tag.is(&ANIMATIONS)
        && ((named(&["attributename"]) && targets())
            || (named(&["values", "to", "from", "begin"]) && holds())
            || named(&["event", "ev:event"]))
}

/// Whether an address leads elsewhere without saying by which scheme, as no editor writes it.
fn is_foreign(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    value.starts_with(b"//")
        || value.starts_with(b"\\\\")
        || begins(value, b"data:")
        || value.starts_with(b"&")
}

/// Event handlers that are no attribute of an element which the value begins.
fn assignments(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    for found in handlers::assignments(bytes) {
        let value = rest(bytes, found.end).trim_ascii_start();
        let Some(first) = value.first() else {
            continue;
        };
        let range = found.start..found.end;
        if handlers::is_reference(value) {
            continue;
        }
        if let Some(element) = found.element {
            let before = found.start.checked_sub(1).and_then(|at| bytes.get(at));
            if before.is_some_and(|byte| {
                !byte.is_ascii_alphanumeric() && !matches!(*byte, b'-' | b'_' | b'.')
            }) {
                matches.add(&EVENT_HANDLER, element..found.end);
                continue;
            }
        }
        if *first == b'=' {
            continue;
        }
        let Some(begin) = handlers::attributes_before(bytes, found.start) else {
            // `throw onerror=alert`, `{onerror=eval}`.
            let before = context::before(bytes, found.start);
            if before == Before::Breakout
                || (before == Before::Operator && text.place != PlaceKind::Body)
            {
                matches.add(&SCRIPT_BREAKOUT, range);
            }
            continue;
        };
        if follows_a_word(bytes, begin) || !text.is_document() {
            matches.add(&HANDLER_BREAKOUT, begin..found.end);
        }
    }
}

/// Whether no more than one word stands before `at`, in the first bytes of a value. Who breaks out of something begins with
/// it; who writes about that needs words first.
fn follows_a_word(bytes: &[u8], at: usize) -> bool {
    const NEAR: usize = 64;
    let before = bytes.get(..at).unwrap_or_default();
    let words = before.split(|byte| !byte.is_ascii_alphanumeric() && byte.is_ascii());
    at < NEAR && words.filter(|word| !word.is_empty()).count() < 2
}

/// Addresses outside of elements.
fn addresses(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    for (start, script) in address::scripts(bytes) {
        let script = rest(bytes, script);
        if address::is_code(script) && !address::does_nothing(script) {
            matches.add(&SCRIPT_ADDRESS, start..bytes.len() - script.len());
            break;
        }
    }
    if let Some(range) = address::document(bytes) {
        matches.add(&DOCUMENT_ADDRESS, range);
    }
}

/// Code in a value that is put into a script, or is run.
fn scripts(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    if let Some(range) = script::joined_call(bytes) {
        matches.add(&SCRIPT_BREAKOUT, range);
    }
    let expects_prose = text.place == PlaceKind::Body && !is_dense(bytes);
    for found in script::uses(bytes) {
        let (start, end) = (found.range.start, found.range.end);
        if found.before == Before::Word {
            continue;
        }
        let breaks_out = found.before == Before::Breakout
            && (follows_a_word(bytes, start) || !text.is_document());
        let open = script::call(bytes, end);
        let begins_it = found.before == Before::Start && bytes.len() <= SHORT;
        match (found.kind, open) {
            (Kind::Dialog, Some(open)) if script::is_test(bytes, open) => {
                if !expects_prose || begins_it {
                    matches.add(&DIALOG_CALL, start..open + 1);
                } else if breaks_out {
                    matches.add(&SCRIPT_BREAKOUT, start..open + 1);
                }
            }
            (Kind::Dialog, None)
                if !expects_prose && script::is_handed_over(bytes, &found.range) =>
            {
                matches.add(&DIALOG_CALL, start..end);
            }
            (Kind::Function, Some(open)) if script::is_loaded(bytes, open) => {
                let runs_text = bytes.get(start..end).is_some_and(script::runs_text);
                if breaks_out {
                    matches.add(&SCRIPT_BREAKOUT, start..open + 1);
                } else if text.place != PlaceKind::Body
                    || (runs_text && (!expects_prose || begins_it))
                    || (begins_it && is_dense(bytes) && !is_of_files(bytes, start..end))
                {
                    matches.add(&SCRIPT_EXPRESSION, start..open + 1);
                }
            }
            (Kind::Object, _) => {
                let computed = script::computed_call(bytes, end).filter(|_| !expects_prose);
                if let Some(called) = computed {
                    matches.add(&SCRIPT_EXPRESSION, start..called);
                }
                object(text, &found, breaks_out, matches);
            }
            _ => {}
        }
    }
}

/// Whether a function has a name that languages have for files and pictures.
fn is_of_files(bytes: &[u8], range: Range<usize>) -> bool {
    let name = bytes.get(range).unwrap_or_default();
    is_one_of(name, &["open", "image"])
}

/// What is a call and little else is run as it is.
const SHORT: usize = 80;

/// Whether a value is short and has no blanks in it, as code has none and prose does.
fn is_dense(bytes: &[u8]) -> bool {
    bytes.len() <= SHORT && !bytes.iter().any(u8::is_ascii_whitespace)
}

/// An object of the page, and what is done with it.
fn object(text: &Text<'_>, found: &script::Use, breaks_out: bool, matches: &mut Matches) {
    let bytes = text.bytes;
    let (start, end) = (found.range.start, found.range.end);
    let is_location = bytes
        .get(found.range.clone())
        .is_some_and(|name| name.eq_ignore_ascii_case(b"location"));
    let member = script::member(bytes, end);
    let target = member.unwrap_or(end);
    let assigned = script::assigned(bytes, target).filter(|_| member.is_some() || is_location);
    let called = member.and_then(|end| script::call(bytes, end));
    let is_used = found.before != Before::Start || assigned.is_some() || called.is_some();
    if member.is_none()
        && !(is_location && assigned.is_some_and(|at| script::is_loaded(bytes, at - 1)))
    {
        return;
    }
    let range = start..target;
    if breaks_out {
        matches.add(&SCRIPT_BREAKOUT, range);
    } else if text.place != PlaceKind::Body {
        if is_used {
            matches.add(&SCRIPT_EXPRESSION, range);
        }
    } else if found.before == Before::Operator
        && script::is_theft(bytes, &found.range)
        && !text.is_document()
    {
        matches.add(&SCRIPT_EXPRESSION, range);
    }
}

#[cfg(test)]
mod tests;
