//! Adoption: recording what a bound pod uses that no record knows of.

use std::collections::BTreeSet;
use std::net::IpAddr;

use thiserror::Error;

use super::Engine;
use super::claim::Pot;
use super::ledger::standing_key;
use super::release::Described;
use super::stage::{Draft, Staged};
use crate::name::Name;
use crate::owner::{Owner, Pod, Tenant};
use crate::plan::{Event, Plan};
use crate::record::Record;
use crate::request::PodRequest;
use crate::time::Now;

/// What an adoption comes to.
#[derive(Debug)]
#[must_use = "the plan holds the addresses until it is settled"]
pub struct Adoption {
    /// Records what the pod uses; empty where everything is recorded already.
    pub plan: Plan,
    /// The addresses that cannot be recorded as the pod's, ascending, and why.
    pub refused: Vec<(IpAddr, NotAdopted)>,
}

/// Why an address that a bound pod uses cannot be recorded as its own.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotAdopted {
    /// The configuration does not have it.
    #[error("{ip} is not within any configured range: add its range, or give the pod another one")]
    NotConfigured {
        /// The address.
        ip: IpAddr,
    },
    /// It is a gateway, a network or broadcast address, or excluded.
    #[error(
        "{ip} is never handed out (a gateway, a network or broadcast address, or excluded): delete \
         the pod so that it gets another one"
    )]
    NeverGiven {
        /// The address.
        ip: IpAddr,
    },
    /// A node has it itself.
    #[error(
        "{ip} is the address of node {node}: exclude it, and delete the pod so that it gets another one"
    )]
    NodeAddress {
        /// The address.
        ip: IpAddr,
        /// The node.
        node: Name,
    },
    /// The records give it to somebody else.
    #[error("{ip} belongs to {}: delete the pod so that it gets another one", Described(.owner))]
    OthersOwn {
        /// The address.
        ip: IpAddr,
        /// Who has it.
        owner: Box<Owner>,
    },
    /// A change of it is under way.
    #[error("a change of {ip} is under way: try again")]
    Busy {
        /// The address.
        ip: IpAddr,
    },
}

impl Engine {
    /// Records what a pod uses that is bound, not finished, and runs with just these addresses: the
    /// caller vouches for that. Caps, cordons, reaches, claims and what the pod wants do not matter,
    /// for it runs already. Adopted is what is configured and free, what is kept for the pod's own
    /// slot, app or pool, and the record of a pod of its name without UID, as others wrote them; a
    /// quarantine stays. To be called before a new leader decides anything else, so that nobody else
    /// is given these addresses. O(log n) for each address.
    pub fn plan_adopt(&mut self, request: &PodRequest, addresses: &[IpAddr], now: Now) -> Adoption {
        let addresses: BTreeSet<IpAddr> = addresses.iter().copied().collect();
        let mut draft = self.draft(now);
        let mut refused = Vec::new();
        for ip in addresses {
            match self.not_adopted(request, ip) {
                Some(why) => refused.push((ip, why)),
                None => self.stage_adoption(&mut draft, request, ip, now),
            }
        }
        Adoption {
            plan: self.finish(draft),
            refused,
        }
    }

    fn not_adopted(&self, request: &PodRequest, ip: IpAddr) -> Option<NotAdopted> {
        let lost = self.missing.contains_key(&ip) && !self.is_lost_by(request, ip);
        if self.is_held(ip) || lost {
            return Some(NotAdopted::Busy { ip });
        }
        match self.ledger.record(ip) {
            Some(record) if may_adopt(request, &record.owner) => None,
            Some(record) => Some(NotAdopted::OthersOwn {
                ip,
                owner: Box::new(record.owner.clone()),
            }),
            None => self.never_adopted(ip),
        }
    }

    /// Whether the address's record was deleted under this very pod.
    fn is_lost_by(&self, request: &PodRequest, ip: IpAddr) -> bool {
        let pod = self
            .missing
            .get(&ip)
            .and_then(|lost| lost.record.owner.pod());
        pod.is_some_and(|pod| pod.uid == request.pod().uid)
    }

    /// Why an address that nobody has is nobody's to use.
    fn never_adopted(&self, ip: IpAddr) -> Option<NotAdopted> {
        let Some(subnet) = self.topology.subnet_of(ip) else {
            return Some(NotAdopted::NotConfigured { ip });
        };
        if !subnet.usable().contains(ip) {
            return Some(NotAdopted::NeverGiven { ip });
        }
        let node = self.node_addresses.get(&ip)?.first()?.clone();
        Some(NotAdopted::NodeAddress { ip, node })
    }

    fn stage_adoption(&mut self, draft: &mut Draft, request: &PodRequest, ip: IpAddr, now: Now) {
        let former = self.ledger.record(ip).cloned();
        let ours = |pod: &Pod| pod.uid == request.pod().uid;
        if former
            .as_ref()
            .and_then(|record| record.owner.pod())
            .is_some_and(ours)
        {
            // Its own already, and it is bound with it.
            self.provisional.remove(&ip);
            return;
        }
        let mark = former.and_then(|former| self.lasting_mark(ip, &former, now));
        let record = Record {
            owner: Owner::Slot(request.tenant().clone()),
            policy: request.policy(),
            updated_at: now.wall,
            mark,
            attachment: request.attachment().cloned(),
            plan: None,
        };
        self.stage(draft, ip, Event::Adopt, Some(Staged::new(record)));
    }
}

/// Whether the records leave the address to this pod.
fn may_adopt(request: &PodRequest, owner: &Owner) -> bool {
    let asks = request.tenant();
    let shared = Pot::of(owner);
    match owner {
        Owner::Nobody => true,
        Owner::Administrator(_) => false,
        Owner::Pool(pool) => request.pool() == Some(pool),
        Owner::Slot(tenant) => match &tenant.pod {
            Some(pod) => is_same_pod(asks, tenant, pod, request.pod()),
            None if shared.is_some() => shared == Pot::of(&Owner::Slot(asks.vacated())),
            None => tenant.slot == asks.slot && standing_key(tenant) == standing_key(asks),
        },
    }
}

/// Whether a record's pod is this one: by its UID, and where the record lacks that by its name.
fn is_same_pod(asks: &Tenant, tenant: &Tenant, pod: &Pod, asking: &Pod) -> bool {
    let named = pod.uid.is_empty() && pod.name == asking.name && tenant.namespace == asks.namespace;
    pod.uid == asking.uid || named
}
