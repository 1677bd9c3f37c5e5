use super::super::tests::found_at as found_by;
use super::*;
use crate::request::PlaceKind::{Body, Query};

/// What both analyzers of paths find.
fn found_at(text: &[u8], place: PlaceKind) -> Vec<&'static str> {
    let both = [&ANALYZER, &WHOLE].into_iter();
    both.flat_map(|analyzer| found_by(analyzer, text, place))
        .collect()
}

/// Each rule with what it must find.
const FIRES: &[(&str, &[&[u8]])] = &[
    (
        "steps_up",
        &[b"../x", b"/a/../b", b"a=..\\x", b"/x/..", b"x/../../y"],
    ),
    (
        "hidden_steps",
        &[
            b"....//....//..",
            b".../.../x",
            b"..\\\\..\\\\x",
            b"0x2e0x2e/x",
            b"..%2fx",
            b"..%u2215x",
            b"..\xc0\xafx",
            b"..\xc0%qfx",
            b"\xef\xbc\x8e\xef\xbc\x8e/x",
            b".\0./x",
            b"a/./././b",
        ],
    ),
    ("path_parameter_step", &[b"/a/..;/b", b"/..;x=1/manager"]),
    (
        "account_file",
        &[
            b"/etc/passwd",
            b"x=/etc/shadow",
            b"..%c0%9vetc%c0%9vpasswd",
            b"etc\xc0\xafhosts",
            b"|/etc/vsftpd.conf",
        ],
    ),
    (
        "windows_file",
        &[
            b"c:\\windows\\win.ini",
            b"../boot.ini",
            b"%SYSTEMROOT%\\x",
            b"x/winnt/system32",
        ],
    ),
    (
        "kernel_file",
        &[
            b"/proc/self/environ",
            b"../proc/version",
            b"/proc/1/cmdline",
        ],
    ),
    (
        "log_file",
        &[
            b"/var/log/apache/access.log",
            b"/usr/local/php/php.ini",
            b"'/opt/x/error_log'",
            b"/var/adm/X0msgs",
            b"/usr/local/apache2/bin/apachectl",
            b"/var/log/qmail",
        ],
    ),
    (
        "hidden_file",
        &[
            b"/.git/config",
            b".htpasswd",
            b"/.env",
            b"/home/x/.ssh/id_rsa",
        ],
    ),
    (
        "application_folder",
        &[b"/WEB-INF/web.xml", b"META-INF/MANIFEST"],
    ),
    (
        "stream_wrapper",
        &[
            b"php://filter/x",
            b"file:///etc/x",
            b"phar://a",
            b"zip://a.zip%23b",
            b"jar:file:/x",
        ],
    ),
    ("cut_file_name", &[b"x.php%00", b"a\0.jpg", b"x/y\0"]),
    ("drive_path", &[b"c:\\boot.ini", b"D:/xampp/php.ini"]),
    ("share_path", &[b"\\\\host\\share", b"\\\\10.0.0.1\\c$"]),
];

#[test]
fn each_rule_finds_its_attacks() {
    for (rule, texts) in FIRES {
        for text in *texts {
            let found = found_at(text, Query);
            assert!(
                found.contains(rule),
                "{rule} in {}: {found:?}",
                text.escape_ascii()
            );
        }
    }
    for text in [
        "../../x",
        "/img/..\\..\\x",
        "../secret.txt",
        "a/../../b and more",
    ] {
        assert_eq!(found_at(text.as_bytes(), Body), ["steps_up"], "{text}");
    }
}

#[test]
fn what_people_write_is_spared() {
    for text in [
        "wait..",
        "under ../assets/style.css",
        "a..b/c",
        "1../2",
        "wait.../what",
        "a//b//c",
        "100% ..",
        "what??",
        "0x2e",
        "na\u{ef}ve/x",
        "read /etc/passwd in the manual",
        "etc. hosts",
        "sketch/hosts",
        "a, b, etc/and so on",
        "windows and systems",
        "reboot.init",
        "my windows/doors",
        "process/self",
        "/processes/1/status",
        "self/service",
        "logs are in /var/log/x.log",
        "/usr/share/doc",
        "environment",
        "a.git/config",
        "web-info/x",
        "https://php.example",
        "file:///D:/photos/cat.jpg",
        "profile://x",
        "file: etc",
        "100%",
        "a.jpg",
        "wait..; then",
        "a;b/c",
        "c: drive",
        "at 5:/x",
        "a\\b\\c",
        "and so on.../or",
        "https://a.example/a/b.c?d=e/f",
        "12/24/2024 10:00",
        "50%/50%",
        "either/or ... neither/nor",
    ] {
        for place in [Query, Body] {
            assert_eq!(
                found_at(text.as_bytes(), place),
                [""; 0],
                "{text:?} in {place:?}"
            );
        }
    }
    for text in [
        "see ../guide.md",
        "[link](../../a.md)",
        "import a from '../../lib/a.js'; import b from '../b.js';",
        "the file /etc/nginx/nginx.conf is read",
        "/var/log/app.log",
        "add .env to .gitignore",
        "C:\\Users\\me\\report.docx",
    ] {
        assert_eq!(found_at(text.as_bytes(), Body), [""; 0], "{text:?}");
    }
}

/// Known misses: a file that only one application has, at a path that says nothing.
#[test]
fn known_misses() {
    for text in ["/opt/shop/settings.yaml", "/srv/data/customers.csv"] {
        assert_eq!(found_at(text.as_bytes(), Query), [""; 0], "{text}");
    }
}

#[test]
fn work_grows_with_the_text() {
    // Each would take hours if anything in it were looked for over and over.
    for piece in [
        "../", "..%2525", "%25", "/", "a:/", "etc/", "x:", "\0", ".\0", "?", "file:/", "a:\\b ",
        "..;",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        for place in [Query, Body] {
            found_at(text.as_bytes(), place);
        }
    }
}
