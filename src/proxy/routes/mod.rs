//! Which requests are served as what: by host and by what their path begins with.
//!
//! The host decides first: its own routes, then those of a wildcard, the longest first, then those for every host. Among
//! them the longest path wins. The path is compared as it is normalised for the chain, so that no spelling of it gets
//! around a route; where some server may read it as the path of another route, nobody knows which rules hold, and the
//! request is refused.

pub mod config;

use std::collections::HashMap;
use std::sync::Arc;

use super::config::LimitsConfig;
use super::headers::Headers;
use super::upstream::Upstream;
use crate::engine::Policy;
use crate::request::target::{Readings, normalize, readings};

/// What requests are served under that go the same way.
#[derive(Debug)]
pub struct Site {
    /// The judgement.
    pub policy: Arc<Policy>,
    /// The hard limits.
    pub limits: Arc<LimitsConfig>,
    /// Where to forward to.
    pub upstream: Arc<Upstream>,
    /// What is done to headers.
    pub headers: Arc<Headers>,
}

/// All routes, ready to be looked up.
#[derive(Debug)]
pub struct Routes {
    /// By whole names, and by what stands behind `*.`; in lower case.
    exact: HashMap<Box<str>, Vec<Entry>>,
    wildcard: HashMap<Box<str>, Vec<Entry>>,
    every: Vec<Entry>,
    default: Arc<Site>,
}

#[derive(Debug)]
struct Entry {
    /// What the path begins with, without a slash at its end.
    prefix: Box<str>,
    site: Arc<Site>,
}

/// A request whose path is of one route for some servers, and of another for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl Routes {
    /// Routes with what is served at each, and what is served everywhere else.
    #[must_use]
    pub fn new(
        routes: impl IntoIterator<Item = (config::RouteConfig, Arc<Site>)>,
        default: Arc<Site>,
    ) -> Self {
        let mut this = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            every: Vec::new(),
            default,
        };
        for (config, site) in routes {
            let entry = Entry {
                prefix: config.prefix().into(),
                site,
            };
            let host = config.host.as_ref().map(|host| host.to_ascii_lowercase());
            match host.as_deref() {
                None => this.every.push(entry),
                Some(host) => match host.strip_prefix("*.") {
                    Some(suffix) => this.wildcard.entry(suffix.into()).or_default().push(entry),
                    None => this.exact.entry(host.into()).or_default().push(entry),
                },
            }
        }
        let groups = this.exact.values_mut().chain(this.wildcard.values_mut());
        for group in groups.chain([&mut this.every]) {
            group.sort_by_key(|entry| std::cmp::Reverse(entry.prefix.len()));
        }
        this
    }

    /// What is served where no route says anything else.
    #[must_use]
    pub const fn default(&self) -> &Arc<Site> {
        &self.default
    }

    /// All sites, that of no route first.
    pub fn sites(&self) -> impl Iterator<Item = &Arc<Site>> {
        let groups = self.exact.values().chain(self.wildcard.values());
        let entries = groups.flatten().chain(&self.every);
        std::iter::once(&self.default).chain(entries.map(|entry| &entry.site))
    }

    /// All sites with the host and the path that they are for, that of no route first.
    #[must_use]
    pub fn named(&self) -> Vec<(Option<String>, &str, &Arc<Site>)> {
        let mut named = vec![(None, "", &self.default)];
        let exact = self.exact.iter();
        let exact = exact.map(|(host, entries)| (Some(host.to_string()), entries));
        let wildcard = self.wildcard.iter();
        let wildcard = wildcard.map(|(host, entries)| (Some(format!("*.{host}")), entries));
        for (host, entries) in exact.chain(wildcard).chain([(None, &self.every)]) {
            let entries = entries.iter();
            named.extend(entries.map(|entry| (host.clone(), &*entry.prefix, &entry.site)));
        }
        // The tables have no order; the report should.
        named.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        named
    }

    /// What a request is served under: its `Host`, and its path as it came.
    ///
    /// # Errors
    /// Where that depends on who reads the path.
    pub fn find(&self, host: &[u8], path: &str) -> Result<&Arc<Site>, Ambiguous> {
        if self.every.is_empty() && self.exact.is_empty() && self.wildcard.is_empty() {
            return Ok(&self.default);
        }
        let groups = self.groups(host);
        if !groups
            .iter()
            .flat_map(|group| group.iter())
            .any(|entry| !entry.prefix.is_empty())
        {
            let all = groups.iter().find_map(|group| group.first());
            return Ok(all.map_or(&self.default, |entry| &entry.site));
        }
        let of = |path: &str| {
            let found = groups.iter().flat_map(|group| group.iter());
            let found = found.into_iter().find(|entry| entry.serves(path));
            found.map_or(&self.default, |entry| &entry.site)
        };
        let site = of(&normalize(path));
        let is_same = match readings(path) {
            Readings::One => true,
            Readings::Several(others) => others.iter().all(|other| Arc::ptr_eq(of(other), site)),
            Readings::Any => false,
        };
        is_same.then_some(site).ok_or(Ambiguous)
    }

    /// The routes that a host may have, those that come first first.
    fn groups(&self, host: &[u8]) -> Vec<&[Entry]> {
        let mut groups = Vec::new();
        let name = name_of(host);
        if let Some(own) = self.exact.get(&*name) {
            groups.push(&own[..]);
        }
        if !self.wildcard.is_empty() {
            let mut rest = &*name;
            while let Some((_, suffix)) = rest.split_once('.') {
                groups.extend(self.wildcard.get(suffix).map(|group| &group[..]));
                rest = suffix;
            }
        }
        groups.push(&self.every);
        groups
    }
}

impl Entry {
    /// Whether a path begins with the prefix, in whole segments.
    fn serves(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The name in a `Host` header: in lower case, without a port and without the dot at its end.
fn name_of(host: &[u8]) -> String {
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') =>
        {
            name
        }
        _ => &host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_owned()
}

#[cfg(test)]
mod tests;
