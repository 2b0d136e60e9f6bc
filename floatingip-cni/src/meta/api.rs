//! The pod, read once from the API server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::params::GetParams;
use kube::core::request::Request;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime;

use super::pod::{MIRROR, Pod};
use crate::spec::{Args, Code, Failure};

/// More than any pod has: etcd takes no object that is longer.
const LONGEST_POD: usize = 4 * 1024 * 1024;
const RESOURCE: &str = "tke.cloud.tencent.com/eni-ip";

/// Which pod, as the kubelet names it in `CNI_ARGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    namespace: String,
    name: String,
    uid: Option<String>,
}

/// Why the pod could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A name that no pod has.
    #[error("CNI_ARGS has {0:?}, which is no name of a pod or namespace")]
    Name(String),
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {path}, by which the pod is read, cannot be used: {error}")]
    Kubeconfig {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<KubeconfigError>,
    },
    /// The kubeconfig calls another program, which nobody would stop.
    #[error(
        "the kubeconfig {0} gets its token from a program: give it a token or a tokenFile instead"
    )]
    Program(PathBuf),
    /// No thread or socket for it.
    #[error("the API server cannot be asked for the pod: {0}")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not answer.
    #[error(
        "the API server was asked for pod {pod}, because its annotations have no floating IP, and did not answer: {error}"
    )]
    Unreachable {
        /// Which.
        pod: String,
        /// What happened.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not answer in time.
    #[error("the API server was asked for pod {pod}, because its annotations have no floating IP, and did not answer within {} s", limit.as_secs_f32())]
    Late {
        /// Which.
        pod: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It does not tell.
    #[error(
        "the API server does not show pod {pod} (HTTP {status}): may the user of the kubeconfig `get` pods?"
    )]
    Refused {
        /// Which.
        pod: String,
        /// The status.
        status: u16,
    },
    /// There is no such pod, or another one of its name.
    #[error("pod {0} is no longer there")]
    Gone(String),
    /// What it tells is no pod.
    #[error("the API server's answer for pod {pod} is none: {error}")]
    Unreadable {
        /// Which.
        pod: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

impl Who {
    /// None: the container is no pod's.
    ///
    /// # Errors
    /// The names cannot be those of a pod.
    pub(super) fn of(args: &Args) -> Result<Option<Self>, ApiError> {
        let value = |key| args.value(key).filter(|value| !value.is_empty());
        let pair = value("K8S_POD_NAMESPACE").zip(value("K8S_POD_NAME"));
        let Some((namespace, name)) = pair else {
            return Ok(None);
        };
        Ok(Some(Self {
            namespace: checked(namespace)?,
            name: checked(name)?,
            uid: value("K8S_POD_UID").map(str::to_owned),
        }))
    }
}

/// They become part of a path.
fn checked(name: &str) -> Result<String, ApiError> {
    let may_be = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.starts_with('.') || !name.chars().all(may_be) {
        return Err(ApiError::Name(name.to_owned()));
    }
    Ok(name.to_owned())
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Reads a pod by the kubeconfig in `file`, within `limit`.
///
/// # Errors
/// It cannot be read, or is another one than the container's.
pub(super) fn read(file: &Path, who: &Who, limit: Duration) -> Result<Pod, ApiError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApiError::Client(Box::new(error)))?;
    let answer = runtime.block_on(async {
        let late = |_| ApiError::Late {
            pod: who.to_string(),
            limit,
        };
        let asked = tokio::time::timeout(limit, ask(file, who)).await;
        asked.map_err(late)?
    });
    // A look-up of a name that hangs is not waited for.
    runtime.shutdown_background();
    answer
}

async fn ask(file: &Path, who: &Who) -> Result<Pod, ApiError> {
    let client = client(file).await?;
    let pods = Request::new(format!("/api/v1/namespaces/{}/pods", who.namespace));
    let request = pods.get(&who.name, &GetParams::default());
    let request = request.map_err(|error| ApiError::Client(Box::new(error)))?;
    let unreachable = |error: Box<dyn std::error::Error + Send + Sync>| ApiError::Unreachable {
        pod: who.to_string(),
        error,
    };
    let answer = client.send(request.map(Body::from)).await;
    let answer = answer.map_err(|error| unreachable(Box::new(error)))?;
    let pod = who.to_string();
    match answer.status().as_u16() {
        200 => {}
        404 => return Err(ApiError::Gone(pod)),
        status => return Err(ApiError::Refused { pod, status }),
    }
    let body = Limited::new(answer.into_body(), LONGEST_POD)
        .collect()
        .await;
    let wire: Wire = serde_json::from_slice(&body.map_err(unreachable)?.to_bytes())
        .map_err(|error| ApiError::Unreadable { pod, error })?;
    wire.of(who)
}

async fn client(file: &Path) -> Result<Client, ApiError> {
    let path = file.to_owned();
    let unusable = |error| ApiError::Kubeconfig {
        path: path.clone(),
        error: Box::new(error),
    };
    let read = Kubeconfig::read_from(file).map_err(unusable)?;
    let mut users = read
        .auth_infos
        .iter()
        .filter_map(|user| user.auth_info.as_ref());
    if users.any(|user| user.exec.is_some() || user.auth_provider.is_some()) {
        return Err(ApiError::Program(path));
    }
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(read, &options)
        .await
        .map_err(unusable)?;
    // Kubelet and runtime try again.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ApiError::Client(Box::new(error)))
}

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    resources: Value,
}

impl Wire {
    /// A pod that came after it under its name is not it.
    fn of(self, who: &Who) -> Result<Pod, ApiError> {
        let annotations = self.metadata.annotations.unwrap_or_default();
        let is_it = |uid: &String| {
            *uid == self.metadata.uid || annotations.get(MIRROR).is_some_and(|it| it == uid)
        };
        if who.uid.as_ref().is_some_and(|uid| !is_it(uid)) {
            return Err(ApiError::Gone(who.to_string()));
        }
        Ok(Pod {
            annotations,
            requests: Some(self.spec.requests()),
        })
    }
}

impl Spec {
    /// As the scheduler sees it: any container, init containers too, and a limit is a request.
    fn requests(&self) -> bool {
        let all = [&self.containers, &self.init_containers];
        let mut containers = all.into_iter().flatten().flatten();
        containers.any(|container| {
            let has = |sort| {
                container
                    .resources
                    .get(sort)
                    .and_then(|it| it.get(RESOURCE))
                    .is_some()
            };
            has("requests") || has("limits")
        })
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match &error {
            ApiError::Name(_) => Code::InvalidEnvironment,
            ApiError::Gone(_) => Code::UnknownContainer,
            ApiError::Kubeconfig { .. } | ApiError::Program(_) => Code::InvalidNetwork,
            ApiError::Refused { status, .. } if *status < 500 && *status != 429 => {
                Code::InvalidNetwork
            }
            _ => Code::TryAgain,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests;
