//! The three axes of the table: policies, kinds of workloads, and what happens to them.

/// What a pod's annotations say of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    PodDelete,
    Immutable,
    Never,
    Pool,
}

impl Policy {
    pub(crate) const ALL: [Self; 4] = [Self::PodDelete, Self::Immutable, Self::Never, Self::Pool];

    /// As in names of tests.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::PodDelete => "pod_delete",
            Self::Immutable => "immutable",
            Self::Never => "never",
            Self::Pool => "pool",
        }
    }

    /// As in the head of a table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::PodDelete => "`\"\"`",
            Self::Immutable => "`immutable`",
            Self::Never => "`never`",
            Self::Pool => "in a pool",
        }
    }

    /// The policy that a live app is changed to.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::PodDelete => Self::Immutable,
            Self::Immutable => Self::Never,
            Self::Never => Self::PodDelete,
            Self::Pool => Self::Pool,
        }
    }

    /// Whether the address outlives the app.
    pub(crate) fn outlives_the_app(self) -> bool {
        matches!(self, Self::Never | Self::Pool)
    }
}

/// What makes a pod the same one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Any pod of the app will do.
    Any,
    Ordinal,
    Node,
    PodName,
    /// Every pod is a new one.
    Nothing,
}

/// What makes the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    /// With `ordinals.start: 5`.
    StatefulSetFromFive,
    DaemonSet,
    Pod,
    Job,
    TApp,
    /// Beside a native StatefulSet of the same name, without pods.
    KruiseStatefulSet,
    /// Argo's, through ReplicaSets.
    Rollout,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::StatefulSetFromFive,
        Self::DaemonSet,
        Self::Pod,
        Self::Job,
        Self::TApp,
        Self::KruiseStatefulSet,
        Self::Rollout,
    ];

    /// As in names of tests.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::ReplicaSet => "replica_set",
            Self::StatefulSet => "stateful_set",
            Self::StatefulSetFromFive => "stateful_set_from_five",
            Self::DaemonSet => "daemon_set",
            Self::Pod => "pod",
            Self::Job => "job",
            Self::TApp => "tapp",
            Self::KruiseStatefulSet => "kruise_stateful_set",
            Self::Rollout => "rollout",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet without an owner",
            Self::StatefulSet => "StatefulSet",
            Self::StatefulSetFromFive => "StatefulSet with `ordinals.start`",
            Self::DaemonSet => "DaemonSet",
            Self::Pod => "Pod without an owner",
            Self::Job => "Job",
            Self::TApp => "TApp (`apps.tkestack.io`)",
            Self::KruiseStatefulSet => {
                "StatefulSet of OpenKruise (`apps.kruise.io`), beside a native one of the same name"
            }
            Self::Rollout => "Argo Rollout (`argoproj.io`), through its ReplicaSets",
        }
    }

    pub(crate) fn slot(self) -> Slot {
        match self {
            Self::Deployment | Self::ReplicaSet | Self::Rollout => Slot::Any,
            Self::StatefulSet
            | Self::StatefulSetFromFive
            | Self::TApp
            | Self::KruiseStatefulSet => Slot::Ordinal,
            Self::DaemonSet => Slot::Node,
            Self::Pod => Slot::PodName,
            Self::Job => Slot::Nothing,
        }
    }

    /// What stands in `appType`, and in lower case at the head of keys but for two kinds.
    pub(crate) fn app_type(self) -> Option<&'static str> {
        match self {
            Self::Deployment => Some("deployment"),
            Self::ReplicaSet => Some("replicaset"),
            Self::StatefulSet | Self::StatefulSetFromFive | Self::KruiseStatefulSet => {
                Some("statefulset")
            }
            Self::DaemonSet => Some("daemonset"),
            Self::Pod => None,
            Self::Job => Some("job"),
            Self::TApp => Some("tapp"),
            Self::Rollout => Some("rollout"),
        }
    }

    /// Whether no controller runs that would make its pods, so that the test does.
    pub(crate) fn is_made_by_test(self) -> bool {
        matches!(self, Self::Pod | Self::TApp | Self::KruiseStatefulSet)
    }
}

/// What happens to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    PodDeleted,
    NodeLost,
    ScaledDownAndUp,
    AppDeleted,
    AppRecreated,
    OldPodsFirst,
    SurgeAllowed,
    SurgeNotAllowed,
    PolicyChanged,
}

impl Happening {
    pub(crate) const ALL: [Self; 9] = [
        Self::PodDeleted,
        Self::NodeLost,
        Self::ScaledDownAndUp,
        Self::AppDeleted,
        Self::AppRecreated,
        Self::OldPodsFirst,
        Self::SurgeAllowed,
        Self::SurgeNotAllowed,
        Self::PolicyChanged,
    ];

    /// As in names of tests.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::PodDeleted => "pod_deleted",
            Self::NodeLost => "node_lost",
            Self::ScaledDownAndUp => "scaled_down_and_up",
            Self::AppDeleted => "app_deleted",
            Self::AppRecreated => "app_recreated",
            Self::OldPodsFirst => "updated_old_pods_first",
            Self::SurgeAllowed => "updated_with_surge_allowed",
            Self::SurgeNotAllowed => "updated_with_surge_not_allowed",
            Self::PolicyChanged => "policy_changed",
        }
    }

    pub(crate) fn title(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::PodDeleted, Kind::Pod) => "pod deleted, and made again",
            (Self::PodDeleted, _) => "pod deleted, and replaced",
            (Self::NodeLost, Kind::DaemonSet) => "node deleted, and joined again",
            (Self::NodeLost, _) => "node lost, its pods deleted by force and replaced",
            (Self::ScaledDownAndUp, _) => "scaled down, then up",
            (Self::AppDeleted, _) => "app deleted",
            (Self::AppRecreated, _) => "app deleted, then made again",
            (Self::OldPodsFirst, _) => "rolling update, old pods end first",
            (Self::SurgeAllowed, _) => "rolling update, new pods come first, `surge: allow`",
            (Self::SurgeNotAllowed, _) => "rolling update, new pods come first",
            (Self::PolicyChanged, _) => "policy changed",
        }
    }
}
