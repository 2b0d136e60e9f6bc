//! Deciding: which addresses a pod would get now. Changes nothing.

use std::net::IpAddr;

use super::Engine;
use super::as_if::AsIf;
use super::matching::{Candidates, assign};
use super::supply::is_shared;
use crate::fact::World;
use crate::range::Family;
use crate::refusal::Refusal;
use crate::request::{PodRequest, Want};
use crate::time::Now;
use crate::topology::{PodSubnet, Reach, SubnetId};

/// A request with everything that the answer depends on.
pub(super) struct Asking<'a> {
    pub(super) request: &'a PodRequest,
    pub(super) reach: &'a Reach,
    pub(super) world: &'a dyn World,
    pub(super) now: Now,
    /// Leave alone what other pods claim. A filter does; a bind, which comes with a claim of its own,
    /// takes what is there.
    pub(super) heed_claims: bool,
    /// What is supposed to be otherwise than it is.
    pub(super) as_if: &'a AsIf,
}

/// What a pod would get.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// One address for each want, in order.
    pub(super) addresses: Vec<IpAddr>,
    /// Those among them that nobody has, by subnet.
    pub(super) fresh: Vec<SubnetId>,
    /// How many of them come from a reserve that others share.
    pub(super) from_reserve: u64,
    /// Whether its slot had one of them in reserve.
    pub(super) returns: bool,
    /// Unused addresses that the pool gives up for them.
    pub(super) exchange: Vec<IpAddr>,
    /// By how many addresses the pool grows all the same.
    pub(super) growth: u64,
}

impl Engine {
    pub(super) fn decide(&self, asking: &Asking<'_>) -> Result<Decision, Refusal> {
        let wants = self.families_resolved(asking)?;
        let own = self.own(asking)?;
        let mut stages = vec![matching_each(&wants, &own.usable)];
        if let Ok(addresses) = assign(wants.len(), &stages) {
            return self.within_pool(asking, addresses);
        }
        if let Some(refusal) = blocked_for(&wants, &stages, own.blocked) {
            return Err(refusal);
        }
        self.check_app(asking)?;
        stages.push(self.reserved(asking, &wants));
        stages.push(self.fresh(asking, &wants));
        match assign(wants.len(), &stages) {
            Ok(addresses) => self.within_pool(asking, addresses),
            Err(want) => Err(self.exhausted(asking, wants.get(want))),
        }
    }

    /// Every want with its family said, or its ranges.
    fn families_resolved(&self, asking: &Asking<'_>) -> Result<Vec<Want>, Refusal> {
        if asking.reach.generation() != self.topology.generation() {
            return Err(Refusal::StaleReach);
        }
        if asking.reach.is_empty() {
            return Err(Refusal::NoSubnet);
        }
        let default = match self
            .reachable(asking.reach)
            .any(|s| s.family() == Family::V4)
        {
            true => Family::V4,
            false => Family::V6,
        };
        let resolve = |want: &Want| match (&want.family, &want.within) {
            (None, None) => Want {
                family: Some(default),
                within: None,
            },
            _ => want.clone(),
        };
        Ok(asking.request.wants().iter().map(resolve).collect())
    }

    pub(super) fn reachable(&self, reach: &Reach) -> impl Iterator<Item = &PodSubnet> {
        reach.iter().filter_map(|id| self.topology.subnet(id))
    }

    /// The decision for these addresses, if the pool may have them.
    fn within_pool(
        &self,
        asking: &Asking<'_>,
        addresses: Vec<IpAddr>,
    ) -> Result<Decision, Refusal> {
        let mut decision = Decision::default();
        let mut growth = 0;
        for ip in &addresses {
            let free = asking.as_if.frees(*ip);
            let record = self.ledger.record(*ip).filter(|_| !free);
            match record {
                Some(record) if record.owner.pool() == asking.request.pool() => {}
                _ => growth += 1,
            }
            match record {
                Some(record) if is_shared(record) => decision.from_reserve += 1,
                Some(record) if record.is_reserve() => decision.returns = true,
                Some(_) => {}
                None => decision
                    .fresh
                    .extend(self.topology.subnet_of(*ip).map(PodSubnet::id)),
            }
        }
        if let Some(pool) = asking.request.pool() {
            decision.exchange = self.check_pool(asking, pool, growth, &addresses)?;
            decision.growth = growth.saturating_sub(decision.exchange.len() as u64);
        }
        Ok(Decision {
            addresses,
            ..decision
        })
    }
}

/// For each want, those of `addresses` that fit it.
fn matching_each(wants: &[Want], addresses: &[IpAddr]) -> Candidates {
    let fitting = |want: &Want| {
        addresses
            .iter()
            .copied()
            .filter(|ip| fits(want, *ip))
            .collect()
    };
    wants.iter().map(fitting).collect()
}

/// The reason why a blocked address is not there for a want that nothing else of the slot serves.
fn blocked_for(
    wants: &[Want],
    own: &[Candidates],
    blocked: Vec<(IpAddr, Refusal)>,
) -> Option<Refusal> {
    let unserved = assign(wants.len(), own).err()?;
    let want = wants.get(unserved)?;
    blocked
        .into_iter()
        .find(|(ip, _)| fits(want, *ip))
        .map(|(_, refusal)| refusal)
}

pub(super) fn fits(want: &Want, ip: IpAddr) -> bool {
    want.family.is_none_or(|family| family == Family::of(ip))
        && want
            .within
            .as_ref()
            .is_none_or(|within| within.contains(ip))
}

pub(super) fn count(many: u64) -> usize {
    usize::try_from(many).unwrap_or(usize::MAX)
}
