use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::VlanId;
use crate::range::{Family, IpRange, RangeSet};

/// Names a subnet of one topology: the place of its entry in the configuration, from 0.
///
/// The next configuration may have another subnet in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubnetId(usize);

impl SubnetId {
    pub(crate) const fn new(place: usize) -> Self {
        Self(place)
    }

    /// The place of the entry in the configuration, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for SubnetId {
    /// As places in configuration faults are printed: `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// Why an address is never handed out, although a range may contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reserved {
    /// It is the gateway.
    Gateway,
    /// It is the network address; for IPv6 the subnet-router anycast address (RFC 4291, 2.6.1).
    Network,
    /// It is the broadcast address (IPv4 only).
    Broadcast,
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gateway => "gateway",
            Self::Network => "network address",
            Self::Broadcast => "broadcast address",
        })
    }
}

/// One entry of the configuration: addresses for pods, and the nodes that may use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSubnet {
    id: SubnetId,
    parts: Parts,
    usable: RangeSet,
}

/// What a configuration says of one subnet, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) node_subnets: Vec<IpNet>,
    pub(crate) net: IpNet,
    pub(crate) gateway: IpAddr,
    pub(crate) vlan: VlanId,
    pub(crate) configured: RangeSet,
    pub(crate) excluded: RangeSet,
    pub(crate) disabled: bool,
}

impl PodSubnet {
    pub(super) fn new(id: SubnetId, parts: Parts, reserved: &RangeSet) -> Self {
        let usable = parts
            .configured
            .difference(&parts.excluded)
            .difference(reserved);
        Self { id, parts, usable }
    }

    /// Its name within the topology.
    #[must_use]
    pub fn id(&self) -> SubnetId {
        self.id
    }

    /// The networks of the nodes that may use it, in ascending order, none twice; they may overlap
    /// and be of either family.
    #[must_use]
    pub fn node_subnets(&self) -> &[IpNet] {
        &self.parts.node_subnets
    }

    /// The network that its addresses lie in, without host bits.
    #[must_use]
    pub fn net(&self) -> IpNet {
        self.parts.net
    }

    /// The router; an address of [`net`](Self::net).
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        self.parts.gateway
    }

    /// The VLAN.
    #[must_use]
    pub fn vlan(&self) -> VlanId {
        self.parts.vlan
    }

    /// The addresses that `ips` lists; all in [`net`](Self::net) and in no other subnet's.
    #[must_use]
    pub fn configured(&self) -> &RangeSet {
        &self.parts.configured
    }

    /// The configured addresses that may be handed out: without the excluded ones and without the
    /// network, broadcast and gateway addresses of this and all other subnets.
    ///
    /// The two ends of a /31 or /127 and the only address of a /32 or /128 are ordinary addresses
    /// (RFC 3021, RFC 6164). A disabled subnet has them all the same: it gives out nothing new.
    #[must_use]
    pub fn usable(&self) -> &RangeSet {
        &self.usable
    }

    /// The addresses that `exclude` lists, wherever they lie.
    #[must_use]
    pub fn excluded(&self) -> &RangeSet {
        &self.parts.excluded
    }

    /// Whether it gives out nothing new and only keeps what has an owner.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.parts.disabled
    }

    /// The family of its addresses and gateway.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.parts.gateway)
    }

    /// Whether any of these addresses of a node lies in any of the node subnets.
    #[must_use]
    pub fn serves(&self, node_ips: &[IpAddr]) -> bool {
        let nets = &self.parts.node_subnets;
        node_ips
            .iter()
            .any(|ip| nets.iter().any(|net| net.contains(ip)))
    }
}

/// The first and last address of a network, where they have a meaning of their own.
pub(crate) fn edges(net: IpNet) -> impl Iterator<Item = (IpAddr, Reserved)> {
    let wide = net.max_prefix_len() - net.prefix_len() >= 2;
    let all = IpRange::from_net(net);
    let network = wide.then(|| (all.first(), Reserved::Network));
    let broadcast = (wide && all.family() == Family::V4).then(|| (all.last(), Reserved::Broadcast));
    network.into_iter().chain(broadcast)
}
