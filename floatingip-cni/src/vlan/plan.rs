//! The whole of an `ADD`, decided before anything is changed.

use std::net::IpAddr;

use super::config::{Switch, VlanConfig};
use super::facts::Facts;
use super::interface::Interfaces;
use super::pod::Pod;
use super::uplink::Uplinks;
use crate::connect::{self, Plan, groups, result};
use crate::link::Form;
use crate::spec::{InterfaceName, NameError};

/// What a runtime wants of this plugin.
pub type Wish<'a> = connect::Wish<'a, VlanConfig>;

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No device that is named is there.
    #[error("{}", no_device(.0))]
    NoDevice(Vec<InterfaceName>),
    /// The interface is there already.
    #[error(
        "the container has an interface {0} already: ADD was called twice, or another plugin made it; nothing was changed"
    )]
    IsThere(InterfaceName),
    /// A bridge that is none, or is missing and may not be made.
    #[error(
        "{0} is not a bridge: make one of that name with the device as its port, name another one in default_bridge_name or bridge_name_prefix, or let the plugin make it (disable_default_bridge: false)"
    )]
    NoBridge(InterfaceName),
    /// Two links of one name, by the names that are configured.
    #[error(
        "two links would be called {0}: set default_bridge_name, bridge_name_prefix and vlan_name_prefix so that all names differ"
    )]
    SameName(InterfaceName),
    /// A link of the name of a VLAN that is something else.
    #[error(
        "there is a link {name}, which is not VLAN {vlan} of {device}: remove it, or set vlan_name_prefix"
    )]
    NoVlan {
        /// The link.
        name: InterfaceName,
        /// The device.
        device: InterfaceName,
        /// The VLAN.
        vlan: u16,
    },
    /// The device is the port of something else.
    #[error(
        "{device} is a port of {master}: set default_bridge_name to that if it is a bridge, or name {master} as the device"
    )]
    OtherMaster {
        /// The device.
        device: String,
        /// What it is a port of.
        master: String,
    },
    /// The bridge works without the device, which has the host's addresses.
    #[error(
        "bridge {bridge} has ports already, and {device}, which has addresses of the host, is not one of them: make {device} its port and move the addresses, or set default_bridge_name to another bridge"
    )]
    BridgeInUse {
        /// The device.
        device: String,
        /// The bridge.
        bridge: InterfaceName,
    },
    /// The device has something that would be lost.
    #[error(
        "{device} cannot be made the port of a bridge, because of {what}: move it to the bridge yourself and name the bridge in default_bridge_name"
    )]
    Immovable {
        /// The device.
        device: String,
        /// What it has.
        what: String,
    },
    /// A packet length that the device or the protocol does not allow.
    #[error("mtu {mtu} is not between {least} and {most}, which {device} has")]
    Mtu {
        /// The value of the configuration.
        mtu: u32,
        /// What the protocol needs.
        least: u32,
        /// What the device has.
        most: u32,
        /// The device.
        device: String,
    },
    /// Host routes and proxy ARP are for IPv4.
    #[error("switch pure cannot route the IPv6 address {0}: use switch bridge or macvlan")]
    RoutedIpv6(IpAddr),
    /// An address that the node has.
    #[error("{0} is used by this node itself: take it from the node, or release the address")]
    NodesOwn(IpAddr),
    /// An address that the node routes to another container.
    #[error(
        "{ip} is used on this node already, which routes it to {link}: end the container there, or release the address"
    )]
    Routed {
        /// The address.
        ip: IpAddr,
        /// The host's end of that container's link.
        link: String,
    },
    /// A name that cannot be one.
    #[error("a link's name {0}")]
    Name(#[from] NameError),
    /// Ten thousand links.
    #[error("no name is left for another link")]
    NoName,
}

fn no_device(names: &[InterfaceName]) -> String {
    let names: Vec<&str> = names.iter().map(InterfaceName::as_str).collect();
    match names.as_slice() {
        [] => "the network configuration names no device: set `device` to the host's link to the network".to_owned(),
        names => format!("this node has no link {}: set `device` or `devices` to the host's link to the network", names.join(" or ")),
    }
}

/// Decides an `ADD`.
///
/// # Errors
/// It cannot be done, or not without harm to what is there. Nothing has been changed.
pub fn plan(wish: &Wish<'_>, facts: &Facts, rng: &mut fastrand::Rng) -> Result<Plan, PlanError> {
    let first = &wish.attachment.interface;
    if facts.container.link(first.as_str()).is_some() {
        return Err(PlanError::IsThere(first.clone()));
    }
    if let Some(ip) = wish.own_address(&facts.host) {
        return Err(PlanError::NodesOwn(ip));
    }
    let mut uplinks = Uplinks::new(wish.config, facts)?;
    if wish.config.switch == Switch::Bridge && wish.config.disable_default_bridge == Some(false) {
        uplinks.bridge(0)?;
    }
    let pod = Pod {
        wish,
        facts,
        device: uplinks.device(),
    };
    let mut interfaces = Interfaces::new(pod, uplinks, rng);
    for group in groups(wish.infos.as_slice()) {
        interfaces.add(&group)?;
    }
    let made = interfaces.finish();
    let record = wish.record(made.endpoints);
    Ok(Plan {
        result: result(&record, wish),
        prepare: made.prepare,
        carriers: Vec::new(),
        probes: made.probes,
        finish: made.finish,
        announcements: made.announcements,
        form: Form::asked(wish.config.gratuitous_arp_request),
        record,
    })
}

#[cfg(test)]
mod tests;
