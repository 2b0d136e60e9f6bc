//! The whole of an `ADD`, decided before anything is changed.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use ipnet::IpNet;

use super::act::{Place, Step};
use super::config::{Switch, VlanConfig};
use super::facts::Facts;
use super::interface::Interfaces;
use super::pod::Pod;
use super::uplink::Uplinks;
use crate::link::{Form, Mac};
use crate::spec::{
    Attachment, CniResult, Interface, InterfaceName, Ip, IpInfo, IpInfos, NameError, Network, Route,
};
use crate::state::{Endpoint, Record, Stage};

/// What a runtime wants of this plugin.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The plugin's own configuration.
    pub config: &'a VlanConfig,
    /// What all plugins find in it.
    pub network: &'a Network,
    /// Which interface of which container.
    pub attachment: &'a Attachment,
    /// The container's namespace.
    pub netns: &'a Path,
    /// The addresses.
    pub infos: &'a IpInfos,
}

/// What is going to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Under the node's lock: all links.
    pub prepare: Vec<Step>,
    /// Where others are asked whether the addresses are free.
    pub probes: Vec<Voice>,
    /// When nobody has them: addresses and routes.
    pub finish: Vec<Step>,
    /// Where it is announced that the addresses are there now.
    pub announcements: Vec<Voice>,
    /// In which form.
    pub form: Form,
    /// What has to be remembered to undo it all.
    pub record: Record,
    /// What the runtime is told.
    pub result: CniResult,
}

/// A link that speaks for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// In which namespace the link is.
    pub place: Place,
    /// Its name.
    pub link: InterfaceName,
    /// The hardware address that it speaks as.
    pub mac: Mac,
    /// The addresses.
    pub ips: Vec<Ipv4Addr>,
}

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

/// Addresses for one interface: one of a family at most, all of one VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) vlan: u16,
    pub(super) infos: Vec<&'a IpInfo>,
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
    if let Some(ip) = own_address(wish, facts) {
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
    let record = record(wish, made.endpoints);
    Ok(Plan {
        result: result(&record, wish),
        prepare: made.prepare,
        probes: made.probes,
        finish: made.finish,
        announcements: made.announcements,
        form: form(wish.config),
        record,
    })
}

/// Not every way to connect lets the node hear the question whether it has an address.
fn own_address(wish: &Wish<'_>, facts: &Facts) -> Option<IpAddr> {
    let mut wanted = wish.infos.as_slice().iter().map(|info| info.ip.addr());
    wanted.find(|ip| facts.host.addresses.iter().any(|it| it.net().addr() == *ip))
}

fn form(config: &VlanConfig) -> Form {
    if config.gratuitous_arp_request {
        Form::Request
    } else {
        Form::Reply
    }
}

/// An address is put beside one of the other family in the same VLAN; two of one family are two networks, as galaxy
/// has it, each with an interface of its own.
pub(super) fn groups(infos: &[IpInfo]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for info in infos {
        let is_v4 = info.ip.addr().is_ipv4();
        let fits = |group: &&mut Group<'_>| {
            let same = |other: &IpInfo| other.ip.addr().is_ipv4() == is_v4;
            group.vlan == info.vlan && !group.infos.iter().any(|other| same(other))
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.infos.push(info),
            None => groups.push(Group {
                vlan: info.vlan,
                infos: vec![info],
            }),
        }
    }
    groups
}

fn record(wish: &Wish<'_>, endpoints: Vec<Endpoint>) -> Record {
    Record {
        network: wish.network.name.clone(),
        container: wish.attachment.container.clone(),
        interface: wish.attachment.interface.clone(),
        netns: wish.netns.to_owned(),
        space: None,
        stage: Stage::Begun,
        endpoints,
    }
}

/// Each interface of the container, followed by the host's end of it.
fn result(record: &Record, wish: &Wish<'_>) -> CniResult {
    let mut result = CniResult {
        dns: wish.network.dns.clone(),
        ..CniResult::default()
    };
    for endpoint in &record.endpoints {
        let interface = result.interfaces.len();
        let sandbox = wish.netns.display().to_string();
        result.interfaces.push(Interface {
            name: endpoint.inside.name.to_string(),
            mac: endpoint.inside.mac.unwrap_or(endpoint.first_mac),
            mtu: endpoint.mtu,
            sandbox: Some(sandbox),
        });
        result
            .interfaces
            .extend(endpoint.host.as_ref().and_then(|host| {
                Some(Interface {
                    name: host.end.name.to_string(),
                    mac: host.end.mac?,
                    mtu: endpoint.mtu,
                    sandbox: None,
                })
            }));
        result
            .ips
            .extend(ips(endpoint, wish.infos.as_slice(), interface));
        result
            .routes
            .extend(endpoint.routes.iter().map(|hop| Route {
                destination: hop.destination,
                gateway: hop.gateway,
                interface,
            }));
    }
    result
}

fn ips(endpoint: &Endpoint, infos: &[IpInfo], interface: usize) -> Vec<Ip> {
    let of = |address: &IpNet| infos.iter().find(|info| info.ip == *address);
    let infos = endpoint.addresses.iter().filter_map(of);
    let ips = infos.map(|info| Ip {
        address: info.ip,
        gateway: info.gateway,
        interface,
    });
    ips.collect()
}

#[cfg(test)]
mod tests;
