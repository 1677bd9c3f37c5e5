//! The thread that keeps what must survive: it stores what changed, and only then tells of it.
//!
//! Requests write changes into the journal of [`Clients`] and go on. Here they are committed in groups; the event that a
//! client is banned comes after its commit, so that what was announced is there after `kill -9`. Windows, which change
//! with many requests, are stored twice a second. When storing fails the proxy goes on in memory: that is told once, shown
//! by `/readyz`, and tried again twice a second; once it works all bans are stored.

mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::told::Told;
use super::settings::Settings;
use crate::clients::{Change, Changed, Clients, Windows};
use crate::config::Secret;
use crate::control::{ControlState, StateHealth, token};
use crate::engine::BanConfig;
use crate::event::id::IdSource;
use crate::event::{EventBus, EventKind};
use crate::proxy::clock;
use crate::store::state::{Batch, State, StateError, Stored, make_directory};

/// How often windows are stored and the changes of others read; at most so much is lost of what is only counted.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often what is over is removed.
const SWEEP: Duration = Duration::from_secs(60);

/// How far changes have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The number of the last change that was dealt with.
    pub(super) sequence: u64,
    /// Whether it is on the disk.
    pub(super) is_stored: bool,
}

/// What is kept, and where.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `None` where the configuration wants everything in memory.
    directory: Option<PathBuf>,
    state: Option<State>,
    /// Why storing does not work.
    fault: Option<String>,
    /// Whether all bans are to be stored, since some changes were not.
    is_behind: bool,
    /// What could not be stored and is in no table.
    lifted: Vec<Change>,
    forget: Duration,
    swept: Option<Instant>,
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Keeping {
    facts: Arc<Clients>,
    thread: Option<JoinHandle<()>>,
    /// How far it has come.
    pub(super) kept: watch::Receiver<Kept>,
}

impl Keeper {
    /// Opens the state of a configuration. Whatever goes wrong is kept to be told of.
    pub(super) fn open(settings: &Settings, base: &Path) -> Self {
        let directory = settings.state.directory.as_ref();
        let mut keeper = Self {
            directory: directory.map(|directory| base.join(directory)),
            state: None,
            fault: None,
            is_behind: false,
            lifted: Vec::new(),
            forget: forget(settings),
            swept: None,
        };
        keeper.reopen();
        keeper
    }

    /// The token of the control listener in the state directory; what is wrong with it is told.
    pub(super) fn token(&self) -> Option<Secret> {
        let directory = self.directory.as_ref()?;
        match make_directory(directory)
            .map_err(std::io::Error::other)
            .and_then(|()| token::in_directory(directory))
        {
            Ok(token) => Some(token),
            Err(error) => {
                tracing::error!(%error, "There is no token for the control listener, so nothing can be changed through it.");
                None
            }
        }
    }

    pub(super) const fn is_persistent(&self) -> bool {
        self.directory.is_some()
    }

    fn reopen(&mut self) {
        let Some(directory) = &self.directory else {
            return;
        };
        match State::open(directory) {
            Ok(state) => self.state = Some(state),
            Err(error) => self.fault = Some(told(directory, &error)),
        }
    }

    /// The key of what is stored as hashes: `fresh` where none is stored yet.
    pub(super) fn seed(&mut self, fresh: [u8; 16]) -> [u8; 16] {
        let Some(state) = &mut self.state else {
            return fresh;
        };
        match state.seed(fresh) {
            Ok(seed) => seed,
            Err(error) => {
                self.fail(&error);
                fresh
            }
        }
    }

    /// Puts back what was stored.
    pub(super) fn restore(&mut self, facts: &Clients, now: Instant) {
        let windows = [Windows::Seen, Windows::Conduct];
        let restored = self.state.as_ref().map_or(Ok(()), |state| {
            for of in windows {
                for window in state.windows(of)? {
                    facts.restore_window(of, &window, now);
                }
            }
            Ok(())
        });
        if let Err(error) = restored {
            self.fail(&error);
        }
        self.read_others(facts, now);
    }

    /// Takes over bans that are stored and not known: those of before the start, and those of another process.
    fn read_others(&mut self, facts: &Clients, now: Instant) {
        let read = self.state.as_mut().map_or(Ok(None), State::bans);
        let stored = match read {
            Ok(stored) => stored.unwrap_or_default(),
            Err(error) => return self.fail(&error),
        };
        for stored in stored {
            match stored {
                // A full table counts what finds no place.
                Stored::Ban(ban) => drop(facts.restore_ban(ban, self.forget, now)),
                Stored::Lifted(ban) => {
                    if let Some(lifted) = ban.until {
                        facts.lift_known_ban(ban.client, lifted, now);
                    }
                }
            }
        }
    }

    /// Starts the thread. It ends with [`Keeping::stop`].
    pub(super) fn start(
        self,
        facts: Arc<Clients>,
        events: EventBus,
        health: Arc<ControlState>,
    ) -> std::io::Result<Keeping> {
        let (kept, watched) = watch::channel(Kept::default());
        let told = Told {
            facts: Arc::clone(&facts),
            events,
            ids: IdSource::new()?,
            health,
            kept,
        };
        self.show(&told);
        let thread = thread::Builder::new()
            .name("portcullis-state".into())
            .spawn(move || self.run(&told))?;
        Ok(Keeping {
            facts,
            thread: Some(thread),
            kept: watched,
        })
    }

    fn run(mut self, told: &Told) {
        let journal = told.facts.journal();
        loop {
            let changes = journal.wait(INTERVAL);
            let is_last = journal.is_closed();
            self.keep(changes, told);
            if is_last {
                return;
            }
        }
    }

    /// Stores what changed, and tells of it.
    fn keep(&mut self, changes: Vec<Change>, told: &Told) {
        let now = clock::now();
        let had_failed = self.fault.is_some();
        if self.state.is_none() && self.directory.is_some() {
            self.reopen();
            self.is_behind |= self.state.is_some();
        }
        let overflown = told.facts.journal().has_overflown();
        self.is_behind |= overflown.is_some();
        let is_stored = self.store(&changes, told, now);
        // Not before: what was lifted here and is not stored yet would come back.
        self.read_others(&told.facts, now);
        if had_failed != self.fault.is_some() {
            self.tell_fault(told);
        }
        self.show(told);
        for change in &changes {
            told.change(change, is_stored || self.directory.is_none());
        }
        let last = changes.last().map(|change| change.sequence).max(overflown);
        if let Some(sequence) = last {
            told.kept.send_replace(Kept {
                sequence,
                is_stored,
            });
        }
        self.sweep(told, now);
    }

    /// Stores what changed; whether it is on the disk.
    fn store(&mut self, changes: &[Change], told: &Told, now: Instant) -> bool {
        let Some(state) = &mut self.state else {
            self.remember_lifted(changes);
            return false;
        };
        let facts = &told.facts;
        let windows = [Windows::Seen, Windows::Conduct];
        let mut batch = Batch {
            time: clock::timestamp().as_millisecond(),
            changes: [&self.lifted, changes].concat(),
            bans: Vec::new(),
            windows: windows
                .map(|of| (of, facts.changed_windows(of, now)))
                .into(),
        };
        if self.is_behind {
            batch.bans = facts.bans(None, usize::MAX, now);
        }
        // After a fault an empty step shows that it works again.
        if batch.is_empty() && self.fault.is_none() {
            return true;
        }
        match state.store(&batch) {
            Ok(()) => {
                (self.is_behind, self.fault) = (false, None);
                self.lifted.clear();
                true
            }
            Err(error) => {
                self.fail(&error);
                self.remember_lifted(changes);
                false
            }
        }
    }

    /// Bans are stored from the tables once that works again; what was lifted is in no table any more.
    fn remember_lifted(&mut self, changes: &[Change]) {
        const MOST: usize = 10_000;
        let lifted = changes
            .iter()
            .filter(|change| matches!(change.what, Changed::Lifted(_)));
        let room = MOST.saturating_sub(self.lifted.len());
        self.lifted.extend(lifted.take(room).cloned());
    }

    fn fail(&mut self, error: &StateError) {
        self.is_behind = true;
        let directory = self.directory.clone().unwrap_or_default();
        self.fault = Some(told(&directory, error));
        // It is opened anew: the file may be another one by then.
        self.state = None;
    }

    fn sweep(&mut self, told: &Told, now: Instant) {
        let is_due = |swept: Instant| now.saturating_duration_since(swept) >= SWEEP;
        if !self.swept.is_none_or(is_due) {
            return;
        }
        self.swept = Some(now);
        told.facts.sweep_bans(now);
        let time = clock::timestamp().as_millisecond();
        let forget = i64::try_from(self.forget.as_millis()).unwrap_or(i64::MAX);
        let swept = self
            .state
            .as_mut()
            .map(|state| state.sweep(time, time.saturating_sub(forget)));
        if let Some(Err(error)) = swept {
            self.fail(&error);
        }
    }

    /// Shows operators whether it works.
    fn show(&self, told: &Told) {
        told.health.state_is(match (&self.directory, &self.fault) {
            (None, _) => StateHealth::Memory,
            (Some(_), None) => StateHealth::Stored,
            (Some(_), Some(error)) => StateHealth::Failing(error.clone()),
        });
    }

    fn tell_fault(&self, told: &Told) {
        let message = match &self.fault {
            Some(error) => {
                tracing::error!("{error}");
                error.clone()
            }
            None => "The state is stored again.".to_owned(),
        };
        told.emit(EventKind::State, message, None);
    }
}

impl Keeping {
    /// Stores what is left and ends.
    pub(super) fn stop(mut self) {
        self.facts.journal().close();
        if let Some(thread) = self.thread.take() {
            // A panic was told where it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.facts.journal().close();
    }
}

/// For how long the level of a ban is remembered.
fn forget(settings: &Settings) -> Duration {
    let config = settings.policy.ban.clone();
    let BanConfig { forget, .. } = config.unwrap_or_default();
    forget.get()
}

fn told(directory: &Path, error: &StateError) -> String {
    format!(
        "The state in `{}` cannot be used, and is kept in memory only: {error}.",
        directory.display()
    )
}
