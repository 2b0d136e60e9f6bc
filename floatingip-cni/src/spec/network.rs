//! The network configuration on standard input: what all plugins have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::environment::{NameError, plain};
use super::result::Dns;
use super::version::{UnknownVersion, Version};
use super::{Attachment, ContainerId, InterfaceName, IpInfos, IpInfosError};
use crate::link::Mac;

/// The name of a network: as a container id, and unique on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkName(String);

/// What all plugins find in their configuration. Fields that nobody knows are ignored, as a runtime and plugins
/// of a chain may add some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// In which version results are wanted.
    pub version: Version,
    /// Its name.
    pub name: NetworkName,
    /// The IPAM plugin that it names.
    pub ipam: Option<String>,
    /// What the result says about name servers.
    pub dns: Dns,
    annotations: Option<BTreeMap<String, String>>,
    previous: Option<Vec<IpNet>>,
    told: Vec<Told>,
    valid: Option<Vec<ValidAttachment>>,
}

/// An interface of a container as the result of the plugins says that it is: those behind this one in a chain may have
/// changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    name: String,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// How long its packets may be.
    pub mtu: Option<u32>,
}

/// An attachment that `GC` leaves alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ValidAttachment {
    /// The container.
    #[serde(rename = "containerID")]
    pub container: ContainerId,
    /// The interface in it.
    #[serde(rename = "ifname")]
    pub interface: InterfaceName,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It is not JSON of the right form.
    #[error("the network configuration cannot be read at {path}: {error}")]
    Form {
        /// Where in it.
        path: String,
        /// What is wrong there.
        error: serde_json::Error,
    },
    /// A version that is not spoken.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// A name that cannot be one.
    #[error("the network configuration's name {0}")]
    Name(#[from] NameError),
    /// `CHECK` without what `ADD` answered.
    #[error("the network configuration has no prevResult, which CHECK compares with")]
    NoPreviousResult,
}

/// What galaxy-ipam and floatingip-server write to a pod with its binding.
pub(crate) const ARGS_ANNOTATION: &str = "k8s.v1.cni.galaxy.io/args";

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "cniVersion", default)]
    version: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "type", default)]
    plugin: String,
    #[serde(default)]
    ipam: Option<WireIpam>,
    #[serde(default)]
    dns: Option<Dns>,
    #[serde(rename = "runtimeConfig", default)]
    runtime: Option<WireRuntime>,
    #[serde(rename = "prevResult", default)]
    previous: Option<WireResult>,
    #[serde(rename = "cni.dev/valid-attachments", default)]
    valid: Option<Vec<ValidAttachment>>,
    #[serde(rename = "cni.dev/attachments", default)]
    listed: Option<Vec<ValidAttachment>>,
}

#[derive(Deserialize)]
struct WireIpam {
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Default, Deserialize)]
struct WireRuntime {
    #[serde(rename = "io.kubernetes.cri.pod-annotations", default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct WireResult {
    #[serde(default)]
    ips: Option<Vec<WireIp>>,
    #[serde(default)]
    interfaces: Option<Vec<WireInterface>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireInterface {
    name: String,
    mac: Option<String>,
    mtu: Option<u32>,
    sandbox: Option<String>,
}

#[derive(Deserialize)]
struct WireIp {
    address: IpNet,
}

impl WireResult {
    fn addresses(&self) -> Vec<IpNet> {
        self.ips.iter().flatten().map(|ip| ip.address).collect()
    }

    fn told(self) -> Vec<Told> {
        let all = self.interfaces.into_iter().flatten();
        let inside = all.filter(|it| it.sandbox.as_ref().is_some_and(|path| !path.is_empty()));
        let told = inside.map(|interface| Told {
            mac: interface.mac.and_then(|mac| mac.parse().ok()),
            mtu: interface.mtu.filter(|mtu| *mtu > 0),
            name: interface.name,
        });
        told.collect()
    }
}

impl Network {
    /// Reads what is on standard input.
    ///
    /// # Errors
    /// It is not a network configuration, or of a version that is not spoken.
    pub fn read(input: &[u8]) -> Result<Self, NetworkError> {
        let wire: Wire = json(input)?;
        let version = match wire.version.as_str() {
            "" => Version::ABSENT,
            text => text.parse()?,
        };
        // Galaxy's daemon takes networks without a name, and knows them by their type.
        let name = match wire.name.as_str() {
            "" => wire.plugin.parse()?,
            name => name.parse()?,
        };
        let ipam = wire.ipam.map(|ipam| ipam.kind);
        let annotations = wire.runtime.and_then(|runtime| runtime.annotations);
        let previous = wire.previous.as_ref().map(WireResult::addresses);
        let told = wire.previous.map(WireResult::told).unwrap_or_default();
        Ok(Self {
            version,
            name,
            ipam: ipam.filter(|kind| !kind.is_empty()),
            dns: wire.dns.unwrap_or_default(),
            annotations,
            previous,
            told,
            // libcni writes the list under both names, because the specification once had the other one.
            valid: wire.valid.or(wire.listed),
        })
    }

    /// The version that a configuration asks for, also where the rest of it is wrong: errors are told in it.
    pub fn version_of(input: &[u8]) -> Version {
        #[derive(Deserialize)]
        struct Versioned {
            #[serde(rename = "cniVersion")]
            version: String,
        }
        let read: Result<Versioned, _> = serde_json::from_slice(input);
        let version = read.ok().and_then(|read| read.version.parse().ok());
        version.unwrap_or(Version::ABSENT)
    }

    /// A plugin's own fields of the same configuration.
    ///
    /// # Errors
    /// A field has a value that it cannot have.
    pub fn own<T: DeserializeOwned>(input: &[u8]) -> Result<T, NetworkError> {
        json(input)
    }

    /// The pod's annotations, where the runtime passes them on: the capability is
    /// `io.kubernetes.cri.pod-annotations`. None: it does not.
    pub fn annotations(&self) -> Option<&BTreeMap<String, String>> {
        self.annotations.as_ref()
    }

    /// The addresses that the pod was bound with, from its annotations, where the runtime passes them on: the
    /// capability is `io.kubernetes.cri.pod-annotations`.
    ///
    /// # Errors
    /// The annotation is not what galaxy-ipam or floatingip-server writes.
    pub fn annotated(&self) -> Result<Option<IpInfos>, IpInfosError> {
        let annotation = self.annotations().and_then(|all| all.get(ARGS_ANNOTATION));
        let Some(text) = annotation.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let read: Result<Annotation, _> = serde_json::from_str(text);
        let read = read.map_err(|error| IpInfosError::Form {
            path: format!("annotation {ARGS_ANNOTATION}"),
            error,
        })?;
        let infos = read.common.and_then(|common| common.ipinfos);
        infos.map(IpInfos::new).transpose()
    }

    /// The addresses of the result of `ADD`.
    ///
    /// # Errors
    /// The configuration has none.
    pub fn previous(&self) -> Result<&[IpNet], NetworkError> {
        self.previous
            .as_deref()
            .ok_or(NetworkError::NoPreviousResult)
    }

    /// What `prevResult` says of an interface of the container.
    pub fn told(&self, interface: &InterfaceName) -> Option<&Told> {
        let mut told = self.told.iter();
        told.find(|it| it.name == interface.as_str())
    }

    /// The attachments that `GC` leaves alone, if the configuration says which. An absent list is no empty one.
    pub fn valid(&self) -> Option<Vec<Attachment>> {
        let valid = self.valid.as_ref()?;
        Some(valid.iter().map(Attachment::from).collect())
    }
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    common: Option<Common>,
}

#[derive(Deserialize)]
struct Common {
    #[serde(default)]
    ipinfos: Option<Vec<super::IpInfo>>,
}

impl From<&ValidAttachment> for Attachment {
    fn from(valid: &ValidAttachment) -> Self {
        Self {
            container: valid.container.clone(),
            interface: valid.interface.clone(),
        }
    }
}

impl NetworkName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        plain(text).map(Self)
    }
}

impl TryFrom<String> for NetworkName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NetworkName> for String {
    fn from(name: NetworkName) -> Self {
        name.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn json<T: DeserializeOwned>(input: &[u8]) -> Result<T, NetworkError> {
    let mut json = serde_json::Deserializer::from_slice(input);
    serde_path_to_error::deserialize(&mut json).map_err(|error| NetworkError::Form {
        path: error.path().to_string(),
        error: error.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Network, NetworkError> {
        Network::read(text.as_bytes())
    }

    #[test]
    fn a_configuration_without_a_version_is_answered_as_galaxy_answers_it() {
        let network = read(r#"{"name":"lan","type":"galaxy-k8s-vlan","other":[1]}"#).unwrap();
        assert_eq!(network.version, Version::V0_2_0);
        assert_eq!(network.ipam, None);
    }

    #[test]
    fn a_network_without_a_name_is_called_as_its_type() {
        let network = read(r#"{"type":"galaxy-k8s-vlan"}"#).unwrap();
        assert_eq!(network.name.as_str(), "galaxy-k8s-vlan");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "cannot be read"),
            ("7", "cannot be read"),
            (r#"{"name":"lan","ipam":{"type":7}}"#, "ipam.type"),
            (r#"{"name":"a/b"}"#, "\"a/b\""),
            ("{}", "name is empty"),
            (r#"{"name":"lan","cniVersion":"2.0.0"}"#, "\"2.0.0\""),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_come_from_the_annotations_that_a_runtime_passes_on() {
        let args = r#"{"common":{"ipinfos":[{"ip":"10.0.0.2/24","vlan":0,"gateway":"10.0.0.1"}]}}"#;
        let annotations = serde_json::json!({ "k8s.v1.cni.galaxy.io/args": args });
        let runtime = serde_json::json!({ "io.kubernetes.cri.pod-annotations": annotations });
        let text = serde_json::json!({ "name": "lan", "runtimeConfig": runtime }).to_string();
        let infos = read(&text).unwrap().annotated().unwrap().unwrap();
        assert_eq!(infos.as_slice().len(), 1);
        assert!(
            read(r#"{"name":"lan"}"#)
                .unwrap()
                .annotated()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn an_absent_list_is_no_empty_one() {
        for text in [
            r#"{"name":"lan"}"#,
            r#"{"name":"lan","cni.dev/valid-attachments":null}"#,
        ] {
            assert_eq!(read(text).unwrap().valid(), None);
        }
        for name in ["valid-attachments", "attachments"] {
            let list = r#"[{"containerID":"c1","ifname":"eth0"}]"#;
            let network = read(&format!(r#"{{"name":"lan","cni.dev/{name}":{list}}}"#)).unwrap();
            assert_eq!(network.valid().unwrap().len(), 1);
        }
    }

    #[test]
    fn errors_are_told_in_the_version_that_was_asked_for() {
        let wrong = br#"{"cniVersion":"1.0.0","name":"a/b"}"#;
        assert_eq!(Network::version_of(wrong), Version::V1_0_0);
        assert_eq!(Network::version_of(b"{"), Version::ABSENT);
    }

    proptest! {
        #[test]
        fn no_input_is_too_odd(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Network::read(&input).is_ok();
        }
    }
}
