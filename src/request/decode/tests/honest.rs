//! What honest applications send: none of it is ever exhausted, and little of it has forms beyond its own.

use super::*;

fn base64(text: &[u8]) -> String {
    ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, text)
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Bytes without order, the same in every run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn texts() -> Vec<(&'static str, String)> {
    let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let svg =
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'><path d='M0 0h10v10z'/></svg>";
    let code = "function f(a){if(a&&a.b!==\"\\u00e9\"){return a.c.replace(/\\s+/g,' ').split('\\n')}/* done */}\n";
    let markdown = "# Title\n\nUse `grep -E '\\bfoo\\.bar\\b'` & then:\n\n```sh\nfor i in *; do echo \"$i\\t\\\\n\"; done # all\n```\n\n* a\\_b -- c\n";
    let url = "https://a.example/cb?next=https%3A%2F%2Fb.example%2Fr%3Fu%3Dhttps%253A%252F%252Fc.example%252F%253Fq%253Da%25252520b%2526x%253D1";
    let css = "<style>.a::before{content:\"\\201C\";margin:0 /* no */}.b\\:hover\\3A x{color:#fff}</style>&copy; 2024 &mdash; a&nbsp;b";
    let once = json("{\"a\":\"b \\\"c\\\" \\u00e9\"}");
    let twice = json(&once);
    let attachment = base64(base64(&noise(3_000)).as_bytes());
    vec![
        ("JWT", jwt.into()),
        ("bearer", format!("Bearer {jwt}")),
        ("attachment", base64(&noise(30_000))),
        ("attachment of an attachment", attachment),
        ("text of a text of a text", base64(base64(base64(b"Dear Sir or Madam, how are you?").as_bytes()).as_bytes())),
        ("picture", format!("data:image/png;base64,{}", base64(&noise(40_000)))),
        ("drawing", format!("data:image/svg+xml;base64,{}", base64(svg.repeat(300).as_bytes()))),
        ("drawing, escaped", format!("data:image/svg+xml,{}", svg.replace('<', "%3C").replace('>', "%3E").replace('#', "%23"))),
        ("minified script", code.repeat(200)),
        ("markdown", markdown.repeat(50)),
        ("address in an address", url.into()),
        ("address in addresses, in a page", format!("<a href=\"{}\">&amp;</a>", url.replace('&', "&amp;"))),
        ("style in a page", css.into()),
        ("document in a document", twice.clone()),
        ("document in documents", json(&twice)),
        ("path", "C:\\Users\\name\\Documents\\new\\table.txt".into()),
        ("path, escaped", json("C:\\Users\\name\\Documents\\new\\table.txt")),
        ("share", "\\\\server\\share\\folder\\x27\\file".into()),
        ("share, quoted again and again", format!("\"{}server{}share\"", "\\".repeat(64), "\\".repeat(32))),
        ("row of backslashes", format!("+{}+\n|  |\n", "\\".repeat(77))),
        ("rows of backslashes", "/\\/\\/\\/\\/\\\\\\\\ ".repeat(60)),
        ("digests", "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709".into()),
        ("identifiers", "550e8400-e29b-41d4-a716-446655440000,6ba7b810-9dad-11d1-80b4-00c04fd430c8".into()),
        ("prose", "Tom & Jerry & Co; AT&T, R&D, Q&A, B&B &c. 100% of 5% & more; x && y ".repeat(100)),
        ("prose, escaped twice", "Tom &amp;amp; Jerry &amp;amp; Co. &amp;lt;b&amp;gt; ".repeat(100)),
        ("percentages", "100%, 5 % of 20%, %d items, 50%25 off, %s".into()),
        ("only percent", "%".repeat(5_000)),
        ("only ampersand", "&".repeat(5_000)),
        ("only quote", "'\"".repeat(5_000)),
        ("expression", "^(?:\\d{3}[-. ]?)?\\(?\\w+\\)?\\s*\\x41[\\u0430-\\u044f]+\\1$".into()),
        ("formula", "\\frac{\\alpha}{\\beta} \\text{ and } \\sum_{i=0}^{n} x_i \\\\ \\newline".repeat(20)),
        ("glob", "src/**/*.rs !src/*/tests/** *.{js,ts}".into()),
        ("phone", "+49 30 901820, +1 (212) 555-0123, +A1".into()),
        ("languages", "Größe: 5 m², naïve café… “Zitat” 『引用』（全角）ＡＢＣ Кириллица ελληνικά עברית العربية ไทย 한국어".repeat(20)),
        ("pictures of several", "👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ می‌خواهم क्‍ष".into()),
        ("mail", "Hello,\r\n\r\n> quoted -- text\r\n-- \r\nName\r\n".repeat(30)),
        ("certificate", format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&noise(900)))),
        ("log", "203.0.113.7 - - [10/Oct/2024:13:55:36 +0000] \"GET /a%20b?x=%2541&amp;y=\\x22 HTTP/1.1\" 200 -\n".repeat(20)),
        ("table", "id\tname\n1\tA\\tB\n2\t\"C \"\"D\"\"\"\n".repeat(30)),
    ]
}

#[test]
fn honest_values_are_never_exhausted() {
    let all = texts();
    assert_eq!(all.len(), 39);
    for (what, text) in all {
        for syntax in [
            Syntax::Text,
            Syntax::Form,
            Syntax::Header,
            Syntax::Cookie,
            Syntax::JsonString,
            Syntax::Xml,
        ] {
            let found = value(text.as_bytes(), syntax);
            assert!(!found.oddities.exhausted, "{what} {syntax:?}");
            // A sender who needs more than twice as many is not believed.
            assert!(
                found.more.len() <= MAX_FURTHER / 2,
                "{what} {syntax:?}: {}",
                found.more.len()
            );
        }
    }
}

#[test]
fn what_hides_nothing_has_no_further_forms() {
    let numbers =
        "4111111111111111 20241126024400 3.14159265358979 1732588999000 00000000000000000000";
    for text in [
        "6f1c0b7ee1a24c2d9a",
        "OgOFFet3HfjWYASvqtprw2uvOgOFFet3HfjWYASv",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "550e8400-e29b-41d4-a716-446655440000",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "https://shop.example.com/category/lamps/page/2?internationalisation=antidisestablishment",
        "supercalifragilisticexpialidocious",
        "GA1.2.1234567890.1700000000; theme=dark",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO",
        numbers,
    ] {
        let marks = Marks::of(text.as_bytes());
        assert!(
            super::super::forms(text.as_bytes(), marks, Syntax::Header, &Work::for_head())
                .is_none(),
            "{text}"
        );
    }
    for noise in noise(30_000).chunks(24) {
        let token = base64(noise);
        assert_eq!(forms(token.as_bytes(), Syntax::Text).len(), 1, "{token}");
    }
}
