//! From what a configuration was made into to what requests are served under.

use std::sync::Arc;

use super::compile::{Compiled, CompiledRoute};
use super::settings::Settings;
use crate::engine::policy::Policy;
use crate::proxy::identity::Trust;
use crate::proxy::routes::config::RouteConfig;
use crate::proxy::routes::{Routes, Site};
use crate::proxy::{Serving, Spoken};

/// What requests are served under, made of a configuration.
#[must_use]
pub fn serving(settings: &Settings, compiled: Compiled, monitor: bool) -> Serving {
    let Compiled {
        policy,
        tls,
        upstream,
        routes,
    } = compiled;
    let finished = |mut policy: Policy| {
        policy.excerpt = settings.events.excerpt.as_usize();
        Arc::new(if monitor { policy.monitored() } else { policy })
    };
    let default = Arc::new(Site {
        policy: finished(policy),
        limits: Arc::new(settings.limits.clone()),
        upstream,
        headers: Arc::new(settings.headers.compile()),
    });
    let of_route = |(config, compiled): (&RouteConfig, CompiledRoute)| {
        let site = site(settings, &default, config, compiled, finished);
        (config.clone(), Arc::new(site))
    };
    let configs = settings.routes.iter().map(|route| &route.config);
    let routes: Vec<_> = configs.zip(routes).map(of_route).collect();
    let listeners = settings.listen.0.iter().zip(tls);
    let listeners = listeners.map(|(listen, tls)| Spoken {
        tls,
        http2: listen.http2,
    });
    Serving {
        limits: Arc::clone(&default.limits),
        trust: Arc::new(Trust::new(&settings.clients)),
        listeners: listeners.collect(),
        routes: Routes::new(routes, default),
        access_log: settings.events.access_log,
    }
}

/// A site of its own: what its route does not say is that of no route.
fn site(
    settings: &Settings,
    default: &Site,
    config: &RouteConfig,
    compiled: CompiledRoute,
    finished: impl Fn(Policy) -> Arc<Policy>,
) -> Site {
    let is_same_policy = compiled.chain.is_none() && config.policy.is_empty();
    let policy = if is_same_policy {
        Arc::clone(&default.policy)
    } else {
        let chain = compiled
            .chain
            .unwrap_or_else(|| Arc::clone(&default.policy.chain));
        let own = config.policy.over(&settings.policy);
        finished(Policy::new(default.policy.revision, &own, chain))
    };
    let limits = if config.limits.is_empty() {
        Arc::clone(&default.limits)
    } else {
        Arc::new(config.limits.over(&settings.limits))
    };
    let headers = config.headers.as_ref();
    Site {
        policy,
        limits,
        upstream: compiled
            .upstream
            .unwrap_or_else(|| Arc::clone(&default.upstream)),
        headers: headers.map_or_else(
            || Arc::clone(&default.headers),
            |own| Arc::new(own.compile()),
        ),
    }
}
