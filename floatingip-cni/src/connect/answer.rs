//! What a runtime is told.

use ipnet::IpNet;

use super::plan::Wish;
use crate::spec::{CniResult, Extra, Interface, Ip, IpInfo, Route};
use crate::state::{Endpoint, Record};

/// Each interface of the container, followed by the host's end of it.
pub(crate) fn result<C>(record: &Record, wish: &Wish<'_, C>) -> CniResult {
    let mut result = CniResult {
        dns: wish.network.dns.clone(),
        ..CniResult::default()
    };
    for endpoint in &record.endpoints {
        let interface = result.interfaces.len();
        let sandbox = wish.netns.display().to_string();
        result.interfaces.push(Interface {
            name: endpoint.inside.name.to_string(),
            mac: Some(
                endpoint
                    .inside
                    .mac
                    .unwrap_or(endpoint.first_mac)
                    .to_string(),
            ),
            mtu: Some(endpoint.mtu),
            sandbox: Some(sandbox),
            extra: Extra::new(),
        });
        result
            .interfaces
            .extend(endpoint.host.as_ref().and_then(|host| {
                Some(Interface {
                    name: host.end.name.to_string(),
                    mac: Some(host.end.mac?.to_string()),
                    mtu: Some(endpoint.mtu),
                    ..Interface::default()
                })
            }));
        result
            .ips
            .extend(ips(endpoint, wish.infos.as_slice(), interface));
        result
            .routes
            .extend(endpoint.routes.iter().map(|hop| Route {
                destination: hop.destination,
                gateway: Some(hop.gateway),
                interface: Some(interface),
                extra: Extra::new(),
            }));
    }
    result
}

fn ips(endpoint: &Endpoint, infos: &[IpInfo], interface: usize) -> Vec<Ip> {
    let of = |address: &IpNet| infos.iter().find(|info| info.ip == *address);
    let infos = endpoint.addresses.iter().filter_map(of);
    let ips = infos.map(|info| Ip {
        address: info.ip,
        gateway: Some(info.gateway),
        interface: Some(interface),
        extra: Extra::new(),
    });
    ips.collect()
}
