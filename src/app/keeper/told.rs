//! What the keeper tells of, once it is stored.

use std::sync::Arc;

use tokio::sync::watch;

use super::Kept;
use crate::clients::{Ban, Change, Changed, Clients, client_text};
use crate::control::ControlState;
use crate::event::id::IdSource;
use crate::event::{Event, EventBan, EventBus, EventKind};
use crate::proxy::clock;

/// Where it tells of what it did.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) facts: Arc<Clients>,
    pub(super) events: EventBus,
    pub(super) ids: IdSource,
    pub(super) health: Arc<ControlState>,
    pub(super) kept: watch::Sender<Kept>,
}

impl Told {
    pub(super) fn change(&self, change: &Change, is_kept: bool) {
        let note = if is_kept {
            ""
        } else {
            " It is in memory only, and lost with a restart."
        };
        match &change.what {
            Changed::Banned(ban) => {
                let until = ban.until.map_or_else(
                    || "until it is lifted".into(),
                    |until| format!("until {until:.0}"),
                );
                let client = client_text(ban.client);
                let message = format!("{client} is banned {until}: {}.{note}", ban.cause.reason);
                self.emit(EventKind::Ban, message, Some(ban));
            }
            Changed::Lifted(ban) => {
                let message = format!("The ban of {} is lifted.{note}", client_text(ban.client));
                self.emit(EventKind::Ban, message, Some(ban));
            }
            Changed::Spared { client, why } => {
                tracing::warn!(%client, "{why}");
                self.emit(
                    EventKind::Ban,
                    format!("{client} is not banned. {why}"),
                    None,
                );
            }
        }
    }

    pub(super) fn emit(&self, kind: EventKind, message: String, ban: Option<&Ban>) {
        let now = clock::timestamp();
        let id = self.ids.next(clock::unix_milliseconds(now));
        let mut event = Event::new(id, now, kind, message);
        if let Some(ban) = ban {
            event.detection = ban.cause.detection.as_deref().map(Into::into);
            event.ban = Some(Box::new(EventBan {
                client: client_text(ban.client),
                source: ban.cause.source.to_string(),
                until: ban.until,
                level: ban.level,
            }));
        }
        self.events.emit(event);
    }
}
