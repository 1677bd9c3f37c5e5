//! Bans over the control listener: `/api/v1/bans`.

use std::str::FromStr;
use std::sync::Arc;

use http::StatusCode;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, json, problem};
use super::guard::Ends;
use super::health::ControlState;
use super::operations::{Operations, Stored};
use crate::clients::{Ban, BanOrder, BanSource, Cause, client_text};
use crate::config::{Cidr, Duration};
use crate::event::secrets::printable;

/// How many bans a page of the list holds where nobody asks for another number, and at most.
const PAGE: usize = 100;
const MOST_OF_A_PAGE: usize = 10_000;

/// How many bans may be added at once.
const MOST_AT_ONCE: usize = 50_000;

/// The most bytes of a reason.
const LONGEST_REASON: usize = 300;

/// What is asked for: one ban, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Asked {
    Many(Vec<Order>),
    One(Order),
}

/// A ban that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// An address, or a block of them.
    client: String,
    /// For how long, `15m`; until it is lifted where it is missing.
    #[serde(default, rename = "for")]
    span: Option<String>,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// What became of a ban that was asked for.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    ban: Ban,
    stored: Stored,
}

/// A ban that could not be.
#[derive(Debug, Serialize)]
struct Refused {
    client: String,
    why: String,
}

/// The bans in force, page by page: `limit`, `cursor`.
pub(super) fn list(state: &ControlState, query: &str) -> Answer {
    let Some(operations) = state.operations() else {
        return starting();
    };
    let (mut limit, mut after) = (PAGE, None);
    for (name, value) in pairs(query) {
        match (name, value.as_str()) {
            ("limit", text) => match text.parse() {
                Ok(number) if (1..=MOST_OF_A_PAGE).contains(&number) => limit = number,
                _ => return bad("`limit` is a number from 1 to 10000."),
            },
            ("cursor", text) => match block(text) {
                Ok(client) => after = Some(client),
                Err(_) => return bad("`cursor` is what `next` of the page before said."),
            },
            _ => return bad("The parameters are `limit` and `cursor`."),
        }
    }
    let mut items = state.clients().bans(after, limit + 1, operations.now());
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|last| client_text(last.client))
    });
    json(
        StatusCode::OK,
        &serde_json::json!({ "items": items, "next": next.flatten() }),
    )
}

/// The ban of exactly this block.
pub(super) fn show(state: &ControlState, client: &str) -> Answer {
    let Some(operations) = state.operations() else {
        return starting();
    };
    let client = match block(&decoded(client)) {
        Ok(client) => client,
        Err(why) => return bad(&why),
    };
    match state.clients().ban_of(client, operations.now()) {
        Some(ban) => json(StatusCode::OK, &ban),
        None => problem(StatusCode::NOT_FOUND, &not_banned(client)),
    }
}

/// Lifts the ban of exactly this block.
pub(super) async fn lift(state: &ControlState, client: &str, ends: Ends) -> Answer {
    let Some(operations) = state.operations() else {
        return starting();
    };
    let client = match block(&decoded(client)) {
        Ok(client) => client,
        Err(why) => return bad(&why),
    };
    let Some((ban, sequence)) = state.clients().lift_ban(client, operations.now()) else {
        return problem(StatusCode::NOT_FOUND, &not_banned(client));
    };
    operations.audit(
        ends.peer,
        format!("lifted the ban of {}", client_text(client)),
    );
    let stored = operations.stored(sequence).await;
    json(StatusCode::OK, &Made { ban, stored })
}

/// Bans one client, or many.
pub(super) async fn add(state: &ControlState, body: &[u8], ends: Ends) -> Answer {
    let Some(operations) = state.operations() else {
        return starting();
    };
    if !operations.obeys_bans() {
        return problem(
            StatusCode::CONFLICT,
            "No chain has the detection `ban`, so nobody would be refused: put `- ban: {}` first in `detections`.",
        );
    }
    let asked = match serde_json::from_slice(body) {
        Ok(asked) => asked,
        Err(_) => {
            return bad(
                "Send `{\"client\": \"192.0.2.1\", \"for\": \"15m\", \"reason\": \"…\"}` or a list of these; `for` and \
                 `reason` may be missing.",
            );
        }
    };
    match asked {
        Asked::One(order) => add_one(state, &*operations, &order, ends).await,
        Asked::Many(orders) if orders.len() > MOST_AT_ONCE => {
            bad("Send at most 50000 bans at once.")
        }
        Asked::Many(orders) => add_many(state, &*operations, &orders, ends).await,
    }
}

async fn add_one(
    state: &ControlState,
    operations: &dyn Operations,
    order: &Order,
    ends: Ends,
) -> Answer {
    let (client, order) = match understood(order) {
        Ok(understood) => understood,
        Err(why) => return bad(&why),
    };
    if let Some(why) = operations.protects(client) {
        return problem(StatusCode::CONFLICT, why);
    }
    let now = operations.now();
    let stored = match state.clients().ban_block(client, &order, now) {
        Err(error) => return problem(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
        Ok(None) => operations.stored(0).await,
        Ok(Some(sequence)) => {
            operations.audit(ends.peer, format!("banned {}", client_text(client)));
            operations.stored(sequence).await
        }
    };
    match state.clients().ban_of(client, now) {
        Some(ban) => json(StatusCode::CREATED, &Made { ban, stored }),
        None => problem(StatusCode::NOT_FOUND, &not_banned(client)),
    }
}

async fn add_many(
    state: &ControlState,
    operations: &dyn Operations,
    orders: &[Order],
    ends: Ends,
) -> Answer {
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for order in orders {
        let client = || printable(order.client.as_bytes(), 64);
        match understood(order) {
            Err(why) => refused.push(Refused {
                client: client(),
                why,
            }),
            Ok((block, order)) => match operations.protects(block) {
                Some(why) => refused.push(Refused {
                    client: client(),
                    why: why.to_owned(),
                }),
                None => good.push((block, order)),
            },
        }
    }
    let (banned, full, sequence) = state.clients().ban_blocks(&good, operations.now());
    refused.extend(full.into_iter().map(|client| Refused {
        client: client_text(client),
        why: crate::clients::NotBanned::Full.to_string(),
    }));
    operations.audit(ends.peer, format!("banned {banned} clients of a list"));
    let stored = operations.stored(sequence).await;
    json(
        StatusCode::OK,
        &serde_json::json!({ "banned": banned, "refused": refused, "stored": stored }),
    )
}

/// What an order means.
fn understood(order: &Order) -> Result<(IpNet, BanOrder), String> {
    let client = block(&order.client)?;
    if client.prefix_len() < 8 {
        return Err(format!(
            "{client} is a large part of the internet; the widest block is a /8"
        ));
    }
    let span = order.span.as_deref().map(Duration::from_str).transpose()?;
    if span.is_some_and(|span| span.get().is_zero()) {
        return Err("a ban for no time has no effect".into());
    }
    let reason = order.reason.as_deref().unwrap_or("banned by an operator");
    let cause = Cause {
        source: BanSource::Operator,
        detection: None,
        reason: printable(reason.as_bytes(), LONGEST_REASON).into(),
    };
    Ok((
        client,
        BanOrder {
            cause: Arc::new(cause),
            span: span.map(Duration::get),
        },
    ))
}

fn block(text: &str) -> Result<IpNet, String> {
    let text = printable(text.trim().as_bytes(), 64);
    Ok(Cidr::from_str(&text)?.get().trunc())
}

/// The names and values of a query.
fn pairs(query: &str) -> impl Iterator<Item = (&str, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name, decoded(value))
        })
}

/// A part of a target without its percent-encoding, as far as clients need it: `%2F` and `%3A`.
fn decoded(text: &str) -> String {
    let slash = text.replace("%2F", "/").replace("%2f", "/");
    slash.replace("%3A", ":").replace("%3a", ":")
}

fn not_banned(client: IpNet) -> String {
    format!("{} is not banned.", client_text(client))
}

fn bad(detail: &str) -> Answer {
    problem(StatusCode::BAD_REQUEST, detail)
}

fn starting() -> Answer {
    problem(StatusCode::SERVICE_UNAVAILABLE, "The proxy is starting.")
}
