//! Paths: values that lead out of the folder they are meant for, or name files that no client asks for (CWE-22).
//!
//! A value is read as the paths in it, by their components. Steps up are what an attack on the folder cannot do without; what
//! needs none names a file that is at the same place on every system.

mod absolute;
mod components;
mod rules;
mod trees;
mod wrappers;

use std::ops::Range;

use super::bytes::{begins, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;
use components::{Component, Kind};
use rules::{
    ACCOUNT_FILE, APPLICATION_FOLDER, CUT_FILE_NAME, DRIVE_PATH, HIDDEN_FILE, HIDDEN_STEPS,
    KERNEL_FILE, LOG_FILE, PARAMETER_STEP, SHARE_PATH, STEPS_UP, STREAM_WRAPPER, WINDOWS_FILE,
};
use trees::Tree;

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "path_traversal",
    cwe: 22,
    gates: &[
        r"\.\.[/\\;%0\x80-\xff]",
        r"[/\\]\.\.",
        r"\.[\x00-\x08]",
        r"[/\\]\.[/\\]",
        r"\.[/\\]{2}",
        r"\.{3,}[/\\]",
        r"[\xc0\xc1][\x80-\xff\x2e\x2f\x5c\x9c]",
        r"\xe0[\x80\x40\x90]|\xf0\x80\x80|\xf8\x80\x80|\xfc\x80\x80|\xef\xbc[\x8e\x8f]|\xe2\x88[\x95\x96]|\xe2\x81\x84|\xef\x80\xa5",
        r"%(?:25)*(?:2e|2f|5c|u002[ef]|u005c|u221[56]|uff0e|c0|c1|00)",
        r"0x2e|0x2f|0x5c",
        r"etc[/\\\x80-\xff%0]",
        r"proc[/\\]|self[/\\]",
        r"(?:windows|winnt|system32)[/\\]",
        r"boot\.ini|win\.ini|php\.ini|my\.ini|inetpub|%systemroot%|%windir%|%systemdrive%",
        r"(?:web|meta)-inf",
        r"\.(?:ht(?:access|passwd|group|digest)|git[/\\]|svn[/\\]|env|ssh[/\\]|aws[/\\]|bash|zsh_|[a-z]{2,6}_history|lesshst|viminfo|mysql_history|psql_history|npmrc|netrc|pgpass|my\.cnf|docker[/\\]|kube[/\\]|ds_store|rhosts)",
        r"id_rsa|id_dsa|id_ecdsa|id_ed25519|authorized_keys|known_hosts",
        r"[/\\](?:var|usr|opt|private|home|root|mnt|srv|library|volumes|xampp|wamp|apache2?)[/\\]|program files",
    ],
    rules: &[
        &STEPS_UP,
        &HIDDEN_STEPS,
        &PARAMETER_STEP,
        &ACCOUNT_FILE,
        &KERNEL_FILE,
        &WINDOWS_FILE,
        &HIDDEN_FILE,
        &APPLICATION_FOLDER,
        &LOG_FILE,
    ],
    longest: usize::MAX,
    analyze,
};

/// Paths that say by themselves where they lead: those with a drive, a server or a scheme, and names that end early.
pub(super) static WHOLE: Analyzer = Analyzer {
    class: "path_traversal",
    cwe: 22,
    gates: &[
        r"(?:php|phar|expect|zip|zlib|bzip2|glob|ogg|shell|exec|file|netdoc|jar):",
        r"\x00|%00",
        r"[a-z]:[/\\]",
        r"\\\\",
    ],
    rules: &[&SHARE_PATH, &DRIVE_PATH, &STREAM_WRAPPER, &CUT_FILE_NAME],
    longest: usize::MAX,
    analyze: analyze_whole,
};

fn analyze_whole(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    if text.place != PlaceKind::Body {
        if let Some(range) = absolute::share(bytes) {
            matches.add(&SHARE_PATH, range);
        }
        if let Some(range) = absolute::drive(bytes) {
            matches.add(&DRIVE_PATH, range);
        }
    }
    if let Some(range) = wrappers::find(bytes) {
        matches.add(&STREAM_WRAPPER, range);
    }
    if let Some(range) = wrappers::cut(bytes) {
        matches.add(&CUT_FILE_NAME, range);
    }
}

/// What is known of a path while its components go by.
#[derive(Default)]
struct Run {
    /// Where it begins.
    start: usize,
    /// Whether a value begins with it, or what an attack puts before a path.
    is_open: bool,
    /// Whether nothing but quotes and blanks stands before it in the value, and whether nothing else stands behind it.
    begins_value: bool,
    is_whole: bool,
    /// The component before.
    last: Option<Component>,
    /// The first that is a name.
    first_name: Option<Range<usize>>,
    /// Steps up in a row, and all of them.
    ups: usize,
    climbed: usize,
    /// Components of dots in a row, and whether some of them are more than a path needs.
    dots: usize,
    is_padded: bool,
}

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let mut run = Run::default();
    components::walk(bytes, |component| {
        // A word of prose, that no path goes on from.
        let is_word =
            component.is_first && component.separators == 0 && component.kind == Kind::Name;
        if is_word && !trees::may_be_known(component.text(bytes)) {
            return;
        }
        if component.is_first {
            run = Run::begun(bytes, component.start);
        }
        step(text, &mut run, component, matches);
        run.last = Some(component);
    });
}

impl Run {
    fn begun(bytes: &[u8], start: usize) -> Self {
        let before = bytes.get(..start).unwrap_or_default();
        let is_filler = |byte: &u8| byte.is_ascii_whitespace() || matches!(*byte, b'"' | b'\'');
        // Behind a blank there is prose, but not behind a sign and blanks.
        let last = before
            .iter()
            .rev()
            .take(8)
            .find(|byte| !byte.is_ascii_whitespace());
        let is_open = match before.last() {
            None => true,
            Some(b' ' | b'\t' | b'\r' | b'\n') => {
                last.is_some_and(|byte| matches!(*byte, b'=' | b'|' | b'&' | b'<' | b'`'))
            }
            Some(byte) => matches!(
                *byte,
                b'=' | b'|' | b'&' | b'<' | b'`' | b'"' | b'\'' | b'(' | b'{' | 0
            ),
        };
        let begins_value = start <= 8 && before.iter().all(is_filler);
        Self {
            start,
            is_open,
            begins_value,
            // Asked once, for one path of a value at most.
            is_whole: begins_value && is_whole(bytes, start),
            ..Self::default()
        }
    }
}

/// Takes in one more component.
fn step(text: &Text<'_>, run: &mut Run, component: Component, matches: &mut Matches) {
    let bytes = text.bytes;
    let here = run.start..component.end;
    if component.kind == Kind::Name {
        name(text, run, component, matches);
    }
    let is_dots = matches!(component.kind, Kind::Dots(_));
    run.dots = if is_dots { run.dots + 1 } else { 0 };
    run.is_padded = is_dots && (run.is_padded || is_more_than_needed(component));
    if run.dots >= 2 && run.is_padded
        || (run.dots >= 3 && component.kind == Kind::Dots(1) && !is_expression(bytes, &here))
    {
        matches.add(&HIDDEN_STEPS, here.clone());
    }
    if matches!(component.kind, Kind::Dots(8..)) && component.separators > 0 {
        matches.add(&HIDDEN_STEPS, here.clone());
    }
    if !component.is_up() {
        run.ups = 0;
        return;
    }
    // At the end of a path it needs a separator before it: `wait..` is none.
    if component.separators == 0 && run.last.is_none() {
        return;
    }
    run.ups += 1;
    run.climbed += 1;
    if component.has_parameter && component.separators > 0 {
        matches.add(&PARAMETER_STEP, here.clone());
    }
    if component.is_odd {
        matches.add(&HIDDEN_STEPS, here.clone());
    }
    let leads_out = if text.place == PlaceKind::Body {
        let is_alone = run.is_whole && run.first_name.is_none();
        run.begins_value && (run.ups >= 2 || is_alone)
    } else {
        let before = run.start.checked_sub(1).and_then(|at| bytes.get(at));
        run.last.is_some() || before.is_none_or(|byte| !byte.is_ascii_whitespace())
    };
    if leads_out {
        matches.add(&STEPS_UP, here);
    }
}

/// Whether the path that goes on at `at` goes on to the end of the value.
fn is_whole(bytes: &[u8], at: usize) -> bool {
    let behind = rest(bytes, at);
    let is_end = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(*byte, b'"' | b'\'' | b'(' | b')' | b'<' | b'>')
    };
    let end = behind.iter().position(is_end).unwrap_or(behind.len());
    rest(behind, end)
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || matches!(*byte, b'"' | b'\''))
}

/// Whether dots or the separators behind them are more than any path needs.
fn is_more_than_needed(component: Component) -> bool {
    match component.kind {
        Kind::Dots(3..) => component.separators > 0,
        Kind::Dots(_) => component.separators > 1 || (component.is_odd && component.separators > 0),
        _ => false,
    }
}

/// A name, and what is known of it and the one before.
fn name(text: &Text<'_>, run: &mut Run, component: Component, matches: &mut Matches) {
    let bytes = text.bytes;
    let written = component.text(bytes);
    let here = run.start..component.end;
    if let Some(rule) = known(text, run, component) {
        matches.add(rule, here.clone());
    }
    let first = run
        .first_name
        .get_or_insert(component.start..component.end)
        .clone();
    let first = bytes.get(first).unwrap_or_default();
    if run.is_whole
        && run.last.is_some()
        && component.separators == 0
        && (trees::is_log(first, written)
            || bytes.get(here.clone()).is_some_and(trees::is_of_system))
    {
        matches.add(&LOG_FILE, here);
    }
}

/// The rule for a file that every system of a kind has: that name in its place, behind the one before.
fn known(text: &Text<'_>, run: &Run, component: Component) -> Option<&'static Rule> {
    let bytes = text.bytes;
    let written = component.text(bytes);
    let before = run
        .last
        .filter(|last| last.kind == Kind::Name)
        .map(|last| last.text(bytes))
        .filter(|before| trees::may_be_known(before));
    let may_be_known = trees::may_be_known(written);
    if before.is_none() && !may_be_known {
        return None;
    }
    if may_be_known && trees::is_windows_file(written) && (run.is_open || run.last.is_some()) {
        return Some(&WINDOWS_FILE);
    }
    let tree = before
        .and_then(|before| trees::of(before, written))
        .or_else(|| {
            // A name that says it all by itself, at the end of a path.
            (component.separators == 0)
                .then(|| trees::of(written, b""))
                .flatten()
        });
    let tree = tree?;
    let is_named_only = run.climbed == 0
        && !run.begins_value
        && text.place == PlaceKind::Body
        && (text.is_document()
            || run.start.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'`'));
    match tree {
        // A document names files, and is none.
        Tree::Account | Tree::Kernel | Tree::Hidden if is_named_only => None,
        Tree::Account if run.is_open || run.climbed > 0 => Some(&ACCOUNT_FILE),
        Tree::Kernel if run.is_open || text.place != PlaceKind::Body => Some(&KERNEL_FILE),
        Tree::Windows if run.climbed > 0 || !is_page(bytes, run.start) => Some(&WINDOWS_FILE),
        Tree::Hidden if run.is_open => Some(&HIDDEN_FILE),
        Tree::Application => Some(&APPLICATION_FOLDER),
        _ => None,
    }
}

/// Whether dots behind single backslashes are those of a regular expression: `\.\.\.` stands for three.
fn is_expression(bytes: &[u8], range: &Range<usize>) -> bool {
    let path = bytes.get(range.clone()).unwrap_or_default();
    !path.contains(&b'/') && !path.starts_with(b".")
}

/// Whether what begins at `at` is the address of a page.
fn is_page(bytes: &[u8], at: usize) -> bool {
    let path = rest(bytes, at);
    begins(path, b"http://") || begins(path, b"https://")
}

#[cfg(test)]
mod tests;
