//! Waiting pods: those that no node would do for, and how they are woken when that may have changed.
//!
//! The scheduler looks at a refused pod again when the pod itself changes, so waking is writing an
//! annotation. Who is woken has claimed its place first: no more pods are woken than there is room for.

mod wake;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use floatingip_core::Name;
use tokio::time::Instant;

use crate::index::{PodEntry, SharedIndex};

pub use wake::Waker;

/// A pod is woken at most once in this time.
const REST: Duration = Duration::from_secs(1);

/// The pods that were refused everywhere, by UID. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<Mutex<BTreeMap<Name, Refused>>>);

/// A pod that was refused everywhere.
#[derive(Clone, Debug)]
struct Refused {
    namespace: Name,
    name: Name,
    /// When it may be woken.
    from: Instant,
}

impl Waiting {
    /// No node would do for the pod.
    pub fn refused(&self, pod: &PodEntry) {
        let mut all = self.all();
        let refused = all.entry(pod.uid.clone());
        refused.or_insert_with(|| Refused {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            from: Instant::now() + REST,
        });
    }

    /// Some node will do for the pod, or it waits no more.
    pub fn passed(&self, uid: &Name) {
        self.all().remove(uid);
    }

    /// Takes in all pods of the index that wait for a binding: which of them were refused, and by whom,
    /// nobody remembers after a start.
    pub fn expect_all(&self, index: &SharedIndex) {
        for pod in index.read().waiting() {
            self.refused(pod);
        }
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
    fn due(&self, index: &SharedIndex, now: Instant) -> Vec<PodEntry> {
        let index = index.read();
        let mut all = self.all();
        all.retain(|uid, refused| {
            index
                .pod(&refused.namespace, &refused.name)
                .is_some_and(|pod| pod.uid == *uid && pod.is_waiting())
        });
        let due = |uid: &Name| all.get(uid).is_some_and(|refused| refused.from <= now);
        let pods = index.waiting().filter(|pod| due(&pod.uid));
        pods.cloned().collect()
    }

    /// The pod is not to be woken before `until`.
    fn rest(&self, uid: &Name, until: Instant) {
        if let Some(refused) = self.all().get_mut(uid) {
            refused.from = until;
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Name, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
