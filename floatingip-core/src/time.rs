//! Time as an argument: core reads no clock, every caller says what time it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch, good until the year 2554.
///
/// Wall time is only written down (`updateTime`, the journal, the end of a quarantine); no decision
/// depends on it, because clocks jump.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(u64);

impl WallTime {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This time and `later` after it, staying at the end of the representable range.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for WallTime {
    /// Seconds and nanoseconds since the epoch; adapters print calendar dates.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What time it is, twice: for the record, and for decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The calendar's time: written into records and the journal, never decided upon.
    pub wall: WallTime,
    /// A monotonic time since any fixed moment of this process: what time-outs are measured by.
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_stays_at_both_ends_of_its_range() {
        let last = WallTime::from_nanos(u64::MAX);
        assert_eq!(last.plus(Duration::from_secs(1)), last);
        assert_eq!(WallTime::default().since(last), Duration::ZERO);
        assert_eq!(
            WallTime::from_nanos(1_500_000_001).to_string(),
            "1.500000001"
        );
    }
}
