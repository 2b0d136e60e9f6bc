//! What watches and live reads put in.

use std::collections::HashSet;
use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::fact::{Fact, Slots};
use floatingip_core::owner::AppRef;
use jiff::Timestamp;
use kube::core::ObjectMeta;

use super::apps::{AppEntry, Rollout};
use super::demand::kind_of;
use super::effects::HowEnded;
use super::kinds::{Key, Kind, KindRef};
use super::{Index, PodEntry};
use crate::object::{
    AppSpec, DaemonSetObject, DeploymentObject, Identity, Malformed, MetaObject, NodeObject,
    OwnerRef, PodObject, ReplicaSetObject, StatefulSetObject,
};

/// What a watch has seen of one object.
#[derive(Clone, Debug)]
pub enum Seen<K> {
    /// It is there, like this.
    Present(K),
    /// It was deleted; this was its last state.
    Deleted(K),
}

/// A trimmed object that the index can take in.
pub(crate) trait Fed: Sized {
    /// Takes it in.
    ///
    /// # Errors
    /// The object lacks what the API server gives to every object.
    fn feed(seen: &Seen<Self>, index: &mut Index) -> Result<(), Malformed>;
}

impl Fed for PodObject {
    fn feed(seen: &Seen<Self>, index: &mut Index) -> Result<(), Malformed> {
        match seen {
            Seen::Present(pod) => index.apply_pod(PodEntry::try_from(pod)?),
            Seen::Deleted(pod) => index.delete_pod(&PodEntry::try_from(pod)?),
        }
        Ok(())
    }
}

impl Fed for NodeObject {
    fn feed(seen: &Seen<Self>, index: &mut Index) -> Result<(), Malformed> {
        match seen {
            Seen::Present(node) => index.apply_node(node),
            Seen::Deleted(node) => index.delete_node(node),
        }
    }
}

/// The four built-in workloads differ by their slots.
macro_rules! fed_app {
    ($type:ty, $kind:literal, $slots:expr, $rollout:expr) => {
        impl Fed for $type {
            fn feed(seen: &Seen<Self>, index: &mut Index) -> Result<(), Malformed> {
                let kind = KindRef::new("apps", $kind);
                let slots: fn(&AppSpec) -> Slots = $slots;
                let rollout: fn(&AppSpec) -> Option<Rollout> = $rollout;
                match seen {
                    Seen::Present(app) => {
                        let identity = Identity::of(&app.metadata)?;
                        let entry = AppEntry {
                            version: identity.version,
                            uid: identity.uid.clone(),
                            controller: OwnerRef::of(&app.metadata),
                            slots: slots(&app.spec),
                            surge: rollout(&app.spec).map_or(0, |_| app.spec.surge()),
                            rollout: rollout(&app.spec),
                        };
                        index.apply_app(app_ref(&kind, &identity), entry);
                    }
                    Seen::Deleted(app) => {
                        let identity = Identity::of(&app.metadata)?;
                        index.delete_app(&app_ref(&kind, &identity), identity.version);
                    }
                }
                Ok(())
            }
        }
    };
}

fed_app!(
    DeploymentObject,
    "deployment",
    |spec| Slots::Count(spec.replicas()),
    |spec| Some(Rollout {
        max_surge: spec.max_surge(),
        max_unavailable: spec.max_unavailable(),
    })
);
fed_app!(
    ReplicaSetObject,
    "replicaset",
    |spec| Slots::Count(spec.replicas()),
    |_| None
);
fed_app!(
    StatefulSetObject,
    "statefulset",
    |spec| Slots::Ordinals {
        start: spec.first_ordinal(),
        count: spec.replicas(),
    },
    |_| None
);
fed_app!(DaemonSetObject, "daemonset", |_| Slots::EveryNode, |_| None);

fn app_ref(kind: &KindRef, identity: &Identity) -> AppRef {
    AppRef {
        namespace: identity.namespace.clone(),
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        name: identity.name.clone(),
    }
}

impl Index {
    /// Takes in a pod from the watch.
    pub fn apply_pod(&mut self, pod: PodEntry) {
        self.kinds.readable(&Kind::Pods, &pod.namespace, &pod.name);
        self.take_pod(pod);
    }

    /// Takes in what a live read has shown, ahead of the watch. What the watch has got past already and
    /// does not have is not taken in: it was deleted meanwhile.
    pub fn expect_pod(&mut self, pod: PodEntry) {
        let known = self.pods.named(&pod.namespace, &pod.name).is_some();
        let state = self.kinds.of(&Kind::Pods);
        let past = state.is_some_and(|state| state.has_reached(pod.version));
        if known || !past {
            self.take_pod(pod);
        }
    }

    /// Notes a binding that has succeeded, ahead of the watch.
    pub fn expect_binding(&mut self, uid: &str, node: &Name, addresses: &[IpAddr]) {
        self.pods.bind(uid, node, addresses);
    }

    fn take_pod(&mut self, pod: PodEntry) {
        let former = self.pods.named(&pod.namespace, &pod.name).cloned();
        if former
            .as_ref()
            .is_some_and(|former| former.version >= pod.version)
        {
            return;
        }
        let same = former.as_deref().filter(|former| former.uid == pod.uid);
        if let Some(other) = former.as_deref().filter(|former| former.uid != pod.uid) {
            self.pod_ended(other);
        }
        // A pod that once concerned us goes on doing so while it lives: its address may be in use.
        if !pod.is_ours() && same.is_none() {
            self.pods.remove(&pod.namespace, &pod.name);
            return;
        }
        self.demand_owner(pod.controller.as_ref());
        self.note_pod(same, &pod);
        self.pods.insert(pod);
    }

    fn note_pod(&mut self, former: Option<&PodEntry>, pod: &PodEntry) {
        if pod.finished {
            if former.is_none_or(|former| !former.finished) {
                self.effects.ended(pod, HowEnded::Finished);
            }
        } else if pod.node.is_some() {
            let same = |former: &PodEntry| {
                former.node == pod.node && former.bound_addresses == pod.bound_addresses
            };
            if !former.is_some_and(same) {
                self.effects.bound(pod);
            }
        } else if pod.is_waiting() {
            let same = |former: &PodEntry| former.asks_as(pod);
            if !former.is_some_and(same) {
                self.effects.waiting(pod);
            }
        }
    }

    /// Takes in the deletion of a pod, with its last state.
    pub fn delete_pod(&mut self, last: &PodEntry) {
        self.kinds
            .readable(&Kind::Pods, &last.namespace, &last.name);
        let former = self.pods.named(&last.namespace, &last.name).cloned();
        match former {
            Some(newer) if newer.version > last.version => return,
            Some(former) => {
                self.pods.remove(&last.namespace, &last.name);
                if former.uid != last.uid {
                    self.pod_ended(&former);
                }
                self.pod_ended(last);
            }
            None if last.is_ours() => self.pod_ended(last),
            None => {}
        }
    }

    fn pod_ended(&mut self, pod: &PodEntry) {
        let how = match &pod.node {
            _ if pod.finished => HowEnded::Finished,
            None => HowEnded::Deleted,
            Some(node) => match self.node_fact(node) {
                Fact::Known(state) if state.ready => HowEnded::Deleted,
                Fact::Gone => HowEnded::Deleted,
                Fact::Known(_) | Fact::Unknown => HowEnded::Unreachable,
            },
        };
        self.effects.ended(pod, how);
    }

    fn apply_node(&mut self, node: &NodeObject) -> Result<(), Malformed> {
        let identity = Identity::of(&node.metadata)?;
        self.kinds
            .readable(&Kind::Nodes, &identity.namespace, &identity.name);
        let addresses = node.addresses().collect();
        let change = self.nodes.insert(&identity, addresses, node.ready());
        if let Some(change) = change {
            self.effects.node(&identity.name, change);
        }
        Ok(())
    }

    fn delete_node(&mut self, node: &NodeObject) -> Result<(), Malformed> {
        let identity = Identity::of(&node.metadata)?;
        self.kinds
            .readable(&Kind::Nodes, &identity.namespace, &identity.name);
        if let Some(change) = self.nodes.remove(&identity.name, identity.version) {
            self.effects.node(&identity.name, change);
        }
        Ok(())
    }

    fn apply_app(&mut self, app: AppRef, entry: AppEntry) {
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

    pub(super) fn wake_waiting(&mut self) {
        for pod in self.pods.waiting() {
            self.effects.waiting(pod);
        }
    }

    fn delete_app(&mut self, app: &AppRef, version: u64) {
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
        self.apply_app(app_ref(kind, &identity), entry);
        Ok(())
    }

    /// Takes in the deletion of such an object.
    pub fn delete_scaled(&mut self, kind: &KindRef, object: &MetaObject) -> Result<(), Malformed> {
        let identity = Identity::of(&object.metadata)?;
        self.delete_app(&app_ref(kind, &identity), identity.version);
        Ok(())
    }

    /// Notes that the object is there and cannot be read: until it can be, nothing is known of it.
    pub fn unreadable(&mut self, kind: &Kind, meta: &ObjectMeta) {
        let version = meta.resource_version.as_deref().unwrap_or_default();
        let namespace = Name::from(meta.namespace.as_deref().unwrap_or_default());
        let key = meta
            .name
            .as_deref()
            .map(|name| (namespace, Name::from(name)));
        self.kinds
            .unreadable(kind, key, version.parse().unwrap_or(0));
    }

    /// The watch of a kind has got so far.
    pub fn reached(&mut self, kind: &Kind, version: u64) {
        self.kinds.reach(kind, version);
    }

    /// The kind cannot be listed or watched at present: what is absent may be there.
    pub fn failed(&mut self, kind: &Kind, failure: String) {
        self.kinds.failed(kind, failure);
    }

    /// The kind is being watched again, without a gap.
    pub fn recovered(&mut self, kind: &Kind) {
        self.kinds.recovered(kind);
    }

    /// Ends a list: what is kept and was not in it, as of its version, was deleted meanwhile. `nameless`
    /// says that something in it had no name to go by. Takes time proportional to the objects kept.
    pub fn listed(
        &mut self,
        kind: &Kind,
        names: &HashSet<(Name, Name)>,
        version: u64,
        nameless: bool,
        now: Timestamp,
    ) {
        self.kinds.retain(kind, version, |key| names.contains(key));
        // Nodes first knew nothing: what is absent from a list is judged as if the list were done.
        self.kinds.listed(kind, version, nameless, now);
        match kind {
            Kind::Pods => self.drop_unlisted_pods(names, version),
            Kind::Nodes => self.drop_unlisted_nodes(names, version),
            Kind::Apps(kind) => self.drop_unlisted_apps(kind, names, version),
        }
    }

    fn drop_unlisted_pods(&mut self, names: &HashSet<Key>, version: u64) {
        let key = |pod: &PodEntry| (pod.namespace.clone(), pod.name.clone());
        let pods = self.pods.all();
        let unlisted = pods.filter(|pod| pod.version <= version && !names.contains(&key(pod)));
        for pod in unlisted.cloned().collect::<Vec<_>>() {
            self.pods.remove(&pod.namespace, &pod.name);
            self.pod_ended(&pod);
        }
    }

    fn drop_unlisted_nodes(&mut self, names: &HashSet<Key>, version: u64) {
        let listed = |name: &Name| names.contains(&(Name::default(), name.clone()));
        let nodes: Vec<Name> = self.nodes.names().cloned().collect();
        for name in nodes.iter().filter(|name| !listed(name)) {
            if let Some(change) = self.nodes.remove(name, version) {
                self.effects.node(name, change);
            }
        }
    }

    fn drop_unlisted_apps(&mut self, kind: &KindRef, names: &HashSet<Key>, version: u64) {
        let listed = |app: &AppRef| names.contains(&(app.namespace.clone(), app.name.clone()));
        let apps = self.apps.of_kind(kind);
        let unlisted = apps.filter(|(app, entry)| entry.version <= version && !listed(app));
        for app in unlisted.map(|(app, _)| app.clone()).collect::<Vec<_>>() {
            self.delete_app(&app, version);
        }
    }
}
