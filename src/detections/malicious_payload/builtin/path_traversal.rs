//! Path traversal: values that lead out of the folder they are meant for, or name files that no client asks for.
//!
//! Written from the syntax of paths (POSIX, Windows, RFC 3986 section 5.2.4) and from what lenient decoders take for a
//! dot or a slash: overlong UTF-8, full-width characters, escapes that were left over.

use super::{ALL, BODY, BuiltinRule, Class, HEAD, rule};

pub(super) const CLASS: Class = Class {
    name: "path_traversal",
    cwe: 22,
    rules: &RULES,
};

const RULES: [BuiltinRule; 16] = [
    rule(
        "steps_up",
        HEAD,
        r"(?:^|[/\\=:;,\x22'])\.\.[/\\]|[/\\]\.\.(?:[;#?]|$)",
        "A path leads to the folder above.",
    ),
    rule(
        "steps_up_in_text",
        BODY,
        r#"^["'\s]*[^\s"'<>()\[\]{}]{0,120}(?:\.\.[/\\]+[^\s<>()\[\]]{0,3}){2}|^["'\s]*[/\\]*\.\.[/\\][^\s<>()\[\]]*["'\s]*$"#,
        "A path leads several folders up.",
    ),
    rule(
        "padded_steps",
        ALL,
        r"(?:\.{2,}[/\\]+){2}\.{2}|(?:[/\\]+\.{2,}){3}|\.{3,}[/\\]+\.{3,}[/\\]|\.{8,}[/\\]|[/\\]\.{4,}[/\\]|(?:\.\.?[/\\]{2,}){2}|(?:[/\\]\.[/\\]+){3}|\.[/\\]{1,2}\.[/\\]{1,2}\.\.",
        "Steps up are hidden among more dots and slashes.",
    ),
    rule(
        "spelled_steps",
        ALL,
        r"(?:0x2e){2}(?:[/\\]|0x[25][fc]|%|[\x80-\xff])|(?:\.\.|\?\?|\^\^|\. \.|\.\?|\.%00\.)(?:0x[25][fc]|%u[0-9a-f]{4}|%(?:25)*[0-9a-z]{2}|[^\x00-\x7f]{1,6}(?:\.|\?|%|0x|etc|boot|win|$))|%u002e|%uff0e|(?:%[0-9a-z]{2}|\x00)?\.\x00\.[/\\]",
        "Steps up in the spelling of some lenient decoder.",
    ),
    rule(
        "overlong_steps",
        ALL,
        r"(?:\xc0[\xae\x2e\x6e\x5e\xee\xfe]|\xe0[\x80\x40\x90][\xae\xaf\x2e]|\xf0\x80\x80\xae|\xf8\x80\x80\x80\xae|\xfc\x80\x80\x80\x80\xae|\xef\xbc\x8e){2}|[.?/\\](?:\xc0[\xaf\x2f\x5c\xbc]|\xc1[\x1c\x9c\xaf\x81]|\xe0\x80\xaf|\xf0\x80\x80\xaf|\xf8\x80\x80\x80\xaf|\xfc\x80\x80\x80\x80\xaf|\xef\xbc\x8f|\xe2\x88\x95|\xe2\x81\x84|\xef\x80\xa5)",
        "Dots or slashes in overlong or full-width encoding.",
    ),
    rule(
        "account_file",
        ALL,
        concat!(
            r"(?:^|[=;|&<`\x22'(]\s*)\S*etc",
            separator!(),
            r"+(?:passwd|shadow|group|hosts|issue|gshadow|master\.passwd|sudoers|crontab|fstab|motd|ssh|apache2?|httpd|nginx|mysql|my\.cnf|php|redhat-release|profile|resolv|inetd|exports|samba|network|proftp\w*|pure-?ftpd\w*|vsftpd\w*|cron|rc\.|init\.|security|logrotate|syslog\w*|services|mtab|lighttpd|chrootusers|http|sysconfig|firewall|updatedb|ftp\w*|wu-ftpd|aliases|inittab|ldap|pam|bash\w*|environment|hostname|hosts\.\w+|networks|lsb-release|mail|security|squid|snmp|tomcat\d?|ld\.so\S*|protocols)\b"
        ),
        "A file of the system's configuration.",
    ),
    rule(
        "windows_file",
        ALL,
        concat!(
            r"\b(?:windows|winnt)",
            separator!(),
            r"{1,8}(?:system32|win\.ini|system\.ini|repair|php\.ini|my\.ini|system|debug|temp)\b|\bboot\.ini\b|(?:^|[/\\:])(?:win|php|my|system)\.ini(?:\x00|%00|[\s'\x22]|$)|%(?:systemroot|windir|systemdrive)%|\bsystem32",
            separator!(),
            r"{1,6}(?:drivers|config|cmd|inetsrv|logfiles)|\binetpub[/\\]"
        ),
        "A file of Windows.",
    ),
    rule(
        "kernel_file",
        ALL,
        r"(?:^|[=\s'\x22/\\.])proc[/\\]+(?:self|\d{1,7}|version|net|sched_debug|mounts|cpuinfo|meminfo|filesystems|interrupts|ioports|modules|stat|swaps|cmdline|devices)(?:[/\\](?:environ|cmdline|maps|fd|status|stat|cwd|root|exe|arp|tcp|udp|route|mounts|fib_trie|loginuid)|[\x00]|$)",
        "A file of the kernel.",
    ),
    rule(
        "log_file",
        ALL,
        r"^[\s'\x22]*(?:file:)?[./\\]*(?:var|usr|opt|private|home|root|mnt|srv|library|volumes|etc|apache\d?|xampp|program files[^/\\]*|wamp)[/\\]{1,2}(?:[\w. ~@-]+[/\\]{1,2}){0,6}(?:[\w.-]*(?:log|logs|\.conf|\.cnf|\.ini|\.err|history|htpasswd|id_[rd]sa|authorized_keys|known_hosts|messages|syslog|secure|wtmp|utmp|utmpx|lastlog|faillog|maillog|cron|kern\.log|error|access|mysql-bin\.index|passwd|db|smtpd|boot|procmail|dmesg|pureftp|run|xferlog|httpd|acct|mail|www|spool|vsftpd|install|[a-z]+log\w*))(?:\x00|\W*$)",
        "A log or configuration file of the server.",
    ),
    rule(
        "hidden_file",
        ALL,
        r#"(?:^|[/\\=])\.(?:ht(?:access|passwd|group|digest)|git[/\\](?:config|head|index|logs|objects)|svn[/\\](?:entries|wc\.db)|env(?:\.\w+)?$|ssh[/\\]|aws[/\\]credentials|bash_(?:history|profile|logout)|bashrc|mysql_history|psql_history|npmrc$|netrc|docker[/\\]config|kube[/\\]config|ds_store$)|\bid_(?:rsa|dsa|ecdsa|ed25519)\b"#,
        "A hidden file with settings or keys.",
    ),
    rule(
        "application_folder",
        ALL,
        r"\b(?:web|meta)-inf[/\\]+(?:web\.xml|classes|lib|context\.xml|manifest|\w+)",
        "The inner folder of a Java application.",
    ),
    rule(
        "stream_wrapper",
        ALL,
        r"\bphp://(?:filter|input|fd|stdin|memory|temp)|\bphar://|\bexpect://|\bzip://[^\s]*(?:#|%23)|\bcompress\.(?:zlib|bzip2)://|\bglob://|\bogg://|\bssh2\.(?:exec|shell)://|(?:^|[=\x22'\s(])file:/{1,3}(?:etc|proc|var|root|home|[a-z]:[/\\](?:windows|winnt|boot|inetpub)|localhost|tmp)|\bnetdoc:/|\bjar:(?:file|http)",
        "An address that opens a local file.",
    ),
    rule(
        "cut_file_name",
        ALL,
        r"[\w/)]\x00(?:\.\w{2,5})?\s*$|\.(?:php|asp|aspx|jsp|pl|cgi|ini|conf|passwd)(?:%00|\x00)|[\w/](?:%00|\x00)\.(?:jpe?g|png|gif|html?|txt|pdf|php)\b",
        "A null byte cuts the end of a file name off.",
    ),
    rule(
        "path_parameter_step",
        ALL,
        r"\.\.;[\w=]*[/\\]|[/\\]\.;[\w=]*[/\\]|;[/\\]\.\.[/\\]",
        "A step up that is hidden in a path parameter.",
    ),
    rule(
        "drive_path",
        HEAD,
        r"(?:^|[=\s'\x22/\\])[a-z]:[/\\]{1,2}(?:[\w .$~-]+[/\\]{1,2})*(?:[\w .-]+\.(?:ini|log|conf|exe|dll|sam|bat|cfg|xml|php|mdb|dat)|boot|windows|winnt|inetpub|xampp|wamp|apache)\b",
        "An absolute path on a drive of Windows.",
    ),
    rule(
        "share_path",
        HEAD,
        r"^[\s'\x22]*\\{2,4}[\w.-]+\\{1,2}[\w$.-]+",
        "A path on a foreign file server.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, hold};

    const CASES: [Case; 16] = [
        (
            "steps_up",
            &["../x", "/a/../b", "a=..\\x", "/x/.."],
            &["wait..", "under ../assets/style.css", "a..b/c", "1../2"],
        ),
        (
            "steps_up_in_text",
            &["../../x", "/img/..\\..\\x", "../secret.txt"],
            &["see ../guide.md", "[link](../../a.md)", "and so on.../or"],
        ),
        (
            "padded_steps",
            &["....//....//..", ".../.../x", "..\\\\..\\\\x"],
            &["wait.../what", "a//b//c", "http://x/../y"],
        ),
        (
            "spelled_steps",
            &["0x2e0x2e/x", "..%c0%af", "..%u2215x"],
            &["100% ..", "what??", "0x2e"],
        ),
        (
            "overlong_steps",
            &["\u{ff0e}\u{ff0e}/x", "..\u{2215}x", "..\u{ff0f}"],
            &["\u{c0}.", "..x", "na\u{ef}ve/x"],
        ),
        (
            "account_file",
            &["/etc/passwd", "x=/etc/shadow", "..%9vetc%9vpasswd"],
            &[
                "read /etc/passwd in the manual",
                "etc. hosts",
                "sketch/hosts",
            ],
        ),
        (
            "windows_file",
            &["c:\\windows\\win.ini", "../boot.ini", "%SYSTEMROOT%\\x"],
            &["windows and systems", "reboot.init", "my windows/doors"],
        ),
        (
            "kernel_file",
            &["/proc/self/environ", "../proc/version"],
            &["process/self", "/processes/1/status"],
        ),
        (
            "log_file",
            &["/var/log/apache/access.log", "../usr/local/php/php.ini"],
            &["logs are in /var/log/x.log", "/usr/share/doc"],
        ),
        (
            "hidden_file",
            &["/.git/config", ".htpasswd", "/.env"],
            &["environment", "a.git/config", "html"],
        ),
        (
            "application_folder",
            &["/WEB-INF/web.xml", "META-INF/MANIFEST"],
            &["web-info/x", "meta-inform"],
        ),
        (
            "stream_wrapper",
            &["php://filter/x", "file:///etc/x", "phar://a"],
            &[
                "https://php.example",
                "file:///D:/photos/cat.jpg",
                "profile://x",
                "file: etc",
            ],
        ),
        (
            "cut_file_name",
            &["x.php%00", "a\x00.jpg"],
            &["100%", "a.jpg"],
        ),
        (
            "path_parameter_step",
            &["/a/..;/b", "/..;x=1/manager"],
            &["wait..; then", "a;b/c"],
        ),
        (
            "drive_path",
            &["c:\\boot.ini", "D:/xampp/php.ini"],
            &["c: drive", "at 5:/x"],
        ),
        (
            "share_path",
            &["\\\\host\\share", "\\\\10.0.0.1\\c$"],
            &["a\\b\\c", "\\n"],
        ),
    ];

    #[test]
    fn every_rule_finds_its_attacks_and_spares_their_look_alikes() {
        hold(&super::CLASS, &CASES);
    }
}
