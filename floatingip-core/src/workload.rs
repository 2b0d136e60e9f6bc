//! Workloads: from what made a pod to the slot it fills and the policy it gets.
//!
//! The app is read from owner references only, never from a pod's name: a Deployment's name may be
//! cut short in the names of its pods, and a bare ReplicaSet `cache-a` is not `cache`'s. What comes
//! of the table "policies, workload by workload":
//!
//! | made by | app | slot |
//! |---|---|---|
//! | nobody | none | the pod's name |
//! | Deployment, or anything else that scales, through a ReplicaSet | the top owner | any of the app's |
//! | ReplicaSet alone | the ReplicaSet | any of the app's |
//! | StatefulSet | the StatefulSet | the ordinal |
//! | DaemonSet | the DaemonSet | the node |
//! | another kind that scales (TApp, Kruise) | that object | the ordinal of a pod `APP-N`, else any of the app's |
//! | another kind (Job) | that object | none: every pod is a new one |

use thiserror::Error;

use crate::fact::Fact;
use crate::name::{Name, PoolName};
use crate::owner::{App, Slot};
use crate::policy::ReleasePolicy;

/// The API group of the built-in workloads.
pub(crate) const APPS: &str = "apps";

/// The controller of a pod or ReplicaSet, as an owner reference with `controller: true` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// The API group without the version, `""` for the core group.
    pub group: Name,
    /// The kind, in any case.
    pub kind: Name,
    /// The name.
    pub name: Name,
    /// The UID.
    pub uid: Name,
    /// Whether its kind has a scale subresource.
    pub scales: bool,
}

impl Controller {
    fn is(&self, kind: &str) -> bool {
        self.group == APPS && self.kind.eq_ignore_ascii_case(kind)
    }

    fn app(&self) -> App {
        App {
            group: self.group.clone(),
            kind: Name::from(self.kind.to_lowercase()),
            name: self.name.clone(),
            uid: Some(self.uid.clone()),
        }
    }
}

/// What made a pod.
///
/// ```
/// use floatingip_core::fact::Fact;
/// use floatingip_core::owner::Slot;
/// use floatingip_core::workload::{Controller, Workload};
///
/// let web = Controller {
///     group: "apps".into(),
///     kind: "StatefulSet".into(),
///     name: "web-1".into(),
///     uid: "7c0e".into(),
///     scales: true,
/// };
/// let workload = Workload::of(Some(&web), &Fact::Unknown)?;
/// assert_eq!(workload.slot_rule("web-1-0")?.on(None), Some(Slot::Ordinal(0)));
/// assert!(workload.slot_rule("web-10").is_err());
/// # Ok::<(), floatingip_core::workload::WorkloadError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Nothing: a bare pod.
    Bare,
    /// Something whose pods have random names and replace each other: a Deployment, a bare
    /// ReplicaSet, or what else scales through ReplicaSets (Argo Rollout).
    Replicas(App),
    /// A StatefulSet: its pods are `APP-N`.
    StatefulSet(App),
    /// A DaemonSet: one pod a node.
    DaemonSet(App),
    /// Another kind with a scale subresource (TApp, the OpenKruise kinds).
    Scalable(App),
    /// Another kind, whose pods come and go (Job).
    Other(App),
}

impl Workload {
    /// What made the pod that `controller` controls.
    ///
    /// `above` is asked for only where the controller is a ReplicaSet: what controls that in turn,
    /// `Known(None)` for a bare ReplicaSet. An owner that does not scale has no number of slots, so
    /// that the ReplicaSet itself is the app.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::OwnerUnknown`] if nobody can tell who owns the ReplicaSet, also where it is
    /// gone: to guess would put the pod's address into another app's hands.
    pub fn of(
        controller: Option<&Controller>,
        above: &Fact<Option<Controller>>,
    ) -> Result<Self, WorkloadError> {
        let Some(controller) = controller else {
            return Ok(Self::Bare);
        };
        if controller.is("replicaset") {
            return Self::through(controller, above);
        }
        let app = controller.app();
        Ok(if controller.is("deployment") {
            Self::Replicas(app)
        } else if controller.is("statefulset") {
            Self::StatefulSet(app)
        } else if controller.is("daemonset") {
            Self::DaemonSet(app)
        } else if controller.scales {
            Self::Scalable(app)
        } else {
            Self::Other(app)
        })
    }

    /// What made the pods of `app`, where no owner reference tells: by kind and group alone. What is
    /// no built-in kind and no Job scales, as far as anybody can tell.
    ///
    /// ```
    /// use floatingip_core::owner::App;
    /// use floatingip_core::workload::Workload;
    ///
    /// let app = |kind: &str, group: &str| App {
    ///     group: group.into(),
    ///     kind: kind.into(),
    ///     name: "web".into(),
    ///     uid: None,
    /// };
    /// let tapp = Workload::of_app(app("tapp", ""));
    /// assert!(matches!(tapp, Workload::Scalable(_)));
    /// let job = Workload::of_app(app("job", "batch"));
    /// assert!(matches!(job, Workload::Other(_)));
    /// ```
    pub fn of_app(app: App) -> Self {
        match (&*app.group, &*app.kind) {
            (APPS, "deployment" | "replicaset") => Self::Replicas(app),
            (APPS, "statefulset") => Self::StatefulSet(app),
            (APPS, "daemonset") => Self::DaemonSet(app),
            ("" | "batch", "job" | "cronjob") => Self::Other(app),
            _ => Self::Scalable(app),
        }
    }

    fn through(
        replica_set: &Controller,
        above: &Fact<Option<Controller>>,
    ) -> Result<Self, WorkloadError> {
        match above {
            Fact::Known(Some(top)) if top.scales => Ok(Self::Replicas(top.app())),
            Fact::Known(_) => Ok(Self::Replicas(replica_set.app())),
            Fact::Gone | Fact::Unknown => Err(WorkloadError::OwnerUnknown {
                replica_set: replica_set.name.clone(),
            }),
        }
    }

    /// The app; none for a bare pod.
    pub fn app(&self) -> Option<&App> {
        match self {
            Self::Bare => None,
            Self::Replicas(app)
            | Self::StatefulSet(app)
            | Self::DaemonSet(app)
            | Self::Scalable(app)
            | Self::Other(app) => Some(app),
        }
    }

    /// Which slot the pod of this name fills.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::NotAnOrdinal`] for a pod of a StatefulSet that is not named `APP-N`.
    pub fn slot_rule(&self, pod: &str) -> Result<SlotRule, WorkloadError> {
        Ok(match self {
            Self::Bare => SlotRule::Pod(Name::from(pod)),
            Self::Replicas(_) => SlotRule::Any,
            Self::StatefulSet(app) => {
                ordinal(&app.name, pod)
                    .map(SlotRule::Ordinal)
                    .ok_or_else(|| WorkloadError::NotAnOrdinal {
                        app: app.name.clone(),
                        pod: Name::from(pod),
                    })?
            }
            Self::DaemonSet(_) => SlotRule::Node,
            Self::Scalable(app) => ordinal(&app.name, pod)
                .filter(|&ordinal| !is_random_suffix(ordinal))
                .map_or(SlotRule::Any, SlotRule::Ordinal),
            Self::Other(_) => SlotRule::Once(Name::from(pod)),
        })
    }

    /// The policy that holds for a pod with this annotated policy and pool.
    ///
    /// A pool makes every workload `never`: the pool keeps the address. That goes for a Job too: it
    /// has no slot to keep an address for, but the pool's reserve needs none. A bare pod has no app
    /// with which its address could go, so `immutable` is as `never`; callers tell the user when
    /// the answer differs from `annotated`.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::PolicyNeedsSlot`] if the address is to be kept and nothing says for whom.
    ///
    /// ```
    /// use floatingip_core::ReleasePolicy;
    /// use floatingip_core::workload::Workload;
    ///
    /// let kept = Workload::Bare.effective_policy(ReleasePolicy::Immutable, None);
    /// assert_eq!(kept, Ok(ReleasePolicy::Never));
    /// ```
    pub fn effective_policy(
        &self,
        annotated: ReleasePolicy,
        pool: Option<&PoolName>,
    ) -> Result<ReleasePolicy, WorkloadError> {
        match self {
            _ if pool.is_some() => Ok(ReleasePolicy::Never),
            Self::Other(app) if annotated.is_sticky() => Err(WorkloadError::PolicyNeedsSlot {
                kind: app.kind.clone(),
                policy: annotated,
            }),
            Self::Bare if annotated.is_sticky() => Ok(ReleasePolicy::Never),
            _ => Ok(annotated),
        }
    }
}

/// Which slot a pod fills, as far as its name and workload tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotRule {
    /// Any of the app's.
    Any,
    /// This ordinal.
    Ordinal(u64),
    /// The node's, whichever it will be.
    Node,
    /// The one of this pod name.
    Pod(Name),
    /// None that another pod could fill again.
    Once(Name),
}

impl SlotRule {
    /// The slot of a pod that runs on `node`; none while the slot depends on a node not yet known.
    ///
    /// ```
    /// use floatingip_core::owner::Slot;
    /// use floatingip_core::workload::SlotRule;
    ///
    /// assert_eq!(SlotRule::Node.on(None), None);
    /// assert_eq!(SlotRule::Node.on(Some("a-2")), Some(Slot::Node("a-2".into())));
    /// assert_eq!(SlotRule::Any.on(None), Some(Slot::Any));
    /// ```
    pub fn on(&self, node: Option<&str>) -> Option<Slot> {
        Some(match self {
            Self::Any => Slot::Any,
            Self::Ordinal(ordinal) => Slot::Ordinal(*ordinal),
            Self::Node => Slot::Node(Name::from(node?)),
            Self::Pod(pod) => Slot::Pod(pod.clone()),
            Self::Once(pod) => Slot::Once(pod.clone()),
        })
    }
}

/// The API group of a kind, in lower case, that is named without one: that of the built-in workloads,
/// else none.
pub fn usual_group(kind: &str) -> &'static str {
    match kind {
        "deployment" | "replicaset" | "statefulset" | "daemonset" => APPS,
        _ => "",
    }
}

/// The ordinal N of a pod named `APP-N`; none for any other name.
///
/// N is decimal without leading zeros, so that no two pods share one.
///
/// ```
/// use floatingip_core::workload::ordinal;
///
/// assert_eq!(ordinal("web", "web-10"), Some(10));
/// assert_eq!(ordinal("web-1", "web-10"), None);
/// assert_eq!(ordinal("web", "web-01"), None);
/// ```
pub fn ordinal(app: &str, pod: &str) -> Option<u64> {
    let digits = pod.strip_prefix(app)?.strip_prefix('-')?;
    let ordinal: u64 = digits.parse().ok()?;
    (ordinal.to_string() == digits).then_some(ordinal)
}

/// Whether the API server's name generator could have made this number: its suffixes are five
/// characters of `bcdfghjklmnpqrstvwxz2456789`, and about one in 850 consists of digits alone.
/// A workload that really counts its pods to 22222 is much rarer than a CloneSet's `web-24567`.
pub(crate) fn is_random_suffix(ordinal: u64) -> bool {
    let digits = ordinal.to_string();
    digits.len() == 5 && !digits.contains(['0', '1', '3'])
}

/// Why a pod of this workload cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// Who owns the pod's ReplicaSet is not known (yet); time, or the end of the pod, mends it.
    #[error(
        "the owner of ReplicaSet `{replica_set}` is not known: wait until it is seen, \
         or delete the pod if its ReplicaSet is gone"
    )]
    OwnerUnknown {
        /// The ReplicaSet's name.
        replica_set: Name,
    },
    /// A StatefulSet's pod has a name that the StatefulSet would not give; its maker has to mend it.
    #[error("pod `{pod}` of StatefulSet `{app}` has no ordinal: expected `{app}-N`, N a number")]
    NotAnOrdinal {
        /// The StatefulSet's name.
        app: Name,
        /// The pod's name.
        pod: Name,
    },
    /// The address is to be kept, but every pod of this kind is a new one; the annotation's author
    /// has to choose.
    #[error(
        "release policy `{policy}` needs a pod that comes back, and every pod of a {kind} is a new \
         one: remove the annotation, or name a pool that keeps the address"
    )]
    PolicyNeedsSlot {
        /// The kind, in lower case.
        kind: Name,
        /// The annotated policy.
        policy: ReleasePolicy,
    },
}

#[cfg(test)]
mod tests;
