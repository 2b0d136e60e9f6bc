//! Times: how long something took, as a distribution that many may add to at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often something took how long, in buckets with fixed upper bounds. Adding takes no lock.
///
/// ```
/// use std::time::Duration;
///
/// use floatingip_core::times::Times;
///
/// const BOUNDS: &[Duration] = &[Duration::from_micros(10), Duration::from_micros(100)];
/// let times = Times::new(BOUNDS);
/// times.add(Duration::from_micros(10));
/// times.add(Duration::from_micros(11));
/// times.add(Duration::from_secs(1));
/// assert_eq!(times.up_to(), [(BOUNDS[0], 1), (BOUNDS[1], 2)]);
/// assert_eq!(times.count(), 3);
/// ```
#[derive(Debug)]
pub struct Times {
    bounds: &'static [Duration],
    /// How many were within each bound and above the one before it; the last one is for the rest.
    within: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

impl Default for Times {
    /// With the bounds [`Times::FINE`].
    fn default() -> Self {
        Self::new(Self::FINE)
    }
}

impl Times {
    /// Bounds for decisions and for writes of a local disk: from a microsecond to ten seconds.
    pub const FINE: &[Duration] = &[
        Duration::from_micros(1),
        Duration::from_micros(2),
        Duration::from_micros(5),
        Duration::from_micros(10),
        Duration::from_micros(20),
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(200),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(50),
        Duration::from_millis(200),
        Duration::from_secs(1),
        Duration::from_secs(10),
    ];

    /// None yet. The bounds are ascending.
    pub fn new(bounds: &'static [Duration]) -> Self {
        let within = std::iter::repeat_with(AtomicU64::default);
        Self {
            bounds,
            within: within.take(bounds.len() + 1).collect(),
            nanos: AtomicU64::default(),
        }
    }

    /// Counts one. O(log n) in the number of bounds.
    pub fn add(&self, took: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        if let Some(count) = self.within.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many took no longer than each bound.
    pub fn up_to(&self) -> Vec<(Duration, u64)> {
        let mut sum = 0;
        let up_to = |(bound, within): (&Duration, &AtomicU64)| {
            sum += within.load(Ordering::Relaxed);
            (*bound, sum)
        };
        self.bounds.iter().zip(&self.within).map(up_to).collect()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        let counts = self.within.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How long all of them took together; wraps around after some 584 years.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}
