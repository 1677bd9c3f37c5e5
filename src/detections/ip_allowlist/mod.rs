//! # What it detects
//!
//! Requests from addresses that are not welcome: those in a `deny` block, and, once an `allow` block is configured, all
//! that are in no `allow` block. `deny` wins over `allow`. Lists can be written into the configuration or kept in files
//! with one block per line; a million blocks cost less than 20 MiB.
//!
//! Matching uses the client's full address, as resolved through `clients.trusted_proxies`; an IPv4-mapped IPv6 address is
//! its IPv4 address. Being allowed exempts from nothing else: the rest of the chain judges the request all the same.
//!
//! # Why it matters
//!
//! An internal service that answers to the whole world is the shortest way in
//! ([CWE-284](https://cwe.mitre.org/data/definitions/284.html), OWASP A01:2021 Broken Access Control), and most unwanted
//! traffic comes from networks that are known for it.
//!
//! # Example
//!
//! With `allow: [192.0.2.0/24]`, a request from `198.51.100.7` is refused by the rule `not_allowed`, also when it says
//! `X-Forwarded-For: 192.0.2.1`, unless its sender is a trusted proxy. A request from `192.0.2.9` goes on to the next
//! detection.
//!
//! # Limits
//!
//! An address is no person: behind a shared address (VPN, office, mobile network) all are allowed or denied together,
//! and an attacker who rents a machine in an allowed network is allowed. A list in a file is as good as its last update.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

pub use crate::clients::CidrSet;
use crate::config::{Cidr, ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    Canary, Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::event::secrets::printable;
use crate::request::{Place, PlaceKind, RequestView};

/// Admits and refuses clients by their addresses.
#[derive(Debug)]
pub struct IpAllowlist {
    /// `None` where nothing restricts who is admitted.
    allow: Option<Arc<List>>,
    deny: Arc<List>,
    denied: RuleId,
    not_allowed: RuleId,
}

/// The section `ip_allowlist`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IpAllowlistConfig {
    /// Addresses and blocks that are admitted. While nothing is listed here or in an `allow` file, everybody is;
    /// otherwise whoever is not listed is refused. Being listed exempts from no other detection.
    pub allow: Vec<Cidr>,
    /// Addresses and blocks that are refused, even if they are also in `allow`.
    pub deny: Vec<Cidr>,
    /// Files with one address or block per line; `#` and `;` begin a comment. A line that is neither is reported with
    /// its number and skipped. A path alone is a list of whom to refuse; `{ path: …, as: allow }` one of whom to admit.
    pub files: Vec<ListFile>,
}

/// A file of address blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListFile {
    /// Where it is; a relative path starts from the folder of the configuration file.
    pub path: String,
    /// Which list it belongs to.
    #[serde(rename = "as")]
    pub list: ListKind,
}

/// What happens to the clients of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// They are admitted.
    Allow,
    /// They are refused.
    #[default]
    Deny,
}

/// A compiled list, and what was wrong in the files it came from.
#[derive(Debug, Default)]
pub(super) struct List {
    set: CidrSet,
    warnings: Vec<String>,
}

/// The most lines of one file that are complained about one by one.
const SHOWN_BAD_LINES: usize = 20;

// === impl IpAllowlist ===

impl IpAllowlist {
    fn denied(&self, address: IpAddr) -> Option<Finding> {
        let block = self.deny.set.find(address)?;
        Some(Finding {
            rule: self.denied.clone(),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Client, ""),
            evidence: Evidence::fact(format!("{address} is in {block}")),
            message: Cow::Borrowed("The client's address is in a denied block."),
        })
    }

    fn not_allowed(&self, address: IpAddr) -> Option<Finding> {
        let allow = &self.allow.as_ref()?.set;
        if allow.contains(address) {
            return None;
        }
        Some(Finding {
            rule: self.not_allowed.clone(),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Client, ""),
            evidence: Evidence::fact(format!(
                "{address} is in none of {} allowed blocks",
                allow.len()
            )),
            message: Cow::Borrowed("The client's address is in no allowed block."),
        })
    }
}

impl ThreatDetection for IpAllowlist {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let address = request.client().address;
        let finding = self.denied(address).or_else(|| self.not_allowed(address));
        Ok(finding.map_or(Verdict::Pass, Verdict::threat))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |id: &RuleId, message| RuleInfo {
            id: id.clone(),
            message: Cow::Borrowed(message),
            score: None,
            places: vec![PlaceKind::Client],
        };
        vec![
            rule(&self.denied, "The client's address is in a denied block."),
            rule(
                &self.not_allowed,
                "The client's address is in no allowed block.",
            ),
        ]
    }

    fn controls_access(&self) -> bool {
        true
    }

    fn canary(&self) -> Option<Canary> {
        // A denied address, or one of the networks kept for documentation (RFC 5737), which nobody allows by need.
        let outsiders = [[192, 0, 2, 1], [198, 51, 100, 1], [203, 0, 113, 1]];
        let mut outsiders = outsiders.map(Ipv4Addr::from).map(IpAddr::V4).into_iter();
        let refused = |address: &IpAddr| self.not_allowed(*address).is_some();
        Some(Canary {
            target: "/".to_owned(),
            headers: Vec::new(),
            client: self.deny.set.first().or_else(|| outsiders.find(refused))?,
        })
    }
}

impl FromConfig for IpAllowlist {
    const NAME: &'static str = "ip_allowlist";
    type Config = IpAllowlistConfig;

    fn from_config(config: Self::Config, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut texts = Vec::new();
        for (index, file) in config.files.iter().enumerate() {
            match load.read(&file.path) {
                Ok(text) => texts.push((file, text)),
                Err(error) => errors.push(error.under("path").item(index).under("files")),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        for block in config.deny.iter().filter(|block| block.is_everybody()) {
            load.warn(format!(
                "ip_allowlist: `deny` has {block}, which refuses everybody of that family"
            ));
        }
        let mut list = |kind: ListKind, blocks: &[Cidr]| {
            let files = texts.iter().filter(|(file, _)| file.list == kind);
            compile(
                blocks,
                files.map(|(file, text)| (&*file.path, &**text)),
                load,
            )
            .map_err(|error| vec![error])
        };
        // An allow file restricts even if no line of it can be read: whoever meant to close a door must not find it open.
        let restricts = !config.allow.is_empty()
            || config.files.iter().any(|file| file.list == ListKind::Allow);
        Ok(Self {
            allow: restricts
                .then(|| list(ListKind::Allow, &config.allow))
                .transpose()?,
            deny: list(ListKind::Deny, &config.deny)?,
            denied: RuleId::new("denied"),
            not_allowed: RuleId::new("not_allowed"),
        })
    }

    fn documentation() -> String {
        module_documentation(include_str!("mod.rs"))
    }
}

/// Compiles a list, unless an earlier policy still holds the same one. Warnings are repeated either way.
pub(super) fn compile<'t>(
    blocks: &[Cidr],
    files: impl Iterator<Item = (&'t str, &'t str)>,
    load: &mut Load<'_>,
) -> Result<Arc<List>, ConfigError> {
    use fmt::Write as _;

    let files: Vec<_> = files.collect();
    let mut content = String::new();
    for block in blocks {
        writeln!(content, "{block}").map_err(|error| ConfigError::new(error.to_string()))?;
    }
    for (path, text) in &files {
        content.extend(["\0", path, "\0", text]);
    }
    let list = load.share("ip_allowlist", content.as_bytes(), |_| {
        let mut blocks = blocks.to_vec();
        let mut warnings = Vec::new();
        for (path, text) in files {
            parse(path, text, &mut blocks, &mut warnings);
        }
        let set = CidrSet::new(blocks);
        Ok(List { set, warnings })
    })?;
    for warning in &list.warnings {
        load.warn(warning.as_str());
    }
    Ok(list)
}

/// Reads one block per line; what is neither block nor comment becomes a warning.
fn parse(path: &str, text: &str, blocks: &mut Vec<Cidr>, warnings: &mut Vec<String>) {
    let mut bad = 0usize;
    for (number, line) in text.lines().enumerate() {
        let entry = line.split(['#', ';']).next().unwrap_or("").trim();
        if entry.is_empty() {
            continue;
        }
        if let Ok(block) = entry.parse() {
            blocks.push(block);
            continue;
        }
        bad += 1;
        if bad <= SHOWN_BAD_LINES {
            let shown = printable(entry.as_bytes(), 60);
            let number = number + 1;
            warnings.push(format!(
                "{path}:{number}: `{shown}` is no address block; the line is skipped"
            ));
        }
    }
    if let Some(more @ 1..) = bad.checked_sub(SHOWN_BAD_LINES) {
        warnings.push(format!("{path}: {more} more lines are no address blocks"));
    }
}

// === impl List ===

impl List {
    /// The widest block that holds an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<ipnet::IpNet> {
        self.set.find(address)
    }

    /// The lowest address of all blocks.
    pub(super) fn first(&self) -> Option<IpAddr> {
        self.set.first()
    }
}

// === impl ListFile ===

impl<'de> Deserialize<'de> for ListFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListFileVisitor)
    }
}

/// A visitor, because an untagged enum would answer every mistake with the same sentence.
struct ListFileVisitor;

impl<'de> serde::de::Visitor<'de> for ListFileVisitor {
    type Value = ListFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or a map of `path` and `as`")
    }

    fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<ListFile, E> {
        Ok(ListFile {
            path: path.to_owned(),
            list: ListKind::Deny,
        })
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ListFile, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            path: String,
            #[serde(rename = "as", default)]
            list: ListKind,
        }
        Long::deserialize(MapAccessDeserializer::new(map))
            .map(|Long { path, list }| ListFile { path, list })
    }
}

impl JsonSchema for ListFile {
    fn schema_name() -> Cow<'static, str> {
        "ListFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<ListKind>();
        json_schema!({ "anyOf": [
            { "type": "string", "description": "The path of a list of whom to refuse." },
            {
                "type": "object",
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "Where it is; a relative path starts from the folder of the configuration.",
                    },
                    "as": list,
                },
                "required": ["path"],
                "additionalProperties": false,
            },
        ] })
    }
}

#[cfg(test)]
mod tests;
