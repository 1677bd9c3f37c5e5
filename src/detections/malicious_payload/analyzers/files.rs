//! Requests for files that a server keeps for itself (CWE-538), and the names of tools that look for weaknesses (CWE-200).
//!
//! Asking for `/.git/config` or `/backup.sql` is no attack by itself, but nobody who uses a site does it; the path of the
//! request alone is looked at. A tool that gives its own name in `User-Agent` is believed.

mod names;

use std::sync::LazyLock;

use super::bytes::{Texts, begins, find, is_boundary, is_word, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;
use names::{ARCHIVES, CONSOLES, COPIED, HIDDEN, KEPT_NAMES, SHELLS, WEAK};

static KEPT: Rule = Rule {
    name: "kept_file",
    score: 5,
    message: "The path is that of a file with settings, keys or history that no server means to hand out.",
};

static BACKUP: Rule = Rule {
    name: "backup",
    score: 5,
    message: "The path is that of a copy of a database, a site or its settings.",
};

static CONSOLE: Rule = Rule {
    name: "console",
    score: 5,
    message: "The path is that of a page by which a server tells or changes what it is.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "sensitive_file",
    cwe: 538,
    gates: &[
        r"/\.[a-z]",
        r"\.(?:bak|old|orig|save|swp|sql|dump|tar|tgz|zip|gz|7z|rar|key|pem|pfx|mdb|sqlite3?|inc|config|cgi|axd)",
        r"~$",
        r"web-inf|meta-inf",
        r"phpinfo|phpmyadmin|server-(?:status|info)|actuator|jolokia|heapdump|/debug|console|_ignition|wp-config|boaform|hudson|solr|manager/html|/pma/|adminer|_profiler|telescope/|jmxinvoker|app_dev|jenkins/|wp-admin|cgi-bin",
        r"id_(?:rsa|dsa|ed25519)|database\.yml|settings\.py|(?:credentials|secrets|appsettings|sftp-config)\.|application\.prop|docker-?(?:compose|file)",
        r"_?(?:laravel|error|errors|access|debug|production|development)[._]log|latest/meta-data|computemetadata",
        r"eval-stdin|phpunit|hnap1|gponform|wls-wsat|asyncresponse|ws_utc|bshservlet|/tm/util|vpns/|dana-na|\+csco|fgt_lang|tmui/|nacos/|doenterpage|tinymce/1|contactadmin|securegroovy|evox/|muieblack|w00tw00t|trinity\.|azenv|nice ports",
        r"/(?:c99|c100|r57|b374k|wso|alfa|shell|webshell|cmd|backdoor|indoxploit|weevely)[^/]*\.",
    ],
    rules: &[&KEPT, &BACKUP, &CONSOLE, &WEAK_PAGE, &SHELL],
    // No head is longer.
    longest: 64 << 10,
    analyze,
};

static WEAK_PAGE: Rule = Rule {
    name: "weak_page",
    score: 5,
    message: "The path is that of a page of some product that is known to be weak, or by which scanners know a server.",
};

static SHELL: Rule = Rule {
    name: "web_shell",
    score: 5,
    message: "The path is that of a program by which others control a server that they have broken into.",
};

static TOOL: Rule = Rule {
    name: "tool",
    score: 5,
    message: "The client says that it is a tool that looks for weaknesses.",
};

/// Tools by what they call themselves.
pub(super) static TOOLS: Analyzer = Analyzer {
    class: "scanner",
    cwe: 200,
    gates: &[
        r"sqlmap|nikto|nuclei|nmap|masscan|zgrab|wpscan|gobuster|dirbuster|feroxbuster|ffuf|fuzz|acunetix|nessus|openvas|arachni|w3af|skipfish|wapiti|whatweb|zaproxy|owasp|havij|netsparker|qualys|burp|jaeles|commix|xsstrike|dalfox|hydra|sqlninja|dirsearch|joomscan|droopescan|l9explore|projectdiscovery|morfeus|zmeu|jorgee|brutus|webinspect|appscan|vega|grabber|paros|xenu|httpx|naabu",
    ],
    rules: &[&TOOL],
    // No head is longer.
    longest: 64 << 10,
    analyze: tool,
};

/// Names of tools as whole words of a user agent.
const NAMES: [&[u8]; 40] = [
    b"sqlmap",
    b"nikto",
    b"nuclei",
    b"nmap",
    b"masscan",
    b"zgrab",
    b"wpscan",
    b"gobuster",
    b"dirbuster",
    b"feroxbuster",
    b"ffuf",
    b"wfuzz",
    b"acunetix",
    b"nessus",
    b"openvas",
    b"arachni",
    b"w3af",
    b"skipfish",
    b"wapiti",
    b"whatweb",
    b"zaproxy",
    b"havij",
    b"netsparker",
    b"qualys",
    b"burpsuite",
    b"jaeles",
    b"commix",
    b"xsstrike",
    b"dalfox",
    b"hydra",
    b"sqlninja",
    b"dirsearch",
    b"joomscan",
    b"droopescan",
    b"l9explore",
    b"projectdiscovery",
    b"zmeu",
    b"jorgee",
    b"webinspect",
    b"naabu",
];

/// The names of files and pages, each with its rule.
fn known() -> impl Iterator<Item = (&'static [u8], &'static Rule)> {
    let of = |names: &'static [&'static [u8]], rule| names.iter().map(move |name| (*name, rule));
    of(KEPT_NAMES, &KEPT)
        .chain(of(CONSOLES, &CONSOLE))
        .chain(of(WEAK, &WEAK_PAGE))
}

static KNOWN: LazyLock<Texts> = LazyLock::new(|| Texts::new(known().map(|(name, _)| name)));

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.place != PlaceKind::Path || text.is_key {
        return;
    }
    let bytes = text.bytes;
    for dot in memchr::memmem::find_iter(bytes, b"/.") {
        let name = rest(bytes, dot + 1);
        let is_hidden = |hidden: &&&[u8]| {
            begins(name, hidden)
                && (hidden.ends_with(b"/")
                    || !name.get(hidden.len()).is_some_and(|byte| is_word(*byte)))
        };
        if let Some(hidden) = HIDDEN.iter().find(is_hidden) {
            matches.add(&KEPT, dot + 1..dot + 1 + hidden.len());
        }
    }
    for (nth, range) in KNOWN.find(bytes) {
        let Some((name, rule)) = known().nth(nth) else {
            continue;
        };
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.ends_with(b"/") || !bytes.get(range.end).is_some_and(goes_on) {
            matches.add(rule, range);
        }
    }
    shell(bytes, matches);
    backup(bytes, matches);
}

/// Adds a program by which others control a server, as such programs are called.
fn shell(bytes: &[u8], matches: &mut Matches) {
    let name_at = memchr::memrchr(b'/', bytes).map_or(0, |at| at + 1);
    let name = rest(bytes, name_at);
    let dot = memchr::memchr(b'.', name).unwrap_or(name.len());
    let (stem, end) = name.split_at_checked(dot).unwrap_or_default();
    let scripts: [&[u8]; 7] = [
        b".php", b".phtml", b".php5", b".jsp", b".jspx", b".asp", b".aspx",
    ];
    let is =
        |names: &[&[u8]], text: &[u8]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if is(SHELLS, stem) && is(&scripts, end) {
        matches.add(&SHELL, name_at..bytes.len());
    }
}

/// Adds a copy: of the site as a whole by the name of one, or of a script by what editors and people put behind it.
fn backup(bytes: &[u8], matches: &mut Matches) {
    let name_at = memchr::memrchr(b'/', bytes).map_or(0, |at| at + 1);
    let name = rest(bytes, name_at);
    let Some(dot) = memchr::memchr(b'.', name) else {
        return;
    };
    let (stem, end) = name.split_at_checked(dot).unwrap_or_default();
    let depth = bytes.iter().filter(|byte| **byte == b'/').count();
    let is_copied = COPIED
        .iter()
        .any(|copied| begins(stem, copied) && stem.len() < copied.len() + 12);
    if is_copied
        && depth <= 2
        && ARCHIVES
            .iter()
            .any(|archive| archive.eq_ignore_ascii_case(end))
    {
        matches.add(&BACKUP, name_at..bytes.len());
        return;
    }
    let scripts: [&[u8]; 8] = [
        b".php", b".asp", b".aspx", b".jsp", b".py", b".rb", b".inc", b".config",
    ];
    let copies: [&[u8]; 9] = [
        b".bak", b".old", b".orig", b".save", b".swp", b"~", b".txt", b".copy", b".1",
    ];
    let is_script_copy = scripts.iter().any(|script| {
        begins(end, script)
            && copies
                .iter()
                .any(|copy| copy.eq_ignore_ascii_case(rest(end, script.len())))
    });
    // Settings in other formats: by what nothing but a copy ends in.
    let settings: [&[u8]; 8] = [
        b".xml", b".json", b".yml", b".yaml", b".ini", b".conf", b".js", b".env",
    ];
    let is_settings_copy = settings.iter().any(|script| {
        begins(end, script)
            && copies
                .iter()
                .take(6)
                .any(|copy| copy.eq_ignore_ascii_case(rest(end, script.len())))
    });
    let is_wordpress =
        stem.eq_ignore_ascii_case(b"wp-config") && !end.eq_ignore_ascii_case(b".php");
    if is_script_copy || is_settings_copy || is_wordpress {
        matches.add(&BACKUP, name_at..bytes.len());
    }
}

fn tool(text: &Text<'_>, matches: &mut Matches) {
    if text.place != PlaceKind::Headers || text.name() != "user-agent" {
        return;
    }
    for name in NAMES {
        if let Some(at) = find(text.bytes, name, 0)
            && is_boundary(text.bytes, at)
            && !text
                .bytes
                .get(at + name.len())
                .is_some_and(|byte| byte.is_ascii_lowercase())
        {
            matches.add(&TOOL, at..at + name.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found_at, named};
    use super::*;

    fn of_path(path: &str) -> Vec<&'static str> {
        found_at(&ANALYZER, path.as_bytes(), PlaceKind::Path)
    }

    #[test]
    fn kept_files_are_found_in_the_path() {
        for path in [
            "/.git/config",
            "/.env",
            "/a/.htpasswd",
            "/.ssh/id_rsa",
            "/WEB-INF/web.xml",
            "/.DS_Store",
            "/web.config",
            "/.env.local",
        ] {
            assert!(of_path(path).contains(&"kept_file"), "{path}");
        }
        for path in [
            "/backup.sql",
            "/db.zip",
            "/www.tar.gz",
            "/dump.sql.gz",
            "/index.php.bak",
            "/config.php~",
            "/backup-2024.zip",
            "/crossdomain.xml.bak",
            "/wp-config.bak",
        ] {
            assert_eq!(of_path(path), ["backup"], "{path}");
        }
        for path in [
            "/phpinfo.php",
            "/server-status",
            "/actuator/heapdump",
            "/phpmyadmin/",
            "/debug/default/view",
            "/setup.cgi",
        ] {
            assert_eq!(of_path(path), ["console"], "{path}");
        }
    }

    /// Every name that is known is found through the gates.
    #[test]
    fn every_name_is_found() {
        for (name, rule) in known() {
            let path = [b"/a", name].concat();
            let found = found_at(&ANALYZER, &path, PlaceKind::Path);
            assert!(
                found.contains(&rule.name),
                "{}",
                String::from_utf8_lossy(&path)
            );
        }
        for name in HIDDEN {
            let path = [b"/", *name].concat();
            assert!(found_at(&ANALYZER, &path, PlaceKind::Path).contains(&"kept_file"));
        }
        for name in SHELLS {
            let path = [b"/x/", *name, b".php"].concat();
            assert_eq!(found_at(&ANALYZER, &path, PlaceKind::Path), ["web_shell"]);
        }
    }

    #[test]
    fn other_paths_are_not() {
        for path in [
            "/shell/docs.php",
            "/seashell.php",
            "/logs/build.log",
            "/debugging",
            "/api/consoles/4",
            "/data.json",
            "/nicer",
            "/docs/phpunits",
            "/.well-known/security.txt",
            "/docs/environment",
            "/downloads/app-1.2.zip",
            "/articles/backup-your-data",
            "/a.b/c",
            "/releases/data/set.tar.gz/info",
            "/img/.hidden-things.png",
            "/.gitlab/x",
            "/products/www-shop",
            "/files/report.old.pdf",
            "/phpinformation",
            "/web/site.css",
            "/manager/htmls",
        ] {
            assert_eq!(of_path(path), [""; 0], "{path}");
        }
        assert_eq!(
            found_at(&ANALYZER, b"/.git/config", PlaceKind::Query),
            [""; 0]
        );
    }

    #[test]
    fn tools_are_known_by_their_names_in_the_user_agent() {
        let found = |header, agent: &str| {
            named(&TOOLS, header, agent.as_bytes(), PlaceKind::Headers, false)
        };
        for agent in [
            "sqlmap/1.8#stable (https://sqlmap.org)",
            "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
            "dirbuster",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine)",
            "Arachni/v1.6.1",
            "Mozilla/5.00 (Nikto/2.1.6)",
        ] {
            assert_eq!(found("user-agent", agent), ["tool"], "{agent}");
        }
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1)",
            "curl/8.5.0",
            "python-requests/2.32",
            "Go-http-client/2.0",
            "hydrate/1.0",
            "sitemapper",
            "Vegabot",
        ] {
            assert_eq!(found("user-agent", agent), [""; 0], "{agent}");
        }
        assert_eq!(found("x-note", "sqlmap"), [""; 0]);
    }

    /// Known miss: a tool that gives another name.
    #[test]
    fn tools_that_lie_are_missed() {
        let found = named(
            &TOOLS,
            "user-agent",
            b"Mozilla/5.0",
            PlaceKind::Headers,
            false,
        );
        assert_eq!(found, [""; 0]);
    }
}
