//! What is sent to find out whether a value is run as PHP, and to have it run more: options, prints, names put together.

use std::sync::LazyLock;

use super::super::bytes::{Texts, begins, blanks, find, is_one_of, rest, word_before};
use super::super::{Matches, Rule};
use super::CALL;

pub(super) static SETTING: Rule = Rule {
    name: "setting",
    score: 5,
    message: "A value sets an option of PHP by which files are included or protections are off.",
};

pub(super) static PROBE: Rule = Rule {
    name: "probe",
    score: 5,
    message: "A value prints what only running it as PHP tells, to find out whether that is done.",
};

pub(super) static PUT_TOGETHER: Rule = Rule {
    name: "name_put_together",
    score: 5,
    message: "A name of PHP is put together from single characters, or by a function, to be called.",
};

/// Options of PHP that its command line and its gateway take (CVE-2012-1823, CVE-2024-4577).
static SETTINGS: LazyLock<Texts> = LazyLock::new(|| {
    let settings: [&[u8]; 6] = [
        b"allow_url_include",
        b"auto_prepend_file",
        b"auto_append_file",
        b"open_basedir",
        b"disable_functions",
        b"suhosin.simulation",
    ];
    Texts::new(settings)
});

/// Functions that leave a text of which nobody sees what it says.
const HIDING: [&str; 6] = [
    "base64_decode",
    "str_rot13",
    "strrev",
    "hex2bin",
    "gzinflate",
    "implode",
];

/// Adds all of it. A document may show any.
pub(super) fn all(bytes: &[u8], matches: &mut Matches) {
    settings(bytes, matches);
    probe(bytes, matches);
    put_together(bytes, matches);
}

/// Adds options that are set, and the way that a framework gives to any function (CVE-2018-20062).
fn settings(bytes: &[u8], matches: &mut Matches) {
    for (_, range) in SETTINGS.find(bytes) {
        let behind = rest(bytes, range.end);
        if rest(behind, blanks(behind).min(4)).first() == Some(&b'=') {
            return matches.add(&SETTING, range);
        }
    }
    // Names that the framework calls, and one of an attribute by which another makes a page (CVE-2018-7600).
    let is_whole = is_one_of(
        bytes,
        &["call_user_func_array", "call_user_func", "__construct"],
    );
    let callback = [
        &b"#post_render"[..],
        b"#pre_render",
        b"#lazy_builder",
        b"#access_callback",
    ]
    .iter()
    .find_map(|name| find(bytes, name, 0).map(|at| at..at + name.len()));
    if let Some(callback) = callback.filter(|range| bytes.get(range.end) == Some(&b']')) {
        return matches.add(&CALL, callback);
    }
    if let Some(at) = find(bytes, b"think\\config/get", 0) {
        return matches.add(&CALL, at..at + 16);
    }
    if let Some(at) =
        find(bytes, b"invokefunction", 0).filter(|_| find(bytes, b"think", 0).is_some())
    {
        matches.add(&CALL, at..at + 14);
    } else if is_whole {
        matches.add(&CALL, 0..bytes.len());
    }
}

/// Adds what scanners have printed: `print(md5(31337));`, `die(sha1('x'))`.
fn probe(bytes: &[u8], matches: &mut Matches) {
    const PRINTING: [&str; 7] = [
        "print", "echo", "die", "exit", "var_dump", "print_r", "printf",
    ];
    const TOLD: [&str; 8] = [
        "md5",
        "sha1",
        "phpversion",
        "php_uname",
        "getcwd",
        "get_current_user",
        "sys_get_temp_dir",
        "crc32",
    ];
    for open in memchr::memchr_iter(b'(', bytes).take(64) {
        let told = word_before(bytes, open);
        if !is_one_of(told, &TOLD) {
            continue;
        }
        let before = bytes.get(..open - told.len()).unwrap_or_default();
        let end = before.len()
            - before
                .iter()
                .rev()
                .take(4)
                .take_while(|byte| matches!(byte, b' ' | b'('))
                .count();
        // Printed in place: the one stands directly before the other.
        let printing = word_before(before, end);
        if end < before.len() && is_one_of(printing, &PRINTING) {
            return matches.add(&PROBE, end - printing.len()..open + 1);
        }
    }
}

/// Adds names that are put together: `chr(115).chr(121)`, `str_rot13('flfgrz')('id')`, `('sys'.'tem')('id')`.
fn put_together(bytes: &[u8], matches: &mut Matches) {
    for close in memchr::memchr_iter(b')', bytes).take(256) {
        let inside = bytes.get(..close).unwrap_or_default();
        let Some(open) = memchr::memrchr(b'(', rest(inside, inside.len().saturating_sub(64)))
            .map(|open| open + inside.len().saturating_sub(64))
        else {
            continue;
        };
        let name = word_before(bytes, open);
        let argument = rest(inside, open + 1);
        let behind = rest(bytes, close + 1);
        let range = open - name.len()..close + 1;
        if is_one_of(name, &["chr"]) && argument.iter().all(u8::is_ascii_digit) {
            let behind = rest(behind, blanks(behind).min(4));
            let joined = behind.strip_prefix(b".").unwrap_or_default();
            if begins(rest(joined, blanks(joined).min(4)), b"chr(") {
                return matches.add(&PUT_TOGETHER, range);
            }
        } else if behind.starts_with(b"(")
            && (is_one_of(name, &HIDING) || (name.is_empty() && is_joined(argument)))
        {
            return matches.add(&PUT_TOGETHER, range);
        }
    }
}

/// Whether texts in quotes are joined by dots to one: `'sys'.'tem'`.
fn is_joined(text: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        let part = part.trim_ascii();
        matches!(part, [b'\'', .., b'\''] | [b'"', .., b'"'])
            && part
                .iter()
                .filter(|byte| matches!(byte, b'\'' | b'"'))
                .count()
                == 2
    };
    text.contains(&b'.') && text.split(|byte| *byte == b'.').all(is_part)
}
