use std::sync::atomic::{AtomicU64, Ordering};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Index;

/// One index for all, behind a lock that is never held over I/O.
///
/// It is a [`World`] too; but who holds a guard asks the guard, since one thread must not lock twice.
#[derive(Clone, Debug, Default)]
pub struct SharedIndex(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    index: RwLock<Index>,
    effects: Notify,
    demand: Notify,
    revision: AtomicU64,
}

impl SharedIndex {
    /// For looking; many at a time.
    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        // Nothing that holds the lock can panic half-way through a change that matters more than going on.
        self.0.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For changing; alone. Wakes those who wait for effects when it is let go.
    pub fn write(&self) -> Writing<'_> {
        Writing {
            index: self.0.index.write().unwrap_or_else(PoisonError::into_inner),
            shared: &self.0,
        }
    }

    /// Changes whenever something changed that others look at: a counter.
    pub fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Relaxed)
    }

    /// Ready once there are effects to take; also when they came before it was asked.
    pub fn effects(&self) -> Notified<'_> {
        self.0.effects.notified()
    }

    /// Ready once another kind was asked for.
    pub(super) fn demand(&self) -> Notified<'_> {
        self.0.demand.notified()
    }
}

/// The index while it is being changed.
#[derive(Debug)]
pub struct Writing<'a> {
    index: RwLockWriteGuard<'a, Index>,
    shared: &'a Shared,
}

impl Deref for Writing<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.index
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Index {
        &mut self.index
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.index.has_effects() {
            self.shared.revision.fetch_add(1, Ordering::Relaxed);
            self.shared.effects.notify_one();
        }
        if self.index.take_demand() {
            self.shared.demand.notify_one();
        }
    }
}

impl World for SharedIndex {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        self.read().app(app)
    }

    fn pod(&self, namespace: &str, name: &str) -> Fact<PodState> {
        World::pod(&*self.read(), namespace, name)
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        self.read().node(name)
    }
}
