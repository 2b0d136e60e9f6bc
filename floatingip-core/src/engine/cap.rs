//! Caps: how many pods of an app, and how many addresses of a pool, there may be.

use std::net::IpAddr;

use super::Engine;
use super::claim::Pot;
use super::decide::{Asking, count};
use super::flaw::Flaw;
use super::standing::PoolStanding;
use super::verdict::pods_allowed;
use crate::fact::Fact;
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Slot};
use crate::refusal::Refusal;

impl Engine {
    /// Whether the app may have one more pod with addresses.
    pub(super) fn check_app(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
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
        let (in_use, known) = self.pods_of(asking, &app);
        let limit = match asking.world.app(&app) {
            Fact::Known(state) => pods_allowed(&state),
            Fact::Gone => return Err(Refusal::AppGone { app }),
            Fact::Unknown => self.ledger.app(&app).and_then(|standing| standing.limit),
        };
        match limit {
            Some(limit) if !known && in_use >= limit => {
                let holders = self.holders(asking, &app);
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
    fn pods_of(&self, asking: &Asking<'_>, app: &AppRef) -> (u64, bool) {
        let uid = &asking.request.pod().uid;
        let claims = match self.has_flaw(Flaw::CapWithoutClaims) {
            true => 0,
            false => self.claimed_of(asking, |claims| claims.on_app(app, uid)),
        };
        let standing = self.ledger.app(app);
        let pods = standing.map_or(0, |standing| standing.pods + standing.incoming_pods);
        let pods = pods.saturating_sub(asking.as_if.pods_of(app));
        (pods + claims, !self.ledger.of_uid(uid).is_empty())
    }

    /// Some of the pods of an app that have addresses.
    fn holders(&self, asking: &Asking<'_>, app: &AppRef) -> Vec<Name> {
        const SHOWN: usize = 8;
        let slots = self.ledger.app(app).map(|standing| standing.slots.iter());
        let live = slots.into_iter().flatten().filter_map(|(_, ip)| {
            let pod = self.ledger.record(*ip)?.owner.pod()?;
            (!asking.as_if.is_over(&pod.uid)).then(|| pod.name.clone())
        });
        live.take(SHOWN).collect()
    }

    /// What the pool has to give up so that it may grow by `growth`: unused addresses of its own.
    pub(super) fn check_pool(
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
        let pot = Pot::Pool(pool.clone());
        let growing = self.claimed_of(asking, |claims| claims.on_pool(pool, uid));
        let taken = self.claimed_of(asking, |claims| claims.on_reserve(&pot, uid));
        let standing = self.ledger.pool(pool);
        let there = standing.map_or(0, PoolStanding::at_most);
        let total = there.saturating_sub(asking.as_if.freed_of_pool(pool)) + growing;
        let excess = count((total + growth).saturating_sub(size).min(growth));
        let taken = count(taken);
        let reserve = standing.into_iter().flat_map(|pool| pool.reserve.iter());
        let unused: Vec<IpAddr> = reserve
            .copied()
            .chain(asking.as_if.kept_in(&pot))
            .filter(|ip| !chosen.contains(ip))
            .take(excess.saturating_add(taken))
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
}
