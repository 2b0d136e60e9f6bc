//! `CHECK`: is everything as `ADD` left it?

use std::path::Path;

use super::config::VlanConfig;
use super::release::is_own;
use crate::connect::{Inside, done, elsewhere, report, unfit, untold, with_routes};
use crate::link::{Kernel, KernelError, Link, Netns, View};
use crate::spec::{Attachment, Failure, Network};
use crate::state::{Endpoint, HostEnd, Record};

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
    let record = done(config, network, attachment)?;
    let mut host = Kernel::here()?;
    let mut container = Kernel::inside(Netns::open(netns).map_err(KernelError::from)?)?;
    let mut found: Vec<String> = untold(&record, previous).collect();
    found.extend(elsewhere(&record, &container));
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
        let inside = match Inside::of(&self.container, endpoint) {
            Ok(inside) => inside,
            Err(missing) => return found.push(missing),
        };
        if !is_own(inside.link, &endpoint.inside, endpoint.first_mac) {
            let kind = &endpoint.inside.kind;
            found.push(format!("{name} is not the {kind} that was made"));
        }
        found.extend(inside.differences());
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
