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
///   has been polled [`VirtualTimer::IDLE_POLLS`] times at the same time: for tests that only want
///   the outcome. Whoever has something to do without sleeping has so many polls for it.
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
    /// After so many polls of a sleep without time passing, everybody is taken to sleep.
    pub const IDLE_POLLS: u32 = 32;

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
    sleeps: BTreeMap<Key, Sleeping>,
}

/// A sleep that has been polled.
#[derive(Debug)]
struct Sleeping {
    /// When last, and how often at that time.
    polled: (Duration, u32),
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

    /// Goes on to the end of the first sleep.
    fn leap_to_first(&mut self) {
        if let Some(((end, _), _)) = self.sleeps.first_key_value() {
            self.leap(*end);
        }
    }

    /// How often the sleep has been polled at this time.
    fn polls(&self, key: Key) -> u32 {
        let last = self.sleeps.get(&key).map(|sleeping| sleeping.polled);
        last.filter(|(at, _)| *at == self.now.elapsed)
            .map_or(0, |(_, polls)| polls)
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
        if self.timer.automatic && state.polls(self.key) >= VirtualTimer::IDLE_POLLS {
            state.leap_to_first();
        }
        if self.key.0 <= state.now.elapsed {
            return Poll::Ready(());
        }
        let sleeping = Sleeping {
            polled: (state.now.elapsed, state.polls(self.key) + 1),
            waker: context.waker().clone(),
        };
        state.sleeps.insert(self.key, sleeping);
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
