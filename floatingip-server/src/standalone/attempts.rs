//! Attempts to connect a container interface that have ended: whoever was killed after asking cannot take the question
//! back, and it may arrive after the end that was told for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use floatingip_core::Name;
use floatingip_core::refusal::Refusal;

use crate::native::Wanted;

/// How long a question may be under way: more than a connection lasts on which nobody says anything.
const UNDER_WAY: Duration = Duration::from_secs(600);
/// The most that are remembered, with a kilobyte each at most; the oldest are forgotten first.
const MOST: usize = 4096;

/// The latest attempts that have ended. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(Arc<Mutex<VecDeque<(Instant, Name)>>>);

impl Attempts {
    /// An attempt has ended.
    pub(super) fn end(&self, attempt: Name) {
        self.end_at(Instant::now(), attempt);
    }

    fn end_at(&self, now: Instant, attempt: Name) {
        let mut latest = self.latest();
        latest.retain(|(_, other)| *other != attempt);
        latest.push_back((now, attempt));
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > UNDER_WAY;
        while latest.len() > MOST || latest.front().is_some_and(|(at, _)| is_old(at)) {
            latest.pop_front();
        }
    }

    /// # Errors
    /// What is wanted is wanted by an attempt that has ended.
    pub(super) fn check(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let Some(attempt) = &wanted.attempt else {
            return Ok(());
        };
        if !self.latest().iter().any(|(_, ended)| ended == attempt) {
            return Ok(());
        }
        let pod = wanted.request.pod();
        Err(Refusal::PodEnded {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
        })
    }

    fn latest(&self) -> MutexGuard<'_, VecDeque<(Instant, Name)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_attempts_are_remembered_for_a_while_and_no_more_than_that() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..=MOST {
            attempts.end_at(now, format!("a{number}").into());
        }
        attempts.end_at(now, "a1".into());
        let names = || {
            let latest = attempts.latest();
            let names = latest.iter().map(|(_, name)| name.to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names().len(), MOST);
        assert_eq!(names()[0], "a2");
        attempts.end_at(now + UNDER_WAY, "b".into());
        assert_eq!(names().len(), MOST);
        attempts.end_at(now + 2 * UNDER_WAY, "c".into());
        assert_eq!(names(), ["b", "c"]);
    }
}
