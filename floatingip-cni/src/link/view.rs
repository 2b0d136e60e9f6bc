//! What the kernel has in a namespace: links, addresses and routes.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};

use super::mac::Mac;

/// A namespace as it was at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// All links.
    pub links: Vec<Link>,
    /// All addresses.
    pub addresses: Vec<Address>,
    /// All routes, or none where nobody asked for them.
    pub routes: Vec<Route>,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in the namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address, if that is an Ethernet one.
    pub mac: Option<Mac>,
    /// How long its packets may be.
    pub mtu: u32,
    /// Is it switched on?
    pub up: bool,
    /// Has it a carrier?
    pub carrier: bool,
    /// The number of the bridge, bond or the like that it is a port of.
    pub master: Option<u32>,
    /// The number of the link that it is made from.
    pub device: Option<u32>,
    /// The kernel's word for what it is, such as `veth`; empty for hardware.
    pub kind: String,
    /// The number of the VLAN that it is.
    pub vlan: Option<u16>,
}

/// An address of a link, with all that the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(AddressMessage);

/// A route, with all that the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(RouteMessage);

impl View {
    /// The link of a name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The link of a number.
    pub fn numbered(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The addresses of a link.
    pub fn addresses_of(&self, link: &Link) -> impl Iterator<Item = &Address> {
        let index = link.index;
        self.addresses.iter().filter(move |it| it.link() == index)
    }

    /// The routes through a link.
    pub fn routes_of(&self, link: &Link) -> impl Iterator<Item = &Route> {
        let index = link.index;
        self.routes
            .iter()
            .filter(move |it| it.link() == Some(index))
    }
}

impl Link {
    /// Is it a bridge?
    pub fn is_bridge(&self) -> bool {
        self.kind == "bridge"
    }
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut link = Self {
            index: message.header.index,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            ..Self::default()
        };
        for attribute in message.attributes {
            link.take(attribute);
        }
        link
    }
}

impl Link {
    fn take(&mut self, attribute: LinkAttribute) {
        match attribute {
            LinkAttribute::IfName(name) => self.name = name,
            LinkAttribute::Mtu(mtu) => self.mtu = mtu,
            LinkAttribute::Address(mac) => self.mac = mac.try_into().ok().map(Mac),
            LinkAttribute::Controller(index) => self.master = Some(index),
            LinkAttribute::Link(index) => self.device = Some(index),
            LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|it| self.inform(it)),
            _ => {}
        }
    }

    fn inform(&mut self, info: LinkInfo) {
        match info {
            LinkInfo::Kind(kind) => self.kind = word(&kind),
            LinkInfo::Data(InfoData::Vlan(data)) => {
                self.vlan = data.into_iter().find_map(|info| match info {
                    InfoVlan::Id(id) => Some(id),
                    _ => None,
                });
            }
            _ => {}
        }
    }
}

fn word(kind: &InfoKind) -> String {
    match kind {
        InfoKind::Bridge => "bridge".to_owned(),
        InfoKind::Vlan => "vlan".to_owned(),
        InfoKind::Veth => "veth".to_owned(),
        InfoKind::MacVlan => "macvlan".to_owned(),
        InfoKind::IpVlan => "ipvlan".to_owned(),
        other => other.to_string(),
    }
}

impl Address {
    /// An address for a link, for ever; an IPv6 one is looked for on the link before it is used.
    pub fn of(net: IpNet) -> Self {
        let mut message = AddressMessage::default();
        message.header.family = family(net.addr());
        message.header.prefix_len = net.prefix_len();
        let local = net.addr();
        message.attributes = vec![
            AddressAttribute::Local(local),
            AddressAttribute::Address(local),
        ];
        if let IpNet::V4(net) = net
            && net.prefix_len() < 31
        {
            let broadcast = AddressAttribute::Broadcast(net.broadcast());
            message.attributes.push(broadcast);
        }
        Self(message)
    }

    /// The same for a link on which nobody is to be asked whether it is free.
    #[must_use]
    pub fn unprobed(self) -> Self {
        self.flagged(AddressFlags::Nodad)
    }

    /// The same for another link, without the route to its subnet that the kernel would add.
    #[must_use]
    pub fn bare(self) -> Self {
        self.flagged(AddressFlags::Noprefixroute | AddressFlags::Nodad)
    }

    fn flagged(mut self, flags: AddressFlags) -> Self {
        let kept = |it: &AddressAttribute| {
            !matches!(it, AddressAttribute::Flags(_) | AddressAttribute::Label(_))
        };
        self.0.attributes.retain(kept);
        self.0.attributes.push(AddressAttribute::Flags(flags));
        self
    }

    /// The address with its subnet's prefix.
    pub fn net(&self) -> IpNet {
        let local = self.attribute(|it| match it {
            AddressAttribute::Local(ip) => Some(*ip),
            _ => None,
        });
        let ip = local.or_else(|| self.peer());
        net_of(ip, self.0.header.family, self.0.header.prefix_len)
    }

    /// The address at the other end: the same one, but on links between two.
    fn peer(&self) -> Option<IpAddr> {
        self.attribute(|it| match it {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    }

    /// Is it one end of a link between two?
    pub fn has_peer(&self) -> bool {
        self.peer().is_some_and(|peer| peer != self.net().addr())
    }

    /// The number of its link.
    pub fn link(&self) -> u32 {
        self.0.header.index
    }

    /// Does it reach beyond its link, or at least to all of it?
    pub fn is_global(&self) -> bool {
        self.0.header.scope == AddressScope::Universe
    }

    /// Is the kernel still asking whether it is free?
    pub fn is_tentative(&self) -> bool {
        self.has(AddressFlags::Tentative) && !self.is_taken()
    }

    /// Has somebody else on the link got it?
    pub fn is_taken(&self) -> bool {
        self.has(AddressFlags::Dadfailed)
    }

    fn has(&self, flag: AddressFlags) -> bool {
        let flags = self.attribute(|it| match it {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
        flags.is_some_and(|flags| flags.contains(flag))
    }

    fn attribute<T>(&self, pick: impl Fn(&AddressAttribute) -> Option<T>) -> Option<T> {
        self.0.attributes.iter().find_map(pick)
    }

    /// The message that adds it to a link, or takes it away.
    pub(crate) fn on(&self, link: u32) -> AddressMessage {
        let mut message = self.0.clone();
        message.header.index = link;
        for attribute in &mut message.attributes {
            // The stamps of the present one mean nothing to the next.
            if let AddressAttribute::CacheInfo(lifetime) = attribute {
                lifetime.cstamp = 0;
                lifetime.tstamp = 0;
            }
        }
        message
    }
}

impl From<AddressMessage> for Address {
    fn from(message: AddressMessage) -> Self {
        Self(message)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net().fmt(f)
    }
}

impl Route {
    /// The table that is used where no rule says otherwise.
    const MAIN: u8 = 254;
    const LOCAL: u32 = 255;

    /// A route by a gateway, or straight to the link.
    pub fn to(destination: IpNet, gateway: Option<IpAddr>) -> Self {
        let scope = match gateway {
            None if destination.addr().is_ipv4() => RouteScope::Link,
            _ => RouteScope::Universe,
        };
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(destination.addr()),
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

    /// Does it say the same, be it through another link?
    pub fn agrees(&self, other: &Self) -> bool {
        self.destination() == other.destination()
            && self.gateway() == other.gateway()
            && self.table() == other.table()
            && self.metric() == other.metric()
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

    fn attribute<T>(&self, pick: impl Fn(&RouteAttribute) -> Option<T>) -> Option<T> {
        self.0.attributes.iter().find_map(pick)
    }

    /// The message that adds it through a link, or removes it.
    pub(super) fn through(&self, link: u32) -> RouteMessage {
        let mut message = self.0.clone();
        message.header.flags &= RouteFlags::Onlink;
        let kept = |it: &RouteAttribute| {
            !matches!(it, RouteAttribute::Oif(_) | RouteAttribute::CacheInfo(_))
        };
        message.attributes.retain(kept);
        message.attributes.push(RouteAttribute::Oif(link));
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

pub(super) fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
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

/// What is left out is all zeros, and a prefix is never longer than its address.
fn net_of(ip: Option<IpAddr>, family: AddressFamily, length: u8) -> IpNet {
    match (ip, family) {
        (Some(IpAddr::V6(ip)), _) => Ipv6Net::new(ip, length)
            .unwrap_or_else(|_| ip.into())
            .into(),
        (Some(IpAddr::V4(ip)), _) => Ipv4Net::new(ip, length)
            .unwrap_or_else(|_| ip.into())
            .into(),
        (None, AddressFamily::Inet6) => Ipv6Net::default().into(),
        (None, _) => Ipv4Net::default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_routes_say_what_they_were_made_of() {
        for text in ["10.0.0.2/24", "10.0.0.2/32", "fd00::2/64"] {
            let net: IpNet = text.parse().unwrap();
            assert_eq!(Address::of(net).net(), net);
            assert_eq!(Address::of(net).on(7).header.index, 7);
        }
        for (text, gateway) in [
            ("0.0.0.0/0", "10.0.0.1"),
            ("::/0", "fd00::1"),
            ("10.1.0.0/16", "10.0.0.1"),
        ] {
            let (net, gateway) = (text.parse().unwrap(), Some(gateway.parse().unwrap()));
            let route = Route::to(net, gateway);
            assert_eq!(
                (route.destination(), route.gateway(), route.link()),
                (net, gateway, None)
            );
            assert_eq!(Route::from(route.through(7)).link(), Some(7));
        }
    }

    #[test]
    fn a_route_is_the_same_through_another_link() {
        let route = |to: &str, by: Option<&str>| {
            Route::to(to.parse().unwrap(), by.map(|by| by.parse().unwrap()))
        };
        let default = route("0.0.0.0/0", Some("10.0.0.1"));
        assert!(default.agrees(&Route::from(default.through(3))));
        assert!(!default.agrees(&route("0.0.0.0/0", Some("10.0.0.2"))));
        assert!(!default.agrees(&route("::/0", None)));
    }

    #[test]
    fn routes_that_belong_to_a_link_as_such_are_told_apart() {
        let is_unicast = |text: &str| Route::to(text.parse().unwrap(), None).is_unicast();
        assert!(is_unicast("10.0.0.0/24") && is_unicast("fd00::/64") && is_unicast("::/0"));
        assert!(!is_unicast("fe80::/64") && !is_unicast("ff00::/8"));
    }
}
