//! What the kernel has in a namespace: links, addresses and routes.

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Prop,
};

use super::address::Address;
use super::mac::Mac;
use super::route::Route;

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
    /// Other names, by which the kernel finds it too.
    pub alternatives: Vec<String>,
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
    /// The address of the card, or of its function, on its bus; empty where there is none, or the kernel is older than
    /// 5.14.
    pub bus: String,
    /// The number of the VLAN that it is.
    pub vlan: Option<u16>,
}

impl View {
    /// The link of a name, be it an alternative one.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.is_called(name))
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
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alternatives.iter().any(|other| other == name)
    }

    /// All names by which the kernel finds it: none of them can be another link's.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        [&self.name].into_iter().chain(&self.alternatives)
    }

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
            LinkAttribute::PropList(list) => {
                self.alternatives = list.into_iter().filter_map(alternative).collect()
            }
            LinkAttribute::Mtu(mtu) => self.mtu = mtu,
            LinkAttribute::Address(mac) => self.mac = mac.try_into().ok().map(Mac),
            LinkAttribute::Controller(index) => self.master = Some(index),
            LinkAttribute::Link(index) => self.device = Some(index),
            LinkAttribute::ParentDevName(bus) => self.bus = bus,
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

fn alternative(property: Prop) -> Option<String> {
    match property {
        Prop::AltIfName(name) => Some(name),
        _ => None,
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
