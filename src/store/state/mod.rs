//! `state.db`: bans, levels and windows, so that neither a restart nor `kill -9` nor a cut of the power lets anybody go.
//!
//! One SQLite file in the state directory, written by one thread, in write-ahead mode with `synchronous=FULL`: what was
//! committed is on the disk. Several processes may have it open, as two do while one hands over to the other; each reads
//! what the others wrote.
//!
//! A file that cannot be used (damaged, of a newer portcullis, on a disk that is full or read-only) stops nothing and is
//! never deleted or changed: the proxy serves, keeps its state in memory, says so, and tries again.

mod codec;
mod rows;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clients::{Ban, Change, StoredWindow, Windows};

/// The `state:` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// The folder of what survives a restart: bans and what leads to them (`state.db`), and the token of the control listener
    /// (`control.token`). It is made where it is missing; a relative path starts from the folder of the configuration file.
    /// `null`: everything is in memory only.
    pub directory: Option<String>,
}

/// An open database.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    /// What `PRAGMA data_version` said when the bans were last read: another number means that another process wrote.
    seen_version: i64,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be made or read.
    #[error("the folder `{}` cannot be used: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A newer portcullis wrote it.
    #[error(
        "it was written by a newer portcullis (format {found}, this one knows {known}); it is left as it is"
    )]
    Newer {
        /// The format of the file.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// It is another program's.
    #[error("it is no state of portcullis; it is left as it is")]
    Foreign,
    /// SQLite says no: damage, a full disk, no permission.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
}

/// The name of the file in the state directory.
pub const FILE: &str = "state.db";

/// The version of the tables.
const FORMAT: i64 = 1;

/// "Port", so that a file of another program is not taken for ours.
const APPLICATION: i64 = 0x506f_7274;

/// How long is waited for another process that writes.
const PATIENCE: Duration = Duration::from_secs(2);

const TABLES: &str = "
    CREATE TABLE bans (
        client TEXT PRIMARY KEY NOT NULL,
        source TEXT NOT NULL,
        detection TEXT,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        level INTEGER NOT NULL,
        lifted INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE windows (
        kind INTEGER NOT NULL,
        key BLOB NOT NULL,
        until INTEGER NOT NULL,
        items BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE secrets (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
";

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            directory: Some("./state".into()),
        }
    }
}

/// Makes the state directory where it is missing, for nobody but us.
///
/// # Errors
/// When it cannot be made.
pub fn make_directory(path: &Path) -> Result<(), StateError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| StateError::Folder {
        path: path.to_owned(),
        error,
    })
}

impl State {
    /// Opens the database in a directory, and makes both where they are missing.
    ///
    /// # Errors
    /// When it cannot be used. Nothing that was there is changed then.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        make_directory(directory)?;
        let path = directory.join(FILE);
        let is_new = !path.exists();
        if is_new {
            // Who is banned, and the key of what is stored, is nobody's business.
            let made = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path);
            made.map_err(|error| StateError::Folder {
                path: directory.to_owned(),
                error,
            })?;
        }
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(PATIENCE)?;
        if !is_new {
            Self::recognise(&connection)?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Self::make_tables(&mut connection)?;
        Ok(Self {
            connection,
            seen_version: -1,
        })
    }

    /// Refuses what is damaged, newer, or not ours, before anything is written.
    fn recognise(connection: &Connection) -> Result<(), StateError> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (found, application) = (number("user_version")?, number("application_id")?);
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 && application == 0 {
            // Begun, and ended before anything was in it.
            return Ok(());
        }
        if application != APPLICATION {
            return Err(StateError::Foreign);
        }
        if found > FORMAT {
            return Err(StateError::Newer {
                found,
                known: FORMAT,
            });
        }
        Ok(())
    }

    /// Makes the tables, unless another process has.
    fn make_tables(connection: &mut Connection) -> Result<(), StateError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 =
            transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        if found == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The random key of everything that is stored as a hash: the stored one, or `fresh` from now on.
    ///
    /// # Errors
    /// When it can neither be read nor stored.
    pub fn seed(&mut self, fresh: [u8; 16]) -> Result<[u8; 16], StateError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT value FROM secrets WHERE name = 'seed'";
        let stored: Option<Vec<u8>> = transaction
            .query_row(sql, [], |row| row.get(0))
            .optional()?;
        let seed = stored.and_then(|stored| <[u8; 16]>::try_from(stored).ok());
        if let Some(seed) = seed {
            return Ok(seed);
        }
        let sql = "INSERT OR REPLACE INTO secrets (name, value) VALUES ('seed', ?1)";
        transaction.execute(sql, [&fresh[..]])?;
        transaction.commit()?;
        Ok(fresh)
    }

    /// The stored bans, those that are over included, for their levels; `None` if nobody else has written since the last time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bans(&mut self) -> Result<Option<Vec<Stored>>, StateError> {
        let version = |connection: &Connection| {
            connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0))
        };
        let now = version(&self.connection)?;
        if now == self.seen_version {
            return Ok(None);
        }
        let bans = rows::bans(&self.connection)?;
        self.seen_version = now;
        Ok(Some(bans))
    }

    /// The stored windows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn windows(&self, of: Windows) -> Result<Vec<StoredWindow>, StateError> {
        Ok(rows::windows(&self.connection, of)?)
    }

    /// Stores changes and windows, all or nothing; when it returns, they are on the disk.
    ///
    /// # Errors
    /// When they are not.
    pub fn store(&mut self, batch: &Batch) -> Result<(), StateError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in &batch.changes {
            rows::store_change(&transaction, change, batch.time)?;
        }
        for ban in &batch.bans {
            rows::store_ban(&transaction, ban)?;
        }
        for (of, windows) in &batch.windows {
            for window in windows {
                rows::store_window(&transaction, *of, window)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Removes what is over and forgotten: windows at `time`, bans that ended before `forget_before`; both in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn sweep(&mut self, time: i64, forget_before: i64) -> Result<(), StateError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM windows WHERE until <= ?1", [time])?;
        transaction.execute("DELETE FROM bans WHERE until <= ?1", [forget_before])?;
        transaction.commit()?;
        Ok(())
    }
}

/// A ban as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in force, or was until its time was over.
    Ban(Ban),
    /// It was lifted.
    Lifted(Ban),
}

/// What is stored in one step.
#[derive(Debug, Default)]
pub struct Batch {
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// What changed about bans.
    pub changes: Vec<Change>,
    /// Bans that are to be stored as they are.
    pub bans: Vec<Ban>,
    /// Windows that changed.
    pub windows: Vec<(Windows, Vec<StoredWindow>)>,
}

impl Batch {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let windows = self.windows.iter().all(|(_, windows)| windows.is_empty());
        self.changes.is_empty() && self.bans.is_empty() && windows
    }
}
