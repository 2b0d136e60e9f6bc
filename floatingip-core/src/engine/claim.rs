//! Claims: pods that passed the filter and are expected to bind. In memory only: a lost claim costs a
//! retry, never a duplicate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ledger::standing_key;
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Owner, Slot};
use crate::topology::SubnetId;

/// What a pod is expected to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// In these subnets it may take so many fresh addresses, in one of them it will.
    pub(super) fresh: Vec<(SubnetId, u64)>,
    /// From its app's or pool's reserve it may take so many.
    pub(super) reserve: u64,
    /// It becomes one more pod of this app with addresses.
    pub(super) app: AppRef,
    /// It is counted in this pool.
    pub(super) pool: Option<PoolName>,
    /// By so many addresses it may make the pool grow.
    pub(super) growth: u64,
}

/// All claims, counted by what they claim.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_pod: BTreeMap<Name, (Duration, Claim)>,
    by_deadline: BTreeSet<(Duration, Name)>,
    subnets: BTreeMap<SubnetId, u64>,
    pods: BTreeMap<AppRef, u64>,
    reserves: BTreeMap<Pot, u64>,
    growth: BTreeMap<PoolName, u64>,
    /// How often a claim ended so that others may have what it claimed.
    opened: u64,
}

/// Whose reserve is claimed from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pot {
    App(AppRef),
    Pool(PoolName),
}

impl Pot {
    /// The reserve that an address of this owner is in, if it is in one that several pods may take
    /// from.
    pub(super) fn of(owner: &Owner) -> Option<Self> {
        match owner {
            Owner::Pool(pool) => Some(Self::Pool(pool.clone())),
            Owner::Slot(tenant) if tenant.pod.is_none() && tenant.slot == Slot::Any => {
                Some(match &tenant.pool {
                    Some(pool) => Self::Pool(pool.clone()),
                    None => Self::App(standing_key(tenant)),
                })
            }
            Owner::Slot(_) | Owner::Administrator(_) | Owner::Nobody => None,
        }
    }
}

impl Claims {
    /// Puts a claim in the place of the pod's former one.
    pub(super) fn put(&mut self, uid: &Name, claim: Claim, deadline: Duration) {
        let former = self.remove(uid);
        self.opened += u64::from(former.is_some_and(|former| former != claim));
        self.count(&claim, true);
        self.by_deadline.insert((deadline, uid.clone()));
        self.by_pod.insert(uid.clone(), (deadline, claim));
    }

    /// Ends the claim of a pod, if it has one.
    pub(super) fn drop_of(&mut self, uid: &Name) {
        let former = self.remove(uid);
        self.opened += u64::from(former.is_some());
    }

    /// Ends the claim of a pod, which takes what it claimed: all but one of the places are left to
    /// others.
    pub(super) fn redeem(&mut self, uid: &Name) {
        let places = |claim: Claim| claim.fresh.len() + usize::from(claim.reserve > 0);
        let former = self.remove(uid).map_or(0, places);
        self.opened += u64::from(former > 1);
    }

    fn remove(&mut self, uid: &Name) -> Option<Claim> {
        let (deadline, claim) = self.by_pod.remove(uid)?;
        self.by_deadline.remove(&(deadline, uid.clone()));
        self.count(&claim, false);
        Some(claim)
    }

    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }

    /// Ends the claims whose time is over.
    pub(super) fn expire(&mut self, elapsed: Duration) {
        while let Some((deadline, uid)) = self.by_deadline.first().cloned() {
            if deadline > elapsed {
                return;
            }
            self.drop_of(&uid);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_pod.len()
    }

    pub(super) fn of(&self, uid: &Name) -> Option<&Claim> {
        self.by_pod.get(uid).map(|(_, claim)| claim)
    }

    /// Fresh addresses of a subnet that other pods than `uid` claim.
    pub(super) fn in_subnet(&self, subnet: SubnetId, uid: &Name) -> u64 {
        let own = self.of(uid).and_then(|claim| {
            claim
                .fresh
                .iter()
                .find_map(|(id, count)| (*id == subnet).then_some(*count))
        });
        count_of(&self.subnets, &subnet).saturating_sub(own.unwrap_or(0))
    }

    /// Pods other than `uid` that claim to become one more pod of the app.
    pub(super) fn on_app(&self, app: &AppRef, uid: &Name) -> u64 {
        let own = self.of(uid).is_some_and(|claim| claim.app == *app);
        count_of(&self.pods, app).saturating_sub(u64::from(own))
    }

    /// Addresses in reserve that other pods than `uid` claim.
    pub(super) fn on_reserve(&self, pot: &Pot, uid: &Name) -> u64 {
        let own = self
            .of(uid)
            .filter(|claim| pot_of(claim) == *pot)
            .map_or(0, |own| own.reserve);
        count_of(&self.reserves, pot).saturating_sub(own)
    }

    /// Addresses by which other pods than `uid` claim to make the pool grow.
    pub(super) fn on_pool(&self, pool: &PoolName, uid: &Name) -> u64 {
        let own = self
            .of(uid)
            .filter(|claim| claim.pool.as_ref() == Some(pool));
        count_of(&self.growth, pool).saturating_sub(own.map_or(0, |claim| claim.growth))
    }

    fn count(&mut self, claim: &Claim, up: bool) {
        for (subnet, count) in &claim.fresh {
            change(&mut self.subnets, subnet, *count, up);
        }
        change(&mut self.pods, &claim.app, 1, up);
        change(&mut self.reserves, &pot_of(claim), claim.reserve, up);
        if let Some(pool) = &claim.pool {
            change(&mut self.growth, pool, claim.growth, up);
        }
    }
}

fn pot_of(claim: &Claim) -> Pot {
    match &claim.pool {
        Some(pool) => Pot::Pool(pool.clone()),
        None => Pot::App(claim.app.clone()),
    }
}

fn count_of<K: Ord>(counts: &BTreeMap<K, u64>, key: &K) -> u64 {
    counts.get(key).copied().unwrap_or(0)
}

fn change<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, key: &K, by: u64, up: bool) {
    let count = counts.entry(key.clone()).or_default();
    *count = if up {
        *count + by
    } else {
        count.saturating_sub(by)
    };
    if *count == 0 {
        counts.remove(key);
    }
}
