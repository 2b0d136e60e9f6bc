//! Prioritize: nodes where the pod finds an address of its own first, then those with more room, so that
//! scarce subnets are spared for pods that can go nowhere else.

use std::net::IpAddr;

use floatingip_core::engine::Engine;
use floatingip_core::request::PodRequest;
use floatingip_core::topology::Reach;
use floatingip_core::{Store, Timer};

use super::Extender;
use super::wire::{Args, HostPriority};
use crate::index::PodEntry;
use crate::request::request_of;

/// The best score, `MaxExtenderPriority`.
const BEST: i64 = 10;

/// How good a group of nodes is.
enum Merit {
    /// An address that is kept for the pod anyway.
    Kept,
    /// So many free addresses.
    Room(u128),
}

impl<S: Store, T: Timer> Extender<S, T> {
    /// A score for each node; no scores where nodes are all alike to us.
    pub fn prioritize<'a>(&self, args: &'a Args<'a>) -> Vec<HostPriority<'a>> {
        let names = args.nodes.names();
        let pod = PodEntry::try_from(&args.pod).ok();
        let pod = pod.filter(|pod| pod.wanted.is_some());
        let first = names.first().copied();
        let request = pod.and_then(|pod| request_of(&pod, first, &self.index().read()).ok());
        let Some(request) = request else {
            return Vec::new();
        };
        let groups = self.group(&names);
        let scores = scores(&self.merits(&request, &groups.reaches));
        let score = |(host, group): (&'a str, Option<usize>)| HostPriority {
            host,
            score: group
                .and_then(|group| scores.get(group).copied())
                .unwrap_or(0),
        };
        names.into_iter().zip(groups.of_node).map(score).collect()
    }

    fn merits(&self, request: &PodRequest, reaches: &[Reach]) -> Vec<Merit> {
        let (now, world) = (self.core.now(), self.core.world());
        let engine = self.core.engine();
        let merit = |reach: &Reach| {
            let explained = engine.explain(request, reach, world, now);
            match explained.verdict {
                Ok(addresses) if are_kept(&engine, &addresses) => Merit::Kept,
                _ => Merit::Room(engine.room(reach).iter().map(|(_, free)| free).sum()),
            }
        };
        reaches.iter().map(merit).collect()
    }
}

fn are_kept(engine: &Engine, addresses: &[IpAddr]) -> bool {
    addresses.iter().all(|ip| engine.record(*ip).is_some())
}

/// Room counts by its logarithm: whether two or four addresses are left matters, whether a thousand or
/// two thousand does not.
fn scores(merits: &[Merit]) -> Vec<i64> {
    let size = |room: u128| 128 - i64::from(room.leading_zeros());
    let rooms = merits.iter().map(|merit| match merit {
        Merit::Kept => 0,
        Merit::Room(room) => size(*room),
    });
    let most = rooms.clone().max().unwrap_or(0).max(1);
    let score = |(merit, room): (&Merit, i64)| match merit {
        Merit::Kept => BEST,
        // One less than the best, which is for those that take no fresh address.
        Merit::Room(_) => room * (BEST - 1) / most,
    };
    merits.iter().zip(rooms).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_addresses_come_first_then_more_room() {
        let merits = [
            Merit::Room(1),
            Merit::Room(200),
            Merit::Kept,
            Merit::Room(0),
            Merit::Room(40),
        ];
        assert_eq!(scores(&merits), [1, 9, 10, 0, 6]);
    }

    #[test]
    fn the_largest_networks_fit() {
        assert_eq!(scores(&[Merit::Room(u128::MAX), Merit::Room(0)]), [9, 0]);
        assert_eq!(scores(&[Merit::Room(0)]), [0]);
        assert!(scores(&[]).is_empty());
    }
}
