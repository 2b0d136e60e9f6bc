//! From a pod to what core is asked for it.

use floatingip_core::annotation::AnnotationError;
use floatingip_core::Name;
use floatingip_core::request::{PodRequest, RequestError};
use floatingip_core::workload::WorkloadError;
use thiserror::Error;

use crate::index::{Index, PodEntry};

/// What the pod asks for, if it runs on `node`; without a node, as far as the slot does not depend on it.
///
/// # Errors
/// An annotation or workload that cannot be served, or that cannot be told yet.
pub fn request_of(
    pod: &PodEntry,
    node: Option<&str>,
    index: &Index,
) -> Result<PodRequest, RequestFault> {
    let _ = (node, index);
    Err(RequestFault::NotOurs {
        pod: pod.name.clone(),
    })
}

/// Why a pod cannot ask; the pod's author has to act, unless time mends it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// It wants no address.
    #[error("pod {pod} does not request tke.cloud.tencent.com/eni-ip: it gets no address")]
    NotOurs {
        /// The pod.
        pod: Name,
    },
    /// An annotation that cannot be read.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// A workload that cannot be served, or is not known yet.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A request that cannot be meant.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nobody can tell yet whether pods of this kind have slots.
    #[error(
        "kind {kind} of API group `{group}` is not known: wait until it is, see to it that its \
         definition is installed, and that we may discover and list it"
    )]
    KindUnknown {
        /// The API group.
        group: Name,
        /// The kind, in lower case.
        kind: Name,
    },
    /// The slot is the node's, and no node was given.
    #[error("the address belongs to the node, and no node is chosen yet")]
    NoNode,
}

impl RequestFault {
    /// Whether time alone may mend it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Workload(WorkloadError::OwnerUnknown { .. })
                | Self::KindUnknown { .. }
                | Self::NoNode
        )
    }
}
