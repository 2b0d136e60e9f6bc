//! Owners: who has an address, and what makes a pod "the same one" again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{Name, PoolName};

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// A slot of a workload: a pod that has the address now, or the slot it is kept for.
    Slot(Tenant),
    /// The common reserve of a pool: any pod of the pool may take it.
    Pool(PoolName),
    /// An administrator's reservation, or a key that nobody can read: never given to a pod.
    Administrator(Name),
    /// Nobody: the record is there for its mark alone (a quarantined free address).
    Nobody,
}

impl Owner {
    /// The slot, where a workload has the address.
    pub fn tenant(&self) -> Option<&Tenant> {
        match self {
            Self::Slot(tenant) => Some(tenant),
            Self::Pool(_) | Self::Administrator(_) | Self::Nobody => None,
        }
    }

    /// The pod that has the address now, not merely a reserve.
    pub fn pod(&self) -> Option<&Pod> {
        self.tenant().and_then(|tenant| tenant.pod.as_ref())
    }

    /// The pool the address is counted in.
    pub fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::Slot(tenant) => tenant.pool.as_ref(),
            Self::Pool(pool) => Some(pool),
            Self::Administrator(_) | Self::Nobody => None,
        }
    }

    /// The name of the pod that has the address, or of the one that it is kept for; empty where any
    /// pod may take it.
    pub fn pod_name(&self) -> Name {
        let Some(tenant) = self.tenant() else {
            return Name::default();
        };
        match (&tenant.pod, &tenant.slot, &tenant.app) {
            (Some(pod), _, _) => pod.name.clone(),
            (None, Slot::Ordinal(ordinal), Some(app)) => {
                Name::from(format!("{}-{ordinal}", app.name))
            }
            (None, Slot::Pod(name) | Slot::Once(name), _) => name.clone(),
            (None, Slot::Any | Slot::Node(_) | Slot::Ordinal(_), _) => Name::default(),
        }
    }

    /// The namespace of the workload.
    pub fn namespace(&self) -> Option<&Name> {
        self.tenant().map(|tenant| &tenant.namespace)
    }

    /// The app, where there is one: bare pods, pools and administrators have none.
    pub fn app(&self) -> Option<AppRef> {
        self.tenant().and_then(Tenant::app_ref)
    }
}

/// A slot of a workload with, while there is one, the pod that fills it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tenant {
    /// The namespace of app and pod.
    pub namespace: Name,
    /// The app; none for a bare pod.
    pub app: Option<App>,
    /// What makes a pod the same one again.
    pub slot: Slot,
    /// The pool the address is counted in, where the pod names one.
    pub pool: Option<PoolName>,
    /// The pod that has the address; none while it is only kept for the slot.
    pub pod: Option<Pod>,
}

impl Tenant {
    /// The app with its namespace.
    pub fn app_ref(&self) -> Option<AppRef> {
        let app = self.app.as_ref()?;
        Some(AppRef {
            namespace: self.namespace.clone(),
            group: app.group.clone(),
            kind: app.kind.clone(),
            name: app.name.clone(),
        })
    }

    /// The slot as one value, the same for every pod that fills it. A slot that any pod of the app
    /// may fill has no identity of its own: none.
    pub fn slot_ref(&self) -> Option<SlotRef> {
        match self.slot {
            Slot::Any => None,
            _ => Some(SlotRef {
                namespace: self.namespace.clone(),
                app: self.app_ref(),
                slot: self.slot.clone(),
            }),
        }
    }

    /// This slot without its pod: what is kept when the pod ends.
    #[must_use]
    pub fn vacated(&self) -> Self {
        Self {
            pod: None,
            ..self.clone()
        }
    }
}

/// The workload that made a pod, without its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct App {
    /// The API group, `""` where it is not known (old records, standalone workloads).
    pub group: Name,
    /// The kind in lower case, as old records have it: `deployment`, `statefulset`, `tapp`.
    pub kind: Name,
    /// Its name.
    pub name: Name,
    /// Its UID where known: tells a recreated app from the former one.
    pub uid: Option<Name>,
}

/// An app as one value: namespace, API group, kind, name. Equal for all its incarnations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppRef {
    /// The namespace.
    pub namespace: Name,
    /// The API group.
    pub group: Name,
    /// The kind in lower case.
    pub kind: Name,
    /// The name.
    pub name: Name,
}

impl fmt::Display for AppRef {
    /// `kind namespace/name`, with the group behind the kind where it is known: `tapp.tkestack.io`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(
            f,
            "{}{dot}{} {}/{}",
            self.kind, self.group, self.namespace, self.name
        )
    }
}

/// What makes a pod "the same one" again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Slot {
    /// Any of the app's: pods with random names that replace each other (Deployment).
    Any,
    /// The ordinal at the end of the pod's name (StatefulSet and look-alikes).
    Ordinal(u64),
    /// The node (DaemonSet).
    Node(Name),
    /// The pod's own name (bare pod).
    Pod(Name),
    /// Nothing does: every pod is a new one (Job). Only [`ReleasePolicy::PodDelete`] goes with it,
    /// or a pool, to whose reserve the address goes when the pod ends.
    ///
    /// [`ReleasePolicy::PodDelete`]: crate::ReleasePolicy::PodDelete
    Once(Name),
}

/// A slot with its app: equal for every pod that fills it one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRef {
    /// The namespace.
    pub namespace: Name,
    /// The app; none for a bare pod.
    pub app: Option<AppRef>,
    /// The slot within it; never [`Slot::Any`].
    pub slot: Slot,
}

/// One incarnation of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: Name,
    /// Its UID, which no other incarnation has; `""` only in records of others that lack it.
    pub uid: Name,
    /// The node it is bound to or on its way to; `""` while unknown.
    pub node: Name,
}
