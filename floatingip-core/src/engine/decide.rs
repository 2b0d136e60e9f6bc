//! Deciding: which addresses a pod would get now. Changes nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Engine;
use super::claim::Pot;
use super::flaw::Flaw;
use super::ledger::standing_key;
use super::matching::{Candidates, assign};
use super::verdict::pods_allowed;
use crate::fact::{Fact, World};
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Owner, Pod, Slot, Tenant};
use crate::range::{Family, RangeSet};
use crate::record::{MarkKind, Record};
use crate::refusal::{Refusal, SubnetReason, SubnetRefusal};
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

/// Addresses that the slot or pod has already.
#[derive(Default)]
struct Own {
    usable: Vec<IpAddr>,
    /// Those that cannot be used now, and why: they are waited for, not replaced.
    blocked: Vec<(IpAddr, Refusal)>,
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

    fn reachable(&self, reach: &Reach) -> impl Iterator<Item = &PodSubnet> {
        reach.iter().filter_map(|id| self.topology.subnet(id))
    }

    /// What the pod or its slot has already.
    fn own(&self, asking: &Asking<'_>) -> Result<Own, Refusal> {
        let pod = asking.request.pod();
        if self.ended.contains_key(&pod.uid) {
            return Err(Refusal::PodEnded {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
            });
        }
        if let Some(ip) = self.arrival_of(&pod.uid) {
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
        let lost = |record: &Record| {
            record
                .owner
                .pod()
                .is_some_and(|p| p.uid == request.pod().uid)
        };
        let missing = self.missing.iter().filter(|(_, record)| lost(record));
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
        let end = self
            .mark_ends
            .get(&ip)
            .filter(|end| **end > asking.now.elapsed)?;
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

    /// Whether the app may have one more pod with addresses.
    fn check_app(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let request = asking.request;
        let tenant = request.tenant();
        let sized = request
            .pool()
            .is_some_and(|pool| self.pools.contains_key(pool));
        let counted = matches!(tenant.slot, Slot::Any | Slot::Ordinal(_));
        let Some(app) = tenant.app_ref() else {
            return Ok(());
        };
        if sized || !counted || !request.policy().is_sticky() {
            return Ok(());
        }
        let (in_use, known) = self.pods_of(&app, &request.pod().uid, asking.heed_claims);
        let limit = match asking.world.app(&app) {
            Fact::Known(state) => pods_allowed(&state),
            Fact::Gone => return Err(Refusal::AppGone { app }),
            Fact::Unknown => self.ledger.app(&app).and_then(|standing| standing.limit),
        };
        match limit {
            Some(limit) if !known && in_use >= limit => {
                let holders = self.holders(&app);
                Err(Refusal::AppFull {
                    app,
                    limit,
                    in_use,
                    holders,
                })
            }
            _ => Ok(()),
        }
    }

    /// How many pods of the app have addresses or are about to, and whether this one is among them.
    fn pods_of(&self, app: &AppRef, uid: &Name, heed_claims: bool) -> (u64, bool) {
        let claims = if heed_claims && !self.has_flaw(Flaw::CapWithoutClaims) {
            self.claims.on_app(app, uid)
        } else {
            0
        };
        let standing = self.ledger.app(app);
        let pods = standing.map_or(0, |standing| standing.pods + standing.incoming_pods);
        (pods + claims, !self.ledger.of_uid(uid).is_empty())
    }

    /// Some of the pods of an app that have addresses.
    fn holders(&self, app: &AppRef) -> Vec<Name> {
        const SHOWN: usize = 8;
        let slots = self.ledger.app(app).map(|standing| standing.slots.iter());
        let live = slots.into_iter().flatten().filter_map(|(_, ip)| {
            self.ledger
                .record(*ip)?
                .owner
                .pod()
                .map(|pod| pod.name.clone())
        });
        live.take(SHOWN).collect()
    }

    /// For each want, addresses that the app or pool keeps for any of its pods.
    fn reserved(&self, asking: &Asking<'_>, wants: &[Want]) -> Candidates {
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
        let Some(reserve) = reserve else {
            return Vec::new();
        };
        let claimed = match asking.heed_claims {
            true => self.claims.on_reserve(pot, &asking.request.pod().uid),
            false => 0,
        };
        // Those who claim may all come for what is within this reach.
        let claimed = count(claimed);
        let most = most.saturating_add(claimed);
        let mut found = Vec::new();
        for subnet in self
            .reachable(asking.reach)
            .filter(|subnet| !subnet.disabled())
        {
            for range in ranges_for(subnet, want).ranges() {
                let from = reserve.iter_from(reserve.rank(&range.first()));
                let inside = from.take_while(|ip| **ip <= range.last());
                let good = inside.filter(|ip| {
                    !self.is_marked(**ip, asking.now) && !self.node_addresses.contains_key(*ip)
                });
                found.extend(good.take(most.saturating_sub(found.len())));
            }
        }
        found.into_iter().skip(claimed).collect()
    }

    /// For each want, addresses that nobody has.
    fn fresh(&self, asking: &Asking<'_>, wants: &[Want]) -> Candidates {
        let each = |want: &Want| {
            let open = self
                .reachable(asking.reach)
                .filter(|subnet| gives_new(subnet, want));
            let mut found = Vec::new();
            for subnet in open {
                let count = (wants.len() - found.len()).min(self.free_for(asking, subnet.id()));
                if let Some(space) = self.spaces.get(subnet.id().index()) {
                    found.extend(space.fresh(want.within.as_ref(), count, &found));
                }
            }
            found
        };
        wants.iter().map(each).collect()
    }

    /// How many fresh addresses of a subnet this pod may count on.
    fn free_for(&self, asking: &Asking<'_>, subnet: SubnetId) -> usize {
        let claimed = match asking.heed_claims {
            true => self.claims.in_subnet(subnet, &asking.request.pod().uid),
            false => 0,
        };
        let free = self
            .spaces
            .get(subnet.index())
            .map_or(0, super::Space::free);
        usize::try_from(free.saturating_sub(u128::from(claimed))).unwrap_or(usize::MAX)
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
            let record = self.ledger.record(*ip);
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

    /// What the pool has to give up so that it may grow by `growth`: unused addresses of its own.
    fn check_pool(
        &self,
        asking: &Asking<'_>,
        pool: &PoolName,
        growth: u64,
        chosen: &[IpAddr],
    ) -> Result<Vec<IpAddr>, Refusal> {
        let Some((_, record)) = self.pools.get(pool) else {
            return Ok(Vec::new());
        };
        let size = u64::from(record.size);
        let uid = &asking.request.pod().uid;
        let (growing, taken) = match asking.heed_claims {
            true => (
                self.claims.on_pool(pool, uid),
                self.claims.on_reserve(&Pot::Pool(pool.clone()), uid),
            ),
            false => (0, 0),
        };
        let standing = self.ledger.pool(pool);
        let total = standing.map_or(0, super::standing::PoolStanding::at_most) + growing;
        let excess = count((total + growth).saturating_sub(size).min(growth));
        let taken = count(taken);
        let reserve = standing.into_iter().flat_map(|pool| pool.reserve.iter());
        let unused: Vec<IpAddr> = reserve
            .filter(|ip| !chosen.contains(ip))
            .take(excess.saturating_add(taken))
            .copied()
            .collect();
        if unused.len().saturating_sub(taken) < excess {
            return Err(Refusal::PoolFull {
                pool: pool.clone(),
                size,
                total,
            });
        }
        Ok(unused.into_iter().take(excess).collect())
    }

    fn exhausted(&self, asking: &Asking<'_>, want: Option<&Want>) -> Refusal {
        Refusal::Exhausted(self.subnet_refusals(asking, want))
    }

    /// The subnets that have nothing fresh for `want`, and why.
    pub(super) fn subnet_refusals(
        &self,
        asking: &Asking<'_>,
        want: Option<&Want>,
    ) -> Vec<SubnetRefusal> {
        let any = Want::default();
        let want = want.unwrap_or(&any);
        let refusal = |subnet: &PodSubnet| {
            let reason = self.subnet_reason(asking, subnet, want)?;
            Some(SubnetRefusal {
                entry: subnet.id().index(),
                subnet: subnet.net(),
                reason,
            })
        };
        self.topology.subnets().iter().filter_map(refusal).collect()
    }

    fn subnet_reason(
        &self,
        asking: &Asking<'_>,
        subnet: &PodSubnet,
        want: &Want,
    ) -> Option<SubnetReason> {
        if !asking.reach.contains(subnet.id()) {
            return Some(SubnetReason::WrongNodeSubnet);
        }
        if subnet.disabled() {
            return Some(SubnetReason::Disabled);
        }
        if ranges_for(subnet, want).is_empty() && !subnet.usable().is_empty() {
            return Some(SubnetReason::NotAskedFor);
        }
        let space = self.spaces.get(subnet.id().index())?;
        if space.fresh(want.within.as_ref(), 1, &[]).is_empty() {
            return Some(SubnetReason::Full);
        }
        (self.free_for(asking, subnet.id()) == 0).then_some(SubnetReason::Claimed)
    }
}

/// Whether the address is kept for whoever of an app or pool comes first.
fn is_shared(record: &Record) -> bool {
    match &record.owner {
        Owner::Slot(tenant) => tenant.pod.is_none() && tenant.slot == Slot::Any,
        Owner::Pool(_) => true,
        Owner::Administrator(_) | Owner::Nobody => false,
    }
}

/// Whether another pod still has the slot's address. Seeing its name with another UID, or finished,
/// or not at all, proves that it is gone; that somebody asks in its name proves nothing.
fn waiting_for(asking: &Asking<'_>, ip: IpAddr, holder: &Pod) -> Option<Refusal> {
    if holder.uid == asking.request.pod().uid {
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

fn count(many: u64) -> usize {
    usize::try_from(many).unwrap_or(usize::MAX)
}

fn fits(want: &Want, ip: IpAddr) -> bool {
    want.family.is_none_or(|family| family == Family::of(ip))
        && want
            .within
            .as_ref()
            .is_none_or(|within| within.contains(ip))
}

fn gives_new(subnet: &PodSubnet, want: &Want) -> bool {
    !subnet.disabled() && want.family.is_none_or(|family| family == subnet.family())
}

/// The addresses of a subnet that may be handed out and fit a want.
fn ranges_for(subnet: &PodSubnet, want: &Want) -> RangeSet {
    if want.family.is_some_and(|family| family != subnet.family()) {
        return RangeSet::new();
    }
    match &want.within {
        Some(within) => subnet.usable().intersection(within),
        None => subnet.usable().clone(),
    }
}

/// Whether a slot may be filled while its former pod still has an address: where nothing is kept and
/// names differ, a second address does no harm.
fn may_double(request: &PodRequest) -> bool {
    !request.policy().is_sticky() && matches!(request.tenant().slot, Slot::Node(_))
}
