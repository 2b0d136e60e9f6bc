//! Usage: how full each subnet is, counted as records change, so that looking costs next to nothing.

use std::net::IpAddr;

use super::ledger::Known;
use super::tally::Tally;
use super::{Engine, view};
use crate::range::IpRange;
use crate::topology::{PodSubnet, SubnetId};

/// How full a subnet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which subnet.
    pub subnet: SubnetId,
    /// Addresses that can be handed out in all.
    pub total: u128,
    /// Addresses in its ranges that have a record.
    pub allocated: usize,
    /// Addresses that nothing takes; a disabled subnet hands out none of them.
    pub free: u128,
    /// Addresses in its ranges of each sort. Its `draining` ones lie in the subnet's network, and no
    /// entry of the configuration has them.
    pub tally: Tally,
}

impl Usage {
    /// How many of each hundred addresses cannot be handed out, rounded down; of none, all.
    pub fn percent(&self) -> u8 {
        let used = self.total.saturating_sub(self.free);
        let percent = used.saturating_mul(100).checked_div(self.total);
        percent.map_or(100, |percent| u8::try_from(percent).unwrap_or(100))
    }
}

impl Engine {
    /// How full each subnet is. O(subnets), and O(ranges · log n) while anything drains.
    pub fn usage(&self) -> Vec<Usage> {
        let subnets = self.topology.subnets().iter();
        subnets
            .filter_map(|subnet| self.usage_of(subnet.id()))
            .collect()
    }

    /// How full a subnet is; none if the topology has no such subnet.
    pub fn usage_of(&self, id: SubnetId) -> Option<Usage> {
        let subnet = self.topology.subnet(id)?;
        let space = self.spaces.get(id.index())?;
        Some(Usage {
            subnet: id,
            total: subnet.usable().size(),
            allocated: space.records,
            free: space.free(),
            tally: Tally {
                draining: self.draining_near(subnet),
                ..space.tally
            },
        })
    }

    /// Addresses in the subnet's network with a record that no entry has in its ranges.
    fn draining_near(&self, subnet: &PodSubnet) -> usize {
        if self.outside == 0 {
            return 0;
        }
        let net = IpRange::from_net(subnet.net());
        let count = |range: IpRange| {
            view::count_between(self.ledger.records(), range.first(), range.last())
        };
        let ranges = self.topology.ranges();
        let start = ranges.partition_point(|(range, _)| range.last() < net.first());
        let near = ranges.get(start..).unwrap_or_default().iter();
        let near = near.take_while(|(range, _)| range.first() <= net.last());
        let inside = near.filter_map(|(range, _)| range.intersection(&net));
        count(net).saturating_sub(inside.map(count).sum())
    }

    /// Counts every record anew, under another configuration.
    pub(super) fn recount(&mut self) {
        self.outside = 0;
        for (ip, known) in self.ledger.records().iter() {
            let subnet = self.topology.subnet_of(*ip);
            let space = subnet.and_then(|subnet| self.spaces.get_mut(subnet.id().index()));
            match space {
                Some(space) => space.count(&known.record, true),
                None => self.outside += 1,
            }
        }
    }

    /// Counts the record that is there now in the place of the former one.
    pub(super) fn count_in_subnet(&mut self, ip: IpAddr, former: Option<&Known>) {
        let present = self.ledger.record(ip);
        let subnet = self.topology.subnet_of(ip).map(PodSubnet::id);
        match subnet.and_then(|subnet| self.spaces.get_mut(subnet.index())) {
            Some(space) => {
                if let Some(former) = former {
                    space.count(&former.record, false);
                }
                if let Some(present) = present {
                    space.count(present, true);
                }
            }
            None => {
                self.outside += usize::from(present.is_some());
                self.outside = self.outside.saturating_sub(usize::from(former.is_some()));
            }
        }
    }
}
