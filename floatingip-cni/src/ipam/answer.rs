//! What the main plugin is told.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::config::{IpamConfig, StaticRoute};
use crate::spec::{CniResult, Extra, Ip, IpInfo, Network, Route};

/// Addresses without interfaces, which are the main plugin's.
pub(super) fn result(config: &IpamConfig, network: &Network, infos: &[IpInfo]) -> CniResult {
    let ips = infos.iter().map(|info| Ip {
        address: info.ip,
        gateway: Some(info.gateway),
        interface: None,
        extra: Extra::new(),
    });
    let usual = || defaults(infos).collect();
    let routes: Vec<Route> = match &config.routes {
        Some(routes) => routes.iter().map(configured).collect(),
        None => usual(),
    };
    CniResult {
        ips: ips.collect(),
        routes,
        dns: network.dns.clone(),
        ..CniResult::default()
    }
}

fn configured(route: &StaticRoute) -> Route {
    let StaticRoute { dst, gw } = *route;
    self::route(dst, gw)
}

/// The default route of each family, by the first gateway of that family.
fn defaults(infos: &[IpInfo]) -> impl Iterator<Item = Route> {
    let everything = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let gateway = |dst: IpNet| {
        let mut gateways = infos.iter().map(|info| info.gateway);
        gateways.find(|it| it.is_ipv4() == dst.addr().is_ipv4())
    };
    everything
        .into_iter()
        .filter_map(move |dst| Some(route(dst, Some(gateway(dst)?))))
}

fn route(destination: IpNet, gateway: Option<IpAddr>) -> Route {
    Route {
        destination,
        gateway,
        interface: None,
        extra: Extra::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;
    use crate::spec::Version;

    fn info(ip: &str, gateway: &str) -> IpInfo {
        IpInfo {
            ip: ip.parse().unwrap(),
            vlan: 0,
            gateway: gateway.parse().unwrap(),
        }
    }

    fn answered(config: &IpamConfig) -> CniResult {
        let network = br#"{"name":"lan","dns":{"nameservers":["10.0.0.53"]}}"#;
        let infos = [
            info("192.168.0.68/26", "192.168.0.65"),
            info("fd00::2/64", "fd00::1"),
            info("10.1.0.2/24", "10.1.0.1"),
        ];
        result(config, &Network::read(network).unwrap(), &infos)
    }

    /// `BLESS=1` writes the files anew; the difference is then for a reader.
    #[test]
    fn answers_are_those_of_the_golden_files_in_every_version() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let answer = answered(&IpamConfig::default());
        for version in Version::ALL {
            let file = folder.join(format!("ipam-{version}.json"));
            let mut text = serde_json::to_string_pretty(&answer.to_json(*version)).unwrap();
            text.push('\n');
            if env::var_os("BLESS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            assert_eq!(text, fs::read_to_string(&file).unwrap(), "{version}");
        }
    }

    #[test]
    fn routes_of_the_configuration_take_the_place_of_the_default_ones() {
        let routes = |text: &str| {
            let config = serde_json::from_str(text).unwrap();
            answered(&config).routes
        };
        let own =
            routes(r#"{"routes":[{"dst":"10.0.0.0/8"},{"dst":"0.0.0.0/0","gw":"192.168.0.66"}]}"#);
        assert_eq!(own.len(), 2);
        assert_eq!(own[0].gateway, None);
        assert_eq!(own[1].gateway, Some("192.168.0.66".parse().unwrap()));
        assert_eq!(routes(r#"{"routes":[]}"#), []);
    }
}
