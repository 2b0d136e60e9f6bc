//! Apps whose pods want a floating IP.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// The label by which an app's pods are found; its value is the app's name.
pub const APP: &str = "app";
const ENI_IP: &str = "tke.cloud.tencent.com/eni-ip";
const POLICY: &str = "k8s.v1.cni.galaxy.io/release-policy";
const POOL: &str = "tke.cloud.tencent.com/eni-ip-pool";
const ARGS: &str = "k8s.v1.cni.galaxy.io/args";

/// An app to be made; its pods want one floating IP each, unless said otherwise.
///
/// ```
/// use floatingip_testkit::workload::Workload;
///
/// let web = Workload::deployment("team", "web").replicas(3).policy("immutable");
/// let manifest = web.manifest();
/// assert_eq!(manifest["spec"]["replicas"], 3);
/// assert_eq!(manifest["metadata"]["namespace"], "team");
/// ```
#[derive(Clone, Debug)]
pub struct Workload {
    manifest: Value,
    /// Where in the manifest the pod stands.
    pod: &'static str,
}

impl Workload {
    /// A Deployment of one replica.
    pub fn deployment(namespace: &str, name: &str) -> Self {
        Self::scalable("apps/v1", "Deployment", namespace, name)
    }

    /// A ReplicaSet of one replica.
    pub fn replica_set(namespace: &str, name: &str) -> Self {
        Self::scalable("apps/v1", "ReplicaSet", namespace, name)
    }

    /// A StatefulSet of one replica, whose pods start without waiting for each other.
    pub fn stateful_set(namespace: &str, name: &str) -> Self {
        let set = Self::scalable("apps/v1", "StatefulSet", namespace, name);
        set.merge(&json!({"spec": {"serviceName": name, "podManagementPolicy": "Parallel"}}))
    }

    /// A DaemonSet.
    pub fn daemon_set(namespace: &str, name: &str) -> Self {
        Self::scalable("apps/v1", "DaemonSet", namespace, name)
            .merge(&json!({"spec": {"replicas": null}}))
    }

    /// A Job with one pod, which runs until the test ends it.
    pub fn job(namespace: &str, name: &str) -> Self {
        let spec = json!({"replicas": null, "selector": null, "template": {"spec": {"restartPolicy": "Never"}}});
        Self::scalable("batch/v1", "Job", namespace, name).merge(&json!({"spec": spec}))
    }

    /// An object of a foreign kind with a scale subresource (see [`foreign`](crate::foreign)); nobody makes its pods.
    pub fn foreign(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self::scalable(api_version, kind, namespace, name)
    }

    /// A pod by itself.
    pub fn pod(namespace: &str, name: &str) -> Self {
        let mut manifest = head("v1", "Pod", namespace, name);
        merge(&mut manifest, &pod(name));
        Self { manifest, pod: "" }
    }

    /// How many replicas.
    #[must_use]
    pub fn replicas(self, replicas: u32) -> Self {
        self.merge(&json!({"spec": {"replicas": replicas}}))
    }

    /// The release policy of its pods.
    #[must_use]
    pub fn policy(self, policy: &str) -> Self {
        self.annotation(POLICY, policy)
    }

    /// The pool of its pods.
    #[must_use]
    pub fn pool(self, pool: &str) -> Self {
        self.annotation(POOL, pool)
    }

    /// Which addresses its pods ask for: a JSON list of lists of ranges, as in `[["10.0.70.2~10.0.70.5"]]`.
    #[must_use]
    pub fn ranges(self, ranges: &Value) -> Self {
        let args = json!({"request_ip_range": ranges}).to_string();
        self.annotation(ARGS, &args)
    }

    /// An annotation of its pods.
    #[must_use]
    pub fn annotation(self, name: &str, value: &str) -> Self {
        self.merge_pod(&json!({"metadata": {"annotations": {name: value}}}))
    }

    /// How many floating IPs each pod wants; 0 makes it an ordinary pod.
    #[must_use]
    pub fn addresses(self, addresses: u32) -> Self {
        let wanted = (addresses > 0).then(|| addresses.to_string());
        let resources = json!({"requests": {ENI_IP: wanted}, "limits": {ENI_IP: wanted}});
        self.container(&json!({"resources": resources}))
    }

    /// What real nodes run in its pods. They get no token for the API server, which nobody hands out here.
    #[must_use]
    pub fn image(self, image: &str) -> Self {
        self.container(&json!({"image": image})).merge_pod(
            &json!({"spec": {"automountServiceAccountToken": false, "enableServiceLinks": false}}),
        )
    }

    /// How many processors each pod takes.
    #[must_use]
    pub fn cpus(self, cpus: u32) -> Self {
        self.container(&json!({"resources": {"requests": {"cpu": cpus.to_string()}}}))
    }

    /// Its pods run on nodes with this label only.
    #[must_use]
    pub fn on_nodes(self, label: &str, value: &str) -> Self {
        self.merge_pod(&json!({"spec": {"nodeSelector": {label: value}}}))
    }

    /// How long its pods may take to end. With more than 0 seconds, the API server waits for the node to say that
    /// a deleted pod has ended: for ever if the node is lost. kwok says so at once, and may delete the next pod of the
    /// same name along with it.
    #[must_use]
    pub fn seconds_to_end(self, seconds: u32) -> Self {
        self.merge_pod(&json!({"spec": {"terminationGracePeriodSeconds": seconds}}))
    }

    /// The priority class of its pods.
    #[must_use]
    pub fn priority(self, class: &str) -> Self {
        self.merge_pod(&json!({"spec": {"priorityClassName": class}}))
    }

    /// The object that controls it, as a controller writes it into what it makes.
    #[must_use]
    pub fn owned_by(self, owner: &DynamicObject) -> Self {
        let types = owner.types.clone().unwrap_or_default();
        self.merge(&json!({"metadata": {"ownerReferences": [{
            "apiVersion": types.api_version, "kind": types.kind, "name": owner.name_any(), "uid": owner.uid(),
            "controller": true, "blockOwnerDeletion": true,
        }]}}))
    }

    /// Merges a change into the object; `null` removes a field.
    #[must_use]
    pub fn merge(mut self, change: &Value) -> Self {
        merge(&mut self.manifest, change);
        self
    }

    /// Merges a change into its pod template, or into the pod itself.
    #[must_use]
    pub fn merge_pod(mut self, change: &Value) -> Self {
        if let Some(pod) = self.manifest.pointer_mut(self.pod) {
            merge(pod, change);
        }
        self
    }

    /// The object.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The selector of its pods.
    pub fn selector(&self) -> String {
        let name = self
            .manifest
            .pointer("/metadata/name")
            .and_then(Value::as_str);
        format!("{APP}={}", name.unwrap_or_default())
    }

    fn scalable(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let mut manifest = head(api_version, kind, namespace, name);
        let spec = json!({
            "replicas": 1,
            "selector": {"matchLabels": {APP: name}},
            "template": pod(name),
        });
        merge(&mut manifest, &json!({"spec": spec}));
        Self {
            manifest,
            pod: "/spec/template",
        }
    }

    fn container(mut self, change: &Value) -> Self {
        let path = format!("{}/spec/containers/0", self.pod);
        if let Some(container) = self.manifest.pointer_mut(&path) {
            merge(container, change);
        }
        self
    }
}

fn head(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {APP: name}},
    })
}

/// A pod that wants a floating IP, or the template of one. It ends at once when it is told to.
fn pod(app: &str) -> Value {
    json!({
        "metadata": {"labels": {APP: app}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "nginx:1.7.9",
                "resources": {"limits": {ENI_IP: "1"}, "requests": {ENI_IP: "1"}},
            }],
        },
    })
}

/// A JSON merge patch (RFC 7396).
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reaches_the_template_of_an_app_and_a_pod_alike() {
        let app = Workload::stateful_set("a", "web").policy("never").cpus(2);
        let pod = Workload::pod("a", "web").policy("never").cpus(2);
        let inside = &app.manifest()["spec"]["template"];
        assert_eq!(inside["metadata"]["annotations"][POLICY], "never");
        assert_eq!(inside["spec"], pod.manifest()["spec"]);
    }

    #[test]
    fn an_app_without_addresses_is_an_ordinary_one() {
        let app = Workload::deployment("a", "web").addresses(0);
        assert!(!app.manifest().to_string().contains(ENI_IP));
    }

    #[test]
    fn null_removes_a_field() {
        let set = Workload::daemon_set("a", "web");
        assert_eq!(set.manifest()["spec"].get("replicas"), None);
        assert!(set.manifest()["spec"].get("selector").is_some());
    }
}
