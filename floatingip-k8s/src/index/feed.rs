//! What watches and live reads put in.

mod app;
mod node;
mod pod;

use std::collections::HashSet;

use floatingip_core::Name;
use floatingip_core::fact::Slots;
use jiff::Timestamp;
use kube::core::ObjectMeta;

use super::apps::{AppEntry, Rollout};
use super::kinds::{Key, Kind, KindRef};
use super::{Index, PodEntry};
use crate::object::{
    AppSpec, DaemonSetObject, DeploymentObject, Identity, Malformed, NodeObject, OwnerRef,
    PodObject, ReplicaSetObject, StatefulSetObject,
};

/// What a watch has seen of one object.
#[derive(Clone, Debug)]
pub enum Seen<K> {
    /// It is there, like this, and so far the watch has got.
    Present(K),
    /// It is in a list, whose end has not come yet: what is older than this may be missing still.
    Listed(K),
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
            Seen::Listed(pod) => index.apply_listed_pod(PodEntry::try_from(pod)?),
            Seen::Deleted(pod) => index.delete_pod(&PodEntry::try_from(pod)?),
        }
        Ok(())
    }
}

impl Fed for NodeObject {
    fn feed(seen: &Seen<Self>, index: &mut Index) -> Result<(), Malformed> {
        match seen {
            Seen::Present(node) | Seen::Listed(node) => index.apply_node(node),
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
                    Seen::Present(app) | Seen::Listed(app) => {
                        let identity = Identity::of(&app.metadata)?;
                        let entry = AppEntry {
                            version: identity.version,
                            uid: identity.uid.clone(),
                            controller: OwnerRef::of(&app.metadata),
                            slots: slots(&app.spec),
                            surge: rollout(&app.spec).map_or(0, |_| app.spec.surge()),
                            rollout: rollout(&app.spec),
                        };
                        index.apply_app(kind.named(&identity.namespace, &identity.name), entry);
                    }
                    Seen::Deleted(app) => {
                        let identity = Identity::of(&app.metadata)?;
                        index.delete_app(
                            &kind.named(&identity.namespace, &identity.name),
                            identity.version,
                        );
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

impl Index {
    /// Takes in what a watch has seen.
    ///
    /// # Errors
    /// The object lacks what the API server gives to every object.
    #[expect(private_bounds, reason = "the trimmed objects are all there are")]
    pub fn feed<K: Fed>(&mut self, seen: &Seen<K>) -> Result<(), Malformed> {
        K::feed(seen, self)
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
        // What went away is judged by what is known now: a node that is not listed is gone.
        self.kinds.listed(kind, version, nameless, now);
        let unlisted = self
            .keys(kind)
            .into_iter()
            .filter(|key| !names.contains(key));
        for (namespace, name) in unlisted.collect::<Vec<_>>() {
            self.vanished(kind, &namespace, &name, version);
        }
    }

    fn keys(&self, kind: &Kind) -> Vec<Key> {
        match kind {
            Kind::Pods => self.pods.keys().collect(),
            Kind::Nodes => self.nodes.keys().collect(),
            Kind::Apps(kind) => self.apps.keys(kind).collect(),
        }
    }

    /// The object of that name was not there any more at this version, whatever it was at last.
    pub fn vanished(&mut self, kind: &Kind, namespace: &Name, name: &Name, version: u64) {
        self.kinds.readable(kind, namespace, name);
        match kind {
            Kind::Pods => self.pod_vanished(namespace, name, version),
            Kind::Nodes => self.node_vanished(name, version),
            Kind::Apps(kind) => self.delete_app(&kind.named(namespace, name), version),
        }
    }
}
