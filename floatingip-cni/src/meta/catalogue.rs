//! The networks of a node, as galaxy's daemon has them in its configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::plugin::Plugin;
use crate::spec::{NameError, NetworkName, Version};

/// Which networks there are, and which ones a pod gets that names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    networks: BTreeMap<NetworkName, Template>,
    /// `DefaultNetworks`: those of a pod that names none.
    pub defaults: Vec<String>,
    /// `ENIIPNetwork`: that of a pod that names none and has a floating IP.
    pub floating: Option<String>,
}

/// One entry of `NetworkConf`: what the network's plugin is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What pods name it by: `name`, or else `type`.
    pub name: NetworkName,
    /// The plugin: `type`.
    pub kind: String,
    /// The whole entry, with its name.
    pub config: Map<String, Value>,
}

/// Why networks cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("the networks' file {path} cannot be read: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It is not JSON of the right form.
    #[error("the networks' file {path} is not galaxy's configuration: {error}")]
    Form {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A network without a plugin.
    #[error("NetworkConf has no type for network number {0}")]
    NoType(usize),
    /// A network whose name is no text, or cannot be one.
    #[error("NetworkConf has, for network number {number}, a name that {error}")]
    Name {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        error: NameError,
    },
    /// A network whose name is not a text.
    #[error("NetworkConf has, for network number {0}, a name that is no text")]
    NoName(usize),
    /// A network in a version that is not spoken, which would be taken for the oldest.
    #[error("NetworkConf has, for network {name}, the cniVersion {version}: write one of 0.1.0 to {latest}", latest = Version::LATEST)]
    Version {
        /// Which one.
        name: NetworkName,
        /// What is there.
        version: Value,
    },
    /// Two networks of one name.
    #[error("NetworkConf has two networks named {0}")]
    Twice(NetworkName),
    /// The plugin would call itself.
    #[error("the network {0} is of the type {kind}, which would call itself without end", kind = Plugin::Meta.name())]
    Itself(NetworkName),
    /// A name without an entry.
    #[error(
        "there is no network {name:?}, which {wanted_by} names: add it to NetworkConf, or correct the name (there are: {there})"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Where it stands.
        wanted_by: &'static str,
        /// What there is instead.
        there: String,
    },
}

/// Galaxy's daemon reads its file without regard to capitals; the usual ways to write the names are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct WireCatalogue {
    #[serde(rename = "NetworkConf", alias = "networkConf")]
    networks: Option<Vec<Map<String, Value>>>,
    #[serde(rename = "DefaultNetworks", alias = "defaultNetworks")]
    defaults: Option<Vec<String>>,
    #[serde(rename = "ENIIPNetwork", alias = "eniIPNetwork")]
    floating: Option<String>,
}

/// More than any configuration has.
const LONGEST_FILE: u64 = 1024 * 1024;

impl Catalogue {
    /// Reads galaxy's configuration file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn from_file(path: &Path) -> Result<Self, CatalogueError> {
        let failed = |error| CatalogueError::File {
            path: path.to_owned(),
            error,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        let read = file.take(LONGEST_FILE + 1).read_to_end(&mut bytes);
        let read = read.map_err(failed)?;
        if u64::try_from(read).is_ok_and(|read| read > LONGEST_FILE) {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        let wire: WireCatalogue =
            serde_json::from_slice(&bytes).map_err(|error| CatalogueError::Form {
                path: path.to_owned(),
                error,
            })?;
        Self::try_from(wire)
    }

    /// The network of a name. `wanted_by` says where the name stands.
    ///
    /// # Errors
    /// There is none.
    pub fn network(
        &self,
        name: &str,
        wanted_by: &'static str,
    ) -> Result<&Template, CatalogueError> {
        let mut all = self.networks.values();
        let found = all.find(|network| network.name.as_str() == name);
        found.ok_or_else(|| {
            let there: Vec<_> = self.networks.keys().map(NetworkName::as_str).collect();
            CatalogueError::Unknown {
                name: name.to_owned(),
                wanted_by,
                there: there.join(", "),
            }
        })
    }

    /// Those that pods get without naming them, each once: what a node has to be able to do.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn usual(&self) -> Result<Vec<&Template>, CatalogueError> {
        let defaults = self.defaults.iter().map(|name| (name, DEFAULTS));
        let floating = self.floating.iter().map(|name| (name, FLOATING));
        let all = defaults.chain(floating);
        let found: Result<BTreeMap<_, _>, _> = all
            .map(|(name, by)| Ok((name, self.network(name, by)?)))
            .collect();
        Ok(found?.into_values().collect())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Template> {
        self.networks.values()
    }
}

pub(super) const DEFAULTS: &str = "DefaultNetworks";
pub(super) const FLOATING: &str = "ENIIPNetwork";

impl WireCatalogue {
    pub(super) fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

impl TryFrom<WireCatalogue> for Catalogue {
    type Error = CatalogueError;

    fn try_from(wire: WireCatalogue) -> Result<Self, Self::Error> {
        let mut networks = BTreeMap::new();
        for (number, config) in (1..).zip(wire.networks.unwrap_or_default()) {
            let template = Template::read(number, config)?;
            if networks.contains_key(&template.name) {
                return Err(CatalogueError::Twice(template.name));
            }
            networks.insert(template.name.clone(), template);
        }
        Ok(Self {
            networks,
            defaults: wire.defaults.unwrap_or_default(),
            floating: wire.floating.filter(|name| !name.is_empty()),
        })
    }
}

impl Template {
    fn read(number: usize, mut config: Map<String, Value>) -> Result<Self, CatalogueError> {
        let kind = config.get("type").and_then(Value::as_str);
        let kind = kind.filter(|kind| !kind.is_empty());
        let kind = kind.ok_or(CatalogueError::NoType(number))?.to_owned();
        let name = match config.get("name") {
            None | Some(Value::Null) => kind.as_str(),
            Some(Value::String(name)) if name.is_empty() => kind.as_str(),
            Some(Value::String(name)) => name,
            Some(_) => return Err(CatalogueError::NoName(number)),
        };
        let name: NetworkName = name
            .parse()
            .map_err(|error| CatalogueError::Name { number, error })?;
        if kind == Plugin::Meta.name() {
            return Err(CatalogueError::Itself(name));
        }
        if let Some(version) = config.get("cniVersion").filter(|it| !is_spoken(it)) {
            let version = version.clone();
            return Err(CatalogueError::Version { name, version });
        }
        config.insert("name".to_owned(), Value::from(name.as_str()));
        Ok(Self { name, kind, config })
    }

    /// Does the plugin want this of a runtime's additions?
    pub(super) fn is_capable_of(&self, capability: &str) -> bool {
        let capabilities = self.config.get("capabilities");
        let it = capabilities.and_then(|all| all.get(capability));
        it.and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Empty is as good as absent.
fn is_spoken(version: &Value) -> bool {
    match version {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text.parse::<Version>().is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As in galaxy's own documentation.
    const GALAXY: &str = r#"{
      "NetworkConf":[
        {"name":"tke-route-eni", "type":"tke-route-eni", "eni":"eth1", "routeTable":1},
        {"name":"galaxy-flannel", "type":"galaxy-flannel", "delegate":{"type":"galaxy-veth"}, "subnetFile":"/run/flannel/subnet.env"},
        {"type":"galaxy-k8s-vlan", "device":"eth1", "default_bridge_name": "br0"},
        {"name": "", "type": "galaxy-k8s-sriov", "device": "eth1", "vf_num": 10}
      ],
      "DefaultNetworks": ["galaxy-flannel"],
      "ENIIPNetwork": "galaxy-k8s-vlan"
    }"#;

    fn wire(value: Value) -> WireCatalogue {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn galaxys_file_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("galaxy.json");
        std::fs::write(&path, GALAXY).unwrap();
        let catalogue = Catalogue::from_file(&path).unwrap();
        assert_eq!(catalogue.all().count(), 4);
        let usual: Vec<_> = catalogue.usual().unwrap();
        let names: Vec<_> = usual.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["galaxy-flannel", "galaxy-k8s-vlan"]);
        let vlan = catalogue.network("galaxy-k8s-vlan", "x").unwrap();
        assert_eq!(vlan.config["default_bridge_name"], "br0");
        assert_eq!(vlan.config["name"], "galaxy-k8s-vlan");
        assert!(catalogue.network("galaxy-k8s-sriov", "x").is_ok());
    }

    #[test]
    fn a_network_that_is_not_there_is_told_with_those_that_are() {
        let catalogue = Catalogue::try_from(wire(json!({
            "NetworkConf": [{"type": "bridge"}, {"type": "macvlan"}],
            "DefaultNetworks": ["bridges"],
        })))
        .unwrap();
        let error = catalogue.usual().unwrap_err().to_string();
        for part in ["\"bridges\"", "DefaultNetworks", "bridge, macvlan"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (networks, expected) in [
            (json!([{"name": "a"}]), "no type for network number 1"),
            (json!([{"type": "a"}, {"type": ""}]), "number 2"),
            (json!([{"type": "a", "name": 7}]), "no text"),
            (json!([{"type": "a", "name": "a/b"}]), "\"a/b\""),
            (
                json!([{"type": "a"}, {"type": "b", "name": "a"}]),
                "two networks named a",
            ),
            (json!([{"type": "floatingip", "name": "a"}]), "without end"),
            (json!([{"type": "a", "cniVersion": "1.2.0"}]), "1.2.0"),
            (json!([{"type": "a", "cniVersion": 1}]), "cniVersion"),
        ] {
            let error = Catalogue::try_from(wire(json!({ "NetworkConf": networks }))).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("galaxy.json");
        let error = Catalogue::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("galaxy.json"), "{error}");
        std::fs::write(&path, "[").unwrap();
        let error = Catalogue::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("galaxy.json"), "{error}");
        let long = " ".repeat(usize::try_from(LONGEST_FILE).unwrap() + 1);
        std::fs::write(&path, long).unwrap();
        let error = Catalogue::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }
}
