//! What is expected: the design's table "policies, workload by workload", spelled out for everything that can happen.
//!
//! Written from the design, not from what the server does.

use super::axes::{Happening, Kind, Policy, Slot};

/// What becomes of the addresses of pods that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Free again; the pods that come after get others.
    Freed,
    /// Each slot gets its own address back.
    Own,
    /// The pods that come after have the same addresses among them.
    Set,
    /// In reserve, without a pod.
    Kept,
    /// Not given to another pod before the node is back, and freed then.
    RestsThenFreed,
    /// Not given to another pod before the node is back, and in reserve then.
    RestsThenKept,
    /// The set grows by `maxSurge` addresses, and updates move the pods within it.
    Grows,
    /// New pods wait for old ones and are told what helps.
    Waits,
    /// Pods that come after take them over; what none takes stays in reserve.
    TakenOver,
    /// They stay in the former pool; the pods that come after get others.
    LeftInPool,
    /// The pods get no address and are told why.
    Refused,
    /// This cannot happen, and why.
    NotApplicable(&'static str),
}

const ONE_BY_ITSELF: Fate = Fate::NotApplicable("a pod without an owner has no app");
const REFUSED: Fate = Fate::NotApplicable("its pods are refused");
const NO_UPDATES: Fate = Fate::NotApplicable("it does not update its pods");
const NO_SURGE: Fate = Fate::NotApplicable("its new pods never come first");

/// What is expected of this cell.
pub(crate) fn of(kind: Kind, policy: Policy, happening: Happening) -> Fate {
    let kept_without_slot = matches!(policy, Policy::Immutable | Policy::Never);
    match (kind, happening) {
        (Kind::Job, Happening::PodDeleted) if kept_without_slot => Fate::Refused,
        (Kind::Job, _) if kept_without_slot => REFUSED,
        (Kind::Pod | Kind::ReplicaSet | Kind::Job, Happening::OldPodsFirst) => NO_UPDATES,
        (_, Happening::PodDeleted | Happening::OldPodsFirst) => within_its_slots(kind, policy),
        (_, Happening::NodeLost) => node_lost(kind, policy),
        (_, Happening::ScaledDownAndUp) => scaled(kind, policy),
        (Kind::Pod, Happening::AppDeleted | Happening::AppRecreated) => ONE_BY_ITSELF,
        (_, Happening::AppDeleted) if policy.outlives_the_app() => Fate::Kept,
        (_, Happening::AppDeleted) => Fate::Freed,
        (_, Happening::AppRecreated) => beyond_its_slots(kind, policy),
        (_, Happening::SurgeAllowed) => surge_allowed(kind, policy),
        (_, Happening::SurgeNotAllowed) => surge_not_allowed(kind, policy),
        (Kind::Job, Happening::PolicyChanged) => {
            Fate::NotApplicable("the pods of a Job cannot be changed")
        }
        (_, Happening::PolicyChanged) => policy_changed(kind, policy),
    }
}

/// The app has a slot for the next pods too.
fn within_its_slots(kind: Kind, policy: Policy) -> Fate {
    match policy {
        Policy::PodDelete => Fate::Freed,
        _ => back(kind),
    }
}

/// The pods are gone by force, but may still run on the node: nobody but the same slot gets their addresses.
/// A DaemonSet's pods stay on their node, so that nothing happens to them before the node is deleted.
fn node_lost(kind: Kind, policy: Policy) -> Fate {
    match kind.slot() {
        Slot::Ordinal | Slot::PodName => Fate::Own,
        Slot::Node if policy.outlives_the_app() => Fate::Own,
        Slot::Node => Fate::Freed,
        Slot::Any | Slot::Nothing if policy.outlives_the_app() => Fate::RestsThenKept,
        Slot::Any | Slot::Nothing => Fate::RestsThenFreed,
    }
}

fn scaled(kind: Kind, policy: Policy) -> Fate {
    match kind {
        Kind::Pod => ONE_BY_ITSELF,
        Kind::DaemonSet => Fate::NotApplicable("its size is the number of nodes"),
        _ => beyond_its_slots(kind, policy),
    }
}

/// The app has no slot for the pods any more, and later has again.
fn beyond_its_slots(kind: Kind, policy: Policy) -> Fate {
    match policy.outlives_the_app() {
        true => back(kind),
        false => Fate::Freed,
    }
}

fn surge_allowed(kind: Kind, policy: Policy) -> Fate {
    match (kind, policy) {
        (Kind::Deployment | Kind::Rollout | Kind::DaemonSet, Policy::PodDelete) => Fate::Freed,
        (Kind::Deployment, _) => Fate::Grows,
        (Kind::Rollout, _) => Fate::NotApplicable("its scale does not tell its `maxSurge`"),
        (Kind::DaemonSet, _) => Fate::NotApplicable("a node's slot has one address"),
        _ => NO_SURGE,
    }
}

fn surge_not_allowed(kind: Kind, policy: Policy) -> Fate {
    match (kind, policy) {
        (Kind::Deployment | Kind::Rollout | Kind::DaemonSet, Policy::PodDelete) => Fate::Freed,
        (Kind::Deployment | Kind::Rollout | Kind::DaemonSet, _) => Fate::Waits,
        _ => NO_SURGE,
    }
}

/// Pods end under their former policy; the next ones of the slot come under the new one.
fn policy_changed(kind: Kind, policy: Policy) -> Fate {
    match (policy, kind.slot()) {
        (Policy::PodDelete, _) => Fate::Freed,
        (Policy::Never, Slot::Any) => Fate::TakenOver,
        (Policy::Pool, Slot::Any) => Fate::LeftInPool,
        _ => back(kind),
    }
}

fn back(kind: Kind) -> Fate {
    match kind.slot() {
        Slot::Any | Slot::Nothing => Fate::Set,
        Slot::Ordinal | Slot::Node | Slot::PodName => Fate::Own,
    }
}
