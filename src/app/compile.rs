//! What is made of a configuration before anything is served under it. What is equal is made once.

use std::collections::HashMap;
use std::sync::Arc;

use super::settings::{Common, DetectionSection, Route, Settings};
use crate::config::phrase::suggest;
use crate::config::{ConfigError, Load};
use crate::engine::policy::Revision;
use crate::engine::{BanConfig, Chain, Link, Policy, Registry, glob};
use crate::proxy::config::UpstreamConfig;
use crate::proxy::tls::{self, Tls};
use crate::proxy::upstream::{self, Upstream};

/// What is made of a configuration.
#[derive(Debug)]
pub struct Compiled {
    /// The judgement.
    pub policy: Policy,
    /// What each address that is listened on is encrypted with.
    pub tls: Vec<Tls>,
    /// Where requests are forwarded to.
    pub upstream: Arc<Upstream>,
    /// What each route has of its own, in their order.
    pub routes: Vec<CompiledRoute>,
}

/// What a route has of its own.
#[derive(Debug, Default)]
pub struct CompiledRoute {
    /// Its chain, if it is another.
    pub chain: Option<Arc<Chain>>,
    /// Where its requests are forwarded to, if that is somewhere else.
    pub upstream: Option<Arc<Upstream>>,
}

/// What was made already.
#[derive(Default)]
struct Made {
    chains: HashMap<String, Arc<Chain>>,
    upstreams: HashMap<String, Arc<Upstream>>,
}

impl Compiled {
    /// Makes everything that settings describe.
    ///
    /// # Errors
    /// Every mistake in the detections' sections, and in files that are named.
    pub fn new(
        settings: &Settings,
        registry: &Registry,
        load: &mut Load<'_>,
        revision: Revision,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut note = |wrong: Vec<ConfigError>| errors.extend(wrong);
        let policy = policy(settings, registry, load, revision).map_err(&mut note);
        let tls = tls::compile(&settings.listen, load).map_err(&mut note);
        let mut made = Made::default();
        let upstream = made.upstream(&settings.upstream, load);
        let upstream = upstream.map_err(|wrong| note(vec![wrong.under("upstream")]));
        let mut routes = Vec::with_capacity(settings.routes.len());
        for (index, route) in settings.routes.iter().enumerate() {
            match made.route(route, registry, load) {
                Ok(route) => routes.push(route),
                Err(wrong) => note(
                    wrong
                        .into_iter()
                        .map(|error| error.item(index).under("routes"))
                        .collect(),
                ),
            }
        }
        match (policy, tls, upstream) {
            (Ok(policy), Ok(tls), Ok(upstream)) if errors.is_empty() => Ok(Self {
                policy,
                tls,
                upstream,
                routes,
            }),
            _ => Err(errors),
        }
    }
}

impl Made {
    fn route(
        &mut self,
        route: &Route,
        registry: &Registry,
        load: &mut Load<'_>,
    ) -> Result<CompiledRoute, Vec<ConfigError>> {
        let mut compiled = CompiledRoute::default();
        if let (Some(sections), Some(list)) = (&route.detections, &route.config.detections) {
            let content = serde_yaml::to_string(list).unwrap_or_default();
            let known = self.chains.get(&content).cloned();
            let chain = match known {
                Some(chain) => chain,
                None => Arc::new(chain(sections, registry, load)?),
            };
            self.chains.insert(content, Arc::clone(&chain));
            compiled.chain = Some(chain);
        }
        if let Some(config) = &route.config.upstream {
            let upstream = self.upstream(config, load);
            compiled.upstream = Some(upstream.map_err(|wrong| vec![wrong.under("upstream")])?);
        }
        Ok(compiled)
    }

    fn upstream(
        &mut self,
        config: &UpstreamConfig,
        load: &mut Load<'_>,
    ) -> Result<Arc<Upstream>, ConfigError> {
        let content = format!("{config:?}");
        if let Some(known) = self.upstreams.get(&content) {
            return Ok(Arc::clone(known));
        }
        let upstream = Arc::new(upstream::compile(config, load)?);
        self.upstreams.insert(content, Arc::clone(&upstream));
        Ok(upstream)
    }
}

/// Makes the policy that settings describe.
///
/// # Errors
/// Every mistake in the detections' sections.
pub fn policy(
    settings: &Settings,
    registry: &Registry,
    load: &mut Load<'_>,
    revision: Revision,
) -> Result<Policy, Vec<ConfigError>> {
    let chain = chain(&settings.detections, registry, load)?;
    if let Some(ban) = &settings.policy.ban {
        check_ban(ban, &chain, registry)?;
    }
    Ok(Policy::new(revision, &settings.policy, Arc::new(chain)))
}

/// Whether bans would be obeyed, and whether those are detections that lead to none.
fn check_ban(ban: &BanConfig, chain: &Chain, registry: &Registry) -> Result<(), Vec<ConfigError>> {
    let under = |error: ConfigError| vec![error.under("ban").under("policy")];
    let obeys = |link: &Link| link.detection.repeats_a_refusal();
    if !chain.links().iter().any(obeys) {
        let wrong = ConfigError::new("nobody would be refused: the chain has no detection `ban`")
            .help("put `- ban: {}` first in `detections`");
        return Err(under(wrong));
    }
    let names: Vec<&str> = registry.entries().iter().map(|entry| entry.name).collect();
    let unknown = |name: &&String| !names.contains(&name.as_str());
    let mut ignored = ban.ignore.iter().flatten().enumerate();
    match ignored.find(|(_, name)| unknown(name)) {
        Some((index, name)) => {
            let wrong = ConfigError::new(format!("there is no detection `{name}`"));
            let wrong = wrong.help(suggest(name, &names, "the detections are"));
            Err(under(wrong.item(index).under("ignore")))
        }
        None => Ok(()),
    }
}

fn chain(
    sections: &[DetectionSection],
    registry: &Registry,
    load: &mut Load<'_>,
) -> Result<Chain, Vec<ConfigError>> {
    let mut links = Vec::with_capacity(sections.len());
    let mut errors = Vec::new();
    for section in sections {
        match link(section, registry, load) {
            Ok(link) => links.push(link),
            Err(wrong) => errors.extend(wrong.into_iter().map(|error| {
                with_common_keys(error)
                    .under(section.name.as_str())
                    .item(section.index)
                    .under("detections")
            })),
        }
    }
    crate::event::secrets::prepare();
    let late = |(at, link): &(usize, &Link)| *at > 0 && link.detection.repeats_a_refusal();
    if let Some((_, link)) = links.iter().enumerate().find(late) {
        load.warn(format!(
            "{}: it is not the first in the chain, so that those before it are asked about banned clients and count them; put \
             it first",
            link.name
        ));
    }
    if errors.is_empty() {
        Ok(Chain::new(links))
    } else {
        Err(errors)
    }
}

fn link(
    section: &DetectionSection,
    registry: &Registry,
    load: &mut Load<'_>,
) -> Result<Link, Vec<ConfigError>> {
    let entry = registry
        .find(&section.name)
        .ok_or_else(|| vec![ConfigError::new("there is no such detection")])?;
    let detection = (entry.build)(section.own.clone(), load)?;
    let rules = detection.rules();
    let unknown = |pattern: &&String| !rules.iter().any(|rule| glob(pattern, rule.id.as_str()));
    if let Some((index, pattern)) = section
        .common
        .monitor
        .iter()
        .enumerate()
        .find(|(_, pattern)| unknown(pattern))
    {
        let wrong = ConfigError::new(format!("{} has no rule `{pattern}`", entry.name))
            .help("`portcullis rules list` shows all rules; `*` stands for anything, as in `sql_injection.*`");
        return Err(vec![wrong.item(index).under("monitor")]);
    }
    Ok(Link {
        name: entry.name.into(),
        monitor: section.common.monitor.clone(),
        mode: section.common.mode,
        on_error: section.common.on_error,
        status: section.common.status(),
        detection,
    })
}

/// Where a detection tells of its own keys, those that every detection has are valid, too.
fn with_common_keys(mut error: ConfigError) -> ConfigError {
    if error.path.len() == 1 && error.message.starts_with("unknown field `") {
        let common = Common::KEYS.join("`, `");
        error.message = match error.message.strip_suffix(", there are no fields") {
            Some(unknown) => format!("{unknown}, expected one of `{common}`"),
            None => format!("{}, `{common}`", error.message),
        };
    }
    error
}
