//! Routes.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};

use super::family::{family_of, net_of};
use super::view::Link;

/// A route, with all that the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(RouteMessage);

impl Route {
    /// The table that is used where no rule says otherwise.
    const MAIN: u8 = 254;
    const LOCAL: u32 = 255;
    /// Added to the metric of a route that is put aside: a bit that nobody's metric has, so that it is known again.
    const ASIDE: u32 = 0x4000_0000;

    /// A route by a gateway, or straight to the link.
    pub fn to(destination: IpNet, gateway: Option<IpAddr>) -> Self {
        let scope = match gateway {
            None if destination.addr().is_ipv4() => RouteScope::Link,
            _ => RouteScope::Universe,
        };
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family_of(destination.addr()),
            destination_prefix_length: destination.prefix_len(),
            table: Self::MAIN,
            protocol: RouteProtocol::Boot,
            scope,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        if destination.prefix_len() > 0 {
            let destination = route_address(destination.network());
            message
                .attributes
                .push(RouteAttribute::Destination(destination));
        }
        let gateway = gateway.map(|ip| RouteAttribute::Gateway(route_address(ip)));
        message.attributes.extend(gateway);
        Self(message)
    }

    /// Where to.
    pub fn destination(&self) -> IpNet {
        let header = &self.0.header;
        let ip = self.attribute(|it| match it {
            RouteAttribute::Destination(ip) => ip_of(ip),
            _ => None,
        });
        net_of(ip, header.address_family, header.destination_prefix_length)
    }

    /// By whom.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.attribute(|it| match it {
            RouteAttribute::Gateway(ip) => ip_of(ip),
            _ => None,
        })
    }

    /// The number of its link.
    pub fn link(&self) -> Option<u32> {
        self.attribute(|it| match it {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })
    }

    /// Is a link one of several that it goes through?
    pub fn shares(&self, link: &Link) -> bool {
        let through = |it: &RouteAttribute| match it {
            RouteAttribute::MultiPath(hops) => {
                hops.iter().any(|hop| hop.interface_index == link.index)
            }
            _ => false,
        };
        self.0.attributes.iter().any(through)
    }

    /// Was it set by somebody, or by the kernel for an address's subnet? Not by the kernel for a link as such.
    pub fn is_unicast(&self) -> bool {
        let destination = self.destination();
        let of_link = match destination {
            IpNet::V4(_) => false,
            IpNet::V6(net) => net.addr().is_multicast() || net.addr().is_unicast_link_local(),
        };
        self.0.header.kind == RouteType::Unicast && self.table() != Self::LOCAL && !of_link
    }

    /// Does it lead everywhere, where no rule says otherwise?
    pub fn is_default(&self) -> bool {
        let everywhere = self.destination().prefix_len() == 0;
        everywhere && self.is_unicast() && self.table() == u32::from(Self::MAIN)
    }

    /// Did a router advertise it?
    pub fn is_advertised(&self) -> bool {
        self.0.header.protocol == RouteProtocol::Ra
    }

    /// Does it say the same, be it through another link?
    pub fn agrees(&self, other: &Self) -> bool {
        self.destination() == other.destination()
            && self.gateway() == other.gateway()
            && self.table() == other.table()
            && self.metric() == other.metric()
    }

    /// Does it go by a next hop that the kernel keeps apart from routes?
    pub fn has_object(&self) -> bool {
        let object = |it: &RouteAttribute| matches!(it, RouteAttribute::NhId(_));
        self.0.attributes.iter().any(object)
    }

    /// The same behind others to the same place: IPv6 has no order but that of metrics. None for IPv4, and for one
    /// that is aside already.
    pub fn aside(&self) -> Option<Self> {
        let metric = self.metric()?;
        let is_v6 = self.destination().addr().is_ipv6();
        (is_v6 && metric < Self::ASIDE).then(|| self.ranked(metric.saturating_add(Self::ASIDE)))
    }

    /// The same as it was before it was put aside.
    #[must_use]
    pub fn in_front(&self) -> Self {
        let is_v6 = self.destination().addr().is_ipv6();
        let aside = Self::ASIDE..Self::ASIDE.saturating_mul(2);
        match self.metric() {
            Some(metric) if is_v6 && aside.contains(&metric) => {
                self.ranked(metric.saturating_sub(Self::ASIDE))
            }
            _ => self.clone(),
        }
    }

    fn ranked(&self, rank: u32) -> Self {
        let mut route = self.clone();
        for attribute in &mut route.0.attributes {
            if let RouteAttribute::Priority(metric) = attribute {
                *metric = rank;
            }
        }
        route
    }

    fn table(&self) -> u32 {
        let table = self.attribute(|it| match it {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        });
        table.unwrap_or_else(|| u32::from(self.0.header.table))
    }

    fn metric(&self) -> Option<u32> {
        self.attribute(|it| match it {
            RouteAttribute::Priority(metric) => Some(*metric),
            _ => None,
        })
    }

    /// What is left of it, where it ends by itself. Only IPv6 has that.
    fn lifetime(&self) -> Option<RouteAttribute> {
        /// Of the clock that user space sees, whatever the kernel counts in.
        const TICKS: u32 = 100;
        let left = self.attribute(|it| match it {
            RouteAttribute::CacheInfo(info) if info.expires != 0 => Some(info.expires),
            _ => None,
        })?;
        let is_v6 = self.destination().addr().is_ipv6();
        // One that is over, which the kernel has not removed yet, has less than nothing left.
        let left = u32::try_from(left.cast_signed()).unwrap_or(1);
        is_v6.then(|| RouteAttribute::Expires(left.div_ceil(TICKS)))
    }

    fn attribute<T>(&self, pick: impl Fn(&RouteAttribute) -> Option<T>) -> Option<T> {
        self.0.attributes.iter().find_map(pick)
    }

    /// The message that adds it through a link, or removes it.
    pub(super) fn through(&self, link: u32) -> RouteMessage {
        let mut message = self.0.clone();
        message.header.flags &= RouteFlags::Onlink;
        let kept = |it: &RouteAttribute| {
            !matches!(
                it,
                RouteAttribute::Oif(_) | RouteAttribute::CacheInfo(_) | RouteAttribute::Expires(_)
            )
        };
        message.attributes.retain(kept);
        message.attributes.push(RouteAttribute::Oif(link));
        message.attributes.extend(self.lifetime());

        message
    }
}

impl From<RouteMessage> for Route {
    fn from(message: RouteMessage) -> Self {
        Self(message)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination().fmt(f)?;
        match self.gateway() {
            Some(gateway) => write!(f, " by {gateway}"),
            None => Ok(()),
        }
    }
}

fn route_address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(to: &str, by: Option<&str>) -> Route {
        Route::to(to.parse().unwrap(), by.map(|by| by.parse().unwrap()))
    }

    #[test]
    fn a_route_says_what_it_was_made_of() {
        for (net, gateway) in [
            ("0.0.0.0/0", "10.0.0.1"),
            ("::/0", "fd00::1"),
            ("10.1.0.0/16", "10.0.0.1"),
        ] {
            let made = route(net, Some(gateway));
            assert_eq!(made.destination().to_string(), net);
            assert_eq!(made.gateway(), gateway.parse().ok());
            assert_eq!(made.link(), None);
            assert_eq!(Route::from(made.through(7)).link(), Some(7));
        }
    }

    #[test]
    fn a_route_is_the_same_through_another_link() {
        let default = route("0.0.0.0/0", Some("10.0.0.1"));
        assert!(default.agrees(&Route::from(default.through(3))));
        assert!(!default.agrees(&route("0.0.0.0/0", Some("10.0.0.2"))));
        assert!(!default.agrees(&route("::/0", None)));
    }

    #[test]
    fn an_ipv6_route_is_put_aside_and_back() {
        let of_metric = |to: &str, metric| {
            let mut route = route(to, None);
            route.0.attributes.push(RouteAttribute::Priority(metric));
            route
        };
        for metric in [1, 256, 1024] {
            let route = of_metric("fd00::/64", metric);
            let aside = route.aside().unwrap();
            assert!(aside.metric() > route.metric());
            assert_eq!(aside.in_front(), route);
            assert_eq!((aside.aside(), route.in_front()), (None, route));
        }
        assert_eq!(of_metric("10.0.0.0/24", 5).aside(), None);
        let last = of_metric("fd00::/64", u32::MAX);
        assert_eq!((last.aside(), last.in_front()), (None, last));
    }

    #[test]
    fn routes_that_belong_to_a_link_as_such_are_told_apart() {
        let is_unicast = |text: &str| route(text, None).is_unicast();
        assert!(is_unicast("10.0.0.0/24") && is_unicast("fd00::/64") && is_unicast("::/0"));
        assert!(!is_unicast("fe80::/64") && !is_unicast("ff00::/8"));
    }
}
