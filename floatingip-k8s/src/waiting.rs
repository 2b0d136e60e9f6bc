//! Waiting pods: those that no node would do for, and how they are woken when that may have changed.
//!
//! The scheduler looks at a refused pod again when the pod itself changes, so waking is writing an
//! annotation. Who is woken has claimed its place first: no more pods are woken than there is room for.

mod wake;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use floatingip_core::Name;
use tokio::time::Instant;

use crate::index::{Index, PodEntry, SharedIndex};

pub use wake::Waker;

/// A pod is woken at most once in this time; in twice the time after it was woken in vain, and so on.
const REST: Duration = Duration::from_secs(1);
/// So often at most it doubles.
const MOST_DOUBLINGS: u32 = 4;
/// A watch may show a pod so much later than the scheduler has asked for it.
const UNSEEN: Duration = Duration::from_secs(10);

/// The pods that were refused everywhere, by UID. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<Mutex<BTreeMap<Name, Refused>>>);

/// Where a pod could go but for its address: one node of each kind that was offered for it. The default is any node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// One of those that are alike.
    pub nodes: Vec<Name>,
    /// Under which generation of the topology they are alike.
    pub generation: u64,
}

/// A pod that was refused everywhere.
#[derive(Clone, Debug)]
struct Refused {
    namespace: Name,
    name: Name,
    /// By the scheduler's last question.
    offered: Offered,
    /// When the scheduler asked for it last.
    asked: Instant,
    /// When it may be woken.
    from: Instant,
    /// It was woken, and the scheduler has not asked for it since.
    awake: bool,
    /// How often in a row it was woken and refused again: some node would do, but none that the scheduler
    /// may take.
    in_vain: u32,
}

/// The pods to be asked for now, and when there are more though nothing changes.
struct Due {
    pods: Vec<(PodEntry, Offered)>,
    next: Option<Instant>,
}

impl Refused {
    fn new(pod: &PodEntry, offered: Offered, now: Instant) -> Self {
        Self {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            offered,
            asked: now,
            from: now + REST,
            awake: false,
            in_vain: 0,
        }
    }

    fn again(&mut self, offered: Offered, now: Instant) {
        self.offered = offered;
        self.asked = now;
        if std::mem::take(&mut self.awake) {
            self.from = now + REST * (1 << self.in_vain.min(MOST_DOUBLINGS));
            self.in_vain = self.in_vain.saturating_add(1);
        }
    }

    /// Whether it still waits. Who was asked for just now does, whatever the watch shows so far.
    fn waits(&self, uid: &Name, index: &Index, now: Instant) -> bool {
        let pod = index.pod(&self.namespace, &self.name);
        let waits = pod.is_some_and(|pod| pod.uid == *uid && pod.is_waiting());
        waits || now < self.asked + UNSEEN
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.awake && self.from <= now
    }
}

impl Waiting {
    /// No node would do for the pod, of those that were offered. When others are, the scheduler asks by itself.
    pub fn refused(&self, pod: &PodEntry, offered: Offered) {
        let now = Instant::now();
        match self.all().entry(pod.uid.clone()) {
            Entry::Occupied(mut known) => known.get_mut().again(offered, now),
            Entry::Vacant(unknown) => _ = unknown.insert(Refused::new(pod, offered, now)),
        }
    }

    /// Some node will do for the pod, or it waits no more.
    pub fn passed(&self, uid: &Name) {
        self.all().remove(uid);
    }

    /// Begins anew with all pods of the index that wait for a binding: which of them were refused, and by
    /// whom, nobody remembers after a start.
    pub fn expect_all(&self, index: &SharedIndex) {
        let now = Instant::now();
        let index = index.read();
        let expected = index
            .waiting()
            .map(|pod| (pod.uid.clone(), Refused::new(pod, Offered::default(), now)));
        *self.all() = expected.collect();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that may be woken at `now`, the most important first, then the oldest. Forgets those that
    /// wait no more.
    fn due(&self, index: &SharedIndex, now: Instant) -> Due {
        let index = index.read();
        let mut all = self.all();
        all.retain(|uid, refused| refused.waits(uid, &index, now));
        let due = |pod: &PodEntry| {
            let refused = all.get(&pod.uid).filter(|refused| refused.is_due(now))?;
            Some((pod.clone(), refused.offered.clone()))
        };
        let pods = index.waiting().filter_map(due);
        let resting = all.values().filter(|refused| !refused.awake);
        Due {
            pods: pods.collect(),
            next: resting
                .map(|refused| refused.from)
                .filter(|from| *from > now)
                .min(),
        }
    }

    /// The pod is being woken: it is not woken again before it was refused again.
    fn waking(&self, uid: &Name) {
        if let Some(refused) = self.all().get_mut(uid) {
            refused.awake = true;
        }
    }

    /// It was not woken, or nobody can tell.
    fn not_woken(&self, uid: &Name) {
        if let Some(refused) = self.all().get_mut(uid) {
            refused.awake = false;
            refused.from = Instant::now() + REST;
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Name, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
