//! Rows of the tables, and what they stand for.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::{Stored, codec};
use crate::clients::{Ban, BanSource, Cause, Change, Changed, StoredWindow, Windows};

/// All bans; a row that makes no sense is left out, since it cannot be obeyed.
pub(super) fn bans(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let sql = "SELECT client, source, detection, reason, since, until, level, lifted FROM bans";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], ban)?;
    rows.filter_map(Result::transpose).collect()
}

fn ban(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let time = |index| -> rusqlite::Result<Option<jiff::Timestamp>> {
        let at: Option<i64> = row.get(index)?;
        Ok(at.map(|at| jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX)))
    };
    let client: String = row.get(0)?;
    let source: String = row.get(1)?;
    let (Ok(client), Some(source)) = (client.parse(), source_named(&source)) else {
        return Ok(None);
    };
    let ban = Ban {
        client,
        cause: Arc::new(Cause {
            source,
            detection: row.get::<_, Option<String>>(2)?.map(Into::into),
            reason: row.get::<_, String>(3)?.into(),
        }),
        since: time(4)?.unwrap_or_default(),
        until: time(5)?,
        level: row.get(6)?,
        hits: 0,
    };
    let is_lifted: bool = row.get(7)?;
    Ok(Some(if is_lifted {
        Stored::Lifted(ban)
    } else {
        Stored::Ban(ban)
    }))
}

const SOURCES: [(&str, BanSource); 3] = [
    ("policy", BanSource::Policy),
    ("detection", BanSource::Detection),
    ("operator", BanSource::Operator),
];

fn source_named(name: &str) -> Option<BanSource> {
    let found = SOURCES.iter().find(|(known, _)| *known == name);
    found.map(|(_, source)| *source)
}

fn name_of(source: BanSource) -> &'static str {
    let found = SOURCES.iter().find(|(_, known)| *known == source);
    found.map_or("operator", |(name, _)| name)
}

/// Stores a change that came at `time`. A lifted ban is kept, as one that is over, for other processes to see.
pub(super) fn store_change(
    connection: &Connection,
    change: &Change,
    time: i64,
) -> rusqlite::Result<()> {
    match &change.what {
        Changed::Banned(ban) => store_ban(connection, ban),
        Changed::Lifted(ban) => {
            store_ban(connection, ban)?;
            let sql = "UPDATE bans SET lifted = 1, until = ?2, level = 0 WHERE client = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![ban.client.to_string(), time])?;
            Ok(())
        }
        Changed::Spared { .. } => Ok(()),
    }
}

pub(super) fn store_ban(connection: &Connection, ban: &Ban) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO bans (client, source, detection, reason, since, until, level, lifted)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        ban.client.to_string(),
        name_of(ban.cause.source),
        ban.cause.detection.as_deref(),
        &*ban.cause.reason,
        ban.since.as_millisecond(),
        ban.until.map(jiff::Timestamp::as_millisecond),
        ban.level,
    ])?;
    Ok(())
}

pub(super) fn windows(connection: &Connection, of: Windows) -> rusqlite::Result<Vec<StoredWindow>> {
    let sql = "SELECT key, until, items FROM windows WHERE kind = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([kind(of)], |row| {
        let key: Vec<u8> = row.get(0)?;
        let items: Vec<u8> = row.get(2)?;
        let key = <[u8; 16]>::try_from(key).map(u128::from_be_bytes);
        let (Ok(key), Some(items)) = (key, codec::items(&items)) else {
            return Ok(None);
        };
        let until = row.get(1)?;
        Ok(Some(StoredWindow { key, until, items }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn store_window(
    connection: &Connection,
    of: Windows,
    window: &StoredWindow,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO windows (kind, key, until, items) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    let key = window.key.to_be_bytes();
    let items = codec::bytes(&window.items);
    statement.execute(params![kind(of), &key[..], window.until, items])?;
    Ok(())
}

const fn kind(of: Windows) -> u8 {
    match of {
        Windows::Seen => 0,
        Windows::Conduct => 1,
    }
}
