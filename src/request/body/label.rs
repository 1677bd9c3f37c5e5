//! The character encodings that a sender names, and what they do to our reading.
//!
//! Most encodings write ASCII as ASCII, and everything that an attack needs is ASCII; such a text can be judged by its
//! bytes, whatever its other letters are. UTF-16 is read. In any other one the bytes that we see are not the letters
//! that the application sees (UTF-7, UTF-32, EBCDIC, ISO 2022, and names that nobody knows), so nothing that we could
//! say of the body would be worth anything.

use encoding_rs::Encoding;

/// What is to be made of a named encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// ASCII is ASCII in it.
    Plain,
    /// UTF-16; whether the most significant byte comes first.
    Utf16 { big_endian: bool },
    /// Any other.
    Unreadable,
}

impl Charset {
    /// The encoding that `label` names, in any spelling that is in use (WHATWG Encoding, 4.2; RFC 2045, 5.1). `None` for a
    /// name without letters, and for `binary`, which says that there is no text.
    pub(super) fn of(label: &[u8]) -> Option<Self> {
        /// A longer name is none.
        const LONGEST: usize = 40;
        // `utf8`, `UTF_8`, `"utf\-8"` and `utf-8` are one name.
        let name: String = label
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .take(LONGEST)
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect();
        if name.is_empty() || name == "binary" {
            return None;
        }
        let spelled: Vec<u8> = label
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'"' | b'\\'))
            .collect();
        if Encoding::for_label(&spelled).is_some_and(Encoding::is_ascii_compatible) {
            return Some(Self::Plain);
        }
        let name = name.strip_prefix("cs").unwrap_or(&name);
        Some(match name {
            "utf16" | "utf16be" | "unicodefffe" => Self::Utf16 { big_endian: true },
            "utf16le" | "unicode" | "unicodefeff" | "ucs2" | "iso10646ucs2" => {
                Self::Utf16 { big_endian: false }
            }
            _ if is_plain(name) => Self::Plain,
            _ => Self::Unreadable,
        })
    }
}

/// Whether an encoding writes ASCII as ASCII that the web does not know, or not in this spelling. In those of East Asia the second byte of a character may look like a letter
/// or a backslash; what we read then has more in it than what the application reads, and never less.
fn is_plain(name: &str) -> bool {
    /// Names that end in a number, and all numbers will do.
    const FAMILIES: [&str; 7] = [
        "iso8859",
        "windows125",
        "xwindows125",
        "cp125",
        "xcp125",
        "koi8",
        "latin",
    ];
    let is_number = |rest: &str| rest.len() <= 2 && rest.bytes().all(|byte| byte.is_ascii_digit());
    FAMILIES
        .iter()
        .filter_map(|family| name.strip_prefix(family))
        .any(is_number)
        || matches!(
            name,
            "utf8"
                | "utf8mb3"
                | "utf8mb4"
                | "unicode11utf8"
                | "unicode20utf8"
                | "xunicode20utf8"
                | "ascii"
                | "usascii"
                | "ansix341968"
                | "iso646us"
                | "l1"
                | "l2"
                | "l9"
                | "windows874"
                | "tis620"
                | "koi8r"
                | "koi8u"
                | "koi8ru"
                | "koi"
                | "ibm437"
                | "cp437"
                | "ibm850"
                | "cp850"
                | "ibm852"
                | "cp852"
                | "ibm866"
                | "cp866"
                | "macintosh"
                | "mac"
                | "macroman"
                | "xmacroman"
                | "xmaccyrillic"
                | "gbk"
                | "xgbk"
                | "gb2312"
                | "gb18030"
                | "cp936"
                | "big5"
                | "big5hkscs"
                | "euckr"
                | "ksc56011987"
                | "ksc5601"
                | "windows949"
                | "eucjp"
                | "xeucjp"
                | "shiftjis"
                | "xsjis"
                | "sjis"
                | "mskanji"
                | "windows31j"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_known_in_every_spelling() {
        for label in [
            "utf-8",
            "UTF8",
            "Utf_8",
            "\"utf\\-8\"",
            " utf-8 ",
            "us-ascii",
            "ISO-8859-1",
            "iso8859-15",
            "Latin1",
            "windows-1252",
            "cp1251",
            "koi8-r",
            "GB2312",
            "gb18030",
            "Big5",
            "EUC-KR",
            "Shift_JIS",
            "csShiftJIS",
            "utf8mb4",
            "IBM850",
            // As the web names them.
            "csISOLatin1",
            "csISOLatinCyrillic",
            "cp819",
            "cyrillic",
            "greek8",
            "iso-ir-100",
            "asmo-708",
            "dos-874",
            "\"ks_c_5601-1989\"",
            "sun_eu_greek",
            "x-mac-ukrainian",
            "x-user-defined",
        ] {
            assert_eq!(
                Charset::of(label.as_bytes()),
                Some(Charset::Plain),
                "{label}"
            );
        }
        for (label, big_endian) in [
            ("UTF-16", true),
            ("utf-16be", true),
            ("utf-16LE", false),
            ("unicode", false),
            ("ucs-2", false),
        ] {
            let expected = Some(Charset::Utf16 { big_endian });
            assert_eq!(Charset::of(label.as_bytes()), expected, "{label}");
        }
        for label in ["", "\"\"", "binary", "-"] {
            assert_eq!(Charset::of(label.as_bytes()), None, "{label}");
        }
    }

    #[test]
    fn what_does_not_write_ascii_as_ascii_cannot_be_read() {
        for label in [
            "utf-7",
            "UTF7",
            "unicode-1-1-utf-7",
            "utf-32",
            "utf-32le",
            "ucs-4",
            "ibm037",
            "cp037",
            "ebcdic-cp-us",
            "ibm500",
            "cp500",
            "ibm1047",
            "cp875",
            "ibm1140",
            "iso-2022-jp",
            "iso-2022-kr",
            "hz-gb-2312",
            "scsu",
            "bocu-1",
            "cesu-8x",
            "iso-2022-cn",
            "csiso2022jp",
            "replacement",
            "nonsense",
            "utf-8000",
            "iso-8859-1234",
        ] {
            assert_eq!(
                Charset::of(label.as_bytes()),
                Some(Charset::Unreadable),
                "{label}"
            );
        }
    }
}
