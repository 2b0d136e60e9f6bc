//! As if: what it would be like had some pods ended, for questions only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::claim::{Claims, Pot};
use super::ledger::standing_key;
use super::verdict::Verdict;
use crate::fact::World;
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Owner, Slot, Tenant};
use crate::range::{Family, RangeSet};
use crate::record::{MarkKind, Record};
use crate::time::Now;

/// What the end of some pods would change; the default changes nothing.
#[derive(Debug, Default)]
pub(super) struct AsIf {
    /// The pods that would have ended.
    over: BTreeSet<Name>,
    /// Addresses that nobody would have.
    free: BTreeSet<IpAddr>,
    /// Addresses that would be kept for any pod of an app or pool.
    kept: BTreeMap<Pot, BTreeSet<IpAddr>>,
    /// By how many pods with addresses each app would have fewer.
    pods: BTreeMap<AppRef, u64>,
    /// By how many addresses each pool would have fewer.
    pools: BTreeMap<PoolName, u64>,
    /// By how many addresses each app would have fewer, of those that any of its pods may take.
    shared: BTreeMap<(AppRef, Family), u64>,
    /// What the pods claim, and would not claim any more.
    claims: Claims,
}

impl AsIf {
    pub(super) fn is_over(&self, uid: &Name) -> bool {
        self.over.contains(uid)
    }

    pub(super) fn frees(&self, ip: IpAddr) -> bool {
        self.free.contains(&ip)
    }

    /// The addresses within `ranges` that nobody would have, ascending.
    pub(super) fn freed_in<'a>(&'a self, ranges: &'a RangeSet) -> impl Iterator<Item = IpAddr> {
        self.free.iter().copied().filter(|ip| ranges.contains(*ip))
    }

    /// The addresses that a reserve would have more, ascending.
    pub(super) fn kept_in(&self, pot: &Pot) -> impl Iterator<Item = IpAddr> {
        self.kept.get(pot).into_iter().flatten().copied()
    }

    pub(super) fn pods_of(&self, app: &AppRef) -> u64 {
        self.pods.get(app).copied().unwrap_or(0)
    }

    pub(super) fn freed_of_pool(&self, pool: &PoolName) -> u64 {
        self.pools.get(pool).copied().unwrap_or(0)
    }

    pub(super) fn freed_of_app(&self, app: AppRef, family: Family) -> u64 {
        self.shared.get(&(app, family)).copied().unwrap_or(0)
    }

    pub(super) const fn claims(&self) -> &Claims {
        &self.claims
    }

    fn free(&mut self, ip: IpAddr, tenant: &Tenant) {
        self.free.insert(ip);
        if let Some(pool) = &tenant.pool {
            *self.pools.entry(pool.clone()).or_default() += 1;
        } else if tenant.slot == Slot::Any {
            let shared = (standing_key(tenant), Family::of(ip));
            *self.shared.entry(shared).or_default() += 1;
        }
    }

    fn keep(&mut self, ip: IpAddr, owner: &Owner) {
        if let Some(pot) = Pot::of(owner) {
            self.kept.entry(pot).or_default().insert(ip);
        }
    }
}

impl Engine {
    /// What it would be like had these pods ended. What open plans are about to change is left out:
    /// nobody can tell yet what becomes of it. O(log n) for each of their addresses.
    pub(super) fn as_if_ended(&self, pods: &[Name], world: &dyn World, now: Now) -> AsIf {
        let mut as_if = AsIf::default();
        for uid in pods {
            if !as_if.over.insert(uid.clone()) {
                continue;
            }
            if let Some(claim) = self.claims.of(uid) {
                as_if.claims.put(uid, claim.clone(), Duration::MAX);
            }
            self.vacate(&mut as_if, uid, world, now);
        }
        as_if
    }

    fn vacate(&self, as_if: &mut AsIf, uid: &Name, world: &dyn World, now: Now) {
        let addresses = self.ledger.of_uid(uid);
        if addresses.iter().any(|ip| self.is_held(*ip)) {
            return;
        }
        for (n, ip) in addresses.into_iter().enumerate() {
            let record = self.ledger.record(ip);
            let Some((record, tenant)) = record.and_then(|r| Some((r, r.owner.tenant()?))) else {
                continue;
            };
            if n == 0 {
                *as_if.pods.entry(standing_key(tenant)).or_default() += 1;
            }
            match self.verdict_beside(as_if, ip, tenant, record.policy, world) {
                Verdict::Keep(owner) => as_if.keep(ip, &owner),
                Verdict::Free if self.stays_with_nobody(ip, record, now) => {}
                Verdict::Free => as_if.free(ip, tenant),
            }
        }
    }

    /// Whether the address is quarantined, or a node's: nobody gets it, also when it is freed.
    fn stays_with_nobody(&self, ip: IpAddr, record: &Record, now: Now) -> bool {
        let mark = self.lasting_mark(ip, record, now);
        mark.is_some_and(|mark| mark.kind == MarkKind::Quarantine)
            || self.node_addresses.contains_key(&ip)
    }
}
