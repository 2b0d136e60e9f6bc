//! The conflist: the built-in one, and whether the plugin takes one.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::plugin::Plugin;
use crate::spec::{Failure, InterfaceName, NetworkError, NetworkName, Version};

/// A conflist that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflist(Vec<u8>);

/// Why a conflist cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConflistError {
    /// It is not JSON of the right form.
    #[error("is not a conflist: {0}")]
    Form(#[from] serde_json::Error),
    /// The plugin would refuse it.
    #[error("would be refused by the plugin: {0}")]
    Refused(#[from] Failure),
    /// A plugin without a type.
    #[error("has a plugin without a type, number {0} in the list")]
    NoType(usize),
    /// None of its plugins is one of these.
    #[error(
        "names no plugin of floatingip: one of its plugins needs the type {}",
        Plugin::names()
    )]
    NotOurs,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "cniVersion", default)]
    version: String,
    name: String,
    plugins: Vec<Map<String, Value>>,
}

impl Conflist {
    /// The usual one: each pod has its address from its annotations, over one device.
    pub(super) fn built_in(device: &InterfaceName, version: Version) -> Vec<u8> {
        let plugin = json!({
            "type": Plugin::Vlan.name(),
            "device": device,
            "capabilities": { "io.kubernetes.cri.pod-annotations": true },
        });
        Self::of_one(version, &plugin)
    }

    /// The one with networks for each pod, which galaxy's file on the node has.
    pub(super) fn with_networks(file: &Path, version: Version) -> Vec<u8> {
        let plugin = json!({
            "type": Plugin::Meta.name(),
            "networkConfFile": file,
            "capabilities": { "io.kubernetes.cri.pod-annotations": true },
        });
        Self::of_one(version, &plugin)
    }

    fn of_one(version: Version, plugin: &Value) -> Vec<u8> {
        let list = json!({ "cniVersion": version, "name": "floatingip", "plugins": [plugin] });
        format!("{list:#}\n").into_bytes()
    }

    /// As a runtime and the plugins read it.
    ///
    /// # Errors
    /// They would not take it.
    pub fn check(bytes: Vec<u8>) -> Result<Self, ConflistError> {
        let wire: Wire = serde_json::from_slice(&bytes)?;
        let name = wire.name.parse::<NetworkName>();
        name.map_err(|error| Failure::from(NetworkError::from(error)))?;
        for (number, plugin) in (1..).zip(&wire.plugins) {
            let kind = kind(plugin).ok_or(ConflistError::NoType(number))?;
            for own in [kind, ipam(plugin)].into_iter().filter_map(Plugin::of_type) {
                wire.check_own(own, plugin)?;
            }
        }
        if wire.names_us() {
            Ok(Self(bytes))
        } else {
            Err(ConflistError::NotOurs)
        }
    }

    /// Does a file, of whatever sort, call one of these plugins?
    pub(super) fn is_ours(bytes: &[u8]) -> bool {
        let wire: Result<Wire, _> = serde_json::from_slice(bytes);
        wire.is_ok_and(|wire| wire.names_us())
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Wire {
    /// A runtime gives each plugin its part of the list, with the list's name and version.
    fn check_own(&self, own: Plugin, config: &Map<String, Value>) -> Result<(), ConflistError> {
        let mut given = config.clone();
        given.insert("name".to_owned(), json!(self.name));
        given.insert("cniVersion".to_owned(), json!(self.version));
        Ok(own.check_config(&serde_json::to_vec(&given)?)?)
    }

    fn names_us(&self) -> bool {
        let kinds = self.plugins.iter().filter_map(kind);
        let mut kinds = kinds.chain(self.plugins.iter().map(ipam));
        kinds.any(|kind| Plugin::of_type(kind).is_some())
    }
}

fn kind(plugin: &Map<String, Value>) -> Option<&str> {
    let kind = plugin.get("type").and_then(Value::as_str);
    kind.filter(|kind| !kind.is_empty())
}

/// The type of its IPAM plugin; empty: it has none.
fn ipam(plugin: &Map<String, Value>) -> &str {
    let section = plugin.get("ipam").and_then(|ipam| ipam.get("type"));
    section.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_one_is_taken_in_every_version() {
        let device = "eth1".parse().unwrap();
        for version in Version::ALL {
            let bytes = Conflist::built_in(&device, *version);
            assert!(Conflist::is_ours(&bytes));
            Conflist::check(bytes).unwrap();
            let bytes = Conflist::with_networks(Path::new("/etc/galaxy/galaxy.json"), *version);
            assert!(Conflist::is_ours(&bytes));
            Conflist::check(bytes).unwrap();
        }
    }

    #[test]
    fn one_that_the_plugin_would_refuse_is_refused_before() {
        for (text, expected) in [
            ("{", "not a conflist"),
            (r#"{"plugins":[]}"#, "`name`"),
            (r#"{"name":"lan"}"#, "`plugins`"),
            (r#"{"name":"","plugins":[]}"#, "name is empty"),
            (r#"{"name":"lan","plugins":[]}"#, "names no plugin"),
            (
                r#"{"name":"lan","plugins":[{"type":"bridge"}]}"#,
                "names no plugin",
            ),
            (r#"{"name":"lan","plugins":[{}]}"#, "number 1"),
            (
                r#"{"name":"lan","cniVersion":"2.0.0","plugins":[{"type":"galaxy-k8s-vlan"}]}"#,
                "2.0.0",
            ),
            (
                r#"{"name":"lan","plugins":[{"type":"galaxy-k8s-vlan","switch":"brigde"}]}"#,
                "brigde",
            ),
            (
                r#"{"name":"lan","plugins":[{"type":"galaxy-k8s-sriov","spoofchk":"no"}]}"#,
                "neither",
            ),
            (
                r#"{"name":"lan","plugins":[{"type":"bridge","ipam":{"type":"floatingip-ipam","polcy":"never"}}]}"#,
                "polcy",
            ),
        ] {
            let error = Conflist::check(text.into()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn each_plugin_reads_its_own_fields() {
        let text = r#"{"name":"lan","plugins":[{"type":"galaxy-k8s-sriov","device":"eth1","switch":"none"}]}"#;
        Conflist::check(text.into()).unwrap();
        assert!(Conflist::is_ours(text.as_bytes()));
    }

    #[test]
    fn one_that_only_takes_our_addresses_is_ours_too() {
        let text =
            r#"{"name":"lan","plugins":[{"type":"bridge","ipam":{"type":"floatingip-ipam"}}]}"#;
        Conflist::check(text.into()).unwrap();
        assert!(Conflist::is_ours(text.as_bytes()));
    }

    #[test]
    fn others_in_the_chain_are_taken_as_they_are() {
        let text =
            r#"{"name":"lan","plugins":[{"type":"galaxy-k8s-vlan"},{"type":"tuning","ipam":7}]}"#;
        Conflist::check(text.into()).unwrap();
    }
}
