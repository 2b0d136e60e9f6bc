//! `CHECK`: is everything as `ADD` left it?

use std::path::Path;

use super::config::VlanConfig;
use super::release::is_own;
use crate::link::{Kernel, KernelError, Link, Netns, Route, View};
use crate::spec::{Attachment, Code, Failure, Network};
use crate::state::{Endpoint, HostEnd, Record, Stage};

/// Compares what was made with what is there, and with what the runtime was told.
///
/// # Errors
/// Something is different; the message says what, the first of them, and the details the others.
pub fn check(
    config: &VlanConfig,
    network: &Network,
    attachment: &Attachment,
    netns: &Path,
) -> Result<(), Failure> {
    let previous = network.previous()?;
    let record = config.records().read(&network.name, attachment)?;
    let Some(record) = record.filter(|record| record.stage == Stage::Done) else {
        let message = format!(
            "{attachment} was never connected to {} by this plugin",
            network.name
        );
        return Err(Failure::new(Code::UnknownContainer, message));
    };
    let mut host = Kernel::here()?;
    let mut container = Kernel::inside(Netns::open(netns).map_err(KernelError::from)?)?;
    let mut found: Vec<String> = untold(&record, previous).collect();
    let views = Views {
        host: whole(&mut host, &record)?,
        container: with_routes(&mut container)?,
    };
    found.extend(views.differences(&record));
    for end in record
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.host.as_ref())
    {
        found.extend(silent(end, &host)?);
    }
    report(found)
}

fn report(found: Vec<String>) -> Result<(), Failure> {
    let mut found = found.into_iter();
    match found.next() {
        None => Ok(()),
        Some(first) => {
            let others: Vec<String> = found.collect();
            Err(Failure::new(Code::Different, first).with_details(others.join("; ")))
        }
    }
}

/// Addresses that `prevResult` lacks: it is then that of another call.
fn untold<'a>(
    record: &'a Record,
    previous: &'a [ipnet::IpNet],
) -> impl Iterator<Item = String> + 'a {
    let addresses = record
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.addresses);
    let untold = addresses.filter(|address| !previous.contains(address));
    untold.map(|address| format!("prevResult lacks the address {address}"))
}

/// The host's routes are read only where some of them are ours.
fn whole(host: &mut Kernel, record: &Record) -> Result<View, KernelError> {
    let mut ends = record
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.host.as_ref());
    match ends.any(|end| !end.routed.is_empty()) {
        true => with_routes(host),
        false => host.view(),
    }
}

fn with_routes(kernel: &mut Kernel) -> Result<View, KernelError> {
    let routes = kernel.routes()?;
    Ok(View {
        routes,
        ..kernel.view()?
    })
}

/// A host's end that no longer answers for the network.
fn silent(host: &HostEnd, kernel: &Kernel) -> Result<Option<String>, KernelError> {
    if host.routed.is_empty() {
        return Ok(None);
    }
    let setting = format!("ipv4/conf/{}/proxy_arp", host.end.name);
    let value = kernel.setting(&setting)?;
    let is_set = value.as_deref() == Some("1");
    Ok((!is_set).then(|| format!("net/{setting} is not 1")))
}

/// Both namespaces.
struct Views {
    host: View,
    container: View,
}

impl Views {
    fn differences(&self, record: &Record) -> Vec<String> {
        let mut found = Vec::new();
        for endpoint in &record.endpoints {
            self.inside(endpoint, &mut found);
            if let Some(host) = &endpoint.host {
                self.outside(endpoint, host, &mut found);
            }
            self.uplink(endpoint, &mut found);
        }
        found
    }

    fn inside(&self, endpoint: &Endpoint, found: &mut Vec<String>) {
        let name = &endpoint.inside.name;
        let Some(link) = self.container.link(name.as_str()) else {
            found.push(format!("the container has no interface {name}"));
            return;
        };
        if !is_own(link, &endpoint.inside, endpoint.first_mac) {
            found.push(format!(
                "{name} is not the {} that was made",
                endpoint.inside.kind
            ));
        }
        found.extend(unfit(link, endpoint.mtu));
        for address in &endpoint.addresses {
            let mut has = self.container.addresses_of(link);
            if !has.any(|it| it.net() == *address) {
                let has = self.listed(link, address.addr().is_ipv4());
                found.push(format!(
                    "{name} has not the address {address}, it has {has}"
                ));
            }
        }
        for hop in &endpoint.routes {
            let wanted = Route::to(hop.destination, Some(hop.gateway));
            let same = |route: &Route| {
                route.destination() == wanted.destination() && route.gateway() == wanted.gateway()
            };
            if !self.container.routes_of(link).any(same) {
                found.push(format!("{name} has not the route {wanted}"));
            }
        }
    }

    fn outside(&self, endpoint: &Endpoint, host: &HostEnd, found: &mut Vec<String>) {
        let name = &host.end.name;
        let Some(link) = self.host.link(name.as_str()) else {
            found.push(format!("the host has no link {name}"));
            return;
        };
        if !is_own(link, &host.end, endpoint.first_mac) {
            found.push(format!("{name} is not the {} that was made", host.end.kind));
        }
        found.extend(unfit(link, endpoint.mtu));
        found.extend(
            host.bridge
                .as_ref()
                .and_then(|bridge| self.no_port(link, bridge.as_str())),
        );
        let missing = host.routed.iter().filter(|net| {
            let mut routes = self.host.routes_of(link);
            !routes.any(|route| route.destination() == **net)
        });
        found.extend(missing.map(|net| format!("the host has not the route {net} through {name}")));
    }

    fn uplink(&self, endpoint: &Endpoint, found: &mut Vec<String>) {
        let name = &endpoint.uplink.name;
        let Some(link) = self.host.link(name.as_str()) else {
            found.push(format!("the host has no link {name}"));
            return;
        };
        if !link.up {
            found.push(format!("{name} is down"));
        }
        let vlan = Some(endpoint.uplink.vlan).filter(|vlan| *vlan > 0);
        if vlan.is_some() && link.vlan != vlan {
            found.push(format!("{name} is not VLAN {}", endpoint.uplink.vlan));
        }
        let bridge = endpoint.host.as_ref().and_then(|host| host.bridge.as_ref());
        let Some(bridge) = bridge else { return };
        found.extend(self.no_port(link, bridge.as_str()));
        if self
            .host
            .link(bridge.as_str())
            .is_some_and(|bridge| !bridge.up)
        {
            found.push(format!("{bridge} is down"));
        }
    }

    fn listed(&self, link: &Link, v4: bool) -> String {
        let addresses = self.container.addresses_of(link);
        let of_family = addresses.filter(|it| it.net().addr().is_ipv4() == v4);
        let texts: Vec<String> = of_family.map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => "none".to_owned(),
            addresses => addresses.join(", "),
        }
    }

    fn no_port(&self, link: &Link, bridge: &str) -> Option<String> {
        let master = link.master.and_then(|index| self.host.numbered(index));
        let name = &link.name;
        match master {
            Some(master) if master.name == bridge => None,
            Some(master) => Some(format!(
                "{name} is a port of {}, not of {bridge}",
                master.name
            )),
            None => Some(format!("{name} is not a port of {bridge}")),
        }
    }
}

fn unfit(link: &Link, mtu: u32) -> Vec<String> {
    let name = &link.name;
    let down = (!link.up).then(|| format!("{name} is down"));
    let other = (link.mtu != mtu).then(|| format!("{name} has mtu {}, not {mtu}", link.mtu));
    down.into_iter().chain(other).collect()
}
