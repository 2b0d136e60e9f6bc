//! What all interfaces of one `ADD` have in common: bounds of the packet length, and routes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::facts::Facts;
use super::plan::{PlanError, Wish};
use crate::link::Link;
use crate::spec::IpInfo;
use crate::state::Hop;

/// The pod, on a node as it is.
pub(super) struct Pod<'a> {
    pub(super) wish: &'a Wish<'a>,
    pub(super) facts: &'a Facts,
    pub(super) device: &'a Link,
}

/// Where the first of several networks leads to, as galaxy has it.
const PRIVATE_V4: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];
/// The same in IPv6.
const PRIVATE_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);

impl<'a> Pod<'a> {
    /// How long packets may be that go through `narrowest`.
    ///
    /// # Errors
    /// The length that was asked for is not possible.
    pub(super) fn mtu(&self, narrowest: &Link) -> Result<u32, PlanError> {
        let infos = self.wish.infos.as_slice();
        let v6 = infos.iter().any(|info| info.ip.addr().is_ipv6());
        // What each protocol needs at least.
        let least = if v6 { 1280 } else { 68 };
        let most = narrowest.mtu;
        let wanted = self.wish.config.mtu.filter(|mtu| *mtu > 0);
        let mtu = wanted.unwrap_or(most);
        if (least..=most).contains(&mtu) {
            return Ok(mtu);
        }
        let device = narrowest.name.clone();
        Err(PlanError::Mtu {
            mtu,
            least,
            most,
            device,
        })
    }

    /// Whether others are asked before an address is used.
    pub(super) fn probes(&self) -> bool {
        self.wish.config.duplicate_address_probe
    }

    /// The routes of an address. Where there are several of a family, the first one's network gets the private
    /// addresses and the second one's all others. A place that a route leads to already is left to that.
    pub(super) fn routes(&self, info: &IpInfo) -> Vec<Hop> {
        let infos = self.wish.infos.as_slice().iter();
        let is_v4 = info.ip.addr().is_ipv4();
        let family: Vec<&IpInfo> = infos.filter(|it| it.ip.addr().is_ipv4() == is_v4).collect();
        let place = family.iter().position(|it| it.ip == info.ip);
        let mut destinations = match (family.len(), place) {
            (1, _) | (_, Some(1)) => vec![everywhere(is_v4)],
            (_, Some(0)) => private(is_v4),
            _ => Vec::new(),
        };
        destinations.retain(|destination| !self.leads_to(*destination));
        let hop = |destination| Hop {
            destination,
            gateway: info.gateway,
        };
        destinations.into_iter().map(hop).collect()
    }

    /// By the subnet of one of the addresses, or by a network that the container was connected to before.
    fn leads_to(&self, destination: IpNet) -> bool {
        let mut routes = self.facts.container.routes.iter();
        let has = routes.any(|route| route.is_unicast() && route.destination() == destination);
        let mut infos = self.wish.infos.as_slice().iter();
        has || infos.any(|info| info.ip.trunc() == destination)
    }
}

fn everywhere(v4: bool) -> IpNet {
    if v4 {
        Ipv4Net::default().into()
    } else {
        Ipv6Net::default().into()
    }
}

fn private(v4: bool) -> Vec<IpNet> {
    if v4 {
        PRIVATE_V4.map(IpNet::from).to_vec()
    } else {
        vec![PRIVATE_V6.into()]
    }
}
