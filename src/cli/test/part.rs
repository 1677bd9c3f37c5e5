//! A part of a corpus: rules are tuned on some of it, and the rest tells whether what they learnt holds elsewhere.

use std::fmt;
use std::str::FromStr;

/// The n-th of so many parts of about the same size. Which one a request is in depends on its id alone, so that it is the same
/// in whatever file and order the request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    number: u64,
    of: u64,
}

impl Part {
    /// Whether a request is in the part.
    pub(super) fn holds(self, id: &str) -> bool {
        number(id) % self.of == self.number - 1
    }
}

/// An id as a number: what its hexadecimal digits write, or a hash of any other text (FNV-1a).
fn number(id: &str) -> u64 {
    u64::from_str_radix(id, 16).unwrap_or_else(|_| {
        id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    })
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("write the number of the part and how many there are, as in `1/3`".into()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_number_of_so_many() {
        for text in ["1/1", "1/3", "3/3"] {
            assert_eq!(text.parse::<Part>().expect(text).to_string(), text);
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/3"] {
            text.parse::<Part>().expect_err(text);
        }
    }

    #[test]
    fn each_request_is_in_one_part() {
        let parts = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Part>().expect(text));
        for id in [
            "0019c20c0a70f9a7",
            "ffffffffffffffff",
            "",
            "row 7",
            "1",
            "2",
        ] {
            let holding = parts.iter().filter(|part| part.holds(id));
            assert_eq!(holding.count(), 1, "{id}");
        }
        assert!(parts[0].holds("0000000000000009"));
        assert!(parts[1].holds("000000000000000a"));
    }
}
