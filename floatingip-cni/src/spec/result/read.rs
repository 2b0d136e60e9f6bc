//! What other plugins answer, in whatever version they speak.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{CniResult, Dns, Extra, Interface, Ip, Route};
use crate::spec::version::{UnknownVersion, Version};

/// Why a result cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// It is not JSON of the right form.
    #[error("cannot be read at {path}: {error}")]
    Form {
        /// Where in it.
        path: String,
        /// What is wrong there.
        error: serde_json::Error,
    },
    /// It is of a version that is not known.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// An address is said to be on an interface that the result does not list.
    #[error("has {address} on interface number {interface} of {count}")]
    Interface {
        /// The address.
        address: IpNet,
        /// The index, from 0.
        interface: usize,
        /// How many interfaces are listed.
        count: usize,
    },
}

impl CniResult {
    /// Reads what a plugin, or `prevResult`, says. One that does not say in which version it speaks does so in that
    /// which it was asked in.
    ///
    /// # Errors
    /// It is no result, or of a version that is not known.
    pub fn read(bytes: &[u8], asked: Version) -> Result<Self, ResultError> {
        let value: Value = parsed(bytes)?;
        let version = match value.get("cniVersion").and_then(Value::as_str) {
            None | Some("") => asked,
            Some(text) => text.parse()?,
        };
        if version < Version::V0_3_0 {
            Ok(parsed::<Old>(bytes)?.result())
        } else {
            parsed::<Listed>(bytes)?.result()
        }
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ResultError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| ResultError::Form {
        path: error.path().to_string(),
        error: error.into_inner(),
    })?;
    json.end().map_err(|error| ResultError::Form {
        path: "its end".to_owned(),
        error,
    })?;
    Ok(read)
}

#[derive(Deserialize)]
struct Old {
    #[serde(rename = "cniVersion", default)]
    _version: Value,
    #[serde(default)]
    ip4: Option<OldIp>,
    #[serde(default)]
    ip6: Option<OldIp>,
    #[serde(default)]
    dns: Option<Dns>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct OldIp {
    ip: IpNet,
    #[serde(default, deserialize_with = "address")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    routes: Option<Vec<WireRoute>>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "cniVersion", default)]
    _version: Value,
    #[serde(default)]
    interfaces: Option<Vec<WireInterface>>,
    #[serde(default)]
    ips: Option<Vec<WireIp>>,
    #[serde(default)]
    routes: Option<Vec<WireRoute>>,
    #[serde(default)]
    dns: Option<Dns>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct WireInterface {
    name: String,
    #[serde(default)]
    mac: Option<String>,
    #[serde(default)]
    mtu: Option<u32>,
    #[serde(default)]
    sandbox: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct WireIp {
    /// The family, which the address says as well.
    #[serde(rename = "version", default)]
    _version: Value,
    address: IpNet,
    #[serde(default, deserialize_with = "address")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    interface: Option<usize>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct WireRoute {
    dst: IpNet,
    #[serde(default, deserialize_with = "address")]
    gw: Option<IpAddr>,
    #[serde(flatten)]
    extra: Extra,
}

impl Old {
    fn result(self) -> CniResult {
        let mut result = CniResult {
            dns: self.dns.unwrap_or_default(),
            extra: without(self.extra, OF_RESULTS),
            ..CniResult::default()
        };
        for old in [self.ip4, self.ip6].into_iter().flatten() {
            let usual = old.gateway;
            let routes = old.routes.unwrap_or_default().into_iter();
            // In these versions the address's gateway is meant where a route names none.
            result.routes.extend(routes.map(|route| Route {
                gateway: route.gw.or(usual),
                ..route.route()
            }));
            result.ips.push(Ip {
                address: old.ip,
                gateway: old.gateway,
                interface: None,
                extra: without(old.extra, OF_ADDRESSES),
            });
        }
        result
    }
}

impl Listed {
    fn result(self) -> Result<CniResult, ResultError> {
        let interfaces = self.interfaces.unwrap_or_default();
        let ips = self.ips.unwrap_or_default();
        let routes = self.routes.unwrap_or_default();
        let count = interfaces.len();
        Ok(CniResult {
            interfaces: interfaces.into_iter().map(Interface::from).collect(),
            ips: ips
                .into_iter()
                .map(|ip| ip.on(count))
                .collect::<Result<_, _>>()?,
            routes: routes.into_iter().map(WireRoute::route).collect(),
            dns: self.dns.unwrap_or_default(),
            extra: without(self.extra, OF_RESULTS),
        })
    }
}

impl From<WireInterface> for Interface {
    fn from(wire: WireInterface) -> Self {
        let told = |text: &String| !text.is_empty();
        Self {
            name: wire.name,
            mac: wire.mac.filter(told),
            mtu: wire.mtu.filter(|mtu| *mtu != 0),
            sandbox: wire.sandbox.filter(told),
            extra: wire.extra,
        }
    }
}

impl WireIp {
    fn on(self, count: usize) -> Result<Ip, ResultError> {
        let address = self.address;
        if let Some(interface) = self.interface.filter(|it| *it >= count) {
            return Err(ResultError::Interface {
                address,
                interface,
                count,
            });
        }
        Ok(Ip {
            address,
            gateway: self.gateway,
            interface: self.interface,
            extra: without(self.extra, OF_ADDRESSES),
        })
    }
}

impl WireRoute {
    fn route(self) -> Route {
        Route {
            destination: self.dst,
            gateway: self.gw,
            interface: None,
            extra: self.extra,
        }
    }
}

/// What means something in one version or another: passed on in that, it would be taken for what it is not.
const OF_RESULTS: &[&str] = &["ip4", "ip6", "interfaces", "ips", "routes"];
const OF_ADDRESSES: &[&str] = &["ip", "routes", "address", "interface", "version"];

fn without(mut extra: Extra, names: &[&str]) -> Extra {
    extra.retain(|name, _| !names.contains(&name.as_str()));
    extra
}

/// Plugins written in Go also write an empty text where there is none.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> CniResult {
        CniResult::read(value.to_string().as_bytes(), Version::V1_0_0).unwrap()
    }

    fn full(version: &str) -> Value {
        json!({
            "cniVersion": version,
            "interfaces": [
                {"name": "cni0", "mac": "00:11:22:33:44:55"},
                {"name": "eth0", "mac": "02:42:0a:01:00:05", "sandbox": "/run/netns/c1", "pciID": "0000:3b:02.0"},
                {"name": "ib0", "mac": "80:00:00:48:fe:80:00:00:00:00:00:00:f4:52:14:03:00:8e:1b:21"},
            ],
            "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1, "label": "x"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "table": 7, "scope": 0}, {"dst": "fd00::/8"}],
            "dns": {"nameservers": ["10.1.0.2"]},
            "vendor": {"a": [1]},
        })
    }

    #[test]
    fn a_result_passes_through_with_all_that_nobody_knows() {
        for version in [Version::V1_0_0, Version::V1_1_0] {
            let told = full(version.as_str());
            assert_eq!(read(&told).to_json(version), told);
        }
        let mut told = full("1.1.0");
        told["interfaces"][1]["mtu"] = json!(9000);
        told["interfaces"][1]["socketPath"] = json!("/run/vhost");
        assert_eq!(read(&told).to_json(Version::V1_1_0), told);
    }

    #[test]
    fn versions_with_the_family_of_addresses_are_read_as_those_without() {
        let mut told = full("0.4.0");
        told["ips"][0]["version"] = json!("4");
        assert_eq!(read(&told), read(&full("1.0.0")));
        assert_eq!(read(&told).to_json(Version::V0_4_0), told);
    }

    #[test]
    fn a_result_without_lists_is_read_with_the_gateway_that_its_routes_mean() {
        let told = json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]},
            "ip6": {"ip": "fd00::5/64", "routes": []},
            "dns": {},
        });
        let result = read(&told);
        let gateways: Vec<_> = result.routes.iter().map(|route| route.gateway).collect();
        assert_eq!(
            gateways,
            [
                Some("10.1.0.1".parse().unwrap()),
                Some("10.1.0.9".parse().unwrap())
            ]
        );
        assert_eq!(result.ips[1].gateway, None);
        assert_eq!(result.to_json(Version::V0_2_0), told);
    }

    #[test]
    fn what_go_writes_for_nothing_is_nothing() {
        let told = json!({
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "eth0", "mac": "", "sandbox": ""}],
            "ips": null,
            "routes": [{"dst": "10.0.0.0/8", "gw": ""}],
        });
        let result = read(&told);
        assert_eq!(result.interfaces[0].mac, None);
        assert_eq!(result.interfaces[0].sandbox, None);
        assert_eq!(result.routes[0].gateway, None);
        assert!(result.ips.is_empty());
    }

    #[test]
    fn what_means_something_in_another_version_only_is_not_passed_on() {
        let told = json!({
            "cniVersion": "1.0.0", "ip4": 7,
            "ips": [{"address": "10.1.0.5/16", "ip": 7, "routes": 7}],
        });
        let old = read(&told).to_json(Version::V0_2_0);
        assert_eq!(old["ip4"], json!({"ip": "10.1.0.5/16", "routes": []}));
        let told = json!({
            "cniVersion": "0.2.0", "ips": 7, "interfaces": 7, "routes": 7,
            "ip4": {"ip": "10.1.0.5/16", "address": 7, "interface": 7, "version": 7},
        });
        let listed = read(&told).to_json(Version::V1_0_0);
        assert_eq!(listed["ips"], json!([{"address": "10.1.0.5/16"}]));
        assert_eq!(listed["routes"], json!([]));
        assert!(listed["interfaces"].is_null());
    }

    #[test]
    fn a_result_that_does_not_say_its_version_is_of_the_one_that_was_asked_for() {
        let old = br#"{"ip4":{"ip":"10.1.0.5/16"}}"#;
        assert_eq!(CniResult::read(old, Version::V0_2_0).unwrap().ips.len(), 1);
        let listed = br#"{"ips":[{"address":"10.1.0.5/16"}]}"#;
        assert_eq!(
            CniResult::read(listed, Version::V1_0_0).unwrap().ips.len(),
            1
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "cannot be read"),
            ("{} {}", "its end"),
            (r#"{"cniVersion":"2.0.0"}"#, "2.0.0"),
            (r#"{"ips":[{"address":"10.1.0.5"}]}"#, "ips[0]"),
            (
                r#"{"ips":[{"address":"10.1.0.5/16","interface":0}]}"#,
                "interface number 0 of 0",
            ),
            (r#"{"routes":[{"dst":"10.0.0.0/8","gw":"x"}]}"#, "routes[0]"),
        ] {
            let error = CniResult::read(text.as_bytes(), Version::V1_0_0).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CniResult::read(&bytes, Version::V0_2_0).is_ok();
        }
    }
}
