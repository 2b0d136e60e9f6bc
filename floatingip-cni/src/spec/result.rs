//! What `ADD` answers: written in every version, and read from other plugins.

mod read;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::version::Version;

pub use read::ResultError;

/// Fields that this crate does not know. Whoever passes a result on passes them on.
pub type Extra = serde_json::Map<String, Value>;

/// The outcome of an `ADD`: every interface, address and route in order, primary first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Those in the container, and those of the host that lead to them. A plugin that answers in a version before
    /// 0.3.0 tells none, nor does an IPAM plugin.
    pub interfaces: Vec<Interface>,
    /// The addresses.
    pub ips: Vec<Ip>,
    /// The routes in the container.
    pub routes: Vec<Route>,
    /// As the configuration has it.
    pub dns: Dns,
    /// What else a plugin tells.
    pub extra: Extra,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, as a text: not every link's has six bytes.
    pub mac: Option<String>,
    /// How long its packets may be, in bytes.
    pub mtu: Option<u32>,
    /// The path of the namespace where it is; none: the host's.
    pub sandbox: Option<String>,
    /// Such as `socketPath` and `pciID`.
    pub extra: Extra,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// With its subnet's prefix.
    pub address: IpNet,
    /// The subnet's gateway, if it has one.
    pub gateway: Option<IpAddr>,
    /// Which one of the interfaces has it, where that is told.
    pub interface: Option<usize>,
    /// What else is told of it.
    pub extra: Extra,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// By which gateway; none: by that of the address, or none at all.
    pub gateway: Option<IpAddr>,
    /// Over which one of the interfaces, where that is known. No version has a place for it.
    pub interface: Option<usize>,
    /// Such as `mtu`, `priority`, `table` and `scope`.
    pub extra: Extra,
}

/// What a configuration says about name servers; passed on as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nameservers: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
}

impl Dns {
    /// Says it nothing?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CniResult {
    /// In the form of a version. Those before 0.3.0 have room for one address of each family: the first ones.
    pub fn to_json(&self, version: Version) -> Value {
        let written = if version < Version::V0_3_0 {
            serde_json::to_value(self.old(version))
        } else {
            serde_json::to_value(self.listed(version))
        };
        // Texts, numbers and lists of them can always be written.
        written.unwrap_or_default()
    }

    fn old(&self, version: Version) -> Old<'_> {
        Old {
            version,
            ip4: self.first(|net| net.addr().is_ipv4()),
            ip6: self.first(|net| net.addr().is_ipv6()),
            dns: &self.dns,
            extra: &self.extra,
        }
    }

    fn first(&self, family: impl Fn(&IpNet) -> bool) -> Option<OldIp<'_>> {
        let ip = self.ips.iter().find(|ip| family(&ip.address))?;
        let own = |route: &&Route| route.may_be_of(ip) && family(&route.destination);
        let routes = self.routes.iter().filter(own);
        Some(OldIp {
            ip: ip.address,
            gateway: ip.gateway,
            routes: routes.map(|route| route.old(ip.gateway)).collect(),
            extra: &ip.extra,
        })
    }

    fn listed(&self, version: Version) -> Listed<'_> {
        Listed {
            version,
            interfaces: self
                .interfaces
                .iter()
                .map(|it| it.listed(version))
                .collect(),
            ips: self.ips.iter().map(|ip| ip.listed(version)).collect(),
            routes: self.routes.iter().map(Route::listed).collect(),
            dns: &self.dns,
            extra: &self.extra,
        }
    }
}

impl Interface {
    fn listed(&self, version: Version) -> ListedInterface<'_> {
        ListedInterface {
            name: &self.name,
            mac: self.mac.as_deref(),
            mtu: self.mtu.filter(|_| version >= Version::V1_1_0),
            sandbox: self.sandbox.as_deref(),
            extra: &self.extra,
        }
    }
}

impl Ip {
    fn listed(&self, version: Version) -> ListedIp<'_> {
        let family = if self.address.addr().is_ipv4() {
            "4"
        } else {
            "6"
        };
        ListedIp {
            version: (version < Version::V1_0_0).then_some(family),
            interface: self.interface,
            address: self.address,
            gateway: self.gateway,
            extra: &self.extra,
        }
    }
}

impl Route {
    fn may_be_of(&self, ip: &Ip) -> bool {
        let both = self.interface.zip(ip.interface);
        both.is_none_or(|(own, other)| own == other)
    }

    fn listed(&self) -> ListedRoute<'_> {
        ListedRoute {
            dst: self.destination,
            gw: self.gateway,
            extra: &self.extra,
        }
    }

    /// By the address's own gateway unless another one is named, as galaxy has it.
    fn old(&self, usual: Option<IpAddr>) -> ListedRoute<'_> {
        ListedRoute {
            gw: self.gateway.filter(|gateway| Some(*gateway) != usual),
            ..self.listed()
        }
    }
}

#[derive(Serialize)]
struct Old<'a> {
    #[serde(rename = "cniVersion")]
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<OldIp<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<OldIp<'a>>,
    dns: &'a Dns,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[derive(Serialize)]
struct OldIp<'a> {
    ip: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    routes: Vec<ListedRoute<'a>>,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(rename = "cniVersion")]
    version: Version,
    /// An IPAM plugin has none to tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<ListedInterface<'a>>,
    ips: Vec<ListedIp<'a>>,
    routes: Vec<ListedRoute<'a>>,
    dns: &'a Dns,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[derive(Serialize)]
struct ListedInterface<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[derive(Serialize)]
struct ListedIp<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[derive(Serialize)]
struct ListedRoute<'a> {
    dst: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
    #[serde(flatten)]
    extra: &'a Extra,
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    fn interface(name: &str, mac: u8, sandbox: Option<&str>) -> Interface {
        Interface {
            name: name.to_owned(),
            mac: Some(format!("02:42:c0:a8:00:{mac:02x}")),
            mtu: Some(1500),
            sandbox: sandbox.map(str::to_owned),
            extra: Extra::new(),
        }
    }

    fn ip(address: &str, gateway: &str, interface: usize) -> Ip {
        Ip {
            address: address.parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
            interface: Some(interface),
            extra: Extra::new(),
        }
    }

    fn route(destination: &str, gateway: &str, interface: usize) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
            interface: Some(interface),
            extra: Extra::new(),
        }
    }

    /// Two IPv4 networks and an IPv6 address.
    fn result() -> CniResult {
        let sandbox = Some("/run/netns/c1");
        CniResult {
            interfaces: vec![
                interface("eth0", 68, sandbox),
                interface("v-h123456789-l0", 1, None),
                interface("eth1", 70, sandbox),
                interface("v-h123456789-l1", 2, None),
            ],
            ips: vec![
                ip("192.168.0.68/26", "192.168.0.65", 0),
                ip("fd00::2/64", "fd00::1", 0),
                ip("10.1.0.2/24", "10.1.0.1", 2),
            ],
            routes: vec![
                route("10.0.0.0/8", "192.168.0.65", 0),
                route("172.16.0.0/12", "192.168.0.65", 0),
                route("192.168.0.0/16", "192.168.0.65", 0),
                route("::/0", "fd00::1", 0),
                route("0.0.0.0/0", "10.1.0.1", 2),
            ],
            ..CniResult::default()
        }
    }

    /// `BLESS=1` writes the files anew; the difference is then for a reader.
    #[test]
    fn results_are_those_of_the_golden_files_in_every_version() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for version in Version::ALL {
            let file = folder.join(format!("result-{version}.json"));
            let mut text = serde_json::to_string_pretty(&result().to_json(*version)).unwrap();
            text.push('\n');
            if env::var_os("BLESS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            assert_eq!(text, fs::read_to_string(&file).unwrap(), "{version}");
        }
    }

    #[test]
    fn one_address_in_0_2_0_is_what_galaxy_answers() {
        let result = CniResult {
            ips: vec![ip("192.168.0.68/26", "192.168.0.65", 0)],
            routes: vec![route("0.0.0.0/0", "192.168.0.65", 0)],
            ..CniResult::default()
        };
        let galaxy = r#"{"cniVersion":"0.2.0","ip4":{"ip":"192.168.0.68/26","gateway":"192.168.0.65","routes":[{"dst":"0.0.0.0/0"}]},"dns":{}}"#;
        let galaxy: Value = serde_json::from_str(galaxy).unwrap();
        assert_eq!(result.to_json(Version::V0_2_0), galaxy);
    }
}
