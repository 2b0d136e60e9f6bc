//! What tests look at in a pod.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::Value;

/// A pod, as far as its addresses are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodView {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: Option<String>,
    pub(crate) phase: String,
    /// It is told to end.
    pub(crate) deleting: bool,
    /// `common.ipinfos` of the annotation that the binding carries.
    pub(crate) infos: Vec<Value>,
    /// Why it is not scheduled.
    pub(crate) waits: Option<String>,
}

impl PodView {
    pub(crate) fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let waiting = conditions
            .into_iter()
            .find(|one| one.type_ == "PodScheduled" && one.status == "False");
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            phase: status.phase.unwrap_or_default(),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            infos: infos(pod).unwrap_or_default(),
            waits: waiting.and_then(|condition| condition.message),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase == "Running"
    }

    /// The same with another address.
    pub(crate) fn with_address(&self, ip: &str) -> Self {
        let infos = vec![serde_json::json!({"ip": format!("{ip}/24")})];
        Self {
            infos,
            ..self.clone()
        }
    }

    /// The addresses without their prefix lengths.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        let infos = self.infos.iter();
        infos
            .filter_map(|info| info["ip"].as_str()?.split('/').next())
            .collect()
    }
}

fn infos(pod: &Pod) -> Option<Vec<Value>> {
    let args = pod.annotations().get("k8s.v1.cni.galaxy.io/args")?;
    let args: Value = serde_json::from_str(args).ok()?;
    args["common"]["ipinfos"].as_array().cloned()
}
