//! How long the scheduler's questions take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::backend::{Bucket, Histogram};

/// What the scheduler asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Filter,
    Prioritize,
    Bind,
    Preempt,
}

const VERBS: [(Verb, &str); 4] = [
    (Verb::Filter, "filter"),
    (Verb::Prioritize, "prioritize"),
    (Verb::Bind, "bind"),
    (Verb::Preempt, "preempt"),
];

/// The upper bounds of the buckets, in microseconds.
const BOUNDS: [u64; 12] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000,
];

/// The times of all verbs.
#[derive(Debug, Default)]
pub(super) struct Latencies([Times; VERBS.len()]);

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

/// A question under way; its time is over when this is dropped.
#[derive(Debug)]
pub(super) struct Took<'a> {
    times: &'a Times,
    begun: Instant,
}

impl Latencies {
    pub(super) fn begin(&self, verb: Verb) -> Took<'_> {
        let [filter, prioritize, bind, preempt] = &self.0;
        let times = match verb {
            Verb::Filter => filter,
            Verb::Prioritize => prioritize,
            Verb::Bind => bind,
            Verb::Preempt => preempt,
        };
        Took {
            times,
            begun: Instant::now(),
        }
    }

    /// Under the name that galaxy-ipam gave it.
    pub(super) fn histograms(&self) -> Vec<Histogram> {
        let shown = |((_, func), times): (&(Verb, &'static str), &Times)| Histogram {
            name: "galaxy_schedule_latency",
            help: "Seconds that a question of the scheduler's took.",
            label: ("func", func),
            buckets: times.buckets(),
            count: times.count.load(Ordering::Relaxed),
            sum: times.micros.load(Ordering::Relaxed) as f64 / 1e6,
        };
        VERBS.iter().zip(&self.0).map(shown).collect()
    }
}

impl Times {
    fn add(&self, micros: u64) {
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound);
        if let Some(bucket) = bucket.and_then(|bucket| self.buckets.get(bucket)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn buckets(&self) -> Vec<Bucket> {
        let mut count = 0;
        let bucket = |(bound, within): (&u64, &AtomicU64)| {
            count += within.load(Ordering::Relaxed);
            Bucket {
                at_most: *bound as f64 / 1e6,
                count,
            }
        };
        BOUNDS.iter().zip(&self.buckets).map(bucket).collect()
    }
}

impl Drop for Took<'_> {
    fn drop(&mut self) {
        let micros = self.begun.elapsed().as_micros();
        self.times.add(u64::try_from(micros).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let times = Times::default();
        for micros in [50, 100, 700, 99_000_000] {
            times.add(micros);
        }
        let counts: Vec<u64> = times.buckets().iter().map(|bucket| bucket.count).collect();
        assert_eq!(counts, [2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(times.count.load(Ordering::Relaxed), 4);
    }
}
