//! What operators may do through the control listener, done.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::sync::{oneshot, watch};

use super::keeper::Kept;
use super::reload::Reloader;
use crate::control::{DetectionReport, Later, Operations, SiteReport, Stored};
use crate::engine::{Mode, Policy};
use crate::proxy::clock;

/// How long an answer waits for a change to be stored.
const PATIENCE: Duration = Duration::from_secs(3);

/// Does what operators ask for.
#[derive(Debug)]
pub(super) struct Operator {
    /// The reloader has what holds this.
    reloader: Weak<Reloader>,
    kept: watch::Receiver<Kept>,
    /// Whether the configuration wants bans on the disk.
    is_persistent: bool,
}

impl Operator {
    pub(super) fn new(
        reloader: &Arc<Reloader>,
        kept: watch::Receiver<Kept>,
        is_persistent: bool,
    ) -> Self {
        Self {
            reloader: Arc::downgrade(reloader),
            kept,
            is_persistent,
        }
    }
}

const ENDED: &str = "the proxy has ended";

impl Operations for Operator {
    fn reload(&self) -> Later<Result<String, String>> {
        let reloader = self.reloader.upgrade();
        Box::pin(async move {
            let reloader = reloader.ok_or(ENDED)?;
            let (told, result) = oneshot::channel();
            // The result says more than that it is done. An error of sending means that nobody waits for it.
            drop(Arc::clone(&reloader).on_a_thread(|reloader| drop(told.send(reloader.reload()))));
            result
                .await
                .map_err(|_| "the reload panicked, which was logged")??;
            let serving = reloader.proxy().serving.load();
            Ok(serving.policy().revision.to_string())
        })
    }

    fn protects(&self, client: IpNet) -> Option<&'static str> {
        let reloader = self.reloader.upgrade()?;
        reloader.proxy().serving.load().trust.protects(client)
    }

    fn obeys_bans(&self) -> bool {
        let Some(reloader) = self.reloader.upgrade() else {
            return false;
        };
        let serving = reloader.proxy().serving.load();
        let mut links = serving
            .routes
            .sites()
            .flat_map(|site| site.policy.chain.links());
        links.any(|link| link.detection.repeats_a_refusal())
    }

    fn stored(&self, sequence: u64) -> Later<Stored> {
        let (mut kept, is_persistent) = (self.kept.clone(), self.is_persistent);
        Box::pin(async move {
            if !is_persistent {
                return Stored::InMemory;
            }
            let dealt_with = kept.wait_for(|kept| kept.sequence >= sequence);
            match tokio::time::timeout(PATIENCE, dealt_with).await {
                Ok(Ok(kept)) if kept.is_stored => Stored::OnDisk,
                _ => Stored::Failed,
            }
        })
    }

    fn audit(&self, peer: IpAddr, deed: String) {
        if let Some(reloader) = self.reloader.upgrade() {
            reloader.audit(peer, &deed);
        }
    }

    fn now(&self) -> Instant {
        clock::now()
    }

    fn sites(&self) -> Vec<SiteReport> {
        let Some(reloader) = self.reloader.upgrade() else {
            return Vec::new();
        };
        let serving = reloader.proxy().serving.load();
        let report = |(host, path, policy): (Option<String>, &str, &Policy)| SiteReport {
            host,
            path: (!path.is_empty()).then(|| path.to_owned()),
            mode: policy.mode,
            detections: detections(policy),
        };
        let sites = serving.routes.named();
        sites
            .into_iter()
            .map(|(host, path, site)| report((host, path, &site.policy)))
            .collect()
    }
}

fn detections(policy: &Policy) -> Vec<DetectionReport> {
    let links = policy.chain.links().iter();
    links
        .map(|link| DetectionReport {
            name: link.name.to_string(),
            mode: if policy.enforces(link) {
                Mode::Enforce
            } else {
                Mode::Monitor
            },
        })
        .collect()
}
