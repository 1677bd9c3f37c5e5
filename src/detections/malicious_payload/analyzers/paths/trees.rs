//! Files that every system of a kind has, by where they are.

use std::sync::LazyLock;

use super::super::bytes::{Words, begins, is_one_of, is_word, rest};

/// What is in `/etc` and tells of accounts, networks and services.
static ETC: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "passwd shadow group gshadow hosts issue sudoers crontab fstab motd ssh apache apache2 httpd nginx \
    mysql my.cnf php redhat-release profile resolv.conf inetd.conf exports samba network networks \
    security syslog.conf services mtab lighttpd chrootusers http sysconfig firewall updatedb.conf \
    wu-ftpd aliases inittab ldap environment hostname lsb-release os-release mail squid snmp tomcat \
    protocols passwd- shadow- master.passwd pam.conf pam.d logrotate.conf logrotate.d bashrc bash.bashrc \
    ld.so.conf kubernetes machine-id timezone vfstab dfs mnttab netconfig netgroup nsswitch.conf auto_master \
    default printcap ttys login.defs securetty shells host.conf hosts.allow hosts.deny openldap ssl pki letsencrypt \
    mongod.conf redis rsyslog.conf rsyslog.d selinux sudoers.d systemd fail2ban docker debian_version centos-release \
    fedora-release alpine-release gentoo-release slackware-version suse-release system-release modules sysctl.conf \
    netplan openvpn ppp raddb fstab.bak passwd.bak shadow.bak",
    )
});

/// Beginnings of further ones.
const ETC_BEGIN: [&[u8]; 15] = [
    b"proftp",
    b"pure-ftpd",
    b"pureftpd",
    b"vsftpd",
    b"cron",
    b"rc.",
    b"init",
    b"hosts.",
    b"hostname.",
    b"ftp",
    b"php",
    b"passwd",
    b"shadow",
    b"ssh",
    b"syslog",
];

static PROC: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "self version net sched_debug mounts cpuinfo meminfo filesystems interrupts ioports modules stat \
    swaps cmdline devices uptime loadavg partitions kcore kallsyms thread-self sys config.gz environ",
    )
});

static PROCESS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "environ cmdline maps fd status stat cwd root exe arp tcp udp route mounts fib_trie loginuid \
    mountinfo mem cgroup task",
    )
});

static WINDOWS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "system32 win.ini system.ini repair php.ini my.ini system debug temp syswow64 win32 iis.log panther \
    windowsupdate.log ntds prefetch",
    )
});

static SYSTEM32: LazyLock<Words> = LazyLock::new(|| {
    Words::of("drivers config cmd cmd.exe inetsrv logfiles eventvwr.exe license.rtf")
});

/// Files and folders whose names begin with a dot, that are nobody's but their owner's.
static HIDDEN: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        ".htaccess .htpasswd .htgroup .htdigest .env .ssh .bash_history .bash_profile .bash_logout .bashrc \
    .zsh_history .sh_history .ksh_history .python_history .sqlite_history .irb_history .lesshst .viminfo .mysql_history .psql_history .npmrc .netrc .pgpass .my.cnf .ds_store .rhosts",
    )
});

/// Hidden folders, with what is in them.
const FOLDERS: [(&str, &str); 5] = [
    (".git", "config head index logs objects refs packed-refs"),
    (".svn", "entries wc.db"),
    (".aws", "credentials config"),
    (".docker", "config config.json"),
    (".kube", "config"),
];

/// Keys by the names that their makers give them.
static KEYS: LazyLock<Words> =
    LazyLock::new(|| Words::of("id_rsa id_dsa id_ecdsa id_ed25519 authorized_keys known_hosts"));

/// Folders in which servers keep what they log and are configured by.
static SERVER: LazyLock<Words> = LazyLock::new(|| {
    Words::of("var usr opt private home root mnt srv library volumes etc apache apache2 xampp wamp")
});

/// Words of the names of logs, settings and accounts of servers.
static KEPT: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "access error httpd apache apache2 nginx auth secure syslog messages maillog mail wtmp utmp utmpx \
    lastlog faillog cron kern dmesg boot mysql mysqld my php vsftpd proftpd pureftpd pureftp xferlog \
    lighttpd smb smbd sshd passwd htpasswd history install procmail acct spool daemon debug user \
    postgresql squid tomcat catalina exim exim4 postfix sendmail db smtpd run config server modsec ssl \
    cups",
    )
});

/// Files and folders of Windows that every attack knows.
const WINDOWS_FILES: [&str; 6] = [
    "boot.ini",
    "win.ini",
    "inetpub",
    "%systemroot%",
    "%windir%",
    "%systemdrive%",
];

/// What the trees begin with that [`of`] asks for.
#[cfg(test)]
const TREES: [&str; 10] = [
    "etc",
    "proc",
    "self",
    "thread-self",
    "windows",
    "winnt",
    "system32",
    "secrets",
    "web-inf",
    "meta-inf",
];

/// The file that components lead to, if it is one of those: which kind of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Account,
    Kernel,
    Windows,
    Hidden,
    Application,
}

/// Whether a component can be one that [`of`] or [`is_windows_file`] know, by its first two letters; hardly any is.
pub(super) fn may_be_known(component: &[u8]) -> bool {
    match component {
        [b'.' | b'%', ..] => true,
        [first, second, ..] => matches!(
            [first.to_ascii_lowercase(), second.to_ascii_lowercase()],
            [b'e', b't']
                | [b'p', b'r']
                | [b's', b'e' | b'y']
                | [b't', b'h']
                | [b'w', b'i' | b'e']
                | [b'm', b'e']
                | [b'i', b'd' | b'n']
                | [b'a', b'u']
                | [b'k', b'n']
                | [b'b', b'o']
        ),
        _ => false,
    }
}

/// Whether a component and the one behind it are of a tree, without regard to case.
pub(super) fn of(component: &[u8], next: &[u8]) -> Option<Tree> {
    let next_is = |list: &Words| list.has(trimmed(next));
    if component.eq_ignore_ascii_case(b"etc") {
        let begins_so = || ETC_BEGIN.iter().any(|known| begins(next, known));
        return (next_is(&ETC) || begins_so()).then_some(Tree::Account);
    }
    if component.eq_ignore_ascii_case(b"proc") {
        let is_process = !next.is_empty() && next.len() < 8 && next.iter().all(u8::is_ascii_digit);
        return (next_is(&PROC) || is_process).then_some(Tree::Kernel);
    }
    if is_one_of(component, &["self", "thread-self"]) && next_is(&PROCESS) {
        return Some(Tree::Kernel);
    }
    if is_one_of(component, &["windows", "winnt"]) && next_is(&WINDOWS) {
        return Some(Tree::Windows);
    }
    if component.eq_ignore_ascii_case(b"system32") && next_is(&SYSTEM32) {
        return Some(Tree::Windows);
    }
    if component.eq_ignore_ascii_case(b"secrets") && begins(next, b"kubernetes.io") {
        return Some(Tree::Account);
    }
    if is_one_of(component, &["web-inf", "meta-inf"]) && !next.is_empty() {
        return Some(Tree::Application);
    }
    let name = trimmed(component);
    if HIDDEN.has(name) {
        // `.ssh` alone is the end of a host's name or of a sentence.
        let is_it = !name.eq_ignore_ascii_case(b".ssh") || !next.is_empty();
        return is_it.then_some(Tree::Hidden);
    }
    let mut folders = FOLDERS.iter();
    if let Some((_, within)) =
        folders.find(|(folder, _)| name.eq_ignore_ascii_case(folder.as_bytes()))
    {
        let within = within
            .split(' ')
            .any(|known| known.as_bytes().eq_ignore_ascii_case(trimmed(next)));
        return within.then_some(Tree::Hidden);
    }
    // What is filled in by whoever sets it up, and keeps no secret.
    let is_model = [".example", ".sample", ".dist", ".template"]
        .iter()
        .any(|end| {
            component.len() > end.len()
                && rest(component, component.len() - end.len()).eq_ignore_ascii_case(end.as_bytes())
        });
    if is_model {
        return None;
    }
    if begins(component, b".env.") || KEYS.has(name) {
        return Some(Tree::Hidden);
    }
    None
}

/// Whether a component alone is a file of Windows that every attack knows.
pub(super) fn is_windows_file(component: &[u8]) -> bool {
    is_one_of(trimmed(component), &WINDOWS_FILES)
}

/// Whether a path that begins with one component and ends with another is of a log or of the settings of a server.
pub(super) fn is_log(first: &[u8], last: &[u8]) -> bool {
    let is_server = SERVER.has(first) || begins(first, b"program files");
    let mut words = last
        .split(|byte| !is_word(*byte))
        .filter(|word| !word.is_empty());
    let is_kept = |word: &[u8]| {
        let plain = word
            .strip_suffix(b"_log")
            .or(word.strip_suffix(b"log"))
            .unwrap_or(word);
        let plain = plain.strip_suffix(b"_").unwrap_or(plain);
        KEPT.has(word) || (!plain.is_empty() && KEPT.has(plain))
    };
    is_server && words.any(is_kept) && !is_public(last)
}

/// Whether a path leads into a folder of the system or of a server that no application has anything in.
pub(super) fn is_of_system(path: &[u8]) -> bool {
    const FOLDERS: [&str; 17] = [
        "/var/log/",
        "/var/adm/",
        "/var/saf/",
        "/var/spool/",
        "/var/mail/",
        "/usr/local/apache/",
        "/usr/local/apache2/",
        "/usr/local/httpd/",
        "/usr/local/www/",
        "/usr/local/nginx/",
        "/usr/local/etc/",
        "/usr/local/php/",
        "/usr/local/mysql/",
        "/usr/local/tomcat/",
        "/opt/tomcat/",
        "/opt/lampp/",
        "/opt/xampp/",
    ];
    // `/var/log/app.log` is what an application may have.
    !path.ends_with(b".log")
        && FOLDERS
            .iter()
            .any(|folder| begins(path, folder.as_bytes()) && path.len() > folder.len())
}

/// Whether a file is of a kind that pages are made of.
fn is_public(name: &[u8]) -> bool {
    let dot = memchr::memrchr(b'.', name);
    dot.is_some_and(|dot| {
        let kind = name.get(dot + 1..).unwrap_or_default();
        is_one_of(
            kind,
            &[
                "html", "htm", "css", "js", "png", "jpg", "jpeg", "gif", "svg", "md", "pdf",
                "json", "php", "py", "rs", "go", "java", "ts",
            ],
        )
    })
}

/// A name without what ends it elsewhere: a null byte, a query, a fragment, dots and blanks that Windows drops.
fn trimmed(name: &[u8]) -> &[u8] {
    let end = name
        .iter()
        .position(|byte| matches!(*byte, 0 | b'?' | b'#' | b';' | b'*' | b':'));
    let name = name.get(..end.unwrap_or(name.len())).unwrap_or(name);
    let mut escapes = memchr::memchr_iter(b'%', name);
    let name = match escapes.find(|at| rest(name, *at).starts_with(b"%00")) {
        Some(at) => name.get(..at).unwrap_or(name),
        None => name,
    };
    let len = name.len()
        - name
            .iter()
            .rev()
            .take_while(|byte| matches!(**byte, b'.' | b' '))
            .count();
    name.get(..len).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_known_may_be() {
        let lists = [&HIDDEN, &KEYS].into_iter().flat_map(|words| words.all());
        let named = WINDOWS_FILES
            .iter()
            .chain(&TREES)
            .map(|name| name.as_bytes());
        for name in lists
            .chain(named)
            .chain(FOLDERS.iter().map(|(name, _)| name.as_bytes()))
        {
            assert!(may_be_known(name), "{}", name.escape_ascii());
            assert!(may_be_known(&name.to_ascii_uppercase()));
        }
        assert!(!may_be_known(b"users") && !may_be_known(b"") && !may_be_known(b"e"));
    }

    #[test]
    fn files_are_known_by_where_they_are() {
        for (component, next, tree) in [
            ("etc", "passwd", Some(Tree::Account)),
            ("ETC", "passwd\0.jpg", Some(Tree::Account)),
            ("etc", "vsftpd.conf", Some(Tree::Account)),
            ("etc", "cetera", None),
            ("proc", "1234", Some(Tree::Kernel)),
            ("self", "environ", Some(Tree::Kernel)),
            ("self", "service", None),
            ("windows", "win.ini", Some(Tree::Windows)),
            ("windows", "doors", None),
            ("WEB-INF", "web.xml", Some(Tree::Application)),
            (".git", "config", Some(Tree::Hidden)),
            (".git", "", None),
            (".env", "", Some(Tree::Hidden)),
            ("x.env", "", None),
            (".ssh", "", None),
        ] {
            assert_eq!(
                of(component.as_bytes(), next.as_bytes()),
                tree,
                "{component}/{next}"
            );
            assert!(tree.is_none() || may_be_known(component.as_bytes()));
        }
        assert!(
            is_log(b"var", b"access.log")
                && is_log(b"usr", b"php.ini")
                && is_log(b"var", b"error_log")
        );
        assert!(
            !is_log(b"var", b"app.log")
                && !is_log(b"blog", b"access.log")
                && !is_log(b"usr", b"error.html")
        );
    }
}
