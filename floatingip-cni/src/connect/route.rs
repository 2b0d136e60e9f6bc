//! Addresses and routes of a container's interface.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::act::Step;
use crate::link::{Address, Change, Rank, Route, View};
use crate::spec::{InterfaceName, IpInfo, IpInfos};
use crate::state::{Endpoint, Hop};

/// Where the first of several networks leads to, as galaxy has it.
const PRIVATE_V4: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];
/// The same in IPv6.
const PRIVATE_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);

/// The steps that switch an interface on.
pub(crate) fn switch_on(name: &InterfaceName) -> [Step; 2] {
    // With interfaces in several networks, answers may leave by another one than questions come in by. Of this value
    // and that of all links the kernel takes the greater: 0 would not do.
    let filter = Change::Set {
        setting: format!("ipv4/conf/{name}/rp_filter"),
        value: "2",
        was: None,
    };
    let name = name.clone();
    [filter, Change::Up { name }].map(Step::container)
}

/// The steps that give an interface that is switched on its addresses and routes.
pub(crate) fn set_up(endpoint: &Endpoint, probes: bool) -> Vec<Step> {
    let name = &endpoint.inside.name;
    let mut changes = Vec::new();
    if endpoint.addresses.iter().any(|net| net.addr().is_ipv6()) {
        changes.push(set(name, "disable_ipv6", "0"));
        // The kernel announces IPv6 addresses itself once it knows that they are free.
        changes.push(set(name, "ndisc_notify", "1"));
    }
    let addresses = endpoint.addresses.iter();
    changes.extend(addresses.map(|net| address(name, *net, probes)));
    changes.extend(endpoint.routes.iter().map(|hop| route(name, hop)));
    changes.into_iter().map(Step::container).collect()
}

fn set(name: &InterfaceName, setting: &str, value: &'static str) -> Change {
    Change::Set {
        setting: format!("ipv6/conf/{name}/{setting}"),
        value,
        was: None,
    }
}

fn address(name: &InterfaceName, net: IpNet, probes: bool) -> Change {
    let address = Address::of(net);
    let is_v6 = net.addr().is_ipv6();
    Change::AddAddress {
        name: name.clone(),
        address: match is_v6 && !probes {
            true => address.unprobed(),
            false => address,
        },
    }
}

fn route(name: &InterfaceName, hop: &Hop) -> Change {
    Change::AddRoute {
        name: name.clone(),
        route: Route::to(hop.destination, Some(hop.gateway)),
        rank: Rank::Only,
    }
}

/// The routes of an address. Where there are several of a family, the first one's network gets the private
/// addresses and the second one's all others. A place that a route leads to already is left to that.
pub(crate) fn routes(infos: &IpInfos, container: &View, info: &IpInfo) -> Vec<Hop> {
    let is_v4 = info.ip.addr().is_ipv4();
    let all = infos.as_slice().iter();
    let family: Vec<&IpInfo> = all.filter(|it| it.ip.addr().is_ipv4() == is_v4).collect();
    let place = family.iter().position(|it| it.ip == info.ip);
    let mut destinations = match (family.len(), place) {
        (1, _) | (_, Some(1)) => vec![everywhere(is_v4)],
        (_, Some(0)) => private(is_v4),
        _ => Vec::new(),
    };
    destinations.retain(|destination| !leads_to(infos, container, *destination));
    let hop = |destination| Hop {
        destination,
        gateway: info.gateway,
    };
    destinations.into_iter().map(hop).collect()
}

/// By the subnet of one of the addresses, or by a network that the container was connected to before.
fn leads_to(infos: &IpInfos, container: &View, destination: IpNet) -> bool {
    let mut routes = container.routes.iter();
    let has = routes.any(|route| route.is_unicast() && route.destination() == destination);
    let mut infos = infos.as_slice().iter();
    has || infos.any(|info| info.ip.trunc() == destination)
}

fn everywhere(v4: bool) -> IpNet {
    if v4 {
        Ipv4Net::default().into()
    } else {
        Ipv6Net::default().into()
    }
}

fn private(v4: bool) -> Vec<IpNet> {
    if v4 {
        PRIVATE_V4.map(IpNet::from).to_vec()
    } else {
        vec![PRIVATE_V6.into()]
    }
}
