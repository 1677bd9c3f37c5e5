//! That no form is lost to others: what cannot be made is said, and where there is nothing to say everything was made.

use super::super::long::LONG;
use super::*;

fn base64(text: &str) -> String {
    ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, text)
}

/// The raw spelling of `text` in each form that has it.
fn spellings(found: &Forms, raw: &str, text: &str) -> Vec<String> {
    let place = |form: Form<'_>| {
        let at = memchr::memmem::find(form.text, text.as_bytes())?;
        let range = form.offsets.raw(at)..form.offsets.raw_end(at + text.len());
        raw.get(range).map(str::to_owned)
    };
    found.all().filter_map(place).collect()
}

#[test]
fn what_has_more_forms_than_are_made_is_not_believed() {
    // Three tokens in each of three tokens in each of three, and none of them like another.
    fn nested(depth: usize, name: &str) -> String {
        let hidden = |n: usize| {
            let name = format!("{name}{n}");
            let within = if depth > 1 {
                nested(depth - 1, &name)
            } else {
                String::new()
            };
            base64(&format!("a text called {name} {within}"))
        };
        format!("{} {} {}", hidden(1), hidden(2), hidden(3))
    }
    for (depth, forms) in [(1, 3), (2, 12)] {
        let few = value(nested(depth, "n").as_bytes(), Syntax::Text);
        assert!(!few.oddities.exhausted, "{depth}");
        assert_eq!(few.more.len(), forms);
        assert!(
            few.more
                .iter()
                .any(|form| form.text.starts_with(b"a text called n3"))
        );
    }
    let many = value(nested(3, "n").as_bytes(), Syntax::Text);
    assert!(many.oddities.exhausted);
    assert_eq!(many.more.len(), MAX_FURTHER);
}

#[test]
fn what_there_is_no_work_left_for_is_not_believed() {
    let text = b"a%2541";
    let work = Work::for_head();
    let forms =
        |work: &Work| super::super::forms(text, Marks::of(text), Syntax::Form, work).unwrap();
    let found = forms(&work);
    assert!(!found.oddities.exhausted);
    assert_eq!(found.more.len(), 1);
    assert!(work.left() < Work::for_head().left());
    work.take(usize::MAX);
    let found = forms(&work);
    assert!(found.oddities.exhausted);
    assert_eq!(found.first.map(|first| first.text), Some(b"a%41".to_vec()));
    assert!(found.more.is_empty());
}

/// Wherever it is in a long text, and whatever else is there.
#[test]
fn what_a_branch_brings_to_light_is_found_in_long_texts() {
    for decoy in ["", "c:\\dir &amp; 100%25 ", "/* a */ \u{2026} \\zz +ADw- "] {
        for at in [0, 10, 49_140, 49_152, 53_240, 98_300, 130_000, 199_980] {
            let filler = |len: usize| format!("{decoy}{}", "some words ".repeat(len / 11));
            let raw = format!(
                "{}\u{ff1c}script\u{ff1e}{}",
                filler(at),
                filler(200_000 - at)
            );
            let found = value(raw.as_bytes(), Syntax::Text);
            assert!(!found.oddities.exhausted, "{decoy} {at}");
            let spelled = spellings(&found, &raw, "<script>");
            assert!(!spelled.is_empty(), "{decoy} {at}");
            for spelling in spelled {
                assert_eq!(spelling, "\u{ff1c}script\u{ff1e}");
            }
        }
    }
}

#[test]
fn a_token_longer_than_a_window_is_taken_out_in_one_piece() {
    let hidden = format!("{}<script>", "some words ".repeat(12_000));
    let raw = format!(
        "{}data:text/plain;base64,{}",
        "x ".repeat(LONG),
        base64(&hidden)
    );
    let found = value(raw.as_bytes(), Syntax::Text);
    assert!(found.all().any(|form| form.text == hidden.as_bytes()));
    // And what is hidden in that.
    let twice = format!("{}{}", "x ".repeat(LONG), base64(&raw));
    let found = value(twice.as_bytes(), Syntax::Text);
    assert!(found.all().any(|form| form.text == hidden.as_bytes()));
}

#[test]
fn long_texts_without_escapes_have_no_forms() {
    let raw = "some words, and no more than that. ".repeat(20_000);
    assert!(
        super::super::forms(
            raw.as_bytes(),
            Marks::of(raw.as_bytes()),
            Syntax::Text,
            &Work::for_body(0)
        )
        .is_none()
    );
}
