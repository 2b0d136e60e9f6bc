//! Requests: what a pod asks of the engine.

mod wish;

use thiserror::Error;

pub use self::wish::{WishError, wants};
use crate::name::{Name, PoolName};
use crate::owner::{Pod, Slot, Tenant};
use crate::policy::ReleasePolicy;
use crate::range::{Family, RangeSet};
use crate::record::Attachment;

/// What a pod asks for: addresses for one slot of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRequest {
    tenant: Tenant,
    pod: Pod,
    policy: ReleasePolicy,
    wants: Vec<Want>,
    attachment: Option<Attachment>,
}

impl PodRequest {
    /// The most addresses one pod may ask for.
    pub const MAX_WANTS: usize = 16;

    /// A request of `pod`, which fills the slot of `tenant`, for one address of the default family.
    ///
    /// A pool makes every workload `never`, whatever `policy` says (seed document).
    ///
    /// # Errors
    /// A policy that keeps addresses for a pod which has nothing to be recognised by.
    pub fn new(tenant: Tenant, pod: Pod, policy: ReleasePolicy) -> Result<Self, RequestError> {
        if pod.uid.is_empty() {
            return Err(RequestError::NoUid { pod: pod.name });
        }
        let policy = if tenant.pool.is_some() {
            ReleasePolicy::Never
        } else {
            policy
        };
        if policy.is_sticky() && tenant.pool.is_none() && matches!(tenant.slot, Slot::Once(_)) {
            return Err(RequestError::NothingToKeepFor { policy });
        }
        let tenant = Tenant {
            pod: Some(pod.clone()),
            ..tenant
        };
        Ok(Self {
            tenant,
            pod,
            policy,
            wants: vec![Want::default()],
            attachment: None,
        })
    }

    /// The same for these addresses, all or none of them.
    ///
    /// # Errors
    /// No address at all, or more than [`Self::MAX_WANTS`].
    pub fn with_wants(self, wants: Vec<Want>) -> Result<Self, RequestError> {
        match wants.len() {
            1..=Self::MAX_WANTS => Ok(Self { wants, ..self }),
            found => Err(RequestError::Count { found }),
        }
    }

    /// The same for this container interface.
    #[must_use]
    pub fn with_attachment(self, attachment: Attachment) -> Self {
        Self {
            attachment: Some(attachment),
            ..self
        }
    }

    /// The slot with the pod that asks.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The pod that asks.
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// The pool it names.
    pub fn pool(&self) -> Option<&PoolName> {
        self.tenant.pool.as_ref()
    }

    /// How long the addresses stay; `never` where it names a pool.
    pub const fn policy(&self) -> ReleasePolicy {
        self.policy
    }

    /// What it wants, one address each.
    pub fn wants(&self) -> &[Want] {
        &self.wants
    }

    /// The container interface it asks for.
    pub fn attachment(&self) -> Option<&Attachment> {
        self.attachment.as_ref()
    }
}

/// One address that a pod wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Of this family. None: IPv4, or IPv6 where the node may use no IPv4 subnet.
    pub family: Option<Family>,
    /// One of these (`request_ip_range`).
    pub within: Option<RangeSet>,
}

/// A request that cannot be meant; whoever wrote the pod's annotations has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A policy that keeps addresses for a pod which has nothing to be recognised by.
    #[error(
        "release policy `{policy}` keeps an address for the pod that comes next, but pods of this \
         workload have random names and replace nobody: remove the annotation or name a pool"
    )]
    NothingToKeepFor {
        /// The policy.
        policy: ReleasePolicy,
    },
    /// A pod without UID cannot be told from others of its name, nor from pods of unknown UID.
    #[error("pod {pod} has no uid: give the one that its source of truth gave it")]
    NoUid {
        /// The pod.
        pod: Name,
    },
    /// No address, or too many.
    #[error("{found} addresses asked for: ask for 1 to 16")]
    Count {
        /// How many.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_uid_cannot_ask() {
        let (name, nothing) = (Name::from("web"), Name::default());
        let pod = Pod {
            name: name.clone(),
            uid: nothing.clone(),
            node: nothing.clone(),
        };
        let tenant = Tenant {
            namespace: nothing,
            app: None,
            slot: Slot::Pod(name.clone()),
            pool: None,
            pod: None,
        };
        let refused = PodRequest::new(tenant, pod, ReleasePolicy::Never);
        assert_eq!(refused, Err(RequestError::NoUid { pod: name }));
    }
}
