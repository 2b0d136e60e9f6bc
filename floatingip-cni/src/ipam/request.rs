//! Whom the server is asked for: the pod, its app, policy and pool.

use std::fs;

use super::config::{App, IpamConfig};
use super::lease::Taker;
use crate::server::AttachRequest;
use crate::spec::{Code, Failure};

/// Keys of `CNI_ARGS`. Those of Kubernetes are what its runtimes send; the others are for whoever starts containers
/// by hand or by a script.
const POD_NAMESPACE: &str = "K8S_POD_NAMESPACE";
const POD_NAME: &str = "K8S_POD_NAME";
const POD_UID: &str = "K8S_POD_UID";
const POLICY: &str = "FLOATINGIP_POLICY";
const POOL: &str = "FLOATINGIP_POOL";
const APP: &str = "FLOATINGIP_APP";

/// A pod's own annotations, where the runtime passes them on: as on Kubernetes.
const POLICY_ANNOTATION: &str = "k8s.v1.cni.galaxy.io/release-policy";
const POOL_ANNOTATION: &str = "tke.cloud.tencent.com/eni-ip-pool";

/// The namespace that the server takes where none is named.
const USUAL_NAMESPACE: &str = "default";

impl IpamConfig {
    /// What is asked: each thing by `CNI_ARGS`, else by the pod's annotations, else by the configuration.
    ///
    /// # Errors
    /// An argument cannot be meant, or the node has no name of its own.
    pub(super) fn request(&self, taker: &Taker<'_>) -> Result<AttachRequest, Failure> {
        let app = taker.app()?.or_else(|| self.app.clone());
        let app = app.unwrap_or_default();
        let namespace = taker.argument(POD_NAMESPACE);
        Ok(AttachRequest {
            node_name: self.node()?,
            attempt: attempt()?,
            network: taker.network.name.to_string(),
            container: taker.attachment.container.to_string(),
            interface: taker.attachment.interface.to_string(),
            node_ips: self.node_ips.clone(),
            namespace: namespace.unwrap_or_else(|| self.namespace.clone()),
            pod_name: taker.argument(POD_NAME).unwrap_or_default(),
            pod_uid: taker.pod_uid(),
            app_type: app.kind,
            app_group: app.group,
            app_name: app.name,
            pool_name: taker.wish(POOL, POOL_ANNOTATION, &self.pool),
            policy: taker.wish(POLICY, POLICY_ANNOTATION, &self.policy),
            count: self.count,
            ip_families: self.ip_families.clone(),
            request_ip_range: self.request_ip_range.clone(),
        })
    }
}

impl Taker<'_> {
    fn argument(&self, key: &str) -> Option<String> {
        let value = self.args.value(key).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    }

    /// The server takes a UID for that of a pod, which needs a name.
    fn pod_uid(&self) -> String {
        let named = self.argument(POD_NAME);
        let uid = named.and_then(|_| self.argument(POD_UID));
        uid.unwrap_or_default()
    }

    fn wish(&self, key: &str, annotation: &str, configured: &str) -> String {
        let annotations = self.network.annotations();
        let annotated = || annotations.and_then(|all| all.get(annotation).cloned());
        let wish = self.argument(key).or_else(annotated);
        wish.unwrap_or_else(|| configured.to_owned())
    }

    /// `TYPE/NAME`.
    fn app(&self) -> Result<Option<App>, Failure> {
        let Some(text) = self.argument(APP) else {
            return Ok(None);
        };
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Some(App {
                kind: kind.to_owned(),
                name: name.to_owned(),
                group: String::new(),
            })),
            _ => Err(Failure::new(
                Code::InvalidEnvironment,
                format!("CNI_ARGS has {APP}={text}: write TYPE/NAME, such as statefulset/web"),
            )),
        }
    }
}

/// A name for this one attempt, which no other one on any node has.
fn attempt() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/random/uuid";
    let read = fs::read_to_string(path);
    let read = read.map_err(|error| Failure::new(Code::Io, format!("{path}: {error}")))?;
    Ok(read.trim().to_owned())
}

/// By which pod the server knows what was asked for: its namespace, name and UID. A container without a pod is one.
pub(super) fn pod_of(request: &AttachRequest) -> [String; 3] {
    let or = |text: &str, other: &str| match text {
        "" => other.to_owned(),
        text => text.to_owned(),
    };
    let AttachRequest {
        node_name,
        container,
        interface,
        pod_name,
        ..
    } = request;
    let own = match pod_name.as_str() {
        "" => format!("{node_name}/{container}/{interface}"),
        _ => container.clone(),
    };
    [
        or(&request.namespace, USUAL_NAMESPACE),
        or(pod_name, container),
        or(&request.pod_uid, &own),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::{Args, Attachment, Network};

    fn request(config: &IpamConfig, args: &str, annotations: &[(&str, &str)]) -> AttachRequest {
        let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
        let runtime = json!({"io.kubernetes.cri.pod-annotations": annotations});
        let network = json!({"name": "lan", "runtimeConfig": runtime});
        let network = Network::read(network.to_string().as_bytes()).unwrap();
        let args: Args = args.parse().unwrap();
        let attachment = Attachment {
            container: "c1".parse().unwrap(),
            interface: "eth0".parse().unwrap(),
        };
        let taker = Taker {
            network: &network,
            attachment: &attachment,
            args: &args,
        };
        config.request(&taker).unwrap()
    }

    fn config() -> IpamConfig {
        let text = r#"{"nodeName":"n1","policy":"immutable","pool":"blue","app":{"type":"tapp","name":"web"}}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_said_of_one_pod_goes_before_what_is_said_of_all() {
        let all = request(&config(), "", &[]);
        assert_eq!(
            (all.policy.as_str(), all.pool_name.as_str()),
            ("immutable", "blue")
        );
        assert_eq!(
            (all.app_type.as_str(), all.app_name.as_str()),
            ("tapp", "web")
        );
        let annotations = [(POLICY_ANNOTATION, "never"), (POOL_ANNOTATION, "")];
        let annotated = request(&config(), "", &annotations);
        assert_eq!(
            (annotated.policy.as_str(), annotated.pool_name.as_str()),
            ("never", "")
        );
        let args = "FLOATINGIP_POLICY=immutable;FLOATINGIP_POOL=red;FLOATINGIP_APP=statefulset/db";
        let own = request(&config(), args, &annotations);
        assert_eq!(
            (own.policy.as_str(), own.pool_name.as_str()),
            ("immutable", "red")
        );
        assert_eq!(
            (own.app_type.as_str(), own.app_name.as_str()),
            ("statefulset", "db")
        );
    }

    #[test]
    fn the_owner_is_the_pod_or_the_container_itself() {
        let pod = request(
            &config(),
            "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0;K8S_POD_UID=u1",
            &[],
        );
        assert_eq!(pod_of(&pod), ["ns", "web-0", "u1"]);
        let nameless = request(&config(), "K8S_POD_UID=u1", &[]);
        assert_eq!(nameless.pod_uid, "");
        assert_eq!(pod_of(&nameless), ["default", "c1", "n1/c1/eth0"]);
        let no_uid = request(&config(), "K8S_POD_NAME=web-0", &[]);
        assert_eq!(pod_of(&no_uid), ["default", "web-0", "c1"]);
    }
}
