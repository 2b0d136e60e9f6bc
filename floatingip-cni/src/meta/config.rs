//! The plugin's fields of the network configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::catalogue::{Catalogue, CatalogueError, WireCatalogue};
use super::record::Joined;
use crate::plugin::Plugin;
use crate::spec::{Code, Failure};
use crate::state::{Folder, FolderOf};

/// The fields. Empty texts are as good as absent ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MetaConfig {
    #[serde(flatten)]
    inline: WireCatalogue,
    #[serde(rename = "networkConfFile")]
    file: PathBuf,
    /// Where the API server is, and who asks it.
    kubeconfig: Option<PathBuf>,
    /// Refuse every pod without a floating IP, without asking the API server whether it requests one.
    #[serde(rename = "requireFloatingIP")]
    pub require_floating_ip: bool,
    /// Leave the pod's `k8s.v1.cni.cncf.io/networks` to another, such as Multus.
    #[serde(rename = "ignoreNetworksAnnotation")]
    pub ignore_networks_annotation: bool,
    state_folder: PathBuf,
    /// What the runtime adds for the capabilities that the configuration declares.
    #[serde(rename = "runtimeConfig")]
    pub runtime: Option<Map<String, Value>>,
}

impl MetaConfig {
    /// The kubeconfig that is used where none is named.
    pub const KUBECONFIG: &str = "/etc/cni/net.d/floatingip.kubeconfig";

    /// The networks, from the configuration itself or from the file that it names.
    ///
    /// # Errors
    /// They are in neither, in both, or cannot be read.
    pub fn catalogue(&self) -> Result<Catalogue, Failure> {
        let named = !self.file.as_os_str().is_empty();
        match (self.inline.is_absent(), named) {
            (false, false) => Ok(Catalogue::try_from(self.inline.clone())?),
            (true, true) => Ok(Catalogue::from_file(&self.file)?),
            (true, false) => Err(invalid(
                "the configuration has no networks: write NetworkConf and DefaultNetworks into it, or name galaxy's file in networkConfFile",
            )),
            (false, true) => Err(invalid(
                "the configuration has networks both itself and in networkConfFile: remove one of them",
            )),
        }
    }

    /// Could it be used? A file that it names is not looked at: it may come later.
    ///
    /// # Errors
    /// Not on any node.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.inline.is_absent() && !self.file.as_os_str().is_empty() {
            return Ok(());
        }
        let catalogue = self.catalogue()?;
        catalogue.usual()?;
        for network in catalogue.all() {
            if let Some(own) = Plugin::of_type(&network.kind) {
                own.check_config(Value::from(network.config.clone()).to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    /// The kubeconfig, that which is named or the usual one, whether it is there or not; none where an empty name says
    /// that no pod is to be read.
    pub fn kubeconfig(&self) -> Option<&Path> {
        match &self.kubeconfig {
            Some(path) if path.as_os_str().is_empty() => None,
            Some(path) => Some(path),
            None => Some(Path::new(Self::KUBECONFIG)),
        }
    }

    /// The kubeconfig, if this node is not fit without it: where it is named, or pods without a floating IP have
    /// networks here.
    pub(super) fn needed_kubeconfig(&self, catalogue: &Catalogue) -> Option<&Path> {
        let has_others = !self.require_floating_ip && !catalogue.defaults.is_empty();
        let is_needed = self.kubeconfig.is_some() || has_others;
        self.kubeconfig().filter(|_| is_needed)
    }

    pub(super) fn records(&self) -> FolderOf<Joined> {
        FolderOf::at(self.state_folder().join("floatingip"))
    }

    /// Where the locks are, and below it the records.
    pub(super) fn state_folder(&self) -> &Path {
        if self.state_folder.as_os_str().is_empty() {
            return Path::new(Folder::USUAL);
        }
        &self.state_folder
    }
}

fn invalid(message: &str) -> Failure {
    Failure::new(Code::InvalidNetwork, message)
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        let code = match &error {
            CatalogueError::File { .. } => Code::Io,
            CatalogueError::Form { .. } => Code::Decode,
            _ => Code::InvalidNetwork,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: Value) -> MetaConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn networks_stand_in_the_configuration_or_in_a_file_but_not_in_both() {
        let inline = json!({"NetworkConf": [{"type": "bridge"}], "DefaultNetworks": ["bridge"]});
        assert_eq!(config(inline.clone()).catalogue().unwrap().all().count(), 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("galaxy.json");
        std::fs::write(&path, inline.to_string()).unwrap();
        let file = json!({ "networkConfFile": path });
        assert_eq!(config(file).catalogue().unwrap().all().count(), 1);
        let mut both = inline;
        both["networkConfFile"] = json!(path);
        let error = config(both).catalogue().unwrap_err();
        assert!(error.message.contains("both"), "{error}");
        let error = config(json!({})).catalogue().unwrap_err();
        assert!(error.message.contains("networkConfFile"), "{error}");
    }

    #[test]
    fn a_kubeconfig_that_is_named_counts_and_an_empty_name_is_none() {
        let named = config(json!({"kubeconfig": "/nowhere"}));
        assert_eq!(named.kubeconfig(), Some(Path::new("/nowhere")));
        assert_eq!(config(json!({"kubeconfig": ""})).kubeconfig(), None);
        let usual = config(json!({}));
        assert_eq!(usual.kubeconfig(), Some(Path::new(MetaConfig::KUBECONFIG)));
    }

    #[test]
    fn records_are_kept_below_the_state_folder() {
        let usual = config(json!({"state_folder": ""})).records();
        assert_eq!(usual.path(), Path::new("/run/floatingip/cni/floatingip"));
        let other = config(json!({"state_folder": "/x"})).records();
        assert_eq!(other.path(), Path::new("/x/floatingip"));
    }
}
