//! The kind FloatingIP: one object for each address that is not plainly free.

use floatingip_core::key::Form;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who has an address. `key`, `attribute`, `policy` and `updateTime` are galaxy's; the other fields
/// say what those cannot, and are absent in objects of galaxy.
#[derive(
    CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize,
)]
#[kube(
    group = "galaxy.k8s.io",
    version = "v1alpha1",
    kind = "FloatingIP",
    plural = "floatingips",
    singular = "floatingip",
    shortname = "fip",
    derive = "PartialEq",
    doc = "An address of the underlay network that somebody has; the object's name is the address. Addresses without an object are free.",
    annotation("api-approved.kubernetes.io", "unapproved, a group of tkestack/galaxy"),
    validation = Rule::new("self.metadata.name.matches('^(([0-9]{1,3}[.]){3}[0-9]{1,3}|([0-9a-f]{4}-){7}[0-9a-f]{4})$')").message("the name has to be an address: 10.0.0.7, or for IPv6 eight groups of four hexadecimal digits joined by `-`"),
    validation = Rule::new("self.metadata.name.contains('-') || !self.metadata.name.matches('(^|[.])(0[0-9]|25[6-9]|2[6-9][0-9]|[3-9][0-9]{2})')").message("the name has to be an IPv4 address: four numbers up to 255 without leading zeros"),
    printcolumn(name = "Key", type_ = "string", json_path = ".spec.key", description = "Who has the address"),
    printcolumn(name = "Node", type_ = "string", json_path = r".metadata.labels.floatingip\.galaxy\.k8s\.io/node", description = "The node of the pod that has it"),
    printcolumn(name = "Policy", type_ = "string", json_path = r".metadata.labels.floatingip\.galaxy\.k8s\.io/policy", description = "How long it stays with its slot"),
    printcolumn(name = "Mark", type_ = "string", json_path = ".spec.mark.kind", description = "Why nobody, or nobody else, gets it for a while"),
    printcolumn(name = "Since", type_ = "date", json_path = ".spec.updateTime", description = "When the owner last changed"),
    printcolumn(name = "Namespace", type_ = "string", json_path = r".metadata.labels.floatingip\.galaxy\.k8s\.io/namespace", priority = 1, description = "The namespace of app and pod"),
    printcolumn(name = "App", type_ = "string", json_path = r".metadata.labels.floatingip\.galaxy\.k8s\.io/app", priority = 1, description = "The app"),
    printcolumn(name = "Pool", type_ = "string", json_path = r".metadata.labels.floatingip\.galaxy\.k8s\.io/pool", priority = 1, description = "The pool the address is counted in"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.plan", priority = 1, description = "The decision that wrote the object")
)]
#[serde(rename_all = "camelCase")]
pub struct FloatingIPSpec {
    /// Who has the address: `KIND_NAMESPACE_APP_POD`, in a pool with `pool__POOL_` before it. With the
    /// label `reserved` any text: no pod gets the address then.
    pub key: String,
    /// Node and UID of the pod, as JSON: `{"NodeName":"a-2","Uid":"…"}`. Both are empty while there is no pod.
    #[serde(default)]
    pub attribute: String,
    /// How long the address stays with its slot: 0 until the pod ends, 1 while the app has the slot, 2 until
    /// somebody releases it.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0, max = 2))]
    pub policy: u8,
    /// When the owner last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub update_time: Option<String>,
    /// The API group of the app. Absent where it is not known: then it is assumed from the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The UID of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_uid: Option<String>,
    /// What the last part of the key stands for, where there is a slot: a pod in a slot that any pod of the app
    /// may fill, in that of its ordinal, of its node, of its name, or one that never comes back. `nobody` where
    /// the object is there for its mark alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("enum" = ["any", "ordinal", "node", "pod", "once", "nobody"]))]
    pub form: Option<Form>,
    /// The owner in full, where key and attribute cannot say it. Void once they are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_owner: Option<String>,
    /// The decision that wrote the object. Absent in objects that others wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why nobody, or nobody else, gets the address for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkFields>,
    /// The container interface that uses the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<AttachmentFields>,
}

/// A durable mark on an address.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkFields {
    /// Who is kept away.
    pub kind: MarkName,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
    /// The other MAC address seen on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The node whose return, or end, ends a rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When the mark ends.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
    /// How long it was set for, in seconds: `600s`.
    pub lasts: String,
}

/// Who is kept away from an address by its mark.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkName {
    /// Everybody: somebody else uses the address on the wire.
    Quarantine,
    /// All but its own slot: the former pod may still run somewhere.
    Rest,
}

/// The container interface that uses an address.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentFields {
    /// The node.
    pub node: String,
    /// The name of the CNI network.
    pub network: String,
    /// The container (sandbox) id.
    pub container: String,
    /// The interface in the container.
    pub interface: String,
}
