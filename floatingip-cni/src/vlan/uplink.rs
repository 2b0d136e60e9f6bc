//! The host's links that lead to the network: the device, its VLANs, and the bridges over them.

use std::collections::BTreeMap;

use super::act::Step;
use super::config::{Switch, VlanConfig};
use super::facts::Facts;
use super::name::numbered;
use super::plan::PlanError;
use super::takeover::Takeover;
use crate::link::{Change, Kind, Link};
use crate::spec::InterfaceName;
use crate::state::Uplink;

/// What leads to the network, with the steps that make what is missing.
pub(super) struct Uplinks<'a> {
    config: &'a VlanConfig,
    facts: &'a Facts,
    device: &'a Link,
    /// The steps so far.
    pub(super) steps: Vec<Step>,
    bridges: BTreeMap<u16, Bridge>,
    vlans: BTreeMap<u16, InterfaceName>,
}

/// A bridge with the port that leads to the network.
#[derive(Clone)]
pub(super) struct Bridge {
    pub(super) name: InterfaceName,
    pub(super) uplink: Uplink,
}

impl<'a> Uplinks<'a> {
    /// Over the first device that is there.
    ///
    /// # Errors
    /// None of those that are named is.
    pub(super) fn new(config: &'a VlanConfig, facts: &'a Facts) -> Result<Self, PlanError> {
        let there = config.device_in(&facts.host);
        let names = || config.candidates().cloned().collect();
        Ok(Self {
            config,
            facts,
            device: there.ok_or_else(|| PlanError::NoDevice(names()))?,
            steps: Vec::new(),
            bridges: BTreeMap::new(),
            vlans: BTreeMap::new(),
        })
    }

    /// The host's device.
    pub(super) fn device(&self) -> &'a Link {
        self.device
    }

    /// What lets the shortest packets through, of that which is there and leads to a VLAN.
    pub(super) fn narrowest(&self, vlan: u16) -> &'a Link {
        let tagged = self.there_of(vlan);
        let bridge = match self.config.switch {
            Switch::Bridge => self.bridge_there(vlan, tagged),
            Switch::Pure if vlan > 0 => self.bridge_there(vlan, tagged),
            _ => None,
        };
        let links = [Some(self.device), tagged, bridge].into_iter().flatten();
        links.min_by_key(|link| link.mtu).unwrap_or(self.device)
    }

    fn bridge_there(&self, vlan: u16, tagged: Option<&Link>) -> Option<&'a Link> {
        let host = &self.facts.host;
        let of_port = tagged.and_then(|link| host.numbered(link.master?));
        let named = || match vlan {
            0 => host.link(self.config.default_bridge_name.as_str()),
            _ => host.link(&format!("{}{vlan}", self.config.bridge_name_prefix)),
        };
        of_port.or_else(named).filter(|link| link.is_bridge())
    }

    /// The bridge of a VLAN, or of untagged addresses.
    ///
    /// # Errors
    /// It cannot be had without harm to what is there.
    pub(super) fn bridge(&mut self, vlan: u16) -> Result<Bridge, PlanError> {
        if let Some(known) = self.bridges.get(&vlan) {
            return Ok(known.clone());
        }
        let bridge = match vlan {
            0 => self.default_bridge()?,
            _ => self.vlan_bridge(vlan)?,
        };
        self.bridges.insert(vlan, bridge.clone());
        Ok(bridge)
    }

    /// The bridge of untagged addresses. The device is made its port unless somebody wants to do that himself.
    pub(super) fn default_bridge(&mut self) -> Result<Bridge, PlanError> {
        let name = self.config.default_bridge_name.clone();
        if self.config.disable_default_bridge == Some(true) {
            let there = self.facts.host.link(name.as_str());
            if !there.is_some_and(Link::is_bridge) {
                return Err(PlanError::NoBridge(name));
            }
        } else {
            let takeover = Takeover::new(self.facts, self.device, &name)?;
            self.steps.extend(takeover.steps()?);
        }
        let uplink = self.untagged()?;
        Ok(Bridge { name, uplink })
    }

    fn vlan_bridge(&mut self, vlan: u16) -> Result<Bridge, PlanError> {
        let uplink = self.tagged(vlan)?;
        let there = self.facts.host.link(uplink.name.as_str());
        let master = there.and_then(|link| self.facts.host.numbered(link.master?));
        let name = match master.filter(|master| master.is_bridge()) {
            Some(bridge) => bridge.name.parse()?,
            None => self.bridge_name(vlan)?,
        };
        match there {
            Some(link) => {
                let takeover = Takeover::new(self.facts, link, &name)?;
                self.steps.extend(takeover.steps()?);
            }
            None => self.join(&uplink.name, &name)?,
        }
        if self.config.switch == Switch::Pure {
            self.answer_for_others(&name);
        }
        Ok(Bridge { name, uplink })
    }

    /// None that is anything else, be it the bridge of other addresses: they would hear each other.
    fn bridge_name(&self, vlan: u16) -> Result<InterfaceName, PlanError> {
        let name = numbered(&self.config.bridge_name_prefix, vlan)?;
        let is_default = name == self.config.default_bridge_name;
        if is_default || self.vlans.values().any(|vlan| *vlan == name) {
            return Err(PlanError::SameName(name));
        }
        Ok(name)
    }

    /// Makes a link that is new the port of a bridge.
    fn join(&mut self, port: &InterfaceName, bridge: &InterfaceName) -> Result<(), PlanError> {
        match self.facts.host.link(bridge.as_str()) {
            Some(link) if !link.is_bridge() => return Err(PlanError::NoBridge(bridge.clone())),
            Some(_) => {}
            None => self.steps.push(Step::host(Change::Create {
                name: bridge.clone(),
                mac: None,
                mtu: Some(self.device.mtu),
                kind: Kind::Bridge,
            })),
        }
        let (name, bridge) = (port.clone(), bridge.clone());
        self.steps.push(Step::host(Change::Port {
            name,
            bridge: Some(bridge.clone()),
        }));
        let up = self
            .facts
            .host
            .link(bridge.as_str())
            .is_some_and(|link| link.up);
        if !up {
            self.switch_on(bridge);
        }
        Ok(())
    }

    /// A link that nobody on the network can make the node's way by advertising IPv6 routers on it. A call that was
    /// killed may have made it.
    fn switch_on(&mut self, name: InterfaceName) {
        let ignore = Change::IgnoreAdvertisements { name: name.clone() };
        self.steps.push(Step::host(ignore));
        self.steps.push(Step::host(Change::Up { name }));
    }

    fn answer_for_others(&mut self, bridge: &InterfaceName) {
        self.steps.push(Step::host(Change::Set {
            setting: format!("ipv4/conf/{bridge}/proxy_arp"),
            value: "1",
            was: None,
        }));
    }

    /// The link of a VLAN, or the device itself: what macvlan and ipvlan are made of.
    ///
    /// # Errors
    /// It is the port of something.
    pub(super) fn beside(&mut self, vlan: u16) -> Result<Uplink, PlanError> {
        let uplink = match vlan {
            0 => self.untagged()?,
            _ => self.tagged(vlan)?,
        };
        let there = self.facts.host.link(uplink.name.as_str());
        if let Some(master) = there.and_then(|link| link.master) {
            let master = self.facts.host.numbered(master);
            return Err(PlanError::OtherMaster {
                device: uplink.name.to_string(),
                master: master.map_or_else(String::new, |master| master.name.clone()),
            });
        }
        if vlan == 0 && !self.device.up {
            let name = uplink.name.clone();
            self.steps.push(Step::host(Change::Up { name }));
        }
        Ok(uplink)
    }

    /// The device itself.
    ///
    /// # Errors
    /// Its name is none that the kernel could take.
    pub(super) fn untagged(&self) -> Result<Uplink, PlanError> {
        let name = self.device.name.parse()?;
        Ok(Uplink { name, vlan: 0 })
    }

    fn tagged(&mut self, vlan: u16) -> Result<Uplink, PlanError> {
        if let Some(name) = self.vlans.get(&vlan) {
            let name = name.clone();
            return Ok(Uplink { name, vlan });
        }
        let name = match self.there_of(vlan) {
            Some(link) => self.existing_vlan(link)?,
            None => self.new_vlan(self.untagged_device().name.parse()?, vlan)?,
        };
        self.vlans.insert(vlan, name.clone());
        Ok(Uplink { name, vlan })
    }

    /// Where the device is itself a VLAN, others are beside it and not in it.
    fn untagged_device(&self) -> &'a Link {
        let below = self.device.vlan.and(self.device.device);
        let below = below.and_then(|index| self.facts.host.numbered(index));
        below.unwrap_or(self.device)
    }

    /// The link of a VLAN, if it is there.
    fn there_of(&self, vlan: u16) -> Option<&'a Link> {
        let device = Some(self.untagged_device().index);
        let mut links = self.facts.host.links.iter();
        links.find(|link| link.vlan == Some(vlan) && link.device == device)
    }

    fn existing_vlan(&mut self, link: &Link) -> Result<InterfaceName, PlanError> {
        let name: InterfaceName = link.name.parse()?;
        if !link.up {
            self.switch_on(name.clone());
        }
        Ok(name)
    }

    fn new_vlan(&mut self, device: InterfaceName, vlan: u16) -> Result<InterfaceName, PlanError> {
        let name = numbered(&self.config.vlan_name_prefix, vlan)?;
        let is_default = name == self.config.default_bridge_name;
        if is_default || self.bridges.values().any(|bridge| bridge.name == name) {
            return Err(PlanError::SameName(name));
        }
        if self.facts.host.link(name.as_str()).is_some() {
            return Err(PlanError::NoVlan { name, device, vlan });
        }
        if !self.device.up {
            let name = self.device.name.parse()?;
            self.steps.push(Step::host(Change::Up { name }));
        }
        self.steps.push(Step::host(Change::Create {
            name: name.clone(),
            mac: None,
            mtu: None,
            kind: Kind::Vlan { device, id: vlan },
        }));
        self.switch_on(name.clone());
        Ok(name)
    }
}
