//! The client of the API server.

use std::path::Path;
use std::time::Duration;

use floatingip_k8s::store::connect;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use thiserror::Error;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file that was named cannot be used.
    #[error("cannot use the kubeconfig {file}: {source}")]
    Kubeconfig {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// Nothing says where the API server is.
    #[error(
        "nothing says how to reach the API server: give --kubeconfig, or run in a pod with a service account: \
         {0}"
    )]
    None(#[source] Box<kube::config::InferConfigError>),
    /// What is said cannot be used.
    #[error("the API server cannot be reached as configured: {0}")]
    Unusable(#[source] Box<kube::Error>),
}

/// A client as the kubeconfig says, or the surroundings.
pub(super) async fn client(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let mut config = match kubeconfig {
        Some(file) => from_file(file).await?,
        None => Config::infer()
            .await
            .map_err(|error| ClientError::None(Box::new(error)))?,
    };
    config.connect_timeout = Some(CONNECT);
    connect(config).map_err(|error| ClientError::Unusable(Box::new(error)))
}

async fn from_file(file: &Path) -> Result<Config, ClientError> {
    let unusable = |source| ClientError::Kubeconfig {
        file: file.display().to_string(),
        source: Box::new(source),
    };
    let read = Kubeconfig::read_from(file).map_err(unusable)?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(read, &options)
        .await
        .map_err(unusable)
}
