//! Own addresses: what a pod or its slot has already, and why it may have to wait for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Engine;
use super::decide::Asking;
use super::ledger::standing_key;
use crate::fact::Fact;
use crate::owner::{Pod, Slot, Tenant};
use crate::record::{MarkKind, Record};
use crate::refusal::Refusal;
use crate::request::PodRequest;
use crate::topology::{PodSubnet, Reach};

/// Addresses that the slot or pod has already.
#[derive(Default)]
pub(super) struct Own {
    pub(super) usable: Vec<IpAddr>,
    /// Those that cannot be used now, and why: they are waited for, not replaced.
    pub(super) blocked: Vec<(IpAddr, Refusal)>,
}

impl Engine {
    /// What the pod or its slot has already.
    pub(super) fn own(&self, asking: &Asking<'_>) -> Result<Own, Refusal> {
        let pod = asking.request.pod();
        if let Some(ip) = self.change_of(&pod.uid) {
            return Err(Refusal::Busy { ip });
        }
        if self.owes_ending(&pod.uid) {
            return Err(Refusal::PodEnded {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
            });
        }
        // Also what a former pod of the slot is about to have: it is the slot's as soon as it is there.
        if let Some(slot) = asking.request.tenant().slot_ref()
            && let Some(ip) = self.arrival_in(&slot)
            && !may_double(asking.request)
        {
            return Err(Refusal::Busy { ip });
        }
        let mut own = Own::default();
        for ip in self.own_addresses(asking.request) {
            if self.is_held(ip) || self.missing.contains_key(&ip) {
                return Err(Refusal::Busy { ip });
            }
            let Some(record) = self.ledger.record(ip) else {
                continue;
            };
            match self.own_refusal(asking, ip, record) {
                Some(Refusal::WaitingFor { .. }) if may_double(asking.request) => {}
                Some(refusal) => own.blocked.push((ip, refusal)),
                None if self.is_within_reach(ip, asking.reach) => own.usable.push(ip),
                None => own.blocked.extend(self.out_of_reach(asking, ip)),
            }
        }
        Ok(own)
    }

    /// The addresses of this pod, then those of its slot.
    fn own_addresses(&self, request: &PodRequest) -> BTreeSet<IpAddr> {
        let mut addresses: BTreeSet<IpAddr> =
            self.ledger.of_uid(&request.pod().uid).into_iter().collect();
        addresses.extend(self.slot_addresses(request.tenant()));
        let ours = |pod: &Pod| pod.uid == request.pod().uid;
        let missing = self.missing.iter();
        let missing = missing.filter(|(_, lost)| lost.record.owner.pod().is_some_and(ours));
        addresses.extend(missing.map(|(ip, _)| *ip));
        addresses
    }

    /// The addresses of a slot that has an identity of its own.
    pub(super) fn slot_addresses(&self, tenant: &Tenant) -> Vec<IpAddr> {
        if matches!(tenant.slot, Slot::Any | Slot::Once(_)) {
            return Vec::new();
        }
        let Some(standing) = self.ledger.app(&standing_key(tenant)) else {
            return Vec::new();
        };
        let from = (tenant.slot.clone(), IpAddr::from([0, 0, 0, 0]));
        let ours = standing
            .slots
            .range(from..)
            .take_while(|(slot, _)| *slot == tenant.slot);
        ours.map(|(_, ip)| *ip).collect()
    }

    /// Why the slot's own address cannot be used by this pod now.
    fn own_refusal(&self, asking: &Asking<'_>, ip: IpAddr, record: &Record) -> Option<Refusal> {
        if let Some(holder) = record.owner.pod()
            && let Some(refusal) = waiting_for(asking, ip, holder)
        {
            return Some(refusal);
        }
        if let Some(nodes) = self.node_addresses.get(&ip)
            && !record.is_live()
        {
            let node = nodes.first().cloned().unwrap_or_default();
            return Some(Refusal::NodeAddress { ip, node });
        }
        let mark = record
            .mark
            .as_ref()
            .filter(|mark| mark.kind == MarkKind::Quarantine)?;
        let end = self.mark_ends.end_of(ip);
        let end = end.filter(|end| *end > asking.now.elapsed)?;
        Some(Refusal::Quarantined {
            ip,
            reason: mark.reason.clone(),
            remaining: end.saturating_sub(asking.now.elapsed),
        })
    }

    fn is_within_reach(&self, ip: IpAddr, reach: &Reach) -> bool {
        self.home_of(ip)
            .is_some_and(|subnet| reach.contains(subnet.id()))
    }

    /// The subnet an address is used in: the one that has it, or for a draining address the one that
    /// could have it.
    pub(super) fn home_of(&self, ip: IpAddr) -> Option<&PodSubnet> {
        self.topology
            .subnet_of(ip)
            .or_else(|| self.topology.covering(ip))
    }

    /// A slot that is to be recognised waits for a node that may use its address; any other pod takes
    /// another address.
    fn out_of_reach(&self, asking: &Asking<'_>, ip: IpAddr) -> Option<(IpAddr, Refusal)> {
        let request = asking.request;
        if !request.policy().is_sticky() || matches!(request.tenant().slot, Slot::Any) {
            return None;
        }
        let refusal = match self.home_of(ip) {
            Some(subnet) => Refusal::WrongNode {
                ip,
                subnet: subnet.net(),
            },
            None => Refusal::Withdrawn { ip },
        };
        Some((ip, refusal))
    }
}

/// Whether another pod still has the slot's address. Seeing its name with another UID, or finished,
/// or not at all, proves that it is gone; that somebody asks in its name proves nothing.
fn waiting_for(asking: &Asking<'_>, ip: IpAddr, holder: &Pod) -> Option<Refusal> {
    if holder.uid == asking.request.pod().uid || asking.as_if.is_over(&holder.uid) {
        return None;
    }
    let namespace = &asking.request.tenant().namespace;
    let over = match asking.world.pod(namespace, &holder.name) {
        Fact::Known(state) => state.uid != holder.uid || state.finished,
        Fact::Gone => true,
        Fact::Unknown => false,
    };
    (!over).then(|| Refusal::WaitingFor {
        pod: holder.name.clone(),
        uid: holder.uid.clone(),
        ip,
    })
}

/// Whether a slot may be filled while its former pod still has an address: where nothing is kept and
/// names differ, a second address does no harm.
fn may_double(request: &PodRequest) -> bool {
    !request.policy().is_sticky() && matches!(request.tenant().slot, Slot::Node(_))
}
