//! Gathering: which jobs share one transaction, and so one flush.
//!
//! Callers that were answered together ask again together, but a little apart. A writer that began with the
//! first of them would leave all others to the next flush: on slow disks groups would be half as large.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// The most jobs in one transaction. At a few writes a job it stays well below what a flush costs.
const GROUP: usize = 512;

/// Which part of a commit is waited at most until as many have come as the last time.
const PART: u32 = 4;

/// The longest wait, for disks that hang.
const LONGEST: Duration = Duration::from_millis(10);

/// Takes jobs group by group.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How many came the last time.
    last: usize,
}

impl Gathering {
    /// The next group, once there is a job; whoever asks alone never waits for others. `receive` waits so
    /// long for the next job; `commit` is how long the last one took.
    ///
    /// # Errors
    /// None came for so long, or none will ever come.
    pub(super) fn next<T>(
        &mut self,
        mut receive: impl FnMut(Duration) -> Result<T, RecvTimeoutError>,
        idle: Duration,
        commit: Duration,
    ) -> Result<Vec<T>, RecvTimeoutError> {
        let mut group = vec![receive(idle)?];
        let until = Instant::now() + (commit / PART).min(LONGEST);
        while group.len() < GROUP {
            let wait = match group.len() < self.last {
                true => until.saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            match receive(wait) {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        self.last = group.len();
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What is there, and what comes as soon as somebody waits for it.
    struct Jobs {
        there: usize,
        late: usize,
    }

    impl Jobs {
        fn receive(&mut self, wait: Duration) -> Result<(), RecvTimeoutError> {
            let from = match wait.is_zero() || self.there > 0 {
                true => &mut self.there,
                false => &mut self.late,
            };
            *from = from.checked_sub(1).ok_or(RecvTimeoutError::Timeout)?;
            Ok(())
        }
    }

    fn group(gathering: &mut Gathering, jobs: &mut Jobs, commit: Duration) -> usize {
        let group = gathering.next(|wait| jobs.receive(wait), MINUTE, commit);
        group.map_or(0, |group| group.len())
    }

    #[test]
    fn what_is_there_is_taken_together_and_no_more_than_a_group() {
        let (there, late) = (GROUP + 1, 0);
        let (mut gathering, mut jobs) = (Gathering::default(), Jobs { there, late });
        let mut next = || group(&mut gathering, &mut jobs, Duration::ZERO);
        assert_eq!([next(), next(), next()], [GROUP, 1, 0]);
    }

    #[test]
    fn as_many_as_the_last_time_are_waited_for_and_no_more() {
        let (there, late) = (1, 9);
        let (mut gathering, mut jobs) = (Gathering { last: 3 }, Jobs { there, late });
        assert_eq!(group(&mut gathering, &mut jobs, MINUTE), 3);
    }

    #[test]
    fn who_comes_alone_does_not_wait() {
        let (there, late) = (1, 9);
        let (mut gathering, mut jobs) = (Gathering { last: 1 }, Jobs { there, late });
        assert_eq!(group(&mut gathering, &mut jobs, MINUTE), 1);
    }

    #[test]
    fn who_does_not_come_back_is_waited_for_once() {
        let (there, late) = (1, 0);
        let (mut gathering, mut jobs) = (Gathering { last: 64 }, Jobs { there, late });
        assert_eq!(group(&mut gathering, &mut jobs, MINUTE), 1);
        assert_eq!(gathering.last, 1);
    }
}
