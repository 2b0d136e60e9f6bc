//! What is remembered of an `ADD`: all that other plugins have to be told again to undo it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::delegate::Call;
use crate::link::Identity;
use crate::spec::{Attachment, ContainerId, InterfaceName, NetworkName, Version};
use crate::state::{Remembered, Stage};

/// A container and the networks that it was joined to, or was about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// This plugin's own network.
    pub network: NetworkName,
    /// The container.
    pub container: ContainerId,
    /// The interface that was asked for.
    pub interface: InterfaceName,
    /// Where the container's namespace was.
    pub netns: PathBuf,
    /// Which one it was.
    pub space: Identity,
    /// How far the `ADD` came.
    pub stage: Stage,
    /// The networks, in the order in which they are joined.
    pub members: Vec<Member>,
}

/// One network of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub network: NetworkName,
    /// The plugin.
    pub kind: String,
    /// The interface in the container.
    pub interface: InterfaceName,
    /// `CNI_ARGS`.
    pub args: String,
    /// What the plugin is given.
    pub config: Map<String, Value>,
    /// What it answered, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

impl Remembered for Joined {
    fn of(&self) -> (&NetworkName, Attachment) {
        let attachment = Attachment {
            container: self.container.clone(),
            interface: self.interface.clone(),
        };
        (&self.network, attachment)
    }
}

impl Member {
    /// What its plugin is told in the environment; no namespace where that is gone.
    pub(super) fn call(&self, container: &ContainerId, netns: Option<&Path>) -> Call {
        Call {
            attachment: Some(Attachment {
                container: container.clone(),
                interface: self.interface.clone(),
            }),
            netns: netns.map(Path::to_owned),
            args: self.args.clone(),
        }
    }

    /// In which version its plugin answers.
    pub(super) fn version(&self) -> Version {
        version(&self.config)
    }

    /// The configuration, with the plugin's own answer where its version has a place for it.
    pub(super) fn config_after(&self) -> Value {
        let mut config = self.config.clone();
        let known = self.result.as_ref();
        if let Some(result) = known.filter(|_| self.version() >= Version::V0_4_0) {
            config.insert("prevResult".to_owned(), result.clone());
        }
        Value::Object(config)
    }
}

/// In which version a configuration asks to be answered.
pub(super) fn version(config: &Map<String, Value>) -> Version {
    let text = config.get("cniVersion").and_then(Value::as_str);
    let read = text.and_then(|text| text.parse().ok());
    read.unwrap_or(Version::ABSENT)
}
