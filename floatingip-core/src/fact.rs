//! Facts: what core is told about the world, and how sure the teller is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::name::Name;
use crate::owner::{AppRef, Pod};

/// What is known of something outside.
///
/// `Unknown` never releases an address and never lowers a cap. `Gone` means: confirmed by the
/// source of truth after the cache was in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is there, like this.
    Known(T),
    /// It is confirmed not to be there.
    Gone,
    /// Nobody can tell at present.
    Unknown,
}

impl<T> Fact<T> {
    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Gone | Self::Unknown => None,
        }
    }

    /// The same fact about what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Gone => Fact::Gone,
            Self::Unknown => Fact::Unknown,
        }
    }

    /// Whether it is confirmed not to be there.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// The size and shape of an app.
///
/// ```
/// use floatingip_core::fact::{AppState, Slots};
///
/// let app = AppState::new(Slots::Count(3)).with_uid("5f1c").with_surge(1);
/// assert_eq!(app.slots.count(), Some(3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppState {
    /// Its UID: a new one under an old name is a new app.
    pub uid: Option<Name>,
    /// The slots it has.
    pub slots: Slots,
    /// How many addresses above its slots the app may have and keep: the rounded-up `maxSurge` where
    /// the pods say `k8s.v1.cni.galaxy.io/surge: allow`, else 0.
    pub surge: u32,
}

impl AppState {
    /// An app with these slots, without surge, its UID not known.
    pub const fn new(slots: Slots) -> Self {
        Self {
            uid: None,
            slots,
            surge: 0,
        }
    }

    /// The same with this UID.
    #[must_use]
    pub fn with_uid(self, uid: impl Into<Name>) -> Self {
        Self {
            uid: Some(uid.into()),
            ..self
        }
    }

    /// The same with so many addresses above its slots.
    #[must_use]
    pub fn with_surge(self, surge: u32) -> Self {
        Self { surge, ..self }
    }
}

/// The slots of an app. Which kind it is depends on what makes its pods the same ones again (their
/// [`Slot`](crate::owner::Slot)), not on the kind of the workload: the two have to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slots {
    /// So many, without names: pods with [`Slot::Any`](crate::owner::Slot::Any) (Deployment, bare
    /// ReplicaSet, scalable kinds whose pods have random names). For pods with ordinals it means
    /// those from 0 on; use it for them only where all that is known is a count, as of a foreign
    /// kind's scale subresource.
    Count(u32),
    /// The ordinals `start .. start + count`: pods with
    /// [`Slot::Ordinal`](crate::owner::Slot::Ordinal) (StatefulSet with `.spec.ordinals.start`, and
    /// foreign kinds where the start is known). For pods without ordinals the count alone matters.
    Ordinals {
        /// The first ordinal.
        start: u64,
        /// How many.
        count: u32,
    },
    /// One on each of these nodes.
    Nodes(BTreeSet<Name>),
    /// One on every node that exists (DaemonSet).
    EveryNode,
}

impl Slots {
    /// How many slots there are; none where it depends on the nodes.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) | Self::Ordinals { count, .. } => Some(u64::from(*count)),
            Self::Nodes(nodes) => u64::try_from(nodes.len()).ok(),
            Self::EveryNode => None,
        }
    }
}

/// A pod as its source of truth has it.
///
/// ```
/// use floatingip_core::fact::PodState;
///
/// let waits = PodState::new("5f1c");
/// assert!(!waits.bound && !waits.finished);
/// let runs = PodState::new("5f1c").with_bound(true).with_addresses(["10.0.70.2".parse()?]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodState {
    /// Its UID: another one than a record's proves that the record's pod is gone.
    pub uid: Name,
    /// Bound to a node.
    pub bound: bool,
    /// Succeeded or failed: it uses no address any more and never will.
    pub finished: bool,
    /// The addresses that its binding names; empty while there is no binding, or where nobody can
    /// tell. What else a bound pod has by the records is freed by the sweep (ONE-SLOT), so only
    /// what the pod really runs with may stand here.
    pub addresses: Vec<IpAddr>,
}

impl PodState {
    /// A pod that is neither bound nor finished.
    pub fn new(uid: impl Into<Name>) -> Self {
        Self {
            uid: uid.into(),
            bound: false,
            finished: false,
            addresses: Vec::new(),
        }
    }

    /// The same, bound to a node or not.
    #[must_use]
    pub fn with_bound(self, bound: bool) -> Self {
        Self { bound, ..self }
    }

    /// The same, finished or not.
    #[must_use]
    pub fn with_finished(self, finished: bool) -> Self {
        Self { finished, ..self }
    }

    /// The same with the addresses that its binding names.
    #[must_use]
    pub fn with_addresses(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            ..self
        }
    }

    /// Whether this is that pod, and not finished. A UID that a record lacks proves nothing.
    pub fn still_is(&self, pod: &Pod) -> bool {
        let same = pod.uid.is_empty() || self.uid == pod.uid;
        same && !self.finished
    }
}

/// What the world looks like now, as far as anybody can tell.
///
/// The Kubernetes adapter answers from its indexes, the standalone server from what it was told.
/// Answers must be quick (they are asked for under the engine's lock) and never block.
pub trait World {
    /// The app.
    fn app(&self, app: &AppRef) -> Fact<AppState>;
    /// The pod of that name, whatever its UID.
    fn pod(&self, namespace: &str, name: &str) -> Fact<PodState>;
    /// The node.
    fn node(&self, name: &str) -> Fact<NodeState>;
}

/// A node as its source of truth has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// Its kubelet reports: what force-deleted pods left there is being cleaned up.
    pub ready: bool,
}

impl NodeState {
    /// A node whose kubelet reports, or does not.
    pub const fn new(ready: bool) -> Self {
        Self { ready }
    }
}

/// A world of which nothing is known: releases nothing, caps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnknownWorld;

impl World for UnknownWorld {
    fn app(&self, _: &AppRef) -> Fact<AppState> {
        Fact::Unknown
    }

    fn pod(&self, _: &str, _: &str) -> Fact<PodState> {
        Fact::Unknown
    }

    fn node(&self, _: &str) -> Fact<NodeState> {
        Fact::Unknown
    }
}
