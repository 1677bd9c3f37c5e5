//! The ways in which a word is written.

/// One of them.
pub struct Encoding {
    pub name: &'static str,
    pub encode: fn(&str) -> Vec<u8>,
    /// What stands around the word.
    pub before: &'static str,
    pub behind: &'static str,
    /// A decoding that leads back; empty where none is needed.
    pub step: &'static str,
}

const fn encoding(name: &'static str, step: &'static str, encode: fn(&str) -> Vec<u8>) -> Encoding {
    Encoding {
        name,
        encode,
        before: "one ",
        behind: " two",
        step,
    }
}

/// One that is taken for what it is only if nothing stands beside it, or what `before` and `behind` are.
const fn within(mut encoding: Encoding, before: &'static str, behind: &'static str) -> Encoding {
    encoding.before = before;
    encoding.behind = behind;
    encoding
}

pub const ENCODINGS: &[Encoding] = &[
    encoding("plain", "", |word| word.into()),
    encoding("percent", "Percent", percent),
    encoding("percent twice", "Percent", |word| {
        percent(&text(percent(word)))
    }),
    encoding("percent thrice", "Percent", |word| {
        percent(&text(percent(&text(percent(word)))))
    }),
    encoding("percent u", "PercentU", |word| {
        each(word, |byte| format!("%u{byte:04x}"))
    }),
    encoding("overlong", "OverlongUtf8", |word| {
        let spell = |byte: u8| match byte {
            byte if byte.is_ascii_alphanumeric() => vec![byte],
            byte => vec![0xc0 | byte >> 6, 0x80 | byte & 0x3f],
        };
        word.bytes().flat_map(spell).collect()
    }),
    encoding("entities", "HtmlEntity", |word| {
        each(word, |byte| format!("&#{byte};"))
    }),
    encoding("entities, hexadecimal", "HtmlEntity", |word| {
        each(word, |byte| format!("&#x{byte:02X};"))
    }),
    encoding("entities, open", "HtmlEntity", |word| {
        word.replace('<', "&lt").replace('>', "&#62").into()
    }),
    encoding("entities twice", "HtmlEntity", |word| {
        word.replace('<', "&amp;lt;")
            .replace('>', "&amp;#62;")
            .into()
    }),
    encoding("units", "JsonEscape", |word| {
        each(word, |byte| format!("\\u{byte:04x}"))
    }),
    encoding("points", "JsonEscape", |word| {
        each(word, |byte| format!("\\u{{{byte:x}}}"))
    }),
    encoding("bytes", "JsonEscape", |word| {
        each(word, |byte| format!("\\x{byte:02x}"))
    }),
    encoding("octal", "JsonEscape", |word| {
        each(word, |byte| format!("\\{byte:o}"))
    }),
    encoding("style", "CssEscape", |word| {
        each(word, |byte| format!("\\{byte:x} "))
    }),
    within(
        encoding("style, padded", "CssEscape", |word| {
            each(word, |byte| format!("\\{byte:06X}"))
        }),
        "one ",
        ";two",
    ),
    encoding("base64", "Base64", |word| base64(word.as_bytes())),
    within(
        encoding("base64, whole", "Base64", |word| base64(word.as_bytes())),
        "",
        "",
    ),
    within(
        encoding("base64, credentials", "Base64", |word| {
            base64(word.as_bytes())
        }),
        "Basic ",
        "",
    ),
    within(
        encoding("base64, address", "Base64", |word| base64(word.as_bytes())),
        "data:text/html;base64,",
        "",
    ),
    within(
        encoding("base64, token", "Base64", |word| {
            text(base64(word.as_bytes()))
                .replace('+', "-")
                .replace('/', "_")
                .replace('=', "")
                .into()
        }),
        "eyJhbGciOiJIUzI1NiJ9.",
        ".c2lnbmF0dXJl",
    ),
    encoding("base64 twice", "Base64", |word| {
        base64(&base64(word.as_bytes()))
    }),
    encoding("base64, UTF-16", "Base64", |word| {
        base64(
            &word
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
        )
    }),
    encoding("hexadecimal", "Hex", |word| {
        each(word, |byte| format!("{byte:02x}"))
    }),
    encoding("UTF-7", "Utf7", |word| {
        word.split_inclusive(' ')
            .flat_map(|piece| {
                let letters = base64(
                    &piece
                        .encode_utf16()
                        .flat_map(u16::to_be_bytes)
                        .collect::<Vec<u8>>(),
                );
                format!("+{}-", text(letters).trim_end_matches('=')).into_bytes()
            })
            .collect()
    }),
    encoding("full width", "Compatibility", |word| {
        let wide = |character: char| match character {
            '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).expect("full-width forms"),
            other => other,
        };
        word.chars().map(wide).collect::<String>().into()
    }),
    encoding("old letters", "Compatibility", |word| {
        word.replace('m', "\u{217f}")
            .replace('k', "\u{1d458}")
            .replace('\'', "\u{2bc}")
            .into()
    }),
    encoding("unseen letters", "Invisible", |word| {
        word.replace("mark", "m\u{200b}a\u{ad}rk").into()
    }),
    encoding("comments", "Comment", |word| {
        word.replace(' ', "/**/").into()
    }),
    encoding("unusual blanks", "Whitespace", |word| {
        word.replace(' ', "\u{a0}\u{3000}").into()
    }),
    encoding("percent of entities", "HtmlEntity", |word| {
        percent(&text(each(word, |byte| format!("&#{byte};"))))
    }),
    encoding("entities of percent", "Percent", |word| {
        each(&text(percent(word)), |byte| format!("&#{byte};"))
    }),
    encoding("percent of units", "JsonEscape", |word| {
        percent(&text(each(word, |byte| format!("\\u{byte:04x}"))))
    }),
    encoding("units of style", "CssEscape", |word| {
        each(&text(each(word, |byte| format!("\\{byte:x} "))), |byte| {
            format!("\\x{byte:02x}")
        })
    }),
    encoding("percent of base64 of entities", "HtmlEntity", |word| {
        percent(&text(base64(&each(word, |byte| format!("&#{byte};")))))
    }),
    encoding("full width of percent", "Percent", |word| {
        text(percent(word)).replace('%', "\u{ff05}").into()
    }),
];

fn each(word: &str, spell: fn(u8) -> String) -> Vec<u8> {
    word.bytes()
        .flat_map(|byte| spell(byte).into_bytes())
        .collect()
}

/// Every byte as an escape.
pub fn percent(word: &str) -> Vec<u8> {
    each(word, |byte| format!("%{byte:02x}"))
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .encode(bytes)
        .into()
}

fn text(spelled: Vec<u8>) -> String {
    String::from_utf8(spelled).expect("ASCII")
}
