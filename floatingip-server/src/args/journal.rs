//! How much of what happened to addresses is kept.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::store::Options;

/// The bounds of the journal: whichever is met first drops the oldest lines.
#[derive(Clone, Debug, clap::Args)]
pub struct Journal {
    /// How many lines the journal keeps.
    #[arg(
        long,
        value_name = "N",
        env = "FLOATINGIP_JOURNAL_LIMIT",
        default_value_t = 1_000_000
    )]
    pub journal_limit: u64,
    /// How many MiB of lines the journal keeps.
    #[arg(
        long,
        value_name = "MIB",
        env = "FLOATINGIP_JOURNAL_MIB",
        default_value_t = 512
    )]
    pub journal_mib: u32,
    /// How long the journal keeps a line: a number with s, m, h or d behind it, or `none`. Only time
    /// counts in which the server runs, and of a time in which it does not at most a day.
    #[arg(
        long,
        value_name = "AGE",
        env = "FLOATINGIP_JOURNAL_AGE",
        default_value = "90d"
    )]
    pub journal_age: Age,
}

impl Journal {
    /// The bounds, as the store takes them.
    pub fn options(&self) -> Options {
        Options {
            journal_limit: self.journal_limit,
            journal_bytes: u64::from(self.journal_mib) << 20,
            journal_age: self.journal_age.0,
        }
    }
}

/// How old a line may become; none: as old as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Option<Duration>);

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        if text == "none" {
            return Ok(Self(None));
        }
        parsed(text)
            .map(|age| Self(Some(age)))
            .ok_or_else(|| AgeError {
                found: text.to_owned(),
            })
    }
}

fn parsed(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let age = number.checked_mul(seconds).filter(|age| *age > 0)?;
    Some(Duration::from_secs(age))
}

/// A text that is no age.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{found}` is no age: write a number above 0 and s, m, h or d, such as 90d, or none")]
pub struct AgeError {
    /// What stood there.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_a_unit_or_none() {
        let age = |seconds| Ok(Age(Some(Duration::from_secs(seconds))));
        assert_eq!("1s".parse(), age(1));
        assert_eq!("90m".parse(), age(5400));
        assert_eq!("2h".parse(), age(7200));
        assert_eq!("90d".parse(), age(90 * 86400));
        assert_eq!("none".parse(), Ok(Age(None)));
        for bad in [
            "",
            "d",
            "0d",
            "1",
            "+1d",
            "1.5h",
            "1w",
            "1 d",
            "5é",
            "99999999999999999999d",
            "300000000000000000d",
        ] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }
}
