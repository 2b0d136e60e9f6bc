//! From a pod to what core is asked for it.
//!
//! Everything that a pod's author can write is read here: what made the pod and so what slot it fills,
//! its policy, pool, families and ranges. What cannot be read is a fault that the author is told of,
//! never a default.

use floatingip_core::annotation::{self, AnnotationError};
use floatingip_core::fact::Fact;
use floatingip_core::owner::{Pod, Tenant};
use floatingip_core::range::Family;
use floatingip_core::request::{PodRequest, RequestError, Want, WishError, wants};
use floatingip_core::workload::{Controller, Workload, WorkloadError};
use floatingip_core::{Name, PoolName, ReleasePolicy};
use thiserror::Error;

use crate::annotation::ENI_IP;
use crate::index::{Annotations, Index, PodEntry};
use crate::object::OwnerRef;

/// What the pod asks for if it runs on `node`; without one, on the node that it is bound to, or, where
/// its slot does not depend on the node, on any.
///
/// # Errors
/// Annotations or a workload that cannot be served, or owners that nobody can tell yet.
pub fn request_of(
    pod: &PodEntry,
    node: Option<&str>,
    index: &Index,
) -> Result<PodRequest, RequestFault> {
    if pod.wanted.is_none() {
        let pod = pod.name.clone();
        return Err(RequestFault::NotOurs { pod });
    }
    let wishes = Wishes::read(&pod.annotations)?;
    let workload = workload_of(pod, index)?;
    let policy = workload.effective_policy(wishes.policy, wishes.pool.as_ref())?;
    let node = node.or(pod.node.as_deref());
    let slot = workload.slot_rule(&pod.name)?.on(node);
    let tenant = Tenant {
        namespace: pod.namespace.clone(),
        app: workload.app().cloned(),
        slot: slot.ok_or(RequestFault::NoNode)?,
        pool: wishes.pool,
        pod: None,
    };
    let incarnation = Pod {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node: node.map(Name::from).unwrap_or_default(),
    };
    Ok(PodRequest::new(tenant, incarnation, policy)?.with_wants(wishes.wants)?)
}

/// Whether the pod says `immutable` and gets `never`: by itself, it has no app with which its address could go.
pub fn is_kept_without_an_app(pod: &PodEntry) -> bool {
    let said = |name| annotation::release_policy(pod.annotations.value(name));
    let immutable = said(annotation::RELEASE_POLICY) == Ok(ReleasePolicy::Immutable);
    let pooled = pod.annotations.value(annotation::POOL).is_some();
    immutable && !pooled && pod.controller.is_none()
}

/// What made the pod, as far as the index knows.
///
/// # Errors
/// [`RequestFault::KindUnknown`] or [`WorkloadError::OwnerUnknown`], until the watches know.
pub fn workload_of(pod: &PodEntry, index: &Index) -> Result<Workload, RequestFault> {
    let Some(owner) = &pod.controller else {
        return Ok(Workload::Bare);
    };
    let above = match index.above(&pod.namespace, owner) {
        _ if owner.kind != "replicaset" || owner.group != "apps" => Fact::Unknown,
        Fact::Known(Some(top)) => Fact::Known(Some(known(&top, index)?)),
        Fact::Known(None) => Fact::Known(None),
        Fact::Gone => Fact::Gone,
        Fact::Unknown => Fact::Unknown,
    };
    Ok(Workload::of(Some(&known(owner, index)?), &above)?)
}

fn known(owner: &OwnerRef, index: &Index) -> Result<Controller, RequestFault> {
    index
        .controller(owner)
        .ok_or_else(|| RequestFault::KindUnknown {
            group: owner.group.clone(),
            kind: owner.kind.clone(),
        })
}

/// What the pod's annotations say.
struct Wishes {
    policy: ReleasePolicy,
    pool: Option<PoolName>,
    wants: Vec<Want>,
}

impl Wishes {
    fn read(annotations: &Annotations) -> Result<Self, RequestFault> {
        // Nothing here depends on it, but its author is to know of a typing error before the rollout.
        annotation::surge(annotations.value(annotation::SURGE))?;
        let families = annotation::ip_families(annotations.value(annotation::IP_FAMILIES))?;
        let ranges = annotation::request_ip_range(annotations.value(annotation::ARGS))?;
        Ok(Self {
            policy: annotation::release_policy(annotations.value(annotation::RELEASE_POLICY))?,
            pool: annotation::pool(annotations.value(annotation::POOL))?,
            wants: wants(families.as_deref(), ranges)?,
        })
    }
}

/// Why nothing can be asked for a pod. Its author has to act, unless time mends it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// It wants no address.
    #[error("pod {pod} does not request {ENI_IP}, so that it gets no address: request 1 of it")]
    NotOurs {
        /// The pod.
        pod: Name,
    },
    /// An annotation that cannot be read.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// A list of ranges has no address of the families that the pod names.
    #[error(
        "annotation {}: request_ip_range[{list}] has no address of the families in {}: \
         change the ranges, or name their family",
        annotation::ARGS,
        annotation::IP_FAMILIES
    )]
    ListOfOtherFamily {
        /// Which list, from 0.
        list: usize,
    },
    /// A family that the pod names is in no list of ranges.
    #[error(
        "annotation {}: {family} is named, but no list of request_ip_range has such addresses: \
         add a list, or remove the family",
        annotation::IP_FAMILIES
    )]
    FamilyWithoutList {
        /// The family.
        family: Family,
    },
    /// A workload that cannot be served, or whose owner is not known yet.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A request that cannot be meant.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nobody can tell whether pods of this kind have slots.
    #[error(
        "kind `{kind}` of API group `{group}` is not known yet: wait; if it stays so, see that its \
         definition is installed, and that this server's role may discover it"
    )]
    KindUnknown {
        /// The API group.
        group: Name,
        /// The kind, in lower case.
        kind: Name,
    },
    /// The slot is the node's, and no node is chosen.
    #[error("the address belongs to the node, and none is chosen: ask for each node by itself")]
    NoNode,
}

impl From<WishError> for RequestFault {
    fn from(error: WishError) -> Self {
        match error {
            WishError::ListOfOtherFamily { list } => Self::ListOfOtherFamily { list },
            WishError::FamilyWithoutList { family } => Self::FamilyWithoutList { family },
        }
    }
}

impl RequestFault {
    /// Whether time alone may mend it: the pod's author has nothing to do.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let owner = matches!(self, Self::Workload(WorkloadError::OwnerUnknown { .. }));
        owner || matches!(self, Self::KindUnknown { .. })
    }
}

#[cfg(test)]
mod tests;
