//! What core is told.

use std::borrow::Cow;

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use floatingip_core::workload::Controller;

use super::demand::kind_of;
use super::kinds::{Kind, KindRef};
use super::{Index, PodEntry};
use crate::object::OwnerRef;

impl PodEntry {
    /// As core asks for it: the one place where core's type is made.
    pub(super) fn state(&self) -> PodState {
        PodState::new(self.uid.clone())
            .with_bound(self.node.is_some())
            .with_finished(self.finished)
            .with_addresses(
                self.bound_addresses
                    .iter()
                    .copied()
                    .filter(|_| self.node.is_some()),
            )
    }
}

impl Index {
    /// Whether the app is away as far as the watch can tell, and nobody has read it live yet.
    #[must_use]
    pub fn needs_confirmation(&self, app: &AppRef) -> bool {
        let app = self.full(app);
        self.is_absent(&app) && !self.apps.is_confirmed_gone(&app)
    }

    /// What controls the controller of a pod, asked for a ReplicaSet.
    #[must_use]
    pub fn above(&self, namespace: &str, owner: &OwnerRef) -> Fact<Option<OwnerRef>> {
        let app = owner.app(&namespace.into());
        match self.apps.of(&app) {
            Some(entry) if entry.uid == owner.uid => Fact::Known(entry.controller.clone()),
            // Another one of that name is here: that of the pod is gone.
            Some(_) => Fact::Gone,
            None if self.is_absent(&app) => Fact::Gone,
            None => Fact::Unknown,
        }
    }

    /// As core asks for a controller; none while nobody can tell whether its kind scales.
    #[must_use]
    pub fn controller(&self, owner: &OwnerRef) -> Option<Controller> {
        Some(Controller {
            group: owner.group.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            scales: self.scales(&kind_of(owner))?,
        })
    }

    pub(super) fn node_fact(&self, name: &str) -> Fact<NodeState> {
        match self.nodes.state(name) {
            Some(state) => Fact::Known(state),
            None if self.kinds.proves_absence(&Kind::Nodes, "", name) => Fact::Gone,
            None => Fact::Unknown,
        }
    }

    fn is_absent(&self, app: &AppRef) -> bool {
        let kind = Kind::Apps(KindRef::of(app));
        let kept = self.apps.of(app).is_some();
        !kept && self.kinds.proves_absence(&kind, &app.namespace, &app.name)
    }

    fn is_unreadable(&self, kind: &Kind, namespace: &str, name: &str) -> bool {
        let state = self.kinds.of(kind);
        state.is_some_and(|state| state.is_unreadable(namespace, name))
    }

    /// The app with its group, which old records do not name.
    pub(super) fn full<'a>(&self, app: &'a AppRef) -> Cow<'a, AppRef> {
        let known = app
            .group
            .is_empty()
            .then(|| self.group_of(&app.kind))
            .flatten();
        known.map_or(Cow::Borrowed(app), |kind| {
            Cow::Owned(AppRef {
                group: kind.group.clone(),
                ..app.clone()
            })
        })
    }
}

impl World for Index {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        let app = self.full(app);
        let kind = Kind::Apps(KindRef::of(&app));
        if self.is_unreadable(&kind, &app.namespace, &app.name) {
            return Fact::Unknown;
        }
        match self.apps.of(&app) {
            Some(entry) => Fact::Known(entry.state()),
            None if self.is_absent(&app) && self.apps.is_confirmed_gone(&app) => Fact::Gone,
            None => Fact::Unknown,
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Fact<PodState> {
        if self.is_unreadable(&Kind::Pods, namespace, name) {
            return Fact::Unknown;
        }
        match self.pods.named(namespace, name) {
            Some(pod) => Fact::Known(pod.state()),
            None if self.kinds.proves_absence(&Kind::Pods, namespace, name) => Fact::Gone,
            None => Fact::Unknown,
        }
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        if self.is_unreadable(&Kind::Nodes, "", name) {
            return Fact::Unknown;
        }
        self.node_fact(name)
    }
}
