use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;

use super::Index;

/// One index for all.
#[derive(Clone, Debug, Default)]
pub struct SharedIndex(Arc<RwLock<Index>>);

impl SharedIndex {
    /// For looking; many at a time.
    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For changing; alone.
    pub fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
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
