//! What is decoded, what is not, and the proof that every offset leads back.

mod decoys;
mod honest;
mod round_trips;
mod work;

use proptest::prelude::*;

use super::*;

/// All forms of a value, the first even where nothing is decoded.
fn value(raw: &[u8], syntax: Syntax) -> Forms {
    let marks = Marks::of(raw);
    let mut forms =
        super::forms(raw, marks, syntax, &Work::for_body(raw.len())).unwrap_or_default();
    forms.first.get_or_insert_with(|| Decoded {
        text: raw.to_vec(),
        marks,
        steps: *Steps::NONE,
        offsets: OffsetMap::identity(),
    });
    forms
}

impl Forms {
    fn all(&self) -> impl Iterator<Item = Form<'_>> {
        self.first.iter().chain(&self.more).map(Decoded::form)
    }
}

fn forms(raw: &[u8], syntax: Syntax) -> Vec<String> {
    value(raw, syntax)
        .all()
        .map(|form| form.text.escape_ascii().to_string())
        .collect()
}

#[test]
fn every_value_has_the_forms_that_applications_see() {
    use Syntax::{Cookie, Form, Header, JsonString, Path, Text};
    let cases: &[(Syntax, &[u8], &[&str])] = &[
        (Form, b"plain", &["plain"]),
        (Form, b"a+b%20c%2B", &["a b c+"]),
        (Path, b"/a+b%20c", &["/a+b c"]),
        (Header, b"a+b%20c", &["a+b%20c", "a+b c"]),
        (Text, b"100% &amp 5\\", &["100% &amp 5\\\\", "100% & 5\\\\"]),
        (Cookie, b"a+b%20c", &["a+b c", "a b c"]),
        (Form, b"%2527", &["%27", "\\'"]),
        (Form, b"%252527", &["%2527", "%27", "\\'"]),
        (Form, b"%u003cscript", &["%u003cscript", "<script"]),
        (
            Form,
            b"%uD83D%uDE00",
            &["%uD83D%uDE00", "\\xf0\\x9f\\x98\\x80"],
        ),
        (Form, b"%uD83Dx", &["%uD83Dx", "\\xef\\xbf\\xbdx"]),
        (Form, b"%26lt;b%26gt%3b", &["&lt;b&gt;", "<b>"]),
        (Text, b"&ltscript&gt", &["&ltscript&gt", "<script>"]),
        (Text, b"&#60script", &["&#60script", "<script"]),
        (Text, b"&#x3Cscript", &["&#x3Cscript", "<script"]),
        (
            Text,
            b"&#x3C;&#X3c &#0060;",
            &["&#x3C;&#X3c &#0060;", "<< <"],
        ),
        (
            Text,
            b"&#x30;&#48;&#59;&semi;",
            &["&#x30;&#48;&#59;&semi;", "00;;"],
        ),
        (
            Text,
            b"&ampamp;&amp;lt;",
            &["&ampamp;&amp;lt;", "&amp;&lt;", "&<"],
        ),
        (Text, b"&nonsense; &; &# &#x &", &["&nonsense; &; &# &#x &"]),
        (Text, b"&&lt;&", &["&&lt;&", "&<&"]),
        (Text, b"\\u003cb\\x3e", &["\\\\u003cb\\\\x3e", "<b>"]),
        (Text, b"\\u{3c}\\'", &["\\\\u{3c}\\\\\\'", "<\\'"]),
        (JsonString, b"\\u003c\\/b\\n", &["</b\\n"]),
        (
            JsonString,
            b"\\ud83d\\ude00\\ud83d",
            &["\\xf0\\x9f\\x98\\x80\\xef\\xbf\\xbd"],
        ),
        (JsonString, b"\\\\u003c", &["\\\\u003c", "<"]),
        (JsonString, b"c:\\q\\", &["c:\\\\q\\\\", "c:q\\\\"]),
        (Path, b"/%c0%ae%c0%ae/", &["/\\xc0\\xae\\xc0\\xae/", "/../"]),
        (
            Path,
            b"/%e0%80%ae%f0%80%80%ae",
            &["/\\xe0\\x80\\xae\\xf0\\x80\\x80\\xae", "/.."],
        ),
        (Form, b"%2526lt%253B", &["%26lt%3B", "&lt;", "<"]),
    ];
    for (syntax, raw, expected) in cases {
        let shown = raw.escape_ascii();
        assert_eq!(forms(raw, *syntax), *expected, "{syntax:?} {shown}");
    }
}

#[test]
fn a_value_without_escapes_has_no_forms_of_its_own() {
    for (text, syntax) in [
        ("nothing to decode, 1 < 2; 'x'", Syntax::Form),
        ("1+1", Syntax::JsonString),
        ("a & b", Syntax::Text),
    ] {
        let marks = Marks::of(text.as_bytes());
        assert!(super::forms(text.as_bytes(), marks, syntax, &Work::for_head()).is_none());
    }
}

#[test]
fn steps_tell_the_whole_way() {
    use DecodeStep::{HtmlEntity, JsonEscape, Percent, PercentU, Plus};
    let input = value(b"+%2526lt;\\u0041%25u0042", Syntax::Form);
    let chain: Vec<_> = input
        .all()
        .map(|form| form.steps.to_vec())
        .take(4)
        .collect();
    assert_eq!(
        chain,
        [
            vec![Plus, Percent],
            vec![Plus, Percent, Percent, PercentU],
            vec![Plus, Percent, Percent, PercentU, HtmlEntity],
            vec![Plus, Percent, Percent, PercentU, HtmlEntity, JsonEscape],
        ]
    );
    assert_eq!(input.more[2].text, b" <AB");
}

#[test]
fn what_is_odd_is_noted() {
    let oddities = |raw| value(raw, Syntax::Form).oddities;
    assert_eq!(oddities(b"%41"), Oddities::default());
    assert!(oddities(b"%4").invalid_percent);
    assert!(oddities(b"100% %41").invalid_percent);
    assert!(!oddities(b"%25252525").exhausted);
    assert!(!oddities(b"%252525252541").exhausted);
    assert!(oddities(b"%25252525252541").exhausted);
    let most = 1 + usize::from(MAX_DEPTH);
    assert_eq!(forms(b"%25252525252541", Syntax::Form).len(), most);
}

/// Text full of escapes of every kind, whole and broken.
fn spelled() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3),
        "[%+&\\\\;#xuU0-9a-fA-F{}]{0,6}".prop_map(String::into_bytes),
        "%(25){0,5}[0-9a-f]{2}".prop_map(String::into_bytes),
        "(%25|%)u(d83d|de00|00[0-9a-f]{2})".prop_map(String::into_bytes),
        "&(lt|amp|nGg|nLl|fjlig|semi|copy|#[0-9]{1,7}|#x[0-9a-f]{1,5});?"
            .prop_map(String::into_bytes),
        "\\\\(u(d83d|de00|00[0-9a-f]{2})|x[0-9a-f]{2}|u\\{[0-9a-f]{1,6}\\}|[nrt/\\\\])"
            .prop_map(String::into_bytes),
        Just(b"\xc0\xae".to_vec()),
        Just(b"%c0%ae".to_vec()),
        Just(b"\xf0\x80\x80\xae".to_vec()),
        "\\PC{0,3}".prop_map(String::into_bytes),
        prop_oneof![
            "\\\\([0-9a-f]{1,7} ?|[0-7]{1,4}|[a-z])",
            "\\+A[A-P][A-Za-z0-9+/]{0,9}-?",
            "(=|, |/)?[A-Za-z0-9+/_-]{12,40}={0,2}",
            "(YWxlcnQoMSk8Yj4|PHNjcmlwdD4|J29yIDE9MS0t){1,4}=?",
            "(0x)?[0-9a-f]{0,3}(616c657274283129|3c7363726970743e){1,3}",
            "(/\\*!?|\\*/|<!--|-->|--|#|[a-z ]{0,3}|\n){1,4}",
        ]
        .prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn syntax() -> impl Strategy<Value = Syntax> {
    use Syntax::{Cookie, Form, Header, JsonString, Path, QuotedPrintable, Text, Xml};
    proptest::sample::select(vec![
        Path,
        Form,
        Header,
        Cookie,
        JsonString,
        Xml,
        QuotedPrintable,
        Text,
    ])
}

proptest! {
    /// Whatever the value, the offsets of all its forms begin and end with it and never decrease.
    #[test]
    fn offsets_stay_within_the_value(raw in spelled(), syntax in syntax()) {
        let input = value(&raw, syntax);
        for form in input.all() {
            // Where something is taken away or taken out, the beginning may be beyond.
            let keeps_ends = |step: &DecodeStep| {
                use DecodeStep::{HtmlEntity, OverlongUtf8, Percent, PercentU, Plus};
                matches!(step, Percent | Plus | PercentU | HtmlEntity | OverlongUtf8)
            };
            if form.steps.iter().all(keeps_ends) {
                prop_assert_eq!(form.offsets.raw(0), 0);
                prop_assert_eq!(form.offsets.raw_end(form.text.len()), raw.len());
            }
            let (mut last, mut last_end) = (0, 0);
            for at in 0..=form.text.len() {
                let (here, end) = (form.offsets.raw(at), form.offsets.raw_end(at));
                prop_assert!(here <= end && end <= raw.len(), "what begins here ends behind it");
                prop_assert!(last <= here && last_end <= end, "offsets do not decrease");
                (last, last_end) = (here, end);
            }
        }
    }

    /// A value made of characters of known spelling: the raw slice of each character is exactly how it was spelled.
    #[test]
    fn every_character_leads_to_its_own_spelling(
        spellings in proptest::collection::vec(spelling(), 0..20),
        layers in 0..3usize,
    ) {
        let mut raw = Vec::new();
        let mut expected = Vec::new();
        for (character, spelling) in &spellings {
            let start = raw.len();
            let mut spelling = spelling.clone();
            for _ in 0..layers {
                spelling = spelling.replace('%', "%25");
            }
            raw.extend_from_slice(spelling.as_bytes());
            expected.push((*character, start..raw.len()));
        }
        let input = value(&raw, Syntax::Form);
        let text: String = expected.iter().map(|(character, _)| character).collect();
        let form = input.all().find(|form| form.text == text.as_bytes()).unwrap();
        for ((at, character), (_, range)) in text.char_indices().zip(expected) {
            let end = at + character.len_utf8();
            prop_assert_eq!(form.offsets.raw(at)..form.offsets.raw_end(end), range);
        }
    }

    /// However a value is written, its forms are no more than promised, and no two are the same.
    #[test]
    fn forms_are_few_and_differ(raw in spelled(), syntax in syntax()) {
        let input = value(&raw, syntax);
        let forms: Vec<_> = input.all().collect();
        prop_assert!(forms.len() <= 1 + MAX_FURTHER);
        for (index, form) in forms.iter().enumerate() {
            prop_assert!(index == 0 || !form.steps.is_empty());
            prop_assert_eq!(form.marks, Marks::of(form.text));
            prop_assert!(forms.iter().skip(index + 1).all(|other| other.text != form.text));
        }
    }

    /// Our search for references finds what the reference implementation finds.
    #[test]
    fn entities_agree_with_the_reference(raw in spelled()) {
        let form = Form::raw(&raw, Marks::of(&raw));
        let ours = entity::decode(&form).map_or_else(|| raw.clone(), |form| form.text);
        let theirs = htmlize::unescape_bytes_in(raw.as_slice(), htmlize::Context::General);
        prop_assert_eq!(ours, theirs.into_owned());
    }
}

/// A character and one of its spellings, none of which a neighbour can change: a letter that no escape uses, or escapes
/// within percent escapes.
fn spelling() -> impl Strategy<Value = (char, String)> {
    let plain = "[g-tv-zG-TV-Z]".prop_map(|text| (text.chars().next().unwrap(), text));
    let escaped = (any::<char>(), 0..5)
        .prop_filter("begins or continues no escape itself", |(character, _)| {
            !"%&\\+'\"/;".contains(*character)
                && !character.is_ascii_alphanumeric()
                && !matches!(*character, '\0' | '\r' | '\u{80}'..='\u{9f}')
        })
        .prop_map(|(character, how)| {
            let code = u32::from(character);
            let inner = match how {
                0 => character.to_string(),
                1 => format!("&#{code};"),
                2 => format!("&#x{code:x};"),
                3 => format!("\\u{{{code:x}}}"),
                _ => character
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect(),
            };
            let spelling = inner.bytes().map(|byte| format!("%{byte:02x}")).collect();
            (character, spelling)
        });
    prop_oneof![plain, escaped]
}
