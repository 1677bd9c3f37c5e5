//! Long texts as people and programs write them: what they may be decoded to is no more than is judged of them.

use std::time::Instant;

use portcullis::clients::Clients;
use portcullis::engine::Registry;
use portcullis::engine::decide::Observed;

use crate::judge::{Request, policy};

const TEXTS: [(&str, &str); 6] = [
    (
        "prose",
        "The café “Größe” — 5 m², 20 % off; Tom & Jerry’s… say: it's open (till 6 o'clock), isn't it?\n\n",
    ),
    (
        "page",
        "<p class=\"a\">Caf&eacute;&nbsp;&amp; bar\u{a0}– <a href=\"/a%20b?c=d&amp;e=1\">more</a></p><!-- end -->\n",
    ),
    (
        "script",
        "/* Adds two. */\nfunction add(a, b) { return a + b; } // \"sum\": 'a\\tb' -- C:\\new\\x41 `${a}` \\u00e9\n",
    ),
    (
        "markdown",
        "# Title\n\n* `grep -E '\\bfoo\\.bar\\b'` & _then_ \\_this\\_ -- see [it](https://a.example/?b=%20c) #tag\n| a | b |\n",
    ),
    (
        "languages",
        "Привет, мир！（全角）、한국어、日本語の文章。Ελλάδα; العربية: נא ๆ ①②③ ｔｅｘｔ\n",
    ),
    (
        "log",
        "203.0.113.7 - - [10/Oct/2024:13:55:36 +0000] \"GET /a%20b?x=%2541&amp;y=\\x22 HTTP/1.1\" 200 - \"-\" \"Mozilla/5.0\"\n",
    ),
];

#[test]
fn long_honest_texts_are_judged_to_their_end() {
    let policy = policy("", &Registry::default());
    let now = Instant::now();
    for (what, line) in TEXTS {
        for length in [1 << 10, 60 << 10, 500 << 10, 1 << 20] {
            let text = line.repeat(length / line.len());
            let json = serde_json::to_string(&text).expect("a string");
            for (content_type, body) in [("text/plain", text), ("application/json", json)] {
                // A mebibyte of what is encoded all over is more work than is made of one request.
                if body.len() > 1 << 20 || (length == 1 << 20 && what == "log") {
                    continue;
                }
                let request = Request::get("/").body(content_type, body);
                let evaluation = request.judged(&policy, &Clients::scratch(), now);
                let is_exhausted = evaluation
                    .observations()
                    .iter()
                    .any(|seen| matches!(seen.what, Observed::Exhausted(_)));
                assert!(!is_exhausted, "{what}, {length} bytes as {content_type}");
            }
        }
    }
}
