//! `CHECK`: is everything as `ADD` left it?

use std::collections::BTreeSet;
use std::path::Path;

use super::config::VlanConfig;
use super::release::is_own;
use crate::connect::{Inside, done, elsewhere, report, unfit, untold, with_routes};
use crate::link::{Kernel, KernelError, Link, Netns, View};
use crate::spec::{Attachment, Failure, InterfaceName, Network};
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
        network,
        host: whole(&mut host, &record)?,
        container: with_routes(&mut container)?,
    };
    found.extend(views.differences(&record));
    for setting in answering(&record) {
        let is_set = host.setting(&setting)?.as_deref() == Some("1");
        found.extend((!is_set).then(|| format!("net/{setting} is not 1")));
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

/// What makes the node answer for containers that it routes to, and pass on what is for them.
fn answering(record: &Record) -> BTreeSet<String> {
    let proxy = |link: &InterfaceName| format!("ipv4/conf/{link}/proxy_arp");
    let mut settings = BTreeSet::new();
    for endpoint in &record.endpoints {
        let routed = endpoint.host.as_ref().filter(|it| !it.routed.is_empty());
        if let Some(host) = routed {
            settings.insert(proxy(&host.end.name));
            settings.insert(proxy(&endpoint.uplink.name));
            settings.insert("ipv4/ip_forward".to_owned());
        }
    }
    settings
}

/// Both namespaces, and what the runtime was told.
struct Views<'a> {
    network: &'a Network,
    host: View,
    container: View,
}

impl Views<'_> {
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
        let inside = match Inside::of(&self.container, endpoint, self.network) {
            Ok(inside) => inside,
            Err(missing) => return found.push(missing),
        };
        if !is_own(inside.link, &inside.end(), endpoint.first_mac) {
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
        // The device may be the bridge itself.
        if name != bridge {
            found.extend(self.no_port(link, bridge.as_str()));
        }
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
