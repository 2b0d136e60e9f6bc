//! The plugin's fields of the network configuration: galaxy's, and a few of our own.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::facts::Facts;
use super::plan::{Wish, plan};
use super::release::release;
use crate::connect::{Connects, Plan, Spaces};
use crate::link::{Kernel, Layer, Link, View};
use crate::server::{self, Server, ServerUrl};
use crate::spec::{Failure, InterfaceName};
use crate::state::{Folder, Record};

/// The fields. Empty texts are as good as absent ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct VlanConfig {
    /// The host's link to the network, or a VLAN of it.
    #[serde(deserialize_with = "link")]
    pub device: Option<InterfaceName>,
    /// Where `device` is absent: the first of these that is there.
    pub devices: Vec<InterfaceName>,
    /// How containers are connected to it.
    #[serde(deserialize_with = "switch")]
    pub switch: Switch,
    /// The mode of ipvlan.
    #[serde(deserialize_with = "layer", rename = "ipvlan_mode")]
    pub layer: Layer,
    /// Leave the device and the host's addresses alone; absent: yes, unless an address is untagged.
    pub disable_default_bridge: Option<bool>,
    /// The bridge of untagged addresses.
    #[serde(deserialize_with = "default_bridge")]
    pub default_bridge_name: InterfaceName,
    /// What the bridges of VLANs are called, before the number.
    #[serde(deserialize_with = "bridge_prefix")]
    pub bridge_name_prefix: String,
    /// What the VLANs' links are called, before the number.
    #[serde(deserialize_with = "vlan_prefix")]
    pub vlan_name_prefix: String,
    /// Announce addresses as questions instead of answers.
    pub gratuitous_arp_request: bool,
    /// How long containers' packets may be; absent: as long as the device's.
    pub mtu: Option<u32>,
    /// Ask whether an address is free before it is used.
    pub duplicate_address_probe: bool,
    /// The VLAN of addresses that an IPAM plugin lends which knows of none.
    pub vlan: u16,
    /// The server that hears of addresses that somebody else uses.
    #[serde(rename = "serverURL", deserialize_with = "server::optional")]
    pub server_url: Option<ServerUrl>,
    /// The file with the token that it knows this node by.
    #[serde(rename = "tokenFile")]
    pub token_file: Option<PathBuf>,
    /// Where it is kept what was made.
    pub state_folder: PathBuf,
}

/// How containers are connected to the host's device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Switch {
    /// By a bridge that the device, or its VLAN, is a port of.
    #[default]
    Bridge,
    /// By macvlan.
    Macvlan,
    /// By ipvlan.
    Ipvlan,
    /// Untagged ones by a host route and proxy ARP, others by a bridge.
    Pure,
}

impl Default for VlanConfig {
    fn default() -> Self {
        Self {
            device: None,
            devices: Vec::new(),
            switch: Switch::default(),
            layer: Layer::L3,
            disable_default_bridge: None,
            default_bridge_name: usual_bridge(),
            bridge_name_prefix: BRIDGE.to_owned(),
            vlan_name_prefix: VLAN.to_owned(),
            gratuitous_arp_request: false,
            mtu: None,
            duplicate_address_probe: true,
            vlan: 0,
            server_url: None,
            token_file: None,
            state_folder: PathBuf::from(Folder::USUAL),
        }
    }
}

const BRIDGE: &str = "docker";
const VLAN: &str = "vlan";

impl VlanConfig {
    /// The devices that are named, in the order in which they are tried.
    pub fn candidates(&self) -> impl Iterator<Item = &InterfaceName> {
        let others = self.devices.iter().filter(|_| self.device.is_none());
        self.device.iter().chain(others)
    }

    /// The first of them that is there.
    pub(super) fn device_in<'a>(&self, host: &'a View) -> Option<&'a Link> {
        self.candidates().find_map(|name| host.link(name.as_str()))
    }
}

impl Connects for VlanConfig {
    fn state_folder(&self) -> &Path {
        &self.state_folder
    }

    fn records(&self) -> Folder {
        Folder::at(self.state_folder.join("vlan"))
    }

    fn server(&self) -> Option<Server> {
        Server::configured(self.server_url.as_ref(), self.token_file.as_ref())
    }

    fn vlan(&self) -> u16 {
        self.vlan
    }

    fn decide(wish: &Wish<'_>, spaces: &mut Spaces) -> Result<Plan, Failure> {
        let facts = Facts::gather(wish.config, &mut spaces.host, &mut spaces.container)?;
        Ok(plan(wish, &facts, &mut fastrand::Rng::new())?)
    }

    fn release(&self, record: &Record, host: &mut Kernel) -> Result<(), Failure> {
        Ok(release(record, host)?)
    }
}

fn link<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<InterfaceName>, D::Error> {
    let text = text(wire)?;
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

fn default_bridge<'de, D: Deserializer<'de>>(wire: D) -> Result<InterfaceName, D::Error> {
    link(wire).map(|named| named.unwrap_or_else(usual_bridge))
}

fn bridge_prefix<'de, D: Deserializer<'de>>(wire: D) -> Result<String, D::Error> {
    prefix(wire, BRIDGE)
}

fn vlan_prefix<'de, D: Deserializer<'de>>(wire: D) -> Result<String, D::Error> {
    prefix(wire, VLAN)
}

fn switch<'de, D: Deserializer<'de>>(wire: D) -> Result<Switch, D::Error> {
    Ok(match text(wire)?.as_deref() {
        None | Some("bridge") => Switch::Bridge,
        Some("macvlan") => Switch::Macvlan,
        Some("ipvlan") => Switch::Ipvlan,
        Some("pure") => Switch::Pure,
        Some(other) => {
            let known = "bridge, macvlan, ipvlan and pure";
            return Err(de::Error::custom(format!(
                "{other:?} is not one of {known}"
            )));
        }
    })
}

fn layer<'de, D: Deserializer<'de>>(wire: D) -> Result<Layer, D::Error> {
    Ok(match text(wire)?.as_deref() {
        Some("l2") => Layer::L2,
        None | Some("l3") => Layer::L3,
        Some("l3s") => Layer::L3s,
        Some(other) => {
            let known = "l2, l3 and l3s";
            return Err(de::Error::custom(format!(
                "{other:?} is not one of {known}"
            )));
        }
    })
}

/// What is before a VLAN's number: with the longest number it has to be a link's name.
fn prefix<'de, D: Deserializer<'de>>(wire: D, usual: &str) -> Result<String, D::Error> {
    let prefix = text(wire)?.unwrap_or_else(|| usual.to_owned());
    let longest: Result<InterfaceName, _> = format!("{prefix}4094").parse();
    longest.map(|_| prefix).map_err(de::Error::custom)
}

fn text<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(wire)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn usual_bridge() -> InterfaceName {
    InterfaceName::chosen(BRIDGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<VlanConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn absent_and_empty_fields_have_galaxys_values() {
        let empty = r#"{"device":"","switch":"","ipvlan_mode":"","default_bridge_name":"","bridge_name_prefix":"","vlan_name_prefix":null}"#;
        for text in ["{}", empty] {
            assert_eq!(read(text).unwrap(), VlanConfig::default());
        }
        let usual = VlanConfig::default();
        assert_eq!(usual.default_bridge_name.as_str(), "docker");
        assert_eq!(
            (
                usual.bridge_name_prefix.as_str(),
                usual.vlan_name_prefix.as_str()
            ),
            ("docker", "vlan")
        );
        assert_eq!((usual.switch, usual.layer), (Switch::Bridge, Layer::L3));
    }

    #[test]
    fn a_device_goes_before_devices() {
        let names = |text: &str| {
            let config = read(text).unwrap();
            config
                .candidates()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(r#"{"device":"eth1","devices":["eth0"]}"#), ["eth1"]);
        assert_eq!(names(r#"{"devices":["eth2","eth0"]}"#), ["eth2", "eth0"]);
    }

    #[test]
    fn mistakes_are_refused_and_named() {
        for (text, expected) in [
            (r#"{"switch":"brigde"}"#, "brigde"),
            (r#"{"ipvlan_mode":"l4"}"#, "l4"),
            (r#"{"device":"abcdefghijklmnop"}"#, "15"),
            (
                r#"{"bridge_name_prefix":"abcdefghijkl"}"#,
                "abcdefghijkl4094",
            ),
            (r#"{"disable_default_bridge":"no"}"#, "no"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
