//! The clock that the journal's age is measured by: it runs on, whatever is done to the calendar.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use floatingip_core::{Now, Timer, WallTime};

use crate::clock::SystemTimer;

/// The most that a time without a server counts. A calendar that jumps while nobody looks makes the
/// journal older by so much, and no more.
const LONGEST_GAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What the clock showed at a commit, and the calendar with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Seconds that a server has run, or that are taken for its absence.
    pub(super) clock: u64,
    pub(super) wall: WallTime,
}

/// Goes on from what a former process stored.
pub(super) struct RunningClock {
    now: Box<dyn Fn() -> Now + Send>,
    /// What is to be added to the elapsed time of this process.
    offset: Cell<Option<Offset>>,
}

#[derive(Clone, Copy)]
struct Offset {
    since: Duration,
    base: Duration,
}

impl RunningClock {
    pub(super) fn system() -> Self {
        let timer = SystemTimer::start();
        Self::new(move || timer.now())
    }

    pub(super) fn new(now: impl Fn() -> Now + Send + 'static) -> Self {
        Self {
            now: Box::new(now),
            offset: Cell::new(None),
        }
    }

    /// How long this process runs, from some moment on.
    pub(super) fn elapsed(&self) -> Duration {
        (self.now)().elapsed
    }

    /// Reads the clock; `stored` is the last reading that was committed, which counts the first time.
    pub(super) fn read(&self, stored: Option<Reading>) -> Reading {
        let now = (self.now)();
        let offset = self.offset.get().unwrap_or_else(|| Offset {
            since: now.elapsed,
            base: stored.map_or(Duration::ZERO, |last| {
                let gap = now.wall.since(last.wall).min(LONGEST_GAP);
                Duration::from_secs(last.clock).saturating_add(gap)
            }),
        });
        self.offset.set(Some(offset));
        let run = now.elapsed.saturating_sub(offset.since);
        Reading {
            clock: offset.base.saturating_add(run).as_secs(),
            wall: now.wall,
        }
    }
}

impl fmt::Debug for RunningClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningClock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn clock(wall: u64, elapsed: u64) -> RunningClock {
        let now = Now {
            wall: WallTime::from_nanos(wall * 1_000_000_000),
            elapsed: Duration::from_secs(elapsed),
        };
        RunningClock::new(move || now)
    }

    fn stored(clock: u64, wall: u64) -> Option<Reading> {
        Some(Reading {
            clock,
            wall: WallTime::from_nanos(wall * 1_000_000_000),
        })
    }

    #[test]
    fn a_time_without_a_server_counts_by_the_calendar_and_at_most_a_day() {
        let read = |wall, last| clock(wall, 7).read(last).clock;
        assert_eq!(read(500, None), 0);
        assert_eq!(read(500, stored(100, 440)), 160);
        assert_eq!(read(500, stored(100, 600)), 100, "set back");
        assert_eq!(read(400 * DAY, stored(100, 0)), 100 + DAY);
    }

    #[test]
    fn a_calendar_that_jumps_under_a_running_server_counts_nothing() {
        let times = Cell::new(0);
        let clock = RunningClock::new(move || {
            let n = times.replace(times.get() + 1);
            Now {
                wall: WallTime::from_nanos(n % 2 * u64::MAX),
                elapsed: Duration::from_secs(n),
            }
        });
        assert_eq!(clock.read(stored(50, 0)).clock, 50);
        assert_eq!(clock.read(stored(50, 0)).clock, 51);
        assert_eq!(clock.read(None).clock, 52);
    }
}
