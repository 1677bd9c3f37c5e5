//! How many files and sockets the process may have open.
//!
//! Systems give a process few of them at first, 1024 as a rule, for the sake of old programs; it may ask for more, up to
//! a second number. Without that, `limits.connections` would promise what the system refuses.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::config::LimitsConfig;

/// What is open beside connections and each connection's way to the upstream: sockets that listen, logs, lists.
const OTHERS: u64 = 100;

/// Asks for as many open files as the process may have, and warns where they are too few for `limits.connections`.
pub(super) fn raise(limits: &LimitsConfig) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, most) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let wanted = (limits.connections as u64)
        .saturating_mul(2)
        .saturating_add(OTHERS);
    // None is no limit.
    // What is missing may be as little as what is added for everything else; nobody need hear of that.
    if let Some(allowed) = allowed.filter(|allowed| allowed.saturating_add(OTHERS) < wanted) {
        tracing::warn!(
            "The system allows {allowed} open files (`ulimit -Hn`). {} connections may need {wanted}, one to the client and one \
             to the upstream for each; allow more, or lower `limits.connections`.",
            limits.connections
        );
    }
}
