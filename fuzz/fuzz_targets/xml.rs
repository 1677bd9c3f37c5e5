//! XML of any bytes: taking it apart never panics, and a document that the library itself reads without a mistake has each
//! of its texts among our values.

#![no_main]

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use portcullis::request::BodyView;
use quick_xml::events::Event;

fuzz_target!(|body: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/xml".parse().expect("a value"));
    let view = BodyView::new(&headers, body);
    for value in view.inputs() {
        assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
    }
    for ambiguity in view.ambiguities() {
        assert!(view.slice(&ambiguity.origin).is_some(), "an ambiguity without raw bytes");
    }
    let is_bounded = view.ambiguities().is_empty();
    let Some(texts) = texts(body).filter(|_| is_bounded) else { return };
    for text in texts {
        let is_there = view.inputs().iter().any(|value| contains(value.value(), text.as_bytes()));
        assert!(is_there, "{text:?} is in no value");
    }
});

/// The texts of a document; `None` if there is a mistake in it.
fn texts(body: &[u8]) -> Option<Vec<String>> {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut texts = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return Some(texts),
            Event::Text(text) => texts.push(text.trim_ascii().to_owned()),
            Event::CData(text) => texts.push(text.trim_ascii().to_owned()),
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    attribute.ok()?;
                }
            }
            _ => {}
        }
    }
}

fn contains(value: &[u8], text: &[u8]) -> bool {
    text.is_empty() || value.windows(text.len()).any(|window| window == text)
}
