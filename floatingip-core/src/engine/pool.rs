//! Pools with a size: created, resized, filled, deleted.

use std::net::IpAddr;

use super::Engine;
use super::lifecycle::MOST_WRITES;
use super::stage::Staged;
use crate::name::PoolName;
use crate::owner::Owner;
use crate::plan::{Event, Plan};
use crate::policy::ReleasePolicy;
use crate::record::{PoolRecord, Record, Target};
use crate::time::Now;

/// A sized pool as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// The most addresses it may have.
    pub size: u32,
    /// Whether it was asked to be filled at once.
    pub pre_allocate: bool,
    /// How many addresses it has.
    pub addresses: u64,
    /// How many of them pods have.
    pub in_use: u64,
    /// Whether addresses are still owed to it.
    pub owed: bool,
}

/// One step of filling or emptying a pool.
#[derive(Debug)]
#[must_use = "the plan holds its addresses until it is settled"]
pub enum PoolStep {
    /// Settle this, then ask again.
    More(Plan),
    /// Nothing is left to do.
    Done,
    /// The pool is not as large as it should be, and no subnet has an address to spare.
    Short,
}

impl Engine {
    /// A sized pool.
    pub fn pool(&self, pool: &PoolName) -> Option<PoolState> {
        let (_, record) = self.pools.get(pool)?;
        let standing = self.ledger.pool(pool);
        Some(PoolState {
            size: record.size,
            pre_allocate: record.pre_allocate,
            addresses: standing.map_or(0, |standing| standing.total),
            in_use: standing.map_or(0, |standing| standing.live),
            owed: record.owed,
        })
    }

    /// The sized pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = &PoolName> {
        self.pools.keys()
    }

    /// Creates a pool or gives it another size; none where a change of it is under way. Filling and
    /// shrinking come after it: [`Engine::plan_fill_pool`], [`Engine::plan_trim_pool`].
    pub fn plan_put_pool(
        &mut self,
        pool: &PoolName,
        size: u32,
        pre_allocate: bool,
        now: Now,
    ) -> Option<Plan> {
        if self.held.contains_key(&Target::Pool(pool.clone())) {
            return None;
        }
        let record = PoolRecord {
            size,
            pre_allocate,
            owed: pre_allocate,
            plan: None,
        };
        let mut draft = self.draft(now);
        self.stage_pool(&mut draft, pool, Some(record));
        Some(self.finish(draft))
    }

    /// Adds addresses that are owed to the pool, subnet after subnet in the order of the configuration,
    /// leaving the headroom in each. The last step notes durably that nothing is owed any more.
    pub fn plan_fill_pool(&mut self, pool: &PoolName, now: Now) -> PoolStep {
        let Some((_, record)) = self.pools.get(pool).cloned() else {
            return PoolStep::Done;
        };
        if !record.owed || self.held.contains_key(&Target::Pool(pool.clone())) {
            return PoolStep::Done;
        }
        let standing = self.ledger.pool(pool);
        let (there, expected) = standing.map_or((0, 0), |pool| (pool.total, pool.at_most()));
        let missing = u64::from(record.size).saturating_sub(expected);
        if missing == 0 && there < u64::from(record.size) {
            // What is on its way may still not come: it is owed until it is there.
            return PoolStep::Done;
        }
        let mut draft = self.draft(now);
        if missing == 0 {
            self.stage_pool(
                &mut draft,
                pool,
                Some(PoolRecord {
                    owed: false,
                    ..record
                }),
            );
            return PoolStep::More(self.finish(draft));
        }
        let count = usize::try_from(missing)
            .unwrap_or(MOST_WRITES)
            .min(MOST_WRITES);
        let spare = self.spare(count);
        if spare.is_empty() {
            return PoolStep::Short;
        }
        for ip in spare {
            let put = Staged::new(pool_reserve(pool));
            self.stage(&mut draft, ip, Event::PreAllocate, Some(put));
            self.pass(ip);
        }
        PoolStep::More(self.finish(draft))
    }

    /// Up to `count` free addresses above the headroom of their subnets, those aside that waiting pods
    /// are about to take.
    fn spare(&self, count: usize) -> Vec<IpAddr> {
        let headroom = u128::from(self.settings.pool_headroom);
        let mut found: Vec<IpAddr> = Vec::new();
        for (id, room) in self.room(&self.topology.reach_all()) {
            let above = usize::try_from(room.saturating_sub(headroom)).unwrap_or(usize::MAX);
            let wanted = above.min(count - found.len());
            let space = self.spaces.get(id.index()).into_iter();
            found.extend(space.flat_map(|space| space.fresh(None, wanted, &[])));
        }
        found
    }

    /// Frees unused addresses above the pool's size, the highest first.
    pub fn plan_trim_pool(&mut self, pool: &PoolName, now: Now) -> PoolStep {
        let surplus = usize::try_from(self.pool_surplus(pool)).unwrap_or(usize::MAX);
        let Some(standing) = self.ledger.pool(pool) else {
            return PoolStep::Done;
        };
        let count = surplus.min(MOST_WRITES).min(standing.reserve.len());
        let from = standing.reserve.len() - count;
        let unused: Vec<IpAddr> = standing.reserve.iter_from(from).copied().collect();
        if unused.is_empty() {
            return PoolStep::Done;
        }
        let mut draft = self.draft(now);
        for ip in unused {
            self.stage_release(&mut draft, ip, now);
        }
        PoolStep::More(self.finish(draft))
    }

    /// Deletes a pool with what it has unused; what its pods use stays with them. None where a change
    /// of it is under way; [`PoolStep::Done`] where there is no such pool any more.
    pub fn plan_delete_pool(&mut self, pool: &PoolName, now: Now) -> Option<PoolStep> {
        if self.held.contains_key(&Target::Pool(pool.clone())) {
            return None;
        }
        if !self.pools.contains_key(pool) {
            return Some(PoolStep::Done);
        }
        // What is on its way in would be left behind, kept for nobody.
        if self
            .ledger
            .pool(pool)
            .is_some_and(|standing| standing.incoming > 0)
        {
            return None;
        }
        let unused = self.unused(pool);
        let mut draft = self.draft(now);
        match unused.is_empty() {
            true => self.stage_pool(&mut draft, pool, None),
            false => unused
                .iter()
                .for_each(|ip| self.stage_release(&mut draft, *ip, now)),
        }
        Some(PoolStep::More(self.finish(draft)))
    }

    /// Frees what a pool has unused whose record somebody else has deleted; what its pods use stays with them.
    pub fn plan_empty_pool(&mut self, pool: &PoolName, now: Now) -> PoolStep {
        let unused = match self.pools.contains_key(pool) {
            true => Vec::new(),
            false => self.unused(pool),
        };
        if unused.is_empty() {
            return PoolStep::Done;
        }
        let mut draft = self.draft(now);
        for ip in unused {
            self.stage_release(&mut draft, ip, now);
        }
        PoolStep::More(self.finish(draft))
    }

    /// Addresses of the pool without a pod, those that are kept for one slot among them.
    fn unused(&self, pool: &PoolName) -> Vec<IpAddr> {
        let view = self.ledger.view_of_pool(pool.name());
        let all = view.into_iter().flat_map(|view| view.addresses().iter());
        let vacant = |ip: &&IpAddr| self.is_vacant(**ip) && !self.is_held(**ip);
        all.filter(vacant).take(MOST_WRITES).copied().collect()
    }
}

fn pool_reserve(pool: &PoolName) -> Record {
    Record {
        owner: Owner::Pool(pool.clone()),
        policy: ReleasePolicy::Never,
        updated_at: crate::WallTime::default(),
        mark: None,
        attachment: None,
        plan: None,
    }
}
