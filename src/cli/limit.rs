//! How long a list may be.

use std::str::FromStr;

/// How many items are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(pub(super) usize);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(usize::MAX));
        }
        let number = text.parse().map_err(|_| "write a number, or `all`")?;
        Ok(Self(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_all() {
        assert_eq!("0".parse(), Ok(Limit(0)));
        assert_eq!("all".parse(), Ok(Limit(usize::MAX)));
        "some".parse::<Limit>().expect_err("no number");
    }
}
