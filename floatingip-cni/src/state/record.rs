//! One `ADD`, as it is remembered.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::Remembered;
use crate::link::{Identity, Mac, Setting};
use crate::plugin::Plugin;
use crate::spec::{Attachment, ContainerId, InterfaceName, NetworkName};

/// What an `ADD` made, or was about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container: ContainerId,
    /// The interface that was asked for.
    pub interface: InterfaceName,
    /// Where the container's namespace was.
    pub netns: PathBuf,
    /// Which one it was; none: a former version did not write it down.
    #[serde(default)]
    pub space: Option<Identity>,
    /// How far the `ADD` came.
    pub stage: Stage,
    /// Who lent the addresses; none: the pod was bound with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent: Option<Lent>,
    /// The interfaces.
    pub endpoints: Vec<Endpoint>,
}

/// The IPAM plugin that lent addresses, and what it has to be told to take them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lent {
    /// Its type.
    pub kind: String,
    /// The network configuration, without what was passing: annotations and former results.
    pub config: Value,
    /// `CNI_ARGS`.
    pub args: String,
}

impl Lent {
    /// Is it this program's own plugin?
    pub fn is_own(&self) -> bool {
        self.kind == Plugin::Ipam.name()
    }
}

/// How far an `ADD` came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// It had begun. What it was about to make may be there or not.
    Begun,
    /// All is there.
    Done,
}

/// An interface in the container, with what leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The end in the container.
    pub inside: End,
    /// What it is called in the moment when it is made, if that is something else.
    pub first_name: Option<InterfaceName>,
    /// The hardware address that it has while others are asked whether its addresses are free.
    pub first_mac: Mac,
    /// The end in the host, if it has one.
    pub host: Option<HostEnd>,
    /// The host's link that leads to the network.
    pub uplink: Uplink,
    /// The virtual function that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// How long packets may be.
    pub mtu: u32,
    /// The addresses.
    pub addresses: Vec<IpNet>,
    /// The routes in the container.
    pub routes: Vec<Hop>,
}

/// One end: what it is called, what it is, and the address that tells it from others of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Its name.
    pub name: InterfaceName,
    /// The kernel's word for what it is.
    pub kind: String,
    /// Its hardware address; none: that of another link.
    pub mac: Option<Mac>,
}

/// The end in the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostEnd {
    /// As of every end.
    #[serde(flatten)]
    pub end: End,
    /// The bridge that it is a port of.
    pub bridge: Option<InterfaceName>,
    /// The addresses that the host sends there, where there is no bridge.
    pub routed: Vec<IpNet>,
}

/// The host's link that leads to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uplink {
    /// Its name.
    pub name: InterfaceName,
    /// The VLAN that it is; 0: none.
    pub vlan: u16,
}

/// A virtual function of a card, and how it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// The card's link.
    pub card: InterfaceName,
    /// Which of its functions it is.
    pub index: u32,
    /// Its address on the bus, which stays whatever its link is called and wherever that is.
    pub bus: String,
    /// What its link was called.
    pub link: InterfaceName,
    /// The hardware address of its link.
    pub mac: Mac,
    /// Was its link switched on?
    pub up: bool,
    /// What the card did for it, as far as that is changed.
    pub former: Vec<Setting>,
    /// What the card does for it now.
    pub wanted: Vec<Setting>,
}

/// A route in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Where to.
    pub destination: IpNet,
    /// By whom.
    pub gateway: IpAddr,
}

impl Remembered for Record {
    fn of(&self) -> (&NetworkName, Attachment) {
        (&self.network, self.attachment())
    }
}

impl Record {
    /// Which `ADD` it was.
    pub fn attachment(&self) -> Attachment {
        Attachment {
            container: self.container.clone(),
            interface: self.interface.clone(),
        }
    }

    /// Was this the container's namespace? Where that was not written down, any may have been.
    pub fn is_in(&self, space: Identity) -> bool {
        self.space.is_none_or(|it| it == space)
    }

    /// Is it that of an attachment?
    pub fn is_of(&self, attachment: &Attachment) -> bool {
        self.container == attachment.container && self.interface == attachment.interface
    }
}
