//! Galaxy's `spec.attribute`.

use serde::Deserialize;

use crate::name::Name;
use crate::owner::Pod;

/// The pod's part of a record that galaxy keeps beside the key, as JSON in a string.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Attribute {
    #[serde(rename = "NodeName")]
    pub(super) node: Name,
    #[serde(rename = "Uid")]
    pub(super) uid: Name,
}

impl Attribute {
    pub(super) fn of(pod: &Pod) -> Self {
        Self {
            node: pod.node.clone(),
            uid: pod.uid.clone(),
        }
    }

    /// None for what is not such JSON; an empty text is an empty attribute.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::json!({"NodeName": self.node.as_str(), "Uid": self.uid.as_str()}).to_string()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.node.is_empty() && self.uid.is_empty()
    }
}
