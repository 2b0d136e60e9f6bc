use floatingip_core::fact::Slots;
use floatingip_core::owner::AppRef;

use crate::index::Index;
use crate::index::apps::AppEntry;
use crate::index::demand::kind_of;
use crate::index::kinds::{Kind, KindRef};
use crate::object::{Identity, Malformed, MetaObject, OwnerRef};

impl Index {
    pub(super) fn apply_app(&mut self, app: AppRef, entry: AppEntry) {
        let kind = Kind::Apps(KindRef::of(&app));
        self.kinds.readable(&kind, &app.namespace, &app.name);
        let former = self.apps.of(&app);
        if former.is_some_and(|former| former.version >= entry.version) {
            return;
        }
        let former_is_none = former.is_none();
        let changed = former.is_none_or(|former| !former.counts_as(&entry));
        self.demand_owner(entry.controller.as_ref());
        if changed && !self.is_a_part(&entry) {
            self.effects.app(&app);
        }
        if former_is_none {
            self.wake_pods_of(&app);
        }
        self.apps.insert(app, entry);
    }

    /// Its pods may have waited until somebody could tell whose they are.
    fn wake_pods_of(&mut self, app: &AppRef) {
        for pod in self.pods.controlled_by(app).filter(|pod| pod.is_waiting()) {
            self.effects.waiting(pod);
        }
    }

    pub(super) fn delete_app(&mut self, app: &AppRef, version: u64) {
        let kind = Kind::Apps(KindRef::of(app));
        self.kinds.readable(&kind, &app.namespace, &app.name);
        let newer = |entry: &AppEntry| entry.version > version;
        if self.apps.of(app).is_some_and(newer) {
            return;
        }
        let last = self.apps.remove(app);
        if !last.is_some_and(|last| self.is_a_part(&last)) {
            self.effects.app_perhaps_gone(app);
        }
    }

    /// Whether its owner is the app, so that it has no addresses of its own: a Deployment's ReplicaSets
    /// come and go.
    fn is_a_part(&self, entry: &AppEntry) -> bool {
        let owner = entry.controller.as_ref();
        owner.is_some_and(|owner| self.scales(&kind_of(owner)) == Some(true))
    }

    /// Takes in an object of another kind that scales, with the replicas that its scale says.
    pub fn apply_scaled(
        &mut self,
        kind: &KindRef,
        object: &MetaObject,
        replicas: u32,
    ) -> Result<(), Malformed> {
        let identity = Identity::of(&object.metadata)?;
        let entry = AppEntry {
            version: identity.version,
            uid: identity.uid.clone(),
            controller: OwnerRef::of(&object.metadata),
            slots: Slots::Count(replicas),
            surge: 0,
            rollout: None,
        };
        self.apply_app(kind.named(&identity.namespace, &identity.name), entry);
        Ok(())
    }

    /// Takes in the deletion of such an object.
    pub fn delete_scaled(&mut self, kind: &KindRef, object: &MetaObject) -> Result<(), Malformed> {
        let identity = Identity::of(&object.metadata)?;
        self.delete_app(
            &kind.named(&identity.namespace, &identity.name),
            identity.version,
        );
        Ok(())
    }
}
