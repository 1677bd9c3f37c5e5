//! The values that a configuration file is written in, parsed once into their final types.
//!
//! Units are part of the value (`30s`, `1MiB`), never of the key's name; a number without a unit is refused, because
//! nobody can say whether `timeout: 30` means seconds or milliseconds.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time: a whole number and `ms`, `s`, `m`, `h` or `d`, as in `250ms`, `10s`, `1m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

/// A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`, as in `32KiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A block of addresses, `192.0.2.0/24` or `2001:db8::/32`; a bare address is a block of one. An IPv4-mapped IPv6
/// block is the IPv4 block it maps (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

/// A value that must never be shown: `Debug` and `Serialize` print `[masked]`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

/// A regular expression, compiled when the file is read. Matching is on bytes, linear in the input, and its compiled
/// size is bounded (1 MiB).
#[derive(Clone)]
pub struct Pattern(regex::bytes::Regex);

// === impl Duration ===

impl Duration {
    /// Wraps a span of time.
    #[must_use]
    pub const fn new(span: std::time::Duration) -> Self {
        Self(span)
    }

    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn milliseconds(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// The span for use with the standard library.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let milliseconds_per_unit: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => {
                return Err(format!(
                    "`{text}` is no duration; write a whole number and ms, s, m, h or d, as in `10s`"
                ));
            }
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(milliseconds_per_unit))
            .map(Self::milliseconds)
            .ok_or_else(|| format!("`{text}` is no duration; write a whole number and ms, s, m, h or d, as in `10s`"))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        for (size, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ] {
            if milliseconds >= size && milliseconds.is_multiple_of(size) {
                return write!(f, "{}{unit}", milliseconds / size);
            }
        }
        write!(f, "{milliseconds}ms")
    }
}

// === impl ByteSize ===

impl ByteSize {
    /// A number of bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A number of KiB.
    #[must_use]
    pub const fn kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// A number of MiB.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib * 1024 * 1024)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as an index, saturating where the machine's indexes are smaller.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no size; write a whole number and B, KiB, MiB or GiB, as in `1MiB`"
            )
        };
        let (number, unit) = split_unit(text);
        let bytes_per_unit: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(bytes_per_unit))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

// === impl Cidr ===

impl Cidr {
    /// Whether every address of a family is in it.
    #[must_use]
    pub fn is_everybody(self) -> bool {
        self.0.prefix_len() == 0
    }

    /// The block; never an IPv4-mapped IPv6 block.
    #[must_use]
    pub const fn get(self) -> IpNet {
        self.0
    }

    /// Whether `address` lies in the block. `address` must be canonical: IPv4-mapped addresses as IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl From<IpNet> for Cidr {
    fn from(block: IpNet) -> Self {
        Self(unmap(block))
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no address block; write an address or a CIDR, as in `192.0.2.0/24` or `2001:db8::/32`"
            )
        };
        let block = if text.contains('/') {
            text.parse::<IpNet>().map_err(|_| wrong())?
        } else {
            IpNet::from(text.parse::<IpAddr>().map_err(|_| wrong())?)
        };
        Ok(Self(unmap(block)))
    }
}

/// The IPv4 block that an IPv4-mapped IPv6 block stands for, any other block as it is.
fn unmap(block: IpNet) -> IpNet {
    let IpNet::V6(v6) = block else { return block };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => ipnet::Ipv4Net::new(v4, prefix).map_or(block, IpNet::V4),
        _ => block,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Secret ===

impl Secret {
    /// Takes a secret text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself. Name it only where it is used, never where something is printed.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[masked]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[masked]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A secret: `${NAME}` from the environment or `${file:/path}`." })
    }
}

// === impl Pattern ===

impl Pattern {
    /// The compiled expression.
    #[must_use]
    pub const fn regex(&self) -> &regex::bytes::Regex {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        regex::bytes::RegexBuilder::new(text)
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|error| {
                format!(
                    "`{text}` is no regular expression: {}",
                    last_line(&error.to_string())
                )
            })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// The line of a regex error that says what is wrong; the lines above draw it, badly once indented.
fn last_line(text: &str) -> &str {
    text.lines()
        .last()
        .unwrap_or(text)
        .trim_start_matches("error: ")
}

/// Splits `10s` into `10` and `s`; a space between them is allowed.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    (number, unit.trim_start())
}

/// Gives a type that is written as text its serde, `Debug` and schema faces.
macro_rules! written_as_text {
    ($($type:ident, $name:literal, $example:literal;)+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    )+};
}

written_as_text! {
    Duration, "Duration", "10s";
    ByteSize, "ByteSize", "1MiB";
    Cidr, "Cidr", "192.0.2.0/24";
    Pattern, "Pattern", "(?i)^curl/";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_come_back_as_written_and_demand_a_unit() {
        for text in ["250ms", "10s", "1m", "36h", "2d"] {
            let parsed: Duration = text.parse().expect(text);
            assert_eq!(parsed.to_string().parse::<Duration>().expect(text), parsed);
        }
        for text in ["1B", "32KiB", "1MiB", "2GiB"] {
            assert_eq!(text.parse::<ByteSize>().expect(text).to_string(), text);
        }
        for wrong in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 parsecs",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
        for wrong in ["", "10", "MiB", "1MB", "-1B", "99999999999999999999GiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn mapped_blocks_are_the_blocks_they_map() {
        let mapped: Cidr = "::ffff:192.0.2.0/120".parse().expect("a mapped block");
        assert_eq!(mapped.to_string(), "192.0.2.0/24");
        assert!(mapped.contains("192.0.2.7".parse().expect("an address")));
        assert!("300.1.2.3".parse::<Cidr>().is_err());
        assert!("192.0.2.0/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn a_secret_is_printed_nowhere() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(format!("{secret:?}"), "[masked]");
        assert_eq!(
            serde_json::to_string(&secret).expect("serialises"),
            "\"[masked]\""
        );
    }
}
