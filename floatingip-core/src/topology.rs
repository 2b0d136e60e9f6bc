//! The topology: which nodes may use which pod subnets, and what every address belongs to.
//!
//! These types are made by [`Config::parse`](crate::config::Config::parse) alone, so whoever holds
//! one may rely on all the rules of the configuration: ranges lie inside their subnet, no two
//! overlap, every gateway is an address of its subnet and never handed out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

pub use self::difference::{Difference, SubnetChange, difference};
pub use self::reach::Reach;
pub(crate) use self::subnet::{Parts, edges};
pub use self::subnet::{PodSubnet, Reserved, SubnetId};
pub use self::vlan::{VlanError, VlanId};
use crate::range::{IpRange, RangeSet};

mod difference;
mod reach;
mod subnet;
mod vlan;

/// All pod subnets, in the order of the configuration; immutable.
///
/// The default one is empty: no address belongs to it and no node reaches anything.
///
/// ```
/// use floatingip_core::config::{Config, Strictness};
///
/// let config = Config::parse(
///     r#"[{"routableSubnet": "10.0.0.0/16", "ips": ["10.0.70.2~10.0.70.241"],
///          "subnet": "10.0.70.0/24", "gateway": "10.0.70.1", "vlan": 2}]"#,
///     Strictness::Strict,
/// )?;
/// let topology = config.topology();
///
/// let reach = topology.reach(&["10.0.3.4".parse()?]);
/// assert_eq!(reach.iter().count(), 1);
/// assert!(topology.reach(&["192.168.0.1".parse()?]).is_empty());
///
/// let subnet = topology.subnet_of("10.0.70.2".parse()?).ok_or("not in range")?;
/// assert!(reach.contains(subnet.id()));
/// assert_eq!(subnet.usable().size(), 240);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    subnets: Vec<PodSubnet>,
    /// Every configured range and its subnet, by address; no two overlap.
    index: Vec<(IpRange, SubnetId)>,
    generation: u64,
}

/// What a pod has to know of its address, besides the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressInfo {
    /// The address.
    pub ip: IpAddr,
    /// The prefix length of its subnet, in bits.
    pub prefix_len: u8,
    /// The router of its subnet.
    pub gateway: IpAddr,
    /// The vlan of its subnet.
    pub vlan: VlanId,
}

impl Topology {
    /// From parts that were checked: ranges disjoint and inside their networks.
    pub(crate) fn new(parts: Vec<Parts>) -> Self {
        let reserved = reserved(&parts).into_keys().map(IpRange::single).collect();
        let subnets: Vec<PodSubnet> = parts
            .into_iter()
            .enumerate()
            .map(|(place, parts)| PodSubnet::new(SubnetId::new(place), parts, &reserved))
            .collect();
        Self {
            index: index(&subnets),
            subnets,
            generation: 0,
        }
    }

    /// The same subnets as generation number `generation`, which the [`Reach`]es made from it carry.
    #[must_use]
    pub fn with_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// Tells this topology from its predecessors in one process; 0 until it is set.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The subnets, in the order of the configuration.
    #[must_use]
    pub fn subnets(&self) -> &[PodSubnet] {
        &self.subnets
    }

    /// The subnet of that id; none if the id is of another topology that has more subnets.
    #[must_use]
    pub fn subnet(&self, id: SubnetId) -> Option<&PodSubnet> {
        self.subnets.get(id.index())
    }

    /// The subnet whose configured ranges contain `ip`, in O(log n) of the number of ranges.
    #[must_use]
    pub fn subnet_of(&self, ip: IpAddr) -> Option<&PodSubnet> {
        let after = self.index.partition_point(|(range, _)| range.first() <= ip);
        let (range, id) = self.index.get(after.checked_sub(1)?)?;
        range.contains(ip).then(|| self.subnet(*id))?
    }

    /// The first subnet, in the order of the configuration, whose network contains `ip`, whether
    /// its ranges do or not: what a draining address still has for a gateway. Takes time
    /// proportional to the number of subnets.
    #[must_use]
    pub fn covering(&self, ip: IpAddr) -> Option<&PodSubnet> {
        self.subnets
            .iter()
            .find(|subnet| subnet.net().contains(&ip))
    }

    /// What a pod with this address has to know: from the subnet that has it in its ranges, else
    /// from the first one whose network covers it, else nothing.
    #[must_use]
    pub fn address_info(&self, ip: IpAddr) -> Option<AddressInfo> {
        let subnet = self.subnet_of(ip).or_else(|| self.covering(ip))?;
        Some(AddressInfo {
            ip,
            prefix_len: subnet.net().prefix_len(),
            gateway: subnet.gateway(),
            vlan: subnet.vlan(),
        })
    }

    /// The subnets that a node with these internal addresses may use: all those with any node
    /// subnet that contains any of the addresses. Where node subnets overlap, all of them count.
    #[must_use]
    pub fn reach(&self, node_ips: &[IpAddr]) -> Reach {
        self.reach_where(|subnet| subnet.serves(node_ips))
    }

    /// All subnets: the reach of a request that no node constrains.
    #[must_use]
    pub fn reach_all(&self) -> Reach {
        self.reach_where(|_| true)
    }

    /// Whether `reach` was made from this generation and has the subnet.
    #[must_use]
    pub fn is_reachable(&self, id: SubnetId, reach: &Reach) -> bool {
        reach.generation() == self.generation && reach.contains(id)
    }

    /// Every configured range with the id of its subnet, by address.
    #[must_use]
    pub fn ranges(&self) -> &[(IpRange, SubnetId)] {
        &self.index
    }

    /// All configured addresses of all subnets.
    #[must_use]
    pub fn configured(&self) -> RangeSet {
        self.index.iter().map(|(range, _)| *range).collect()
    }

    fn reach_where(&self, keep: impl Fn(&PodSubnet) -> bool) -> Reach {
        let kept = self.subnets.iter().filter(|subnet| keep(subnet));
        Reach::new(self.generation, kept.map(PodSubnet::id).collect())
    }
}

/// Every address that no pod may have, whichever entry has it in its ranges: a gateway or a
/// broadcast address of one entry is that also for its neighbours on the wire.
pub(crate) fn reserved(parts: &[Parts]) -> BTreeMap<IpAddr, (Reserved, IpNet)> {
    let edges = parts
        .iter()
        .flat_map(|parts| edges(parts.net).map(|(ip, why)| (ip, (why, parts.net))));
    let gateways = parts
        .iter()
        .map(|parts| (parts.gateway, (Reserved::Gateway, parts.net)));
    edges.chain(gateways).collect()
}

fn index(subnets: &[PodSubnet]) -> Vec<(IpRange, SubnetId)> {
    let mut index: Vec<_> = subnets
        .iter()
        .flat_map(|subnet| {
            let ranges = subnet.configured().ranges().iter();
            ranges.map(|range| (*range, subnet.id()))
        })
        .collect();
    index.sort_unstable();
    index
}

#[cfg(test)]
mod tests;
