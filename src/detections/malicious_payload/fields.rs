//! What the application expects in a field, so that nobody looks there for what belongs there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exclusion::is_under;
use crate::config::ConfigError;
use crate::request::{Input, PlaceKind, RequestView};

/// What fields hold, by their names: a key of a query, form or JSON object, or the name of a part. A name stands for the
/// field of that name at any depth of JSON.
pub type FieldsConfig = BTreeMap<String, Content>;

/// What the fields of some paths hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The path of the request: with a `*` it is matched as a whole, without one it holds for this path and all below.
    pub path: String,
    /// What the fields hold there; goes before what `fields` says of all paths.
    pub fields: FieldsConfig,
}

/// What a field holds. Each kind switches off the classes of rules that find what belongs in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Text with samples of code: everything is off but `cross_site_scripting` and what no text needs (`log4shell`,
    /// `deserialization`, `prototype_pollution`, `server_side_include`).
    Markdown,
    /// Markup that the application cleans by itself: `cross_site_scripting` is off.
    Html,
    /// A program in any language: every class is off but `log4shell`, `deserialization` and `prototype_pollution`.
    Code,
    /// A query: `sql_injection` is off.
    Sql,
    /// Commands: `command_injection` and `path_traversal` are off.
    Shell,
    /// A template: `template_injection` is off.
    Template,
    /// An address that the application does not open by itself: `server_side_request_forgery` and
    /// `remote_file_inclusion` are off.
    Url,
    /// The path of a file: `path_traversal` is off.
    Path,
}

impl Content {
    /// Whether a class of rules finds what belongs in such a field.
    fn expects(self, class: &str) -> bool {
        let always = ["log4shell", "deserialization", "prototype_pollution"];
        match self {
            Self::Markdown => {
                !always.contains(&class)
                    && !matches!(class, "cross_site_scripting" | "server_side_include")
            }
            Self::Html => class == "cross_site_scripting",
            Self::Code => !always.contains(&class),
            Self::Sql => class == "sql_injection",
            Self::Shell => matches!(class, "command_injection" | "path_traversal"),
            Self::Template => class == "template_injection",
            Self::Url => matches!(
                class,
                "server_side_request_forgery" | "remote_file_inclusion"
            ),
            Self::Path => class == "path_traversal",
        }
    }
}

/// Everything that the configuration says of fields.
#[derive(Debug)]
pub(super) struct Fields {
    everywhere: FieldsConfig,
    routes: Vec<RouteConfig>,
}

impl Fields {
    pub(super) fn new(everywhere: &FieldsConfig, routes: &[RouteConfig]) -> Self {
        Self {
            everywhere: everywhere.clone(),
            routes: routes.to_vec(),
        }
    }

    /// Whether the application expects in a value what a class of rules finds there. Only in values that have names, so not
    /// in the path or in headers.
    pub(super) fn expect(&self, class: &str, input: Input<'_>, request: &RequestView<'_>) -> bool {
        if (self.everywhere.is_empty() && self.routes.is_empty())
            || input.is_key()
            || !matches!(
                input.kind(),
                PlaceKind::Query | PlaceKind::Body | PlaceKind::Cookies
            )
        {
            return false;
        }
        let name = input.name();
        let routes = self.routes.iter();
        let by_route = routes
            .filter(|route| is_under(&route.path, request))
            .find_map(|route| content(&route.fields, &name));
        let content = by_route.or_else(|| content(&self.everywhere, &name));
        content.is_some_and(|content| content.expects(class))
    }
}

/// What the field called `name` holds: by its whole name, or by the last key of its path.
fn content(fields: &FieldsConfig, name: &str) -> Option<Content> {
    let last = || {
        name.strip_prefix('$')?
            .rsplit('.')
            .next()?
            .split('[')
            .next()
    };
    fields.get(name).or_else(|| fields.get(last()?)).copied()
}

/// What is wrong with the paths.
pub(super) fn mistakes(routes: &[RouteConfig]) -> impl Iterator<Item = ConfigError> {
    let wrong = |route: &&RouteConfig| !route.path.starts_with(['/', '*']);
    routes
        .iter()
        .enumerate()
        .filter(move |(_, route)| wrong(route))
        .map(|(index, route)| {
            ConfigError::new(format!("no request has a path like `{}`", route.path))
                .help("begin it with `/`, as in `/wiki`")
                .under("path")
                .item(index)
                .under("routes")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_its_name_at_any_depth() {
        let fields = FieldsConfig::from([
            ("text".to_owned(), Content::Markdown),
            ("$.a.b".to_owned(), Content::Sql),
        ]);
        for (name, expected) in [
            ("text", Some(Content::Markdown)),
            ("$.text", Some(Content::Markdown)),
            ("$.items[3].text", Some(Content::Markdown)),
            ("$.text[0]", Some(Content::Markdown)),
            ("$.a.b", Some(Content::Sql)),
            ("$.c.b", None),
            ("context", None),
            ("$.text.other", None),
            ("", None),
        ] {
            assert_eq!(content(&fields, name), expected, "{name}");
        }
    }

    #[test]
    fn each_kind_of_content_switches_off_what_belongs_there_and_no_more() {
        for (content, off, on) in [
            (Content::Markdown, "sql_injection", "cross_site_scripting"),
            (Content::Html, "cross_site_scripting", "sql_injection"),
            (Content::Code, "cross_site_scripting", "log4shell"),
            (Content::Sql, "sql_injection", "command_injection"),
            (Content::Shell, "command_injection", "sql_injection"),
            (Content::Template, "template_injection", "log4shell"),
            (
                Content::Url,
                "server_side_request_forgery",
                "path_traversal",
            ),
            (Content::Path, "path_traversal", "command_injection"),
        ] {
            assert!(content.expects(off) && !content.expects(on), "{content:?}");
        }
    }
}
