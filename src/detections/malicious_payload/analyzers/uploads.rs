//! Names of files that are uploaded to be run (CWE-434).
//!
//! What a server runs it tells by the name: by its last ending, by any of them (Apache with `AddHandler`), by what stands
//! before a semicolon (IIS 6), before a null byte (C), before dots and blanks (Windows). Some files change by their names
//! alone how a folder is served. What the file holds is for others to judge: a script is found as such in any part.

use super::bytes::{Words, is_one_of, rest};
use super::{Analyzer, Matches, Rule, Text};
use std::sync::LazyLock;

static SCRIPT: Rule = Rule {
    name: "server_script",
    score: 5,
    message: "The name of an uploaded file is one by which a server takes it for a script to be run.",
};

static SETTINGS: Rule = Rule {
    name: "server_settings",
    score: 5,
    message: "The name of an uploaded file is one by which a server takes it for settings of its folder.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "file_upload",
    cwe: 434,
    gates: &[
        r"\.(?:php[3-8]?|pht|phtml|phar|asp|aspx|ashx|asmx|asa|cer|jsp|jspx|jspf|jsw|war|cfm|cgi|shtml)",
        r"\.htaccess|\.htpasswd|web\.config|\.user\.ini",
    ],
    rules: &[&SCRIPT, &SETTINGS],
    longest: usize::MAX,
    analyze,
};

/// Endings of what servers run.
static ENDINGS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "php php3 php4 php5 php6 php7 php8 pht phtml phar asp aspx ashx asmx asa cer jsp jspx jspf jsw war cfm cgi \
        shtml",
    )
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if !text.is_file_name {
        return;
    }
    let bytes = text.bytes;
    // Browsers of old sent the path of the file as well.
    let start = memchr::memrchr2(b'/', b'\\', bytes).map_or(0, |slash| slash + 1);
    let name = rest(bytes, start);
    let is_end = |byte: &u8| matches!(*byte, 0 | b';' | b':' | b'?' | b'#');
    let first = name.split(is_end).next().unwrap_or_default();
    let whole = first.trim_ascii_end();
    if is_one_of(
        whole,
        &[".htaccess", ".htpasswd", "web.config", ".user.ini"],
    ) {
        matches.add(&SETTINGS, start..bytes.len());
    }
    let mut endings = first.split(|byte| *byte == b'.').skip(1);
    if endings.any(|ending| ENDINGS.has(ending.trim_ascii_end())) {
        matches.add(&SCRIPT, start..bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detections::malicious_payload::analyzers::Name;
    use crate::request::PlaceKind;

    fn found(name: &str, is_file_name: bool) -> Vec<&'static str> {
        let mut text = Text::new(name.as_bytes(), PlaceKind::Body, true, Name::Known("f"));
        text.is_file_name = is_file_name;
        let mut matches = Matches::default();
        analyze(&text, &mut matches);
        matches.found.iter().map(|(rule, _)| rule.name).collect()
    }

    #[test]
    fn names_of_scripts_and_settings_are_found() {
        for name in [
            "shell.php",
            "x.PHP5",
            "a.php.jpg",
            "a.jpg.php",
            "x.asp;.jpg",
            "x.php\0.png",
            "x.php...",
            "x.php ",
            "x.aspx::$DATA",
            "../../up/x.jsp",
            "C:\\a\\x.phtml",
        ] {
            assert_eq!(found(name, true), ["server_script"], "{name:?}");
            assert_eq!(found(name, false), [""; 0], "{name:?}");
        }
        for name in [".htaccess", "a/.htaccess", "Web.config", ".user.ini "] {
            assert_eq!(found(name, true), ["server_settings"], "{name:?}");
        }
    }

    #[test]
    fn names_of_other_files_are_not() {
        for name in [
            "photo.jpg",
            "php.txt",
            "about php.pdf",
            "report.final.v2.pdf",
            "archive.tar.gz",
            "aspirin.png",
            "a.phpx",
            "script.py",
            "web.config.txt",
            "php",
            "",
        ] {
            assert_eq!(found(name, true), [""; 0], "{name:?}");
        }
    }

    /// Known misses: what only an unusual server runs, and what the content alone says.
    #[test]
    fn unusual_endings_are_missed() {
        for name in ["x.inc", "x.pl", "x.py", "photo.jpg"] {
            assert_eq!(found(name, true), [""; 0], "{name:?}");
        }
    }
}
