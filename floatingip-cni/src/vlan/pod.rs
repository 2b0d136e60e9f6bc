//! What all interfaces of one `ADD` have in common: packet length and routes.

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
    pub(super) mtu: u32,
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
    /// # Errors
    /// The packet length that was asked for is not possible.
    pub(super) fn of(
        wish: &'a Wish<'a>,
        facts: &'a Facts,
        device: &'a Link,
    ) -> Result<Self, PlanError> {
        let infos = wish.infos.as_slice();
        let v6 = infos.iter().any(|info| info.ip.addr().is_ipv6());
        // What each protocol needs at least.
        let least = if v6 { 1280 } else { 68 };
        let most = device.mtu;
        let mtu = wish.config.mtu.filter(|mtu| *mtu > 0).unwrap_or(most);
        if !(least..=most).contains(&mtu) {
            let device = device.name.clone();
            return Err(PlanError::Mtu {
                mtu,
                least,
                most,
                device,
            });
        }
        Ok(Self {
            wish,
            facts,
            device,
            mtu,
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
        destinations.retain(|destination| !self.leads_to(*destination, info));
        let hop = |destination| Hop {
            destination,
            gateway: info.gateway,
        };
        destinations.into_iter().map(hop).collect()
    }

    /// By the address's own subnet, or by a network that the container was connected to before.
    fn leads_to(&self, destination: IpNet, info: &IpInfo) -> bool {
        let mut routes = self.facts.container.routes.iter();
        let has = routes.any(|route| route.is_unicast() && route.destination() == destination);
        has || info.ip.trunc() == destination
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
