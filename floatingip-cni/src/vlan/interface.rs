//! The container's interfaces: what is made for each group of addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::act::{Place, Step};
use super::config::Switch;
use super::name::{host_end, next_inside, passing};
use super::plan::{Group, PlanError, Voice};
use super::pod::Pod;
use super::uplink::Uplinks;
use crate::link::{Address, Change, Kind, Link, Mac, Peer, Rank, Route};
use crate::spec::InterfaceName;
use crate::state::{End, Endpoint, Hop, HostEnd, Uplink};

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
        let names = |links: &[Link]| links.iter().map(|link| link.name.clone()).collect();
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
        for ip in v4(group) {
            let net = IpNet::from(IpAddr::V4(ip));
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
        // With interfaces in several networks, answers may leave by another one than questions come in by. Of this
        // value and that of all links the kernel takes the greater: 0 would not do.
        let filter = format!("ipv4/conf/{name}/rp_filter");
        self.prepare(inside(set(filter, "2")));
        self.prepare(Step::container(Change::Up { name }));
    }

    /// The container's own interface asks and announces.
    fn speak_inside(&mut self, endpoint: &Endpoint, group: &Group<'_>) {
        let voice = |mac| Voice {
            place: Place::Container,
            link: endpoint.inside.name.clone(),
            mac,
            ips: v4(group).collect(),
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
            ips: v4(group).collect(),
        };
        self.speak(voice.clone(), voice);
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
        if endpoint.addresses.iter().any(|net| net.addr().is_ipv6()) {
            let of = |setting: &str| format!("ipv6/conf/{name}/{setting}");
            steps.push(inside(set(of("disable_ipv6"), "0")));
            // The kernel announces IPv6 addresses itself once it knows that they are free.
            steps.push(inside(set(of("ndisc_notify"), "1")));
        }
        let addresses = endpoint
            .addresses
            .iter()
            .map(|net| self.address(name, *net));
        let routes = endpoint.routes.iter().map(|hop| route(name, hop));
        steps.extend(addresses.chain(routes).map(Step::container));
        self.made.finish.extend(steps);
        self.made.endpoints.push(endpoint);
    }

    fn address(&self, name: &InterfaceName, net: IpNet) -> Change {
        let address = Address::of(net);
        let is_v6 = net.addr().is_ipv6();
        Change::AddAddress {
            name: name.clone(),
            address: match is_v6 && !self.pod.probes() {
                true => address.unprobed(),
                false => address,
            },
        }
    }

    fn prepare(&mut self, step: Step) {
        self.made.prepare.push(step);
    }
}

fn route(name: &InterfaceName, hop: &Hop) -> Change {
    Change::AddRoute {
        name: name.clone(),
        route: Route::to(hop.destination, Some(hop.gateway)),
        rank: Rank::Only,
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

fn inside(step: Step) -> Step {
    Step::container(step.change)
}

fn v4(group: &Group<'_>) -> impl Iterator<Item = Ipv4Addr> {
    group.infos.iter().filter_map(|info| match info.ip.addr() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    })
}
