//! Serde's messages in the words of somebody who writes a configuration, with the valid alternatives as help.

use super::ConfigError;
use super::places::Part;

/// The part of a map's member that a message of serde is about.
pub(super) fn part(message: &str) -> Part {
    if message.starts_with(UNKNOWN_KEY) || message.starts_with(MISSING_KEY) {
        Part::Key
    } else {
        Part::Value
    }
}

const UNKNOWN_KEY: &str = "unknown field `";
const UNKNOWN_WORD: &str = "unknown variant `";
const MISSING_KEY: &str = "missing field `";

/// The error in plain words.
pub(super) fn plain(error: ConfigError) -> ConfigError {
    let (message, said) = rephrase(&error.message);
    ConfigError {
        path: error.path,
        message,
        help: error.help.or(said),
    }
}

fn rephrase(message: &str) -> (String, Option<String>) {
    if let Some((key, alternatives)) = unknown(message, UNKNOWN_KEY) {
        return (
            format!("the key `{key}` is unknown"),
            Some(suggest(key, &alternatives, "the keys here are")),
        );
    }
    if let Some((word, alternatives)) = unknown(message, UNKNOWN_WORD) {
        return (
            format!("`{word}` is none of the words that can be here"),
            Some(suggest(word, &alternatives, "the words are")),
        );
    }
    if let Some(key) = message.strip_prefix(MISSING_KEY) {
        let key = key.trim_end_matches('`');
        return (
            format!("the key `{key}` is missing"),
            Some(format!("add `{key}:` here")),
        );
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length: "];
    let found = wrong
        .iter()
        .find_map(|lead| message.strip_prefix(lead))
        .and_then(|rest| rest.rsplit_once(", expected "));
    if let Some((found, expected)) = found {
        return (
            format!("expected {}, found {}", kind(expected), thing(found)),
            None,
        );
    }
    match message.split_once("; write ") {
        Some((message, help)) => (message.into(), Some(format!("write {help}"))),
        None => (message.into(), None),
    }
}

/// The name and the alternatives of `unknown field `x`, expected one of `a`, `b``.
fn unknown<'m>(message: &'m str, lead: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let rest = message.strip_prefix(lead)?;
    let (name, expected) = rest
        .rsplit_once("`, expected ")
        .or_else(|| rest.rsplit_once("`, there are no "))?;
    Some((name, expected.split('`').skip(1).step_by(2).collect()))
}

/// What to write instead of `wrong`: the most similar alternative, and all of them.
pub(crate) fn suggest(wrong: &str, alternatives: &[&str], these: &str) -> String {
    if alternatives.is_empty() {
        return "nothing can be here; remove it".into();
    }
    let all: Vec<String> = alternatives
        .iter()
        .map(|word| format!("`{word}`"))
        .collect();
    let all = format!("{these} {}", all.join(", "));
    let nearest = alternatives
        .iter()
        .map(|word| (strsim::jaro_winkler(wrong, word), word))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, word)) => format!("did you mean `{word}`? {all}"),
        None => all,
    }
}

/// What serde expected, without the names of machine types.
fn kind(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "usize" => "a whole number that is not negative".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "`true` or `false`".into(),
        "a string" => "a text".into(),
        "a sequence" => "a list (`[…]`, or lines that begin with `- `)".into(),
        // How the reader of YAML calls the word of an enum.
        "a Value::Tagged enum" => "a word".into(),
        other if other.starts_with("struct ") => "a map (`key: value`)".into(),
        other => other.into(),
    }
}

/// What serde found.
fn thing(found: &str) -> String {
    if found == "map" {
        "a map".into()
    } else if found == "sequence" {
        "a list".into()
    } else if found.starts_with("unit") {
        "nothing".into()
    } else if let Some(number) = found
        .strip_prefix("integer ")
        .or_else(|| found.strip_prefix("floating point "))
    {
        format!("the number {}", number.trim_matches('`'))
    } else if let Some(word) = found.strip_prefix("boolean ") {
        format!("{word}, which is yes or no; a text wants quotes")
    } else if let Some(text) = found.strip_prefix("string ") {
        format!("the text {text}")
    } else {
        found.into()
    }
}
