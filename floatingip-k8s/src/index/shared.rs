use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::time::{error::Elapsed, timeout};

use super::Index;
use super::kinds::Kind;

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
    /// The number of the last request for new lists.
    request: watch::Sender<u64>,
    /// Changes whenever a list is done.
    lists: watch::Sender<()>,
    /// Counts changes.
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

    /// Has every kind listed anew at quorum, and returns when that is done: afterwards facts are no older
    /// than this call. For a new leader, before it decides anything. Bookmarks would not do: those of a
    /// quiet kind may stay away for minutes.
    ///
    /// # Errors
    /// Not all of the kinds that are always watched could be listed in `limit`.
    pub async fn catch_up(&self, limit: Duration) -> Result<(), Elapsed> {
        let mut lists = self.0.lists.subscribe();
        let mut request = 0;
        self.0.request.send_modify(|last| {
            *last += 1;
            request = *last;
        });
        let done = async {
            while !self.read().is_caught_up(request) {
                // The sender lives as long as this does.
                let _ = lists.changed().await;
            }
        };
        timeout(limit, done).await
    }

    pub(super) fn requests(&self) -> watch::Receiver<u64> {
        self.0.request.subscribe()
    }

    /// A list that began after that request is done.
    pub(super) fn answered(&self, kind: &Kind, request: u64) {
        self.write().answered(kind, request);
        self.0.lists.send_replace(());
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
