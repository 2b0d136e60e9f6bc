//! The clock of the process: where core's time comes from.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use floatingip_core::{Now, Timer, WallTime};

/// The system's calendar and its monotonic clock, with tokio's timers.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimer {
    start: Instant,
}

impl SystemTimer {
    /// A clock whose elapsed time begins now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Timer for SystemTimer {
    fn now(&self) -> Now {
        // A calendar before 1970 is a broken one; it is only written down, never decided upon.
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let nanos = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        Now {
            wall: WallTime::from_nanos(nanos),
            elapsed: self.start.elapsed(),
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }
}
