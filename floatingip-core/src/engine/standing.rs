//! Standings: what apps and pools have, what they are about to get, and what they keep in reserve.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::counted::CountedSet;
use crate::owner::Slot;
use crate::range::Family;

/// The addresses of one app (or of the bare pods of one namespace).
#[derive(Debug, Default)]
pub(super) struct AppStanding {
    /// Every address by its slot, those of pods and those in reserve.
    pub(super) slots: BTreeSet<(Slot, IpAddr)>,
    /// Addresses in reserve that any pod of the app may take now: none of a pool, none in an open plan.
    pub(super) reserve: CountedSet<IpAddr>,
    /// Pods that have addresses.
    pub(super) pods: u64,
    /// Pods that are about to have addresses, and have none yet.
    pub(super) incoming_pods: u64,
    /// Addresses that open plans are about to free.
    pub(super) outgoing: PerFamily,
    /// All addresses of slots that any pod may fill, outside pools.
    pub(super) any: PerFamily,
    /// How many addresses the latest of its pods asked for: what a slot is worth.
    pub(super) asked: Option<PerFamily>,
    /// The most addresses of a family that one pod was seen to have: what a slot is worth while no
    /// pod has asked, as after a restart.
    pub(super) seen: PerFamily,
    /// The most pods that may have addresses, as last known. None: not limited, or never known.
    pub(super) limit: Option<u64>,
    /// Whether the app's slots were ever known.
    pub(super) learnt: bool,
    /// How many of its addresses are kept when their pods end, and count for its cap.
    pub(super) capped: u64,
    /// How many of its addresses are freed when it ends.
    pub(super) immutable: u64,
}

/// The addresses of one pool.
#[derive(Debug, Default)]
pub(super) struct PoolStanding {
    /// All its addresses.
    pub(super) total: u64,
    /// Those of them that pods have.
    pub(super) live: u64,
    /// Addresses that open plans are about to add.
    pub(super) incoming: u64,
    /// Addresses that open plans are about to free or to take out.
    pub(super) outgoing: u64,
    /// Addresses in reserve that any pod of the pool may take now.
    pub(super) reserve: CountedSet<IpAddr>,
}

impl PoolStanding {
    /// The most addresses it can have once every open plan is settled.
    pub(super) const fn at_most(&self) -> u64 {
        self.total + self.incoming
    }

    /// The fewest addresses it can have once every open plan is settled.
    pub(super) const fn at_least(&self) -> u64 {
        self.total.saturating_sub(self.outgoing)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.total == 0 && self.incoming == 0 && self.outgoing == 0
    }
}

impl AppStanding {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.incoming_pods == 0 && self.outgoing == PerFamily::default()
    }

    /// Pods that have addresses or are about to.
    pub(super) const fn in_use(&self) -> u64 {
        self.pods + self.incoming_pods
    }

    /// How many addresses of `family` the app has above `limit` slots, once what is on its way out
    /// is gone.
    pub(super) fn surplus(&self, family: Family, limit: u64) -> u64 {
        let kept = self.any.of(family).saturating_sub(self.outgoing.of(family));
        let worth = self.asked.unwrap_or(self.seen).of(family).max(1);
        kept.saturating_sub(limit.saturating_mul(worth))
    }
}

/// A count for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerFamily {
    v4: u64,
    v6: u64,
}

impl PerFamily {
    /// How many addresses of each family there are.
    pub(super) fn count(addresses: &[IpAddr]) -> Self {
        let mut counts = Self::default();
        for ip in addresses {
            counts.change(Family::of(*ip), true);
        }
        counts
    }

    pub(super) const fn of(self, family: Family) -> u64 {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    pub(super) const fn of_mut(&mut self, family: Family) -> &mut u64 {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    pub(super) const fn change(&mut self, family: Family, up: bool) {
        let count = self.of_mut(family);
        *count = if up {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
    }
}
