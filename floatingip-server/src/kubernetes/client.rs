//! The client of the API server.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use thiserror::Error;

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
    // Whoever writes repeats by itself: only it knows what a repetition means.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(|error| ClientError::Unusable(Box::new(error)))
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
