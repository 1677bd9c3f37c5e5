//! Rates of the command line, which have more than one spelling.

use std::fmt;
use std::str::FromStr;

/// A rate that must be reached, as a fraction from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound(pub(super) f64);

impl FromStr for Bound {
    type Err = String;

    /// A number up to 1 is a fraction, unless a `%` stands behind it; a larger one is percent.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write percent from 0 to 100 (`90`, `99.5%`), or a fraction from 0 to 1 (`0.9`)"
                .to_owned()
        };
        let (number, is_percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text, false),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let fraction = if is_percent || number > 1.0 {
            number / 100.0
        } else {
            number
        };
        if (0.0..=1.0).contains(&fraction) {
            Ok(Self(fraction))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", 100.0 * self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_percent_or_a_fraction() {
        for (text, fraction) in [
            ("90", 0.9),
            ("90%", 0.9),
            ("0.9", 0.9),
            ("1", 1.0),
            ("1%", 0.01),
            ("0", 0.0),
            ("100 %", 1.0),
        ] {
            let Bound(read) = text.parse().expect(text);
            assert!((read - fraction).abs() < 1e-12, "{text}: {read}");
        }
        for text in ["", "x", "101", "-1", "-0.1", "NaN", "inf", "%"] {
            text.parse::<Bound>().expect_err(text);
        }
        assert_eq!(Bound(0.995).to_string(), "99.5 %");
    }
}
