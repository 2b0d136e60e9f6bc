//! Verdicts: what becomes of an address whose slot has no pod, by policy and facts.

use std::net::IpAddr;

use super::Engine;
use super::as_if::AsIf;
use super::ledger::standing_key;
use crate::fact::{AppState, Fact, Slots, World};
use crate::owner::{Owner, Slot, Tenant};
use crate::policy::ReleasePolicy;
use crate::range::Family;

/// What becomes of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Free,
    Keep(Owner),
}

/// How many pods of the app may have addresses: none where that is for the nodes to say.
pub(super) fn pods_allowed(state: &AppState) -> Option<u64> {
    Some(state.slots.count()? + u64::from(state.surge))
}

impl Engine {
    /// What becomes of the address of `tenant` without its pod.
    pub(super) fn verdict(
        &self,
        ip: IpAddr,
        tenant: &Tenant,
        policy: ReleasePolicy,
        world: &dyn World,
    ) -> Verdict {
        self.verdict_beside(&AsIf::default(), ip, tenant, policy, world)
    }

    /// The same beside what else would have been freed.
    pub(super) fn verdict_beside(
        &self,
        as_if: &AsIf,
        ip: IpAddr,
        tenant: &Tenant,
        policy: ReleasePolicy,
        world: &dyn World,
    ) -> Verdict {
        if let Some(pool) = &tenant.pool {
            return match self.pool_surplus(pool) > as_if.freed_of_pool(pool) {
                true => Verdict::Free,
                false => keep(tenant),
            };
        }
        match (policy, &tenant.slot) {
            (ReleasePolicy::PodDelete, _) | (_, Slot::Once(_)) => Verdict::Free,
            (ReleasePolicy::Never, _) => keep(tenant),
            (ReleasePolicy::Immutable, _) => self.immutable_verdict(as_if, ip, tenant, world),
        }
    }

    fn immutable_verdict(
        &self,
        as_if: &AsIf,
        ip: IpAddr,
        tenant: &Tenant,
        world: &dyn World,
    ) -> Verdict {
        // A bare pod has no app to outlive: kept as under `never`.
        let Some(app) = tenant.app_ref() else {
            return keep(tenant);
        };
        let has_slot = match world.app(&app) {
            Fact::Unknown => true,
            Fact::Gone => false,
            Fact::Known(state) => {
                same_app(tenant, &state) && self.has_slot(as_if, ip, tenant, &state, world)
            }
        };
        if has_slot {
            keep(tenant)
        } else {
            Verdict::Free
        }
    }

    fn has_slot(
        &self,
        as_if: &AsIf,
        ip: IpAddr,
        tenant: &Tenant,
        state: &AppState,
        world: &dyn World,
    ) -> bool {
        let family = Family::of(ip);
        match (&tenant.slot, &state.slots) {
            (Slot::Any, _) => pods_allowed(state).is_none_or(|limit| {
                let freed = as_if.freed_of_app(standing_key(tenant), family);
                self.app_surplus(tenant, family, limit) <= freed
            }),
            (Slot::Ordinal(ordinal), Slots::Ordinals { start, count }) => ordinal
                .checked_sub(*start)
                .is_some_and(|n| n < u64::from(*count)),
            (Slot::Ordinal(ordinal), Slots::Count(count)) => *ordinal < u64::from(*count),
            (Slot::Node(node), Slots::Nodes(nodes)) => nodes.contains(node),
            (Slot::Node(node), _) => !world.node(node).is_gone(),
            (Slot::Ordinal(_) | Slot::Pod(_) | Slot::Once(_), _) => true,
        }
    }

    /// How many addresses the app has above its slots.
    fn app_surplus(&self, tenant: &Tenant, family: Family, limit: u64) -> u64 {
        let standing = self.ledger.app(&standing_key(tenant));
        standing.map_or(0, |standing| standing.surplus(family, limit))
    }

    /// How many addresses a sized pool has above its size.
    pub(super) fn pool_surplus(&self, pool: &crate::PoolName) -> u64 {
        let Some((_, record)) = self.pools.get(pool) else {
            return 0;
        };
        let total = self
            .ledger
            .pool(pool)
            .map_or(0, super::standing::PoolStanding::at_least);
        total.saturating_sub(record.size.into())
    }
}

fn keep(tenant: &Tenant) -> Verdict {
    Verdict::Keep(keeper(tenant))
}

/// Who keeps the address of a tenant without its pod: the pool, where any of its pods may take it.
pub(super) fn keeper(tenant: &Tenant) -> Owner {
    match (&tenant.pool, &tenant.slot) {
        (Some(pool), Slot::Any | Slot::Once(_)) => Owner::Pool(pool.clone()),
        _ => Owner::Slot(tenant.vacated()),
    }
}

/// Whether the app of that name is still the one the address was given to.
fn same_app(tenant: &Tenant, state: &AppState) -> bool {
    let former = tenant.app.as_ref().and_then(|app| app.uid.as_ref());
    match (former, &state.uid) {
        (Some(former), Some(present)) => former == present,
        _ => true,
    }
}
