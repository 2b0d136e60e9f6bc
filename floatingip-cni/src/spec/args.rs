//! `CNI_ARGS`, and the addresses that galaxy's daemon puts there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// `CNI_ARGS`: `KEY=VALUE` pairs between semicolons, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args(BTreeMap<String, String>);

/// Why `CNI_ARGS` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// A part without an equals sign.
    #[error("CNI_ARGS has {0:?} where KEY=VALUE should be")]
    NoPair(String),
    /// A key that is there twice, with different values.
    #[error("CNI_ARGS has {0} twice, with different values")]
    Twice(String),
}

impl Args {
    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All of them, by their keys.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The addresses in `ipinfos`, where there are any.
    ///
    /// # Errors
    /// They are not what galaxy-ipam or floatingip-server writes.
    pub fn ip_infos(&self) -> Result<Option<IpInfos>, IpInfosError> {
        self.value(IPINFOS).map(str::parse).transpose()
    }
}

const IPINFOS: &str = "ipinfos";

impl FromStr for Args {
    type Err = ArgsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pairs = BTreeMap::new();
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let pair = part.split_once('=');
            let (key, value) = pair.ok_or_else(|| ArgsError::NoPair(part.to_owned()))?;
            let former = pairs.insert(key.to_owned(), value.to_owned());
            if former.is_some_and(|former| former != value) {
                return Err(ArgsError::Twice(key.to_owned()));
            }
        }
        Ok(Self(pairs))
    }
}

/// An address of a pod with what is needed to use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IpInfo {
    /// The address with the length of its subnet's prefix.
    pub ip: IpNet,
    /// The VLAN; 0 is untagged.
    #[serde(default)]
    pub vlan: u16,
    /// The subnet's gateway.
    pub gateway: IpAddr,
}

/// The addresses of one pod: at least one, none twice, each usable by itself.
///
/// ```
/// use floatingip_cni::spec::IpInfos;
///
/// let infos: IpInfos = r#"[{"ip":"10.0.70.2/24","vlan":2,"gateway":"10.0.70.1"}]"#.parse()?;
/// assert_eq!(infos.as_slice()[0].vlan, 2);
/// # Ok::<(), floatingip_cni::spec::IpInfosError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpInfos(Vec<IpInfo>);

/// Why addresses cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IpInfosError {
    /// They are not JSON of the right form.
    #[error("ipinfos cannot be read at {path}: {error}")]
    Form {
        /// Where in it.
        path: String,
        /// What is wrong there.
        error: serde_json::Error,
    },
    /// There is none, or there are more than anybody can want.
    #[error("ipinfos has {0} addresses, 1 to {limit} are possible", limit = IpInfos::LIMIT)]
    Count(usize),
    /// An address that no interface can have.
    #[error("ipinfos has {0}, which is not an address that an interface can have")]
    Address(IpNet),
    /// The same address twice.
    #[error("ipinfos has {0} twice")]
    Twice(IpAddr),
    /// A VLAN beyond 4094.
    #[error("ipinfos has VLAN {vlan} for {ip}, the last one is 4094")]
    Vlan {
        /// Of which address.
        ip: IpAddr,
        /// The number.
        vlan: u16,
    },
    /// A gateway that the address cannot reach.
    #[error(
        "{gateway} is not reachable from {ip}: the gateway has to be another address of the same subnet; correct `subnet` and `gateway` of the pod's subnet in the server's configuration"
    )]
    Gateway {
        /// The address.
        ip: IpNet,
        /// Its gateway.
        gateway: IpAddr,
    },
}

impl IpInfos {
    /// As many as one pod may ask of the server.
    pub const LIMIT: usize = 16;
    const LAST_VLAN: u16 = 4094;

    /// Takes addresses that can be used.
    ///
    /// # Errors
    /// One of them, or all together, cannot.
    pub fn new(infos: Vec<IpInfo>) -> Result<Self, IpInfosError> {
        if infos.is_empty() || infos.len() > Self::LIMIT {
            return Err(IpInfosError::Count(infos.len()));
        }
        for (at, info) in infos.iter().enumerate() {
            info.check()?;
            let ip = info.ip.addr();
            if infos.iter().take(at).any(|other| other.ip.addr() == ip) {
                return Err(IpInfosError::Twice(ip));
            }
        }
        Ok(Self(infos))
    }

    /// In the order in which they came.
    pub fn as_slice(&self) -> &[IpInfo] {
        &self.0
    }
}

impl IpInfo {
    fn check(&self) -> Result<(), IpInfosError> {
        let ip = self.ip.addr();
        let odd = ip.is_unspecified() || ip.is_multicast() || ip.is_loopback();
        if odd || self.ip.prefix_len() == 0 || broadcasts(self.ip) {
            return Err(IpInfosError::Address(self.ip));
        }
        if self.vlan > IpInfos::LAST_VLAN {
            let vlan = self.vlan;
            return Err(IpInfosError::Vlan { ip, vlan });
        }
        if self.gateway == ip || !self.ip.contains(&self.gateway) {
            let (ip, gateway) = (self.ip, self.gateway);
            return Err(IpInfosError::Gateway { ip, gateway });
        }
        Ok(())
    }
}

/// The first and the last address of an IPv4 subnet of more than two.
fn broadcasts(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            net.addr() == net.network() || net.addr() == net.broadcast()
        }
        _ => false,
    }
}

impl FromStr for IpInfos {
    type Err = IpInfosError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut json);
        let infos = read.map_err(|error| IpInfosError::Form {
            path: error.path().to_string(),
            error: error.into_inner(),
        })?;
        json.end().map_err(|error| IpInfosError::Form {
            path: "its end".to_owned(),
            error,
        })?;
        Self::new(infos)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INFOS: &str = r#"[{"ip":"192.168.0.68/26","vlan":2,"gateway":"192.168.0.65"}]"#;

    fn args(text: &str) -> Args {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_found_wherever_they_stand() {
        let parts = [
            "IgnoreUnknown=1",
            "K8S_POD_NAME=a",
            &format!("ipinfos={INFOS}"),
        ];
        let expected: IpInfos = INFOS.parse().unwrap();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let text = order.map(|at| parts[at]).join(";");
            assert_eq!(args(&text).ip_infos().unwrap().unwrap(), expected);
        }
        assert!(args("").ip_infos().unwrap().is_none());
        assert_eq!(args("A=b=c;;").value("A"), Some("b=c"));
    }

    #[test]
    fn a_key_with_two_values_is_refused() {
        assert_eq!(
            "A=1;A=2".parse::<Args>(),
            Err(ArgsError::Twice("A".to_owned()))
        );
        assert!("A=1;A=1".parse::<Args>().is_ok());
        assert_eq!("A".parse::<Args>(), Err(ArgsError::NoPair("A".to_owned())));
    }

    #[track_caller]
    fn assert_refused(infos: &str, expected: &str) {
        let error = infos.parse::<IpInfos>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn addresses_that_no_interface_can_have_are_refused() {
        assert_refused("[]", "0 addresses");
        assert_refused(
            r#"[{"ip":"10.0.0.0/24","gateway":"10.0.0.1"}]"#,
            "10.0.0.0/24",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.255/24","gateway":"10.0.0.1"}]"#,
            "10.0.0.255/24",
        );
        assert_refused(
            r#"[{"ip":"224.0.0.2/24","gateway":"224.0.0.1"}]"#,
            "224.0.0.2/24",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.2/24","gateway":"10.0.1.1"}]"#,
            "10.0.1.1 is not reachable",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.2/24","gateway":"10.0.0.2"}]"#,
            "10.0.0.2 is not reachable",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.2/24","gateway":"fd00::1"}]"#,
            "fd00::1 is not reachable",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.2/24","vlan":4095,"gateway":"10.0.0.1"}]"#,
            "VLAN 4095",
        );
        assert_refused(
            r#"[{"ip":"10.0.0.2/24","vlan":-1,"gateway":"10.0.0.1"}]"#,
            "[0].vlan",
        );
        assert_refused(r#"[{"ip":"10.0.0.2","gateway":"10.0.0.1"}]"#, "[0].ip");
        assert_refused(&format!("{INFOS} x"), "its end");
    }

    #[test]
    fn an_address_may_not_come_twice() {
        let twice = r#"[{"ip":"10.0.0.2/24","gateway":"10.0.0.1"},{"ip":"10.0.0.2/16","gateway":"10.0.0.1"}]"#;
        assert_refused(twice, "10.0.0.2 twice");
    }

    #[test]
    fn point_to_point_subnets_have_two_addresses() {
        let pair = r#"[{"ip":"10.0.0.2/31","gateway":"10.0.0.3"}]"#;
        assert!(pair.parse::<IpInfos>().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = text.parse::<Args>().map(|args| args.ip_infos().is_ok());
            let _ = text.parse::<IpInfos>().is_ok();
        }
    }
}
