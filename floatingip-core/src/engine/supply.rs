//! Supply: what there is for a pod that has nothing of its own: the reserve of its app or pool, and
//! addresses that nobody has.

use std::net::IpAddr;

use super::Engine;
use super::claim::{Claims, Pot};
use super::decide::{Asking, count, fits};
use super::ledger::standing_key;
use super::matching::Candidates;
use super::space::Space;
use crate::owner::{Owner, Slot};
use crate::range::RangeSet;
use crate::record::Record;
use crate::request::Want;
use crate::topology::PodSubnet;

impl Engine {
    /// For each want, addresses that the app or pool keeps for any of its pods.
    pub(super) fn reserved(&self, asking: &Asking<'_>, wants: &[Want]) -> Candidates {
        let request = asking.request;
        let mut pots = Vec::new();
        if let Some(pool) = request.pool() {
            pots.push(Pot::Pool(pool.clone()));
        }
        if matches!(request.tenant().slot, Slot::Any) {
            pots.push(Pot::App(standing_key(request.tenant())));
        }
        let each = |want: &Want| {
            let from = |pot: &Pot| self.reserved_in(asking, pot, want, wants.len());
            pots.iter().flat_map(from).collect()
        };
        wants.iter().map(each).collect()
    }

    fn reserved_in(&self, asking: &Asking<'_>, pot: &Pot, want: &Want, most: usize) -> Vec<IpAddr> {
        let reserve = match pot {
            Pot::App(app) => self.ledger.app(app).map(|standing| &standing.reserve),
            Pot::Pool(pool) => self.ledger.pool(pool).map(|standing| &standing.reserve),
        };
        let uid = &asking.request.pod().uid;
        // Those who claim may all come for what is within this reach.
        let claimed = count(self.claimed_of(asking, |claims| claims.on_reserve(pot, uid)));
        let most = most.saturating_add(claimed);
        let mut found = Vec::new();
        for subnet in self
            .reachable(asking.reach)
            .filter(|subnet| !subnet.disabled())
        {
            for range in ranges_for(subnet, want).ranges() {
                let kept = reserve.into_iter().flat_map(|reserve| {
                    let from = reserve.iter_from(reserve.rank(&range.first()));
                    from.take_while(|ip| **ip <= range.last()).copied()
                });
                let more = asking.as_if.kept_in(pot).filter(|ip| range.contains(*ip));
                let good = kept.chain(more).filter(|ip| {
                    !self.is_marked(*ip, asking.now) && !self.node_addresses.contains_key(ip)
                });
                found.extend(good.take(most.saturating_sub(found.len())));
            }
        }
        found.into_iter().skip(claimed).collect()
    }

    /// For each want, addresses that nobody has.
    pub(super) fn fresh(&self, asking: &Asking<'_>, wants: &[Want]) -> Candidates {
        let each = |want: &Want| {
            let open = self
                .reachable(asking.reach)
                .filter(|subnet| gives_new(subnet, want));
            let mut found = Vec::new();
            for subnet in open {
                let count = (wants.len() - found.len()).min(self.free_for(asking, subnet));
                found.extend(self.fresh_in(asking, subnet, want, count));
            }
            found
        };
        wants.iter().map(each).collect()
    }

    /// Up to `count` addresses of a subnet that nobody has and that fit a want.
    pub(super) fn fresh_in(
        &self,
        asking: &Asking<'_>,
        subnet: &PodSubnet,
        want: &Want,
        count: usize,
    ) -> Vec<IpAddr> {
        let space = self.spaces.get(subnet.id().index()).into_iter();
        let free = space.flat_map(|space| space.fresh(want.within.as_ref(), count, &[]));
        let freed = asking.as_if.freed_in(subnet.usable());
        let freed = freed.filter(|ip| fits(want, *ip));
        free.chain(freed).take(count).collect()
    }

    /// How many fresh addresses of a subnet this pod may count on.
    pub(super) fn free_for(&self, asking: &Asking<'_>, subnet: &PodSubnet) -> usize {
        let (id, uid) = (subnet.id(), &asking.request.pod().uid);
        let claimed = self.claimed_of(asking, |claims| claims.in_subnet(id, uid));
        let space = self.spaces.get(id.index());
        let freed = asking.as_if.freed_in(subnet.usable()).count() as u128;
        let free = space.map_or(0, Space::free).saturating_add(freed);
        usize::try_from(free.saturating_sub(u128::from(claimed))).unwrap_or(usize::MAX)
    }

    /// How much of something is claimed, as far as it is to be left to those who claim it.
    pub(super) fn claimed_of(&self, asking: &Asking<'_>, count: impl Fn(&Claims) -> u64) -> u64 {
        match asking.heed_claims {
            true => count(&self.claims).saturating_sub(count(asking.as_if.claims())),
            false => 0,
        }
    }
}

/// Whether the address is kept for whoever of an app or pool comes first.
pub(super) fn is_shared(record: &Record) -> bool {
    match &record.owner {
        Owner::Slot(tenant) => tenant.pod.is_none() && tenant.slot == Slot::Any,
        Owner::Pool(_) => true,
        Owner::Administrator(_) | Owner::Nobody => false,
    }
}

fn gives_new(subnet: &PodSubnet, want: &Want) -> bool {
    !subnet.disabled() && want.family.is_none_or(|family| family == subnet.family())
}

/// The addresses of a subnet that may be handed out and fit a want.
pub(super) fn ranges_for(subnet: &PodSubnet, want: &Want) -> RangeSet {
    if want.family.is_some_and(|family| family != subnet.family()) {
        return RangeSet::new();
    }
    match &want.within {
        Some(within) => subnet.usable().intersection(within),
        None => subnet.usable().clone(),
    }
}
