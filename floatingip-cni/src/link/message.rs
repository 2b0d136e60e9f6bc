//! Changes as the kernel reads them.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::process;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVeth, InfoVlan, IpVlanMode, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use super::change::{Kind, Layer, Name, Peer};
use super::mac::Mac;

/// A request with its flags.
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

impl Request {
    /// A change of something that is there.
    pub(super) fn change(message: RouteNetlinkMessage) -> Self {
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        Self { message, flags }
    }

    /// Something new, which may not be there yet.
    pub(super) fn create(message: RouteNetlinkMessage) -> Self {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        Self { message, flags }
    }

    /// Something new, before others of its sort. The kernel refuses an equal one all the same.
    pub(super) fn prepend(message: RouteNetlinkMessage) -> Self {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        Self { message, flags }
    }
}

/// What is said of a new link whatever it is.
pub(super) struct New<'a> {
    pub(super) name: &'a Name,
    pub(super) mac: Option<Mac>,
    pub(super) mtu: Option<u32>,
}

impl New<'_> {
    fn message(&self) -> LinkMessage {
        let mut message = named(self.name);
        let mac = self.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec()));
        let mtu = self.mtu.map(LinkAttribute::Mtu);
        message.attributes.extend(mac.into_iter().chain(mtu));
        message
    }

    /// The message that makes it; `device` is the number of the link that it is made from, `inside` the container.
    pub(super) fn create(
        &self,
        kind: &Kind,
        device: Option<u32>,
        inside: Option<BorrowedFd<'_>>,
    ) -> LinkMessage {
        let mut message = self.message();
        let (word, data) = match kind {
            Kind::Bridge => (InfoKind::Bridge, None),
            Kind::Vlan { id, .. } => {
                let data = InfoData::Vlan(vec![InfoVlan::Id(*id)]);
                (InfoKind::Vlan, Some(data))
            }
            Kind::Veth { peer } => {
                let peer = self.peer(peer, inside);
                let data = InfoData::Veth(InfoVeth::Peer(peer));
                (InfoKind::Veth, Some(data))
            }
            Kind::Macvlan { .. } => {
                let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)]);
                (InfoKind::MacVlan, Some(data))
            }
            Kind::Ipvlan { mode, .. } => {
                let data = InfoData::IpVlan(vec![InfoIpVlan::Mode(mode.into())]);
                (InfoKind::IpVlan, Some(data))
            }
        };
        if kind.lands_inside() {
            message.attributes.extend(inside.map(into_namespace));
        }
        message.attributes.extend(device.map(LinkAttribute::Link));
        let infos = [LinkInfo::Kind(word)]
            .into_iter()
            .chain(data.map(LinkInfo::Data));
        message
            .attributes
            .push(LinkAttribute::LinkInfo(infos.collect()));
        message
    }

    fn peer(&self, peer: &Peer, inside: Option<BorrowedFd<'_>>) -> LinkMessage {
        let new = New {
            name: &peer.name,
            mac: Some(peer.mac),
            mtu: self.mtu,
        };
        let mut message = new.message();
        message.attributes.extend(inside.map(into_namespace));
        message
    }
}

impl From<&Layer> for IpVlanMode {
    fn from(layer: &Layer) -> Self {
        match layer {
            Layer::L2 => Self::L2,
            Layer::L3 => Self::L3,
            Layer::L3s => Self::L3S,
        }
    }
}

fn into_namespace(fd: BorrowedFd<'_>) -> LinkAttribute {
    LinkAttribute::NetNsFd(fd.as_raw_fd())
}

/// A message about the link of a name.
pub(super) fn named(name: &Name) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_string()));
    message
}

/// Switches a link on or off.
pub(super) fn switch(name: &Name, on: bool) -> LinkMessage {
    let mut message = named(name);
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if on {
        LinkFlags::Up
    } else {
        LinkFlags::empty()
    };
    message
}

/// Gives a link, by its number, another name.
pub(super) fn rename(link: u32, to: &Name) -> LinkMessage {
    let mut message = named(to);
    message.header.index = link;
    message
}

/// Takes a link, by its number, to another namespace: that of `there`, or else that of this process.
pub(super) fn take(link: u32, to: &Name, there: Option<BorrowedFd<'_>>) -> LinkMessage {
    let mut message = rename(link, to);
    let own = || LinkAttribute::NetNsPid(process::id());
    let namespace = there.map_or_else(own, into_namespace);
    message.attributes.push(namespace);
    message
}

/// Makes a link the port of a bridge, by its number; 0 is none.
pub(super) fn port(name: &Name, bridge: u32) -> LinkMessage {
    let mut message = named(name);
    message.attributes.push(LinkAttribute::Controller(bridge));
    message
}

/// Gives a link another hardware address.
pub(super) fn address(name: &Name, mac: Mac) -> LinkMessage {
    let mut message = named(name);
    message
        .attributes
        .push(LinkAttribute::Address(mac.0.to_vec()));
    message
}
