//! The container's interfaces: what is made for each group of addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::config::Switch;
use super::name::host_end;
use super::plan::PlanError;
use super::pod::Pod;
use super::uplink::Uplinks;
use crate::connect::{Group, Place, Step, Voice, next_inside, passing, set_up, switch_on};
use crate::link::{Change, Kind, Link, Mac, Peer, Rank, Route};
use crate::spec::InterfaceName;
use crate::state::{End, Endpoint, HostEnd, Uplink};

/// What is made.
#[derive(Default)]
pub(super) struct Made {
    pub(super) prepare: Vec<Step>,
    pub(super) probes: Vec<Voice>,
    pub(super) finish: Vec<Step>,
    pub(super) announcements: Vec<Voice>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// The interfaces so far.
pub(super) struct Interfaces<'a> {
    pod: Pod<'a>,
    uplinks: Uplinks<'a>,
    rng: &'a mut fastrand::Rng,
    made: Made,
    inside: BTreeSet<String>,
    outside: BTreeSet<String>,
    routed: bool,
    /// Of the interface that is being added.
    mtu: u32,
}

impl<'a> Interfaces<'a> {
    pub(super) fn new(pod: Pod<'a>, uplinks: Uplinks<'a>, rng: &'a mut fastrand::Rng) -> Self {
        let names = |links: &[Link]| links.iter().flat_map(Link::names).cloned().collect();
        let mut inside: BTreeSet<String> = names(&pod.facts.container.links);
        inside.insert(pod.wish.attachment.interface.to_string());
        Self {
            inside,
            outside: names(&pod.facts.host.links),
            pod,
            uplinks,
            rng,
            made: Made::default(),
            routed: false,
            mtu: 0,
        }
    }

    /// Adds the interface of a group.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn add(&mut self, group: &Group<'_>) -> Result<(), PlanError> {
        let name = self.next_name()?;
        self.mtu = self.pod.mtu(self.uplinks.narrowest(group.vlan))?;
        match self.pod.wish.config.switch {
            Switch::Pure if group.vlan == 0 => self.routed(name, group),
            Switch::Bridge | Switch::Pure => self.bridged(name, group),
            Switch::Macvlan => self.macvlan(name, group),
            Switch::Ipvlan => self.ipvlan(name, group),
        }
    }

    /// All of it: the host's links before those that need them.
    pub(super) fn finish(self) -> Made {
        let mut made = self.made;
        let mut prepare = self.uplinks.steps;
        prepare.append(&mut made.prepare);
        made.prepare = prepare;
        made
    }

    fn next_name(&mut self) -> Result<InterfaceName, PlanError> {
        if self.made.endpoints.is_empty() {
            return Ok(self.pod.wish.attachment.interface.clone());
        }
        let name = next_inside(|name| self.inside.contains(name)).ok_or(PlanError::NoName)?;
        self.inside.insert(name.to_string());
        Ok(name)
    }

    fn bridged(&mut self, name: InterfaceName, group: &Group<'_>) -> Result<(), PlanError> {
        let bridge = self.uplinks.bridge(group.vlan)?;
        let mut endpoint = self.endpoint(name, group, "veth", bridge.uplink);
        let mut host = self.pair(&endpoint)?;
        self.prepare(Step::host(Change::Port {
            name: host.end.name.clone(),
            bridge: Some(bridge.name.clone()),
        }));
        host.bridge = Some(bridge.name);
        self.switch_on(&endpoint, Some(&host.end));
        endpoint.host = Some(host);
        self.speak_inside(&endpoint, group);
        self.configure(endpoint);
        Ok(())
    }

    fn routed(&mut self, name: InterfaceName, group: &Group<'_>) -> Result<(), PlanError> {
        let v6 = group.infos.iter().find(|info| info.ip.addr().is_ipv6());
        if let Some(info) = v6 {
            return Err(PlanError::RoutedIpv6(info.ip.addr()));
        }
        self.route_on_host();
        let uplink = self.uplinks.untagged()?;
        let mut endpoint = self.endpoint(name, group, "veth", uplink);
        let mut host = self.pair(&endpoint)?;
        let end = &host.end.name;
        self.prepare(set(format!("ipv4/conf/{end}/proxy_arp"), "1"));
        self.switch_on(&endpoint, Some(&host.end));
        for ip in group.v4() {
            let net = IpNet::from(IpAddr::V4(ip));
            self.check_unrouted(net)?;
            host.routed.push(net);
            self.made.finish.push(Step::host(Change::AddRoute {
                name: host.end.name.clone(),
                route: Route::to(net, None),
                rank: Rank::Only,
            }));
        }
        endpoint.host = Some(host);
        self.speak_on_host(&endpoint, group);
        self.configure(endpoint);
        Ok(())
    }

    /// Nobody on the wire would tell: the node itself answers for the other.
    fn check_unrouted(&self, net: IpNet) -> Result<(), PlanError> {
        let host = &self.pod.facts.host;
        let same = |route: &&Route| route.is_unicast() && route.destination() == net;
        let Some(route) = host.routes.iter().find(same) else {
            return Ok(());
        };
        let link = route.link().and_then(|link| host.numbered(link));
        Err(PlanError::Routed {
            ip: net.addr(),
            link: link.map_or_else(String::new, |link| link.name.clone()),
        })
    }

    /// What the node needs to answer for its containers; once.
    fn route_on_host(&mut self) {
        if self.routed {
            return;
        }
        self.routed = true;
        let device = &self.pod.device.name;
        let wanted = [
            ("ipv4/ip_forward".to_owned(), "1"),
            ("ipv4/conf/all/arp_ignore".to_owned(), "0"),
            (format!("ipv4/conf/{device}/arp_ignore"), "0"),
            (format!("ipv4/conf/{device}/proxy_arp"), "1"),
        ];
        let facts = self.pod.facts;
        let missing = wanted
            .into_iter()
            .filter(|(name, value)| !facts.is_set(name, value));
        for (setting, value) in missing {
            let was = facts.settings.get(&setting).cloned();
            self.prepare(Step::host(Change::Set {
                setting,
                value,
                was,
            }));
        }
    }

    fn macvlan(&mut self, name: InterfaceName, group: &Group<'_>) -> Result<(), PlanError> {
        let uplink = self.uplinks.beside(group.vlan)?;
        let device = uplink.name.clone();
        let mut endpoint = self.endpoint(name, group, "macvlan", uplink);
        let mac = Some(endpoint.first_mac);
        self.make_inside(&mut endpoint, mac, Kind::Macvlan { device })?;
        self.switch_on(&endpoint, None);
        self.speak_inside(&endpoint, group);
        self.configure(endpoint);
        Ok(())
    }

    fn ipvlan(&mut self, name: InterfaceName, group: &Group<'_>) -> Result<(), PlanError> {
        let uplink = self.uplinks.beside(group.vlan)?;
        let device = uplink.name.clone();
        let mode = self.pod.wish.config.layer;
        let mut endpoint = self.endpoint(name, group, "ipvlan", uplink);
        // It has that of the device.
        endpoint.first_mac = self.pod.device.mac.unwrap_or(endpoint.first_mac);
        endpoint.inside.mac = None;
        self.make_inside(&mut endpoint, None, Kind::Ipvlan { device, mode })?;
        self.switch_on(&endpoint, None);
        // It would not hear the answers: they go to the address that it has, and it has none yet. The device does.
        self.speak_on_host(&endpoint, group);
        self.configure(endpoint);
        Ok(())
    }

    /// Makes a link of the host's in the container, under a passing name.
    fn make_inside(
        &mut self,
        endpoint: &mut Endpoint,
        mac: Option<Mac>,
        kind: Kind,
    ) -> Result<(), PlanError> {
        let (inside, outside) = (&self.inside, &self.outside);
        let is_taken = |name: &str| inside.contains(name) || outside.contains(name);
        let name = passing(self.rng, is_taken).ok_or(PlanError::NoName)?;
        self.outside.insert(name.to_string());
        endpoint.first_name = Some(name.clone());
        self.prepare(Step::host(Change::Create {
            name: name.clone(),
            mac,
            mtu: Some(endpoint.mtu),
            kind,
        }));
        let to = endpoint.inside.name.clone();
        self.prepare(Step::container(Change::Rename { name, to }));
        Ok(())
    }

    fn endpoint(
        &mut self,
        name: InterfaceName,
        group: &Group<'_>,
        kind: &str,
        uplink: Uplink,
    ) -> Endpoint {
        let mac = group.infos.first().map(|info| Mac::of(info.ip.addr()));
        let mac = mac.unwrap_or_else(|| Mac::random(self.rng));
        // Who has the address elsewhere may have the same hardware address: it would not hear the question.
        let first_mac = if self.pod.probes() {
            Mac::random(self.rng)
        } else {
            mac
        };
        Endpoint {
            inside: End {
                name,
                kind: kind.to_owned(),
                mac: Some(mac),
            },
            first_name: None,
            first_mac,
            host: None,
            uplink,
            mtu: self.mtu,
            addresses: group.infos.iter().map(|info| info.ip).collect(),
            function: None,
            routes: group
                .infos
                .iter()
                .flat_map(|info| self.pod.routes(info))
                .collect(),
        }
    }

    fn pair(&mut self, endpoint: &Endpoint) -> Result<HostEnd, PlanError> {
        let container = &self.pod.wish.attachment.container;
        let name = host_end(container, |name| self.outside.contains(name));
        let name = name.ok_or(PlanError::NoName)?;
        self.outside.insert(name.to_string());
        let mac = Mac::random(self.rng);
        let peer = Peer {
            name: endpoint.inside.name.clone(),
            mac: endpoint.first_mac,
        };
        self.prepare(Step::host(Change::Create {
            name: name.clone(),
            mac: Some(mac),
            mtu: Some(endpoint.mtu),
            kind: Kind::Veth { peer },
        }));
        let ignore = Change::IgnoreAdvertisements { name: name.clone() };
        self.prepare(Step::host(ignore));
        Ok(HostEnd {
            end: End {
                name,
                kind: "veth".to_owned(),
                mac: Some(mac),
            },
            bridge: None,
            routed: Vec::new(),
        })
    }

    fn switch_on(&mut self, endpoint: &Endpoint, host: Option<&End>) {
        let name = endpoint.inside.name.clone();
        if let Some(host) = host {
            let name = host.name.clone();
            self.prepare(Step::host(Change::Up { name }));
        }
        self.made.prepare.extend(switch_on(&name));
    }

    /// The container's own interface asks and announces.
    fn speak_inside(&mut self, endpoint: &Endpoint, group: &Group<'_>) {
        let voice = |mac| Voice {
            place: Place::Container,
            link: endpoint.inside.name.clone(),
            mac,
            ips: group.v4().collect(),
            own: None,
        };
        let mac = endpoint.inside.mac.unwrap_or(endpoint.first_mac);
        self.speak(voice(endpoint.first_mac), voice(mac));
    }

    /// The host's link does so, for addresses that it will answer for.
    fn speak_on_host(&mut self, endpoint: &Endpoint, group: &Group<'_>) {
        let link = endpoint.uplink.name.clone();
        let there = self.pod.facts.host.link(link.as_str());
        let mac = there.and_then(|link| link.mac).or(self.pod.device.mac);
        let voice = Voice {
            place: Place::Host,
            link,
            mac: mac.unwrap_or(endpoint.first_mac),
            ips: group.v4().collect(),
            own: there.and_then(|link| self.own_address(link)),
        };
        self.speak(voice.clone(), voice);
    }

    /// Other nodes that route to their containers answer for those, as this one does.
    fn own_address(&self, link: &Link) -> Option<Ipv4Addr> {
        if self.pod.wish.config.switch != Switch::Pure {
            return None;
        }
        let mut addresses = self.pod.facts.host.addresses_of(link);
        addresses.find_map(|address| match address.net() {
            IpNet::V4(net) => Some(net.addr()),
            IpNet::V6(_) => None,
        })
    }

    fn speak(&mut self, asks: Voice, announces: Voice) {
        if asks.ips.is_empty() {
            return;
        }
        if self.pod.probes() {
            self.made.probes.push(asks);
        }
        self.made.announcements.push(announces);
    }

    fn configure(&mut self, endpoint: Endpoint) {
        let name = &endpoint.inside.name;
        let mut changes = Vec::new();
        if let Some(mac) = endpoint.inside.mac
            && mac != endpoint.first_mac
        {
            let was = endpoint.first_mac;
            changes.push(Change::SetMac {
                name: name.clone(),
                mac,
                was,
            });
        }
        let mut steps: Vec<Step> = changes.into_iter().map(Step::container).collect();
        steps.extend(set_up(&endpoint, self.pod.probes()));
        self.made.finish.extend(steps);
        self.made.endpoints.push(endpoint);
    }

    fn prepare(&mut self, step: Step) {
        self.made.prepare.push(step);
    }
}

/// A setting of a link that is new, and goes with it.
fn set(setting: String, value: &'static str) -> Step {
    let was = None;
    Step::host(Change::Set {
        setting,
        value,
        was,
    })
}
