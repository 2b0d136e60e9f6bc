//! Upkeep: what was left undone is finished, and what events missed is repaired.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use super::operate::{complete, done};
use super::work::Work;
use super::{Orchestrator, Stuck, Timer};
use crate::engine::{AppCursor, AppSlice, End, Engine, Progress, Relisted, WholeList};
use crate::fact::World;
use crate::name::{Name, PoolName};
use crate::owner::AppRef;
use crate::store::Store;
use crate::time::Now;

impl<S: Store, T: Timer, W: World + Send + Sync> Orchestrator<S, T, W> {
    /// Tries once more what was left uncertain, and ends pods that ended while a plan held their
    /// addresses, some of them at once. To be called again and again, say each second. It takes twice
    /// the limits' patience at most, and begins next time with what it did not get to. It may be
    /// dropped at any point, and several may call it at once.
    pub async fn tend(&self) {
        _ = self.patiently(self.try_again()).await;
        _ = self.patiently(self.end_due()).await;
    }

    /// One attempt at each plan that was left.
    async fn try_again(&self) {
        let turns = AtomicUsize::new(self.uncertain());
        self.at_once(|| async {
            while take_turn(&turns) {
                // Only those that are worked on are taken out, so that nothing is lost with this
                // future.
                let Some(left) = self.left().pop_front() else {
                    return;
                };
                let mut work = Work::resume(self, left);
                if work.advance().await {
                    work.settle();
                }
            }
        })
        .await;
    }

    /// Ends the pods and attachments whose end had to wait. What is not done stays due.
    async fn end_due(&self) {
        let due = Mutex::new(self.engine().due_ends());
        self.at_once(|| async {
            while let Some(end) = take(&due) {
                let plan = {
                    let now = self.timer.now();
                    self.engine().plan_due(&end, &self.world, now)
                };
                self.carry_out(plan).await;
            }
        })
        .await;
    }

    /// As many workers as the limits allow, side by side in one task.
    async fn at_once<F: Future<Output = ()>>(&self, worker: impl Fn() -> F) {
        let mut workers: Vec<Pin<Box<F>>> = (0..self.limits.at_once.max(1))
            .map(|_| Box::pin(worker()))
            .collect();
        poll_fn(|context| {
            workers.retain_mut(|worker| worker.as_mut().poll(context).is_pending());
            match workers.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// The app has another size, or is gone: frees what it has no slot for any more, slice after
    /// slice to its end. Answers with how many addresses were freed.
    ///
    /// # Errors
    /// The store did not do some of it, or it is not certain yet; the next sweep does it.
    pub async fn app_changed(&self, app: &AppRef) -> Result<usize, Stuck> {
        let mut freed = 0;
        for _ in 0..self.limits.attempts {
            let (more, certain) = self.free_surplus(app).await?;
            freed += more;
            if certain {
                return Ok(freed);
            }
        }
        Err(Stuck::Contended)
    }

    /// Goes once through an app; says how much was freed, and whether nobody else was quicker.
    async fn free_surplus(&self, app: &AppRef) -> Result<(usize, bool), Stuck> {
        let mut from: Option<AppCursor> = None;
        let (mut freed, mut certain) = (0, true);
        loop {
            let (slice, now) = (self.limits.slice, self.timer.now());
            let AppSlice { plan, next } =
                self.engine()
                    .plan_app_slice(app, from.as_ref(), slice, &self.world, now);
            let settled = self.carry_out_patiently(plan).await?;
            done(&settled)?;
            freed += settled.applied.len();
            certain &= settled.refused.is_empty();
            from = next;
            if from.is_none() {
                return Ok((freed, certain));
            }
        }
    }

    /// The node is ready again, or gone for good: ends the rests of addresses whose former pods may
    /// still have run there.
    ///
    /// # Errors
    /// The store did not do some of it, or it is not certain yet; the next sweep does it.
    pub async fn node_ready(&self, node: &Name) -> Result<(), Stuck> {
        loop {
            let now = self.timer.now();
            let plan = self.engine().plan_rested(node, &self.world, now);
            let settled = self.carry_out_patiently(plan).await?;
            // What was applied rests no longer, so this ends.
            if settled.applied.is_empty() {
                return complete(&settled);
            }
        }
    }

    /// Repairs what a sweep would at this address, at once: a record that somebody deleted under a
    /// live pod is written again.
    ///
    /// # Errors
    /// It was not done, or it is not certain yet; the next sweep does it.
    pub async fn restore(&self, ip: IpAddr) -> Result<(), Stuck> {
        self.once(|engine: &mut Engine, now: Now| engine.plan_repair(ip, &self.world, now))
            .await
    }

    /// Takes in a whole list of one kind, the lock being taken for one slice of records after the
    /// other; says what was news. Keeps its thread for some microseconds for each record: whoever
    /// has an async runtime to be kind to calls [`Engine::observe_slice`] and yields in between.
    pub fn observe_all(&self, mut list: WholeList) -> Relisted {
        let more = |list: &mut WholeList| {
            let now = self.timer.now();
            self.engine().observe_slice(list, self.limits.slice, now)
        };
        while more(&mut list) == Progress::More {}
        list.finish()
    }

    /// Compares every record with the facts and repairs what events missed; then gives pools what is
    /// owed to them. Answers with the number of repairs.
    ///
    /// # Errors
    /// The store did not do some of it; the next sweep tries again.
    pub async fn sweep(&self) -> Result<usize, Stuck> {
        let mut after = None;
        let mut repairs = 0;
        let mut all = Ok(());
        loop {
            let now = self.timer.now();
            let swept = self
                .engine()
                .plan_sweep(after, self.limits.slice, &self.world, now);
            let settled = self.carry_out_patiently(swept.plan).await?;
            repairs += settled.applied.len();
            let slice = done(&settled);
            all = all.and(slice);
            after = swept.next;
            if after.is_none() {
                break;
            }
            // Where there is nothing to write nothing waits, and others are to have their turn.
            breathe().await;
        }
        let pools: Vec<PoolName> = self.engine().pools().cloned().collect();
        for pool in &pools {
            // What one pool lacks is no reason to leave out the next, unless waiting is in vain.
            match self.repair_pool(pool).await {
                Err(Stuck::Uncertain) => return Err(Stuck::Uncertain),
                repaired => all = all.and(repaired),
            }
        }
        all.map(|()| repairs)
    }
}

/// Lets the other futures of the task, and the runtime, have their turn.
async fn breathe() {
    let mut breathed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut breathed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn take(due: &Mutex<Vec<End>>) -> Option<End> {
    due.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Whether there is a turn left to take.
fn take_turn(turns: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    turns
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}
