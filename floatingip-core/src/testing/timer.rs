//! Time for tests: it stands still until the test, or a waiting future, moves it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::orchestrator::Timer;
use crate::time::Now;

/// A [`Timer`] without a clock, so that tests neither wait nor depend on the machine's speed. A clone
/// is another handle of the same time.
///
/// - [`VirtualTimer::new`] stands still until [`VirtualTimer::advance`] is called: for tests that look
///   at what holds while somebody waits.
/// - [`VirtualTimer::automatic`] goes on by itself, from the end of one sleep to the next, once a sleep
///   is polled again without any time having passed: for tests that only want the outcome.
///
/// Sleeps work under [`block_on`](super::block_on) and [`together`](super::together), which poll
/// without being woken, and in any runtime.
///
/// ```
/// use std::time::Duration;
/// use floatingip_core::Timer;
/// use floatingip_core::testing::{VirtualTimer, block_on, poll_once};
///
/// let timer = VirtualTimer::new();
/// let mut sleep = std::pin::pin!(timer.sleep(Duration::from_secs(10)));
/// timer.advance(Duration::from_secs(9));
/// assert_eq!(poll_once(sleep.as_mut()), None);
/// timer.advance(Duration::from_secs(1));
/// assert_eq!(poll_once(sleep.as_mut()), Some(()));
///
/// let timer = VirtualTimer::automatic();
/// block_on(timer.sleep(Duration::from_secs(3600)));
/// assert_eq!(timer.now().elapsed, Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualTimer {
    automatic: bool,
    state: Arc<Mutex<State>>,
}

impl VirtualTimer {
    /// Stands still until it is told to go on. Both times of [`Now`] begin at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on by itself as soon as everybody sleeps.
    pub fn automatic() -> Self {
        Self {
            automatic: true,
            ..Self::default()
        }
    }

    /// Lets time pass, in one leap: sleeps that are over by then end, and what begins to sleep after
    /// them counts from the new time.
    pub fn advance(&self, by: Duration) {
        let to = self.now().elapsed.saturating_add(by);
        self.state().leap(to);
    }

    /// How many sleeps have been polled and are neither over nor dropped.
    pub fn sleeping(&self) -> usize {
        self.state().sleeps.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for VirtualTimer {
    fn now(&self) -> Now {
        self.state().now
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        let mut state = self.state();
        state.begun += 1;
        let end = state.now.elapsed.saturating_add(duration);
        Sleep {
            timer: self.clone(),
            key: (end, state.begun),
        }
    }
}

/// When a sleep ends, and a number that tells sleeps with the same end apart.
type Key = (Duration, u64);

#[derive(Debug, Default)]
struct State {
    now: Now,
    begun: u64,
    /// Who has been polled: since when, and how to be woken.
    sleeps: BTreeMap<Key, Sleeping>,
}

#[derive(Debug)]
struct Sleeping {
    polled_at: Duration,
    waker: Waker,
}

impl State {
    fn leap(&mut self, to: Duration) {
        let by = to.saturating_sub(self.now.elapsed);
        self.now.elapsed = self.now.elapsed.saturating_add(by);
        self.now.wall = self.now.wall.plus(by);
        while let Some(first) = self.sleeps.first_entry()
            && first.key().0 <= self.now.elapsed
        {
            first.remove().waker.wake();
        }
    }

    /// Goes on to the end of the first sleep where this one was polled before at the same time.
    fn leap_if_all_sleep(&mut self, key: Key) {
        let again = self
            .sleeps
            .get(&key)
            .is_some_and(|sleeping| sleeping.polled_at == self.now.elapsed);
        let first = self.sleeps.first_key_value().map(|((end, _), _)| *end);
        if let Some(end) = first.filter(|_| again) {
            self.leap(end);
        }
    }
}

struct Sleep {
    timer: VirtualTimer,
    key: Key,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.timer.state();
        if self.timer.automatic {
            state.leap_if_all_sleep(self.key);
        }
        let polled_at = state.now.elapsed;
        if self.key.0 <= polled_at {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        state.sleeps.insert(self.key, Sleeping { polled_at, waker });
        if self.timer.automatic {
            // Nobody else will ever call: time only goes on when a sleep is polled.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timer.state().sleeps.remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
