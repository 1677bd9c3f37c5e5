//! Lists of bans as files: what comes in, and what goes out to a firewall.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;

/// How bans are printed for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Export {
    /// One address or block a line.
    #[default]
    Cidr,
    /// A table of nftables.
    Nft,
}

/// The longest file that is read.
const LONGEST: u64 = 64 << 20;

/// The addresses and blocks of a file, one a line; whether they make sense is for the listener to say.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)?;
    } else {
        let file = std::fs::File::open(path);
        let file = file.with_context(|| format!("`{}` cannot be read", path.display()))?;
        file.take(LONGEST)
            .read_to_string(&mut text)
            .with_context(|| format!("`{}` cannot be read", path.display()))?;
    }
    Ok(clients(&text))
}

fn clients(text: &str) -> Vec<String> {
    let entries = text
        .lines()
        .map(|line| line.split(['#', ';']).next().unwrap_or("").trim());
    entries
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Export {
    /// The bans in this form.
    pub(super) fn write(self, bans: &[Value]) -> String {
        let clients = bans
            .iter()
            .filter_map(|ban| ban.get("client").and_then(Value::as_str));
        // What a firewall is told to do must not be a text that somebody else chose.
        let clients: Vec<ipnet::IpNet> = clients
            .filter_map(|client| {
                client
                    .parse()
                    .ok()
                    .or_else(|| Some(client.parse::<std::net::IpAddr>().ok()?.into()))
            })
            .collect();
        match self {
            Self::Cidr => clients.iter().map(|client| format!("{client}\n")).collect(),
            Self::Nft => nft(&clients),
        }
    }
}

/// A table that drops what comes from banned clients. It replaces itself when it is read again.
fn nft(clients: &[ipnet::IpNet]) -> String {
    // Sets of intervals take no block that lies in another.
    let (v4, v6): (Vec<_>, Vec<_>) = ipnet::IpNet::aggregate(&clients.to_vec())
        .into_iter()
        .partition(|client| matches!(client, ipnet::IpNet::V4(_)));
    let set = |name: &str, kind: &str, clients: &[ipnet::IpNet]| {
        let elements = clients
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",\n            ");
        let elements = if elements.is_empty() {
            String::new()
        } else {
            format!("        elements = {{\n            {elements}\n        }}\n")
        };
        format!(
            "    set {name} {{\n        type {kind}\n        flags interval\n{elements}    }}\n"
        )
    };
    format!(
        "table inet portcullis\ndelete table inet portcullis\ntable inet portcullis {{\n{}{}    chain input {{\n        \
         type filter hook input priority filter; policy accept;\n        ip saddr @banned4 drop\n        \
         ip6 saddr @banned6 drop\n    }}\n}}\n",
        set("banned4", "ipv4_addr", &v4),
        set("banned6", "ipv6_addr", &v6),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_read_without_its_comments() {
        let text = "# bad ones\n192.0.2.1\n\n 2001:db8::/64 ; why\r\nnonsense\n";
        assert_eq!(clients(text), ["192.0.2.1", "2001:db8::/64", "nonsense"]);
    }

    #[test]
    fn exports_hold_each_block_once_and_nothing_that_is_none() {
        let bans = [
            json!({ "client": "192.0.2.0/24" }),
            json!({ "client": "192.0.2.7" }),
            json!({ "client": "2001:db8::/64" }),
            json!({ "client": "}; flush ruleset" }),
        ];
        assert_eq!(
            Export::Cidr.write(&bans),
            "192.0.2.0/24\n192.0.2.7/32\n2001:db8::/64\n"
        );
        let text = Export::Nft.write(&bans);
        assert!(
            text.contains("elements = {\n            192.0.2.0/24\n        }"),
            "{text}"
        );
        assert!(text.contains("            2001:db8::/64\n"), "{text}");
        assert!(
            !text.contains("192.0.2.7") && !text.contains("flush ruleset"),
            "{text}"
        );
        let text = Export::Nft.write(&[]);
        assert!(!text.contains("elements"), "{text}");
    }
}
