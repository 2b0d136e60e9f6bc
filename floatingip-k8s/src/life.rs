//! The life cycle: what becomes of addresses when pods, apps, nodes and pools change or end.
//!
//! By events, so that it happens soon, and by a survey of everything after the start and then from time to
//! time, so that it happens at all. Runs only while this process leads; what it is told before is dropped,
//! for the survey sees it.

mod queue;
mod survey;
mod work;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use floatingip_core::PoolName;
use floatingip_core::engine::Ending;
use floatingip_core::orchestrator::Orchestrator;
use floatingip_core::owner::AppRef;
use floatingip_core::{Store, Timer};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Client;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::event::Reporter;
use crate::index::{Effects, HowEnded, SharedIndex};
use crate::store::Gate;
use crate::waiting::Waiting;
use queue::{Attempt, Queue, Task};

/// So often a new leader tries to record what bound pods use before it decides all the same.
const MOST_BEGINNINGS: u32 = 5;
/// The pause in between.
const AGAIN: Duration = Duration::from_secs(1);

/// How the life cycle goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often everything is surveyed.
    pub survey: Duration,
    /// How often plans without a certain outcome are tried again.
    pub tend: Duration,
    /// How many changes are carried out at once.
    pub at_once: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            survey: Duration::from_secs(60),
            tend: Duration::from_secs(1),
            at_once: 64,
        }
    }
}

/// Counts for `/metrics`; each only rises.
#[derive(Debug, Default)]
pub struct LifeCounts {
    surveys: AtomicU64,
    repairs: AtomicU64,
    left: AtomicU64,
    foreign: AtomicU64,
}

impl LifeCounts {
    /// How often everything was surveyed.
    pub fn surveys(&self) -> u64 {
        self.surveys.load(Ordering::Relaxed)
    }

    /// How many records surveys repaired.
    pub fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    /// How many changes were given up and left to the next survey.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// How often a bound pod was found with addresses that are not its own.
    pub fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }
}

/// Looks after addresses as pods, apps, nodes and pools come and go.
pub struct Life<S, T> {
    core: Arc<Orchestrator<S, T, SharedIndex>>,
    client: Client,
    gate: Gate,
    reporter: Reporter,
    waiting: Waiting,
    pace: Pace,
    queue: Mutex<Queue>,
    /// How far the last survey got with reading apps; none at the end of them.
    reached: Mutex<Option<AppRef>>,
    asked: Notify,
    /// Everything is to be surveyed without delay.
    hurry: Notify,
    counts: LifeCounts,
}

impl<S, T> fmt::Debug for Life<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("pace", &self.pace)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl<S: Store, T: Timer> Life<S, T> {
    /// Looks after the addresses of `core`. Reads live by `client` what must be certain, and starts no
    /// survey while `gate` is closed.
    pub fn new(
        core: Arc<Orchestrator<S, T, SharedIndex>>,
        client: Client,
        gate: Gate,
        reporter: Reporter,
        waiting: Waiting,
        pace: Pace,
    ) -> Self {
        Self {
            core,
            client,
            gate,
            reporter,
            waiting,
            pace,
            queue: Mutex::default(),
            reached: Mutex::default(),
            asked: Notify::new(),
            hurry: Notify::new(),
            counts: LifeCounts::default(),
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> &LifeCounts {
        &self.counts
    }

    /// How many changes are not carried out yet.
    pub fn backlog(&self) -> usize {
        self.queue().len()
    }

    /// The record of this address was deleted by somebody else.
    pub fn record_deleted(&self, ip: IpAddr) {
        self.ask(Task::Restore(ip));
    }

    /// Somebody else wrote this pool.
    pub fn pool_changed(&self, pool: PoolName) {
        self.ask(Task::Pool(pool));
    }

    /// Somebody else deleted this pool.
    pub fn pool_deleted(&self, pool: PoolName) {
        self.ask(Task::PoolGone(pool));
    }

    /// Prepares to decide: takes in what bound pods use, before anybody else could be given it, and the
    /// addresses of nodes. To be awaited when this process begins to lead and its watches are current.
    pub async fn begin(&self) {
        drop(self.index().write().take_effects());
        *self.queue() = Queue::default();
        self.take_in_nodes();
        self.survey_until_all_is_recorded().await;
        self.waiting.expect_all(self.index());
    }

    async fn survey_until_all_is_recorded(&self) {
        for _ in 0..MOST_BEGINNINGS {
            let unrecorded = self.survey().await;
            if unrecorded == 0 {
                return;
            }
            warn!(
                unrecorded,
                "bound pods have addresses without a record, trying again"
            );
            sleep(AGAIN).await;
        }
        error!(
            "deciding, though not all addresses that bound pods use are recorded: see above which"
        );
    }

    /// Follows what happens, for ever. May be dropped at any point.
    pub async fn run(&self) {
        tokio::join!(self.work(), self.tend(), self.look_around());
    }

    async fn tend(&self) {
        let mut tick = interval(self.pace.tend);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.core.tend().await;
        }
    }

    async fn look_around(&self) {
        loop {
            tokio::select! {
                () = sleep(self.pace.survey) => {}
                () = self.hurry.notified() => {}
            }
            self.survey().await;
        }
    }

    /// Carries out what is asked for, many things at once.
    async fn work(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.pace.at_once
                && let Some(attempt) = self.next()
            {
                running.push(self.attempt(attempt));
            }
            let again = self.queue().next_time();
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.index().effects() => {
                    let effects = self.index().write().take_effects();
                    self.take(effects);
                }
                () = self.asked.notified() => {}
                () = at(again) => {}
            }
        }
    }

    fn next(&self) -> Option<Attempt> {
        self.queue().next(Instant::now())
    }

    async fn attempt(&self, attempt: Attempt) {
        let key = attempt.task.key();
        let Err(failure) = self.carry_out(&attempt.task).await else {
            return self.queue().done(&key);
        };
        if !self.queue().failed(attempt, Instant::now()) {
            self.counts.left.fetch_add(1, Ordering::Relaxed);
            warn!("{key:?} is left to the next survey: {failure}");
        }
    }

    /// Turns what the index noticed into tasks.
    fn take(&self, effects: Effects) {
        let rest = self.core.engine().settings().rest;
        let mut queue = self.queue();
        for (uid, ended) in effects.ended {
            self.waiting.passed(&uid);
            queue.push(Task::Ended(uid, ending(ended.how, rest)));
        }
        for (uid, addresses) in effects.bound {
            self.waiting.passed(&uid);
            queue.push(Task::Bound(uid, addresses));
        }
        let gone = effects.apps_perhaps_gone.into_iter();
        gone.for_each(|app| queue.push(Task::AppPerhapsGone(app)));
        let apps = effects.apps.into_iter();
        apps.for_each(|app| queue.push(Task::App(app)));
        let nodes = effects.nodes.into_iter();
        nodes.for_each(|(name, change)| queue.push(Task::Node(name, change)));
        if effects.incomplete {
            warn!("more changed than could be listed: surveying everything");
            self.hurry.notify_one();
        }
    }

    /// Compares everything with everything. Says how many bound pods have addresses that could not be
    /// recorded so far.
    async fn survey(&self) -> usize {
        if self.gate.remaining().is_none() {
            return 0;
        }
        let unrecorded = self.adopt_all().await;
        self.confirm_apps().await;
        self.counts.surveys.fetch_add(1, Ordering::Relaxed);
        match self.core.sweep().await {
            Ok(0) => {}
            Ok(repairs) => {
                let repaired = u64::try_from(repairs).unwrap_or(u64::MAX);
                self.counts.repairs.fetch_add(repaired, Ordering::Relaxed);
                info!(repairs, "the survey repaired records");
            }
            Err(stuck) => error!("the survey did not come to its end: {stuck}"),
        }
        unrecorded
    }

    /// Who does not lead keeps nothing in mind: the survey with which it will begin sees it.
    fn ask(&self, task: Task) {
        if self.gate.remaining().is_some() {
            self.queue().push(task);
            self.asked.notify_one();
        }
    }

    fn index(&self) -> &SharedIndex {
        self.core.world()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn ending(how: HowEnded, rest: Duration) -> Ending {
    match how {
        HowEnded::Finished | HowEnded::Deleted => Ending::Certain,
        HowEnded::Unreachable => Ending::Unreachable { rest },
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
