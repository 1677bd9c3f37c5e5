//! Addresses that make a server send requests where its user could not (CWE-918), and scripts from elsewhere (CWE-98).
//!
//! A value that is an address is read as the clients of servers read it: the scheme, whatever is before the last `@`, the
//! host in every spelling of an IP address (decimal, octal, hexadecimal, one to four parts; IPv6 with an IPv4 address in
//! it), names of the local host, of clouds' metadata and of clusters, and names that lead to an address in them. Addresses
//! in the middle of a text are left alone: documentation is full of `http://localhost:8080`.
//!
//! Limits: a name that somebody makes lead to an inner address is known to the resolver only.

mod address;
mod inclusion;
mod noticing;

use std::net::Ipv4Addr;

use super::bytes::{begins, is_one_of, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;

static METADATA: Rule = Rule {
    name: "cloud_metadata",
    score: 5,
    message: "An address leads to the metadata of a cloud machine, where its keys are.",
};

static INNER: Rule = Rule {
    name: "inner_address",
    score: 5,
    message: "An address leads to the server itself or into its network.",
};

static LOCAL: Rule = Rule {
    name: "local_development",
    score: 3,
    message: "An address leads to a port of the server itself on which programs run while they are developed.",
};

static HIDDEN: Rule = Rule {
    name: "hidden_address",
    score: 5,
    message: "An IP address is written so that it is not known for one at first sight.",
};

static SCHEME: Rule = Rule {
    name: "scheme",
    score: 5,
    message: "An address has a scheme with which a server can be made to speak to other services or to read files.",
};

static FILE: Rule = Rule {
    name: "file_address",
    score: 3,
    message: "An address leads to a file on a drive.",
};

pub(super) use self::inclusion::ANALYZER as INCLUSION;
pub(super) use self::noticing::ANALYZER as NOTICING;

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "server_side_request_forgery",
    cwe: 918,
    gates: &[
        r"[a-z]:/",
        r"^//",
        r"[/?=]https?:/",
        r"169\.254",
        r"^url:",
        r"https?:[\d\[]",
    ],
    rules: &[&METADATA, &INNER, &LOCAL, &HIDDEN, &SCHEME, &FILE],
    longest: usize::MAX,
    analyze,
};

/// Schemes that no client of a site has to name, and that clients of servers know.
const SCHEMES: [&str; 15] = [
    "unix", "gopher", "dict", "tftp", "ldap", "ldaps", "ldapi", "netdoc", "jar", "file", "sftp",
    "smb", "php", "phar", "expect",
];

/// Headers that name hosts, and lead nowhere.
const OF_ROUTING: [&str; 7] = [
    "host",
    "origin",
    "forwarded",
    "user-agent",
    "content-security-policy-report",
    "sec-fetch-site",
    "link",
];

fn is_of_routing(text: &Text<'_>) -> bool {
    text.place == PlaceKind::Headers && is_one_of(text.name().as_bytes(), &OF_ROUTING)
}

/// Names that lead to the server itself or to what only it can reach.
const INNER_NAMES: [&[u8]; 14] = [
    b"localhost",
    b"localhost.localdomain",
    b"ip6-localhost",
    b"ip6-loopback",
    b"kubernetes.default",
    b"kubernetes",
    b"kubernetes.default.svc",
    b"host.docker.internal",
    b"gateway.docker.internal",
    b"docker.for.mac.localhost",
    b"localtest.me",
    b"lvh.me",
    b"vcap.me",
    b"lacolhost.com",
];

/// Ends of such names.
const INNER_ENDS: [&[u8]; 8] = [
    b".localhost",
    b".localtest.me",
    b".lvh.me",
    b".svc.cluster.local",
    b".cluster.local",
    b".internal",
    b".svc",
    b".consul",
];

const METADATA_NAMES: [&[u8]; 7] = [
    b"metadata.tencentyun.com",
    b"rancher-metadata",
    b"metadata.google.internal",
    b"metadata",
    b"instance-data",
    b"metadata.azure.internal",
    b"metadata.platformequinix.com",
];

/// Names with an IP address in them to which they lead.
const WILDCARDS: [&[u8]; 5] = [
    b".1u.ms",
    b".nip.io",
    b".sslip.io",
    b".xip.io",
    b".rbndr.us",
];

/// An address taken apart.
struct Url<'t> {
    scheme: &'t [u8],
    host: &'t [u8],
    port: &'t [u8],
    /// What follows the host and its port.
    rest: &'t [u8],
    has_user: bool,
    /// Whether readers do not agree which host it leads to: `http://a\@b/`, `http://a@b@c/`.
    is_confusing: bool,
    len: usize,
}

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_key || is_of_routing(text) {
        return;
    }
    let mut starts = starts(text);
    while let Some((start, whole)) = starts.next(text.bytes) {
        let Some(url) = url(rest(text.bytes, start)) else {
            continue;
        };
        let range = start..start + url.len;
        judge(&url, whole, range, matches);
    }
}

impl Url<'_> {
    /// Whether the port is one on which developers run their programs, and no service of a server is known for.
    fn is_for_development(&self) -> bool {
        is_one_of(
            self.port,
            &[
                "3000", "3001", "4000", "4200", "4321", "5000", "5173", "5500", "8000", "8080",
                "8081", "8443", "8888", "9000",
            ],
        )
    }
}

/// Where addresses begin: the whole value; in a path also what follows a slash, and in the address of a page what follows `=`.
struct Starts {
    next: Option<(usize, bool)>,
    from: usize,
    within: Within,
}

/// Where else in a value an address can begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nowhere,
    Path,
    Page,
}

fn starts(text: &Text<'_>) -> Starts {
    let lead = super::bytes::blanks(text.bytes).min(16);
    let quotes = rest(text.bytes, lead)
        .iter()
        .take(1)
        .filter(|byte| matches!(byte, b'\'' | b'"' | b'<'))
        .count();
    let within = match text.place {
        // A long text is a document.
        _ if text.bytes.len() > 4096 => Within::Nowhere,
        PlaceKind::Path => Within::Path,
        PlaceKind::Headers if text.name() == "referer" => Within::Page,
        _ => Within::Nowhere,
    };
    Starts {
        next: (within != Within::Page).then_some((lead + quotes, true)),
        from: 1,
        within,
    }
}

impl Starts {
    /// The next start, and whether the address is the whole value.
    fn next(&mut self, bytes: &[u8]) -> Option<(usize, bool)> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        if self.within == Within::Nowhere {
            return None;
        }
        let slashes = memchr::memmem::find(rest(bytes, self.from), b"//")? + self.from;
        self.from = slashes + 2;
        let before = bytes.get(..slashes).unwrap_or_default();
        let Some(before_colon) = before.strip_suffix(b":") else {
            return Some((slashes, false));
        };
        let len = before_colon
            .iter()
            .rev()
            .take(12)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let start = slashes - 1 - len;
        let is_argument = start.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'=');
        if self.within == Within::Page && !is_argument {
            return self.next(bytes);
        }
        Some((start, false))
    }
}

fn judge(url: &Url<'_>, whole: bool, range: std::ops::Range<usize>, matches: &mut Matches) {
    if is_one_of(url.scheme, &SCHEMES) {
        // People link to documents on their own machine: `file:///C:/…`.
        let is_drive =
            is_one_of(url.scheme, &["file"]) && matches!(url.host, [b'a'..=b'z' | b'A'..=b'Z']);
        let rule = if is_drive { &FILE } else { &SCHEME };
        matches.add(rule, range);
        return;
    }
    // Clients of servers speak to mail servers and terminals as well, and nobody has to name one of the own network.
    const OF_MAIL: [&str; 8] = [
        "imap", "imaps", "pop3", "pop3s", "smtp", "smtps", "telnet", "rsync",
    ];
    if is_one_of(url.scheme, &OF_MAIL)
        && (url.host.eq_ignore_ascii_case(b"localhost") || address::is_inner_v4(url.host))
    {
        return matches.add(&INNER, range);
    }
    let is_web = url.scheme.is_empty()
        || is_one_of(url.scheme, &["http", "https", "ftp", "ws", "wss", "url"]);
    if !is_web {
        return;
    }
    if url.is_confusing {
        return matches.add(&HIDDEN, range);
    }
    let host = address::with_dots(url.host);
    // What is behind these is read by some, and cut off by others.
    let mut cut = host.split(|byte| matches!(byte, 0 | b';' | b','));
    let host = cut.next().unwrap_or_default();
    let host = host.strip_suffix(b".").unwrap_or(host);
    let is = |names: &[&[u8]]| names.iter().any(|name| name.eq_ignore_ascii_case(host));
    let ends = |ends: &[&[u8]]| {
        ends.iter().any(|end| {
            let from = host.len().checked_sub(end.len());
            from.is_some_and(|from| from > 0 && rest(host, from).eq_ignore_ascii_case(end))
        })
    };
    if is(&METADATA_NAMES) && (host.len() > 12 || !url.scheme.is_empty()) {
        matches.add(&METADATA, range);
    } else if let Some((ip, is_plain)) = address::read(host) {
        judge_ip(ip, is_plain, url, whole, range, matches);
    } else if host.eq_ignore_ascii_case(b"localhost") && url.is_for_development() {
        matches.add(&LOCAL, range);
    } else if address::is_inner_v6(host)
        || (is(&INNER_NAMES) && !url.scheme.is_empty())
        || (ends(&INNER_ENDS) && !url.scheme.is_empty())
    {
        matches.add(&INNER, range);
    } else if ends(&WILDCARDS) {
        matches.add(&HIDDEN, range);
    }
}

fn judge_ip(
    ip: Ipv4Addr,
    is_plain: bool,
    url: &Url<'_>,
    whole: bool,
    range: std::ops::Range<usize>,
    matches: &mut Matches,
) {
    let [a, b, c, d] = ip.octets();
    let is_metadata = matches!(
        [a, b, c, d],
        [169, 254, 169 | 170, _] | [100, 100, 100, 200] | [192, 0, 0, 192]
    );
    let is_inner = ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || a == 0
        || (a == 100 && (64..128).contains(&b));
    if is_metadata {
        matches.add(&METADATA, range);
    } else if ip == Ipv4Addr::LOCALHOST && is_plain && !url.has_user && url.is_for_development() {
        matches.add(&LOCAL, range);
    } else if is_inner && (!url.scheme.is_empty() || (whole && is_plain)) {
        matches.add(&INNER, range);
    } else if (!is_plain || url.has_user) && !url.scheme.is_empty() {
        matches.add(&HIDDEN, range);
    }
}

/// The address that a text begins with.
fn url(text: &[u8]) -> Option<Url<'_>> {
    let text = text.get(..text.len().min(2048)).unwrap_or_default();
    let text_at = usize::from(begins(text, b"url:")) * 4;
    let inner = rest(text, text_at);
    let scheme_len = inner
        .iter()
        .take(12)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    let (scheme, from) = if scheme_len > 0 && rest(inner, scheme_len).first() == Some(&b':') {
        (inner.get(..scheme_len)?, scheme_len + 1)
    } else if inner.starts_with(b"//") || inner.starts_with(b"169.254.169.254") {
        (&[][..], 0)
    } else {
        return None;
    };
    let slashes = rest(inner, from)
        .iter()
        .take(8)
        .take_while(|byte| matches!(byte, b'/' | b'\\'))
        .count();
    // One slash does for clients of the web; other schemes are no addresses without.
    let is_number = || {
        let host = rest(inner, from);
        let host = host.split(|byte| matches!(byte, b'/' | b':' | b'?'));
        let host = host.into_iter().next().unwrap_or_default();
        host.contains(&b'.') && address::read(host).is_some()
    };
    if slashes == 0 && !scheme.is_empty() && !(is_one_of(scheme, &["http", "https"]) && is_number())
    {
        return None;
    }
    let authority = rest(inner, from + slashes);
    let len = authority
        .iter()
        .take_while(|byte| {
            !matches!(
                byte,
                b'/' | b'\\' | b'?' | b'#' | b' ' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>'
            )
        })
        .count();
    let authority_only = authority.get(..len)?;
    let user = memchr::memrchr(b'@', authority_only);
    let is_confusing = (authority_only.first() != Some(&b'@')
        && rest(authority, len).starts_with(b"\\@"))
        || memchr::memchr_iter(b'@', authority_only).count() > 1;
    let host = rest(authority_only, user.map_or(0, |at| at + 1));
    let host = if host.first() == Some(&b'[') {
        host.get(1..memchr::memchr(b']', host)?)?
    } else {
        host.get(..memchr::memchr(b':', host).unwrap_or(host.len()))?
    };
    let port =
        memchr::memrchr(b':', authority_only).map_or(&[][..], |at| rest(authority_only, at + 1));
    Some(Url {
        scheme,
        host,
        port,
        rest: rest(authority, len),
        has_user: user.is_some(),
        is_confusing,
        len: (text_at + from + slashes + len).min(text.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, named};
    use super::*;

    #[test]
    fn addresses_into_the_network_are_found_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1:8500/v1",
            "https://localhost/admin",
            "http://0.0.0.0:8080/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://10.0.0.5/x",
            "http://192.168.1.1",
            "http://good.example@127.0.0.1/",
            "http://kubernetes.default.svc/",
            "http:/127.0.0.1/",
            "http:\\\\127.0.0.1\\",
            "http://a.svc.cluster.local/",
            "http://localhost.:80/",
            "ftp://10.1.2.3/",
            "http://127.0.0.1:2375/containers/json",
            "//127.0.0.1/",
            "http://localhost\0.a.example/",
            "http://127.0.0.1;a.example/",
            "smtp://127.0.0.1:25/",
            "telnet://localhost:23/",
            "http://127\u{3002}0\u{ff61}0.1/",
        ] {
            let found = found(&ANALYZER, text);
            assert!(
                found == ["inner_address"] || found == ["hidden_address"],
                "{text}: {found:?}"
            );
        }
        for text in [
            "http://169.254.169.254/latest/meta-data/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "//169.254.169.254/x",
            "http://0xA9FEA9FE/",
            "http://2852039166/",
            "http://100.100.100.200/",
            "169.254.169.254/latest",
            "http://169\u{3002}254\u{3002}169\u{3002}254/",
            "http:169.254.169.254",
            "http://rancher-metadata/",
        ] {
            assert_eq!(found(&ANALYZER, text), ["cloud_metadata"], "{text}");
        }
        for text in [
            "gopher://a/x",
            "gopher://127.0.0.1:6379/_x",
            "dict://a.example:11211/stats",
            "file:///etc/passwd",
            "php://filter/x",
            "jar:http://a.example!/x",
            "url:file:///etc/passwd",
        ] {
            let found = found(&ANALYZER, text);
            assert!(
                found == ["scheme"] || text.starts_with("jar"),
                "{text}: {found:?}"
            );
        }
        for text in ["http://localhost:3000/callback", "http://127.0.0.1:8080"] {
            assert_eq!(found(&ANALYZER, text), ["local_development"], "{text}");
        }
        let page = |text: &str| {
            named(
                &ANALYZER,
                "referer",
                text.as_bytes(),
                PlaceKind::Headers,
                false,
            )
        };
        assert_eq!(
            page("https://a.example/?q=http://127.1:8500/v1"),
            ["inner_address"]
        );
        assert_eq!(page("http://localhost/page"), [""; 0]);
        for text in [
            "http://127.0.0.1.nip.io/",
            "http://3232235777.example@8.8.8.8/",
            "http://1.1.1.1.sslip.io/",
            "http://134744072/",
            "http://make-127-0-0-1-rr.1u.ms/",
            "http://a.example\\@127.0.0.1/",
            "http://foo@[::1]@a.example/",
        ] {
            assert_eq!(found(&ANALYZER, text), ["hidden_address"], "{text}");
        }
    }

    #[test]
    fn honest_addresses_are_not() {
        for text in [
            "https://www.example.com/a?b=c",
            "http://8.8.8.8/dns",
            "//cdn.example.com/a.js",
            "see http://localhost:8080 in the docs",
            "mailto:a@b.example",
            "10.0.0.1",
            "https://metadata.example.com/",
            "urn:isbn:1",
            "localhost",
            "C:/Users/x",
            "https://user.github.io/x",
            "12:30//x",
            "https://internal.example.com",
            "http:8080",
            "smtp://mail.example.com:587",
            "http:2.0 is out",
            "https://medium.example/@user/@other",
            "//cdn.example.com@1.2.3/a.js",
            "\u{4f60}\u{597d}\u{3002}",
            "https://webhook.example/site",
            "coast.fun",
            "see interact.sh",
            ":smile:@anna@social.example",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
            assert_eq!(found(&NOTICING, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn names_that_tell_who_asks_are_found() {
        for text in [
            "http://abc.oastify.com/",
            "x.y.interact.sh",
            "nslookup a.oast.fun",
            "http://d.burpcollaborator.net:80/x",
        ] {
            assert_eq!(found(&NOTICING, text), ["out_of_band"], "{text}");
        }
        assert_eq!(
            found(&NOTICING, "https://webhook.site/00000000-0000"),
            ["request_bin"]
        );
    }

    #[test]
    fn scripts_from_elsewhere_are_found() {
        for (name, text) in [
            ("q", "http://198.51.100.7/evil.php"),
            ("file", "http://a.example/shell.txt?"),
            ("page", "http://a.example/x.txt"),
            ("q", "http://198.51.100.7:8080/cmd.txt\0"),
            ("x", "ftp://198.51.100.7/a.txt"),
            ("inc", "https://a.example/a?"),
            ("q", "http://203.0.113.7:8000/evil.sh"),
            ("q", "https://a.example/c99.txt"),
            ("q", "http://a.example/x.jpg?cmd=id"),
            ("q", "//a.example/shell.php"),
        ] {
            let found = named(&INCLUSION, name, text.as_bytes(), PlaceKind::Query, false);
            assert_eq!(found, ["remote_script"], "{name} {text}");
        }
        for (name, text) in [
            ("url", "https://a.example/index.php"),
            ("next", "https://a.example/page?"),
            ("q", "http://a.example/robots.txt"),
            ("file", "https://a.example/image.png"),
            ("website", "http://a.example/blog.php?id=1"),
            ("callback", "https://a.example/c"),
            ("q", "https://a.example/docs/shell.html"),
            ("q", "https://a.example/search?command=id"),
            ("q", "https://get.a.example/install.sh"),
            ("q", "https://a.example/tools/shell.py"),
            ("image", "https://a.example/x.jpg?c=3"),
        ] {
            let found = named(&INCLUSION, name, text.as_bytes(), PlaceKind::Query, false);
            assert_eq!(found, [""; 0], "{name} {text}");
        }
    }

    /// Known miss: a name that leads to an inner address.
    #[test]
    fn names_are_not_resolved() {
        assert_eq!(found(&ANALYZER, "http://inner.attacker.example/"), [""; 0]);
    }
}
