//! `${NAME}` and `${file:/path}` inside texts: put in after the YAML is read, so that what comes from outside can never
//! become structure, and remembered, so that it can never be shown.

use std::path::Path;

use serde_yaml::Value;

use super::Watched;
use super::environment::Environment;
use super::{ConfigError, Segment};

/// All that is put into one configuration, at most.
const MAX_TOTAL: usize = 16 << 20;

/// What was put in, and where.
#[derive(Default)]
pub(super) struct Substitutions {
    /// The paths of the texts that something was put into.
    paths: Vec<Vec<Segment>>,
    /// What was put in, and what it is to be shown as. Longest first, so that no part of a longer one remains.
    hidden: Vec<(String, String)>,
    /// The files that were read.
    pub(super) files: Watched,
    total: usize,
}

/// One `${…}` in a text.
enum Reference<'a> {
    Variable(&'a str),
    File(&'a str),
}

impl Substitutions {
    /// Puts everything that `value` asks for into it.
    ///
    /// # Errors
    /// Every reference that stands for nothing, each at its path.
    pub(super) fn fill(
        &mut self,
        value: &mut Value,
        base: &Path,
        environment: &dyn Environment,
    ) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        // An explicit stack: the depth is bounded already, but nothing here needs to rely on it.
        let mut open: Vec<(Vec<Segment>, &mut Value)> = vec![(Vec::new(), value)];
        while let Some((path, value)) = open.pop() {
            match value {
                Value::Sequence(items) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        if holds_text(item) {
                            open.push((step(&path, Segment::Item(index)), item));
                        }
                    }
                }
                Value::Mapping(map) => {
                    for (key, item) in map.iter_mut() {
                        if let (Some(key), true) = (key.as_str(), holds_text(item)) {
                            open.push((step(&path, Segment::Key(key.to_owned())), item));
                        }
                    }
                }
                Value::String(text) => match self.resolve(text, base, environment) {
                    Ok(Some(resolved)) => {
                        self.hide_whole(&resolved, text);
                        *text = resolved;
                        self.paths.push(path);
                    }
                    Ok(None) => {}
                    Err(error) => errors.push(ConfigError { path, ..error }),
                },
                _ => {}
            }
        }
        self.hidden
            .sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        self.hidden.dedup();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// The text with its references resolved; `None` where it has none.
    fn resolve(
        &mut self,
        text: &str,
        base: &Path,
        environment: &dyn Environment,
    ) -> Result<Option<String>, ConfigError> {
        let mut rest = text;
        let mut resolved = String::new();
        let mut changed = false;
        while let Some((before, after)) = rest.split_once("${") {
            changed = true;
            if let Some(before) = before.strip_suffix('$') {
                resolved.push_str(before);
                resolved.push_str("${");
                rest = after;
                continue;
            }
            resolved.push_str(before);
            let (inside, after) = after.split_once('}').ok_or_else(|| malformed("${"))?;
            let value = self.look_up(inside, base, environment)?;
            self.total += value.len();
            if self.total > MAX_TOTAL {
                return Err(ConfigError::new(
                    "more than 16MiB come from outside the file",
                ));
            }
            resolved.push_str(&value);
            rest = after;
        }
        resolved.push_str(rest);
        Ok(changed.then_some(resolved))
    }

    fn look_up(
        &mut self,
        inside: &str,
        base: &Path,
        environment: &dyn Environment,
    ) -> Result<String, ConfigError> {
        let shown = format!("${{{inside}}}");
        let nothing =
            |why: String| ConfigError::new(format!("`{shown}` stands for nothing: {why}"));
        let value = match reference(inside).ok_or_else(|| malformed(&shown))? {
            Reference::Variable(name) => environment.variable(name).map_err(|why| {
                nothing(why).help(format!(
                    "set {name} in the environment; write `$${{` for a literal `${{`"
                ))
            })?,
            Reference::File(path) => {
                let path = base.join(path);
                self.files.look_at(&path);
                let text = environment
                    .file(&path)
                    .map_err(|why| nothing(why).help("the file must be readable for this user"))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                line.strip_suffix('\r').unwrap_or(line).to_owned()
            }
        };
        self.hide(&value, &shown);
        Ok(value)
    }

    /// Hides a text that something was put into; one that merely had its escapes removed is the file's own.
    fn hide_whole(&mut self, resolved: &str, text: &str) {
        if text.replace("$${", "${") != resolved {
            self.hide(resolved, text);
        }
    }

    fn hide(&mut self, value: &str, shown: &str) {
        if value.is_empty() {
            return;
        }
        self.hidden.push((value.to_owned(), shown.to_owned()));
        // Messages often quote a value as `{:?}` does.
        let quoted = format!("{value:?}");
        if let Some(escaped) = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'))
            && escaped != value
        {
            self.hidden.push((escaped.to_owned(), shown.to_owned()));
        }
    }

    /// A message about the value at `path`, fit to be shown.
    pub(super) fn mask(&self, error: ConfigError) -> ConfigError {
        let ConfigError {
            path,
            message,
            help,
        } = error;
        // An unknown key is quoted from the file: it is no value, wherever its own value comes from.
        let quotes_a_key = message.starts_with("unknown field `");
        if self.paths.contains(&path) && !quotes_a_key && message.contains(['`', '"', '\'']) {
            return ConfigError {
                path,
                message: "what comes from outside the file does not fit here".into(),
                help: Some(format!(
                    "its value is not shown, since it may be a secret{}",
                    self.expectation(&message, help.as_deref())
                )),
            };
        }
        let concerned = self.paths.iter().any(|inside| inside.starts_with(&path));
        let shortest = if concerned { 1 } else { Self::SHORTEST_SECRET };
        ConfigError {
            path,
            message: self.scrub(message, shortest),
            help: help.map(|help| self.scrub(help, shortest)),
        }
    }

    /// Where nothing says that a text is about a value from outside, one that is shorter is not looked for: replacing
    /// every `1` would only garble the text.
    const SHORTEST_SECRET: usize = 4;

    /// `text` with every value from outside replaced by the reference to it.
    pub(super) fn scrub_all(&self, text: String) -> String {
        self.scrub(text, Self::SHORTEST_SECRET)
    }

    fn scrub(&self, mut text: String, shortest: usize) -> String {
        for (value, shown) in &self.hidden {
            if value.len() >= shortest && text.contains(value.as_str()) {
                text = text.replace(value.as_str(), shown);
            }
        }
        text
    }

    /// The part of a message that says what would fit, which quotes nothing.
    fn expectation(&self, message: &str, help: Option<&str>) -> String {
        let told = [", expected ", "; write "]
            .iter()
            .find_map(|lead| message.rsplit_once(lead).map(|(_, told)| told))
            .or(help);
        told.map_or(String::new(), |told| {
            format!("; expected: {}", self.scrub(told.to_owned(), 1))
        })
    }
}

fn reference(inside: &str) -> Option<Reference<'_>> {
    if let Some(path) = inside.strip_prefix("file:") {
        return (!path.is_empty()).then_some(Reference::File(path));
    }
    let is_name = inside.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && inside
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    is_name.then_some(Reference::Variable(inside))
}

fn malformed(shown: &str) -> ConfigError {
    ConfigError::new(format!("`{shown}` is no reference")).help(
        "write `${NAME}` for a variable, `${file:/path}` for a file's text, or `$${` for a literal `${`",
    )
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Sequence(_) | Value::Mapping(_) => true,
        _ => false,
    }
}

fn step(path: &[Segment], segment: Segment) -> Vec<Segment> {
    let mut path = path.to_vec();
    path.push(segment);
    path
}
