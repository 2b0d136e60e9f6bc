//! One answer of several plugins.

use std::path::Path;

use super::record::Member;
use crate::spec::{CniResult, Interface, Ip, Route};

/// What one plugin answered, and for which interface of the container.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The network.
    pub member: &'a Member,
    /// Its plugin's answer.
    pub result: &'a CniResult,
}

/// All interfaces, addresses and routes, in the order of the networks, so that the pod's own address is that of the
/// first one. Of default routes the first of each family counts, as in the container.
pub fn merged<'a>(parts: impl IntoIterator<Item = Part<'a>>, netns: &Path) -> CniResult {
    let mut whole = CniResult::default();
    for part in parts {
        let own = part.complete(netns);
        let offset = whole.interfaces.len();
        let at = |index: Option<usize>| index.map(|index| index + offset);
        whole.interfaces.extend(own.interfaces);
        whole.ips.extend(own.ips.into_iter().map(|ip| Ip {
            interface: at(ip.interface),
            ..ip
        }));
        for route in own.routes {
            if !is_second_default(&whole.routes, &route) {
                let interface = at(route.interface);
                whole.routes.push(Route { interface, ..route });
            }
        }
        if whole.dns.is_empty() {
            whole.dns = own.dns;
        }
        for (key, value) in own.extra {
            whole.extra.entry(key).or_insert(value);
        }
    }
    whole
}

fn is_second_default(routes: &[Route], route: &Route) -> bool {
    let is_default = route.destination.prefix_len() == 0;
    is_default
        && routes
            .iter()
            .any(|other| other.destination == route.destination)
}

impl Part<'_> {
    /// With the interface that older versions do not tell, and with each address and route on one.
    fn complete(&self, netns: &Path) -> CniResult {
        let mut result = self.result.clone();
        let own = self.own_interface(&mut result, netns);
        for ip in &mut result.ips {
            ip.interface = ip.interface.or(Some(own));
        }
        for route in &mut result.routes {
            let gateway = route.gateway;
            let reaches = |ip: &&Ip| gateway.is_some_and(|gateway| ip.address.contains(&gateway));
            let through = result.ips.iter().find(reaches).and_then(|ip| ip.interface);
            route.interface = route.interface.or(through).or(Some(own));
        }
        result
    }

    /// Which one of the interfaces is the container's.
    fn own_interface(&self, result: &mut CniResult, netns: &Path) -> usize {
        let name = self.member.interface.as_str();
        let is_own = |it: &Interface| it.name == name && it.sandbox.is_some();
        if let Some(place) = result.interfaces.iter().position(is_own) {
            return place;
        }
        result.interfaces.push(Interface {
            name: name.to_owned(),
            sandbox: Some(netns.display().to_string()),
            ..Interface::default()
        });
        result.interfaces.len() - 1
    }
}

#[cfg(test)]
mod tests;
