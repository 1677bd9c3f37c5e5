//! `portcullis bans`: who is kept out, and who is to be.

mod files;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use http::Method;
use serde_json::{Value, json};

use self::files::Export;
use super::remote::{Control, Remote};
use super::{Format, Session, output};

/// Show, add and lift the bans of a running portcullis
#[derive(Debug, clap::Args)]
pub(super) struct Bans {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the bans in force
    List(List),
    /// Ban an address or a block of addresses
    Add(Add),
    /// Lift the ban of an address or a block, and forget what led to it
    Remove(Remove),
    /// Ban every address and block of a file, one a line
    Import(Import),
    /// Print the banned addresses and blocks, for a firewall
    Export(ExportAs),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// An address, or a block as in 192.0.2.0/24
    client: String,

    /// For how long, as in 15m or 2h. Default: until it is lifted
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,

    /// Why; it is shown with the ban and in events
    #[arg(long)]
    reason: Option<String>,

    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Remove {
    /// The address or block, as `list` shows it
    client: String,

    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The file; `-` for standard input. `#` and `;` begin a comment
    file: PathBuf,

    /// For how long. Default: until they are lifted
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,

    /// Why
    #[arg(long)]
    reason: Option<String>,

    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct ExportAs {
    /// `cidr`: one address or block a line; `nft`: a table with two sets and a chain that drops, for `nft -f`
    #[arg(long = "as", value_enum, default_value_t)]
    form: Export,

    #[command(flatten)]
    remote: Remote,
}

/// Where bans are listed and changed.
const PATH: &str = "/api/v1/bans";

/// How many bans are asked for at a time, and sent at a time.
const PAGE: usize = 10_000;

impl Bans {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::List(list) => {
                let bans = all(&list.remote.control(session)?)?;
                match session.format {
                    Format::Json => output::print_json(&Value::Array(bans))?,
                    Format::Text => output::print(&table(&bans))?,
                }
                Ok(ExitCode::SUCCESS)
            }
            Verb::Add(add) => add.run(session),
            Verb::Remove(remove) => {
                let control = remove.remote.control(session)?;
                let path = format!("{PATH}/{}", remove.client.replace('%', ""));
                let answered = control.ask(Method::DELETE, &path, None)?;
                told(session, &answered.body, "is not banned any more")
            }
            Verb::Import(import) => import.run(session),
            Verb::Export(export) => {
                let bans = all(&export.remote.control(session)?)?;
                output::print(&export.form.write(&bans))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Add {
    fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let control = self.remote.control(session)?;
        let order = order(&self.client, self.span.as_deref(), self.reason.as_deref());
        let answered = control.ask(Method::POST, PATH, Some(&order))?;
        let until = answered.body.get("until").and_then(Value::as_str);
        let until = until.map_or("until it is lifted".into(), |until| {
            format!("until {until}")
        });
        told(session, &answered.body, &format!("is banned {until}"))
    }
}

impl Import {
    fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let control = self.remote.control(session)?;
        let clients = files::read(&self.file)?;
        let (mut banned, mut refused, mut is_stored) = (0, Vec::new(), true);
        for some in clients.chunks(PAGE) {
            let orders = some
                .iter()
                .map(|client| order(client, self.span.as_deref(), self.reason.as_deref()));
            let orders = Value::Array(orders.collect());
            let answer = control.ask(Method::POST, PATH, Some(&orders))?.body;
            banned += answer.get("banned").and_then(Value::as_u64).unwrap_or(0);
            let of_some = answer.get("refused").and_then(Value::as_array);
            refused.extend(of_some.cloned().unwrap_or_default());
            is_stored &= answer.get("stored").and_then(Value::as_str) != Some("failed");
        }
        match session.format {
            Format::Json => output::print_json(&json!({ "banned": banned, "refused": refused }))?,
            Format::Text => {
                output::print(&format!("{banned} banned, {} refused.\n", refused.len()))?
            }
        }
        for refused in &refused {
            let of = |key| refused.get(key).and_then(Value::as_str).unwrap_or_default();
            output::note(&format!("{}: {}", of("client"), of("why")));
        }
        if !is_stored {
            return Err(not_stored());
        }
        Ok(if refused.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Tells what became of one client.
fn told(session: &Session, body: &Value, what: &str) -> anyhow::Result<ExitCode> {
    match session.format {
        Format::Json => output::print_json(body)?,
        Format::Text => {
            let client = body
                .get("client")
                .and_then(Value::as_str)
                .unwrap_or_default();
            output::print(&format!("{client} {what}.\n"))?;
        }
    }
    if body.get("stored").and_then(Value::as_str) == Some("failed") {
        return Err(not_stored());
    }
    Ok(ExitCode::SUCCESS)
}

fn not_stored() -> anyhow::Error {
    anyhow!(
        "it is done, but could not be stored: a restart forgets it; `portcullis status` says why"
    )
}

fn order(client: &str, span: Option<&str>, reason: Option<&str>) -> Value {
    let mut order = json!({ "client": client });
    for (key, value) in [("for", span), ("reason", reason)] {
        if let (Some(order), Some(value)) = (order.as_object_mut(), value) {
            order.insert(key.into(), value.into());
        }
    }
    order
}

/// All bans in force, page by page.
fn all(control: &Control) -> anyhow::Result<Vec<Value>> {
    let (mut bans, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{PATH}?limit={PAGE}{cursor}");
        let answer = control.ask(Method::GET, &path, None)?.body;
        let items = answer.get("items").and_then(Value::as_array);
        bans.extend(items.cloned().unwrap_or_default());
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(bans),
        }
    }
}

/// The bans as a table for people.
fn table(bans: &[Value]) -> String {
    if bans.is_empty() {
        return "Nobody is banned.\n".into();
    }
    let of = |ban: &Value, key: &str| match ban.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".into(),
    };
    let keys = ["client", "until", "source", "level", "hits", "reason"];
    let mut rows = vec![keys.map(str::to_owned)];
    rows.extend(bans.iter().map(|ban| keys.map(|key| of(ban, key))));
    let widths: Vec<usize> = (0..keys.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(String::len)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
