//! The orchestrator: engine and store put together. Async without a runtime: the adapter brings the
//! timer and polls the futures.

mod announced;
mod operate;
mod pools;
mod upkeep;
mod work;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use thiserror::Error;

pub use announced::Announced;
use announced::Announcements;
pub use operate::{AdoptReport, AllocateError, Place, ReleaseError, ReleaseReport};
pub use pools::PoolReport;
use work::{Left, Work};

use crate::engine::{Engine, Progress, Settings, Settled, TooManyFree};
use crate::fact::World;
use crate::plan::Plan;
use crate::query::{Page, Query, Row};
use crate::request::PodRequest;
use crate::store::{LoadError, Store};
use crate::time::Now;
use crate::times::Times;
use crate::topology::{Difference, Topology};

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Time, from outside.
pub trait Timer: Send + Sync {
    /// What time it is.
    fn now(&self) -> Now;
    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// How patient an orchestrator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long an operation waits for the store before it answers that the outcome is not certain yet.
    pub patience: Duration,
    /// The first pause before a write with an unknown outcome is repeated, or before looking again
    /// whether somebody else's change is over; doubled each time.
    pub first_pause: Duration,
    /// The longest such pause.
    pub longest_pause: Duration,
    /// How often an operation decides anew when somebody else was quicker.
    pub attempts: u32,
    /// How many records are looked at in one go with the lock held.
    pub slice: usize,
    /// How many of the plans and ends that were left [`Orchestrator::tend`] works on at once.
    pub at_once: usize,
    /// With so many plans whose outcome is not certain, nothing new is begun.
    pub most_uncertain: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(2),
            attempts: 16,
            slice: 256,
            at_once: 16,
            most_uncertain: 1024,
        }
    }
}

/// Why an operation has no definite end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Stuck {
    /// The store did not do it, for reasons of its own.
    #[error("the store is not available: what was asked for is not done, try again")]
    Unavailable,
    /// The store has not said what became of it. It goes on by itself; until it is certain, the
    /// addresses are held.
    #[error("the store has not confirmed the change yet: look again before trying again")]
    Uncertain,
    /// Others changed the same records each time.
    #[error("others keep changing the same addresses: try again")]
    Contended,
}

/// An engine, the store that makes its plans durable, and the world they are about.
///
/// Every operation decides under a short lock, writes without it, and settles. An operation may be
/// dropped or lose its patience at any point: its plan is then carried on by [`Orchestrator::tend`],
/// which the adapter calls again and again.
#[derive(Debug)]
pub struct Orchestrator<S, T, W> {
    engine: Mutex<Engine>,
    store: S,
    timer: T,
    world: W,
    limits: Limits,
    left: Mutex<VecDeque<Left>>,
    announcements: Announcements,
    decisions: Times,
}

impl<S: Store, T: Timer, W: World + Send + Sync> Orchestrator<S, T, W> {
    /// Loads everything the store has.
    ///
    /// # Errors
    /// What cannot be read. Nothing may be decided then.
    pub async fn start(
        settings: Settings,
        topology: Topology,
        store: S,
        timer: T,
        world: W,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let snapshot = store.load().await?;
        let mut engine = Engine::new(settings);
        let now = timer.now();
        engine.reconfigure(topology);
        engine.load(snapshot, now);
        Ok(Self {
            engine: Mutex::new(engine),
            store,
            timer,
            world,
            limits,
            left: Mutex::default(),
            announcements: Announcements::default(),
            decisions: Times::new(Times::FINE),
        })
    }

    /// The engine, locked: for short looks and for changes that need no store. Never to be kept over
    /// an `await`.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        // The engine does not panic; a caller who did while looking has left it as it was.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The world.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        self.timer.now()
    }

    /// How long decisions about a pod's addresses took, waiting for the lock included.
    pub fn decisions(&self) -> &Times {
        &self.decisions
    }

    /// How many plans have an outcome that is not certain and that nobody waits for.
    pub fn uncertain(&self) -> usize {
        self.left().len()
    }

    /// Puts another configuration in force.
    pub fn reconfigure(&self, topology: Topology) -> Difference {
        self.engine().reconfigure(topology)
    }

    /// A page of addresses. Where no index has the order, the lock is taken for one slice of records
    /// after the other.
    ///
    /// # Errors
    /// More free addresses than can be listed.
    pub fn list(&self, query: &Query) -> Result<Page<Row>, TooManyFree> {
        let mut listing = {
            let engine = self.engine();
            if let Some(page) = engine.page(query) {
                return Ok(page);
            }
            engine.listing(query.clone())?
        };
        while self.engine().advance(&mut listing, self.limits.slice) == Progress::More {}
        Ok(listing.finish())
    }

    /// Makes a plan durable and settles it, however long that takes. Dropped before its end, even
    /// before its beginning, the plan goes on in [`Orchestrator::tend`].
    pub fn carry_out(&self, plan: Plan) -> impl Future<Output = Settled> + Send {
        // Made here and not in the future, so that a future that is never polled loses nothing.
        let mut work = Work::new(self, plan);
        async move {
            let mut pause = self.limits.first_pause;
            while !work.advance().await {
                self.timer.sleep(self.next_pause(&mut pause)).await;
            }
            work.settle()
        }
    }

    /// The same within the limits' patience.
    ///
    /// # Errors
    /// The outcome is not certain yet.
    pub fn carry_out_patiently(
        &self,
        plan: Plan,
    ) -> impl Future<Output = Result<Settled, Stuck>> + Send {
        let settled = self.patiently(self.carry_out(plan));
        async { settled.await.ok_or(Stuck::Uncertain) }
    }

    /// What a future comes to, if it does within the limits' patience; else it is dropped.
    async fn patiently<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut limit = pin!(self.timer.sleep(self.limits.patience));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => limit.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// Announces a request that somebody decides who may have to wait for that, for as long as the answer lives: an end
    /// of its pod or container interface that is told meanwhile refuses it ([`Announced::check`]).
    /// [`Orchestrator::allocate`] does it by itself.
    pub fn announce(&self, request: &PodRequest) -> Arc<Announced> {
        self.announcements.add(request)
    }

    /// Refuses to begin anything while too much is uncertain.
    fn check_room(&self) -> Result<(), Stuck> {
        match self.uncertain() < self.limits.most_uncertain {
            true => Ok(()),
            false => Err(Stuck::Unavailable),
        }
    }

    /// The pause to make now; the next one is longer.
    fn next_pause(&self, next: &mut Duration) -> Duration {
        // Never none: whoever is waited for may be polled by the same task.
        let pause = (*next).max(SHORTEST_PAUSE);
        *next = pause.saturating_mul(2).min(self.limits.longest_pause);
        pause
    }

    fn left(&self) -> MutexGuard<'_, VecDeque<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long somebody else's change is waited for, counted from the first pause.
struct Patience {
    pause: Duration,
    until: Option<Duration>,
}

impl Patience {
    const fn of(limits: &Limits) -> Self {
        Self {
            pause: limits.first_pause,
            until: None,
        }
    }

    /// Waits, longer each time; false once it has run out.
    async fn pause<S: Store, T: Timer, W: World + Send + Sync>(
        &mut self,
        owner: &Orchestrator<S, T, W>,
    ) -> bool {
        let now = owner.timer.now().elapsed;
        let until = now.saturating_add(owner.limits.patience);
        if now >= *self.until.get_or_insert(until) {
            return false;
        }
        let pause = owner.next_pause(&mut self.pause);
        owner.timer.sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests;
