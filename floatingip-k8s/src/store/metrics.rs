//! What the store did, counted for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
    /// Reads one, to tell who is there.
    Look,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Look];

    /// Its name, as a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Look => "look",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    Done,
    Refused,
    Undone,
    Unknown,
}

/// The requests of one kind so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Did what they were to do.
    pub done: u64,
    /// Found something else than they expected.
    pub refused: u64,
    /// Certainly did nothing, for reasons of the API server.
    pub undone: u64,
    /// Have no certain outcome.
    pub unknown: u64,
    /// How long they took.
    pub latency: Latency,
}

/// How long requests took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many took at most as long as each of [`Latency::BOUNDS`], and longer than the one before;
    /// the last ones took longer than all.
    pub buckets: [u64; BUCKETS],
    /// All of them together.
    pub sum: Duration,
}

impl Latency {
    /// The upper ends of the buckets but the last.
    pub const BOUNDS: [Duration; BUCKETS - 1] = [
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(5),
    ];

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

const BUCKETS: usize = 13;

/// Everything that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By what the requests do.
    pub requests: Vec<(Verb, Tally)>,
    /// Requests under way now.
    pub in_flight: usize,
    /// Writes that have no certain outcome now, those under way included.
    pub in_doubt: usize,
    /// Writes that were not begun because the gate was closed or about to close.
    pub not_begun: u64,
}

/// Counters that many tasks add to.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: [Gauge; Verb::ALL.len()],
}

#[derive(Debug, Default)]
struct Gauge {
    results: [AtomicU64; 4],
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Meter {
    pub(super) fn count(&self, verb: Verb, result: Result, took: Duration) {
        if let Some(gauge) = self.requests.get(verb.index()) {
            gauge.count(result, took);
        }
    }

    pub(super) fn tallies(&self) -> Vec<(Verb, Tally)> {
        let gauges = Verb::ALL.into_iter().zip(&self.requests);
        gauges.map(|(verb, gauge)| (verb, gauge.tally())).collect()
    }
}

impl Gauge {
    fn count(&self, result: Result, took: Duration) {
        let bucket = Latency::BOUNDS.partition_point(|bound| *bound < took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let counters = [self.results.get(result as usize), self.buckets.get(bucket)];
        for counter in counters.into_iter().flatten() {
            counter.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(micros, Relaxed);
    }

    fn tally(&self) -> Tally {
        let [done, refused, undone, unknown] =
            self.results.each_ref().map(|counter| counter.load(Relaxed));
        Tally {
            done,
            refused,
            undone,
            unknown,
            latency: Latency {
                buckets: self.buckets.each_ref().map(|counter| counter.load(Relaxed)),
                sum: Duration::from_micros(self.micros.load(Relaxed)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_verb_result_and_time() {
        let meter = Meter::default();
        for millis in [0, 1, 3, 60_000] {
            meter.count(Verb::Update, Result::Done, Duration::from_millis(millis));
        }
        meter.count(Verb::Update, Result::Unknown, Duration::from_millis(3));
        let tallies = meter.tallies();
        let (verb, update) = &tallies[Verb::Update.index()];
        assert_eq!((*verb, update.done, update.unknown), (Verb::Update, 4, 1));
        let buckets = update.latency.buckets;
        assert_eq!((buckets[0], buckets[2], buckets[BUCKETS - 1]), (2, 2, 1));
        assert_eq!(update.latency.count(), 5);
        assert_eq!(update.latency.sum, Duration::from_millis(60_007));
        assert_eq!(tallies[Verb::Create.index()].1, Tally::default());
    }
}
