//! An API server with our definitions, for the tests that need one.

use std::time::Duration;

use floatingip_k8s::crd::{FloatingIP, POOL_NAMESPACE, Pool, install_crds};
use floatingip_k8s::store::{CrdStore, Gate, StoreOptions, connect};
use floatingip_testkit::{ControlPlane, Part};
use kube::api::{DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

/// The longest wait for definitions to be served.
const SERVED: Duration = Duration::from_secs(60);

/// etcd and an API server, which end with this.
pub(crate) struct Cluster {
    plane: ControlPlane,
    pub(crate) client: Client,
}

impl Cluster {
    /// With our definitions. None, said loudly, where the binaries are missing.
    pub(crate) async fn start(suite: &str) -> Option<Self> {
        let cluster = Self::bare(suite).await?;
        install_crds(&cluster.client, SERVED).await.unwrap();
        Some(cluster)
    }

    /// Without any definitions.
    pub(crate) async fn bare(suite: &str) -> Option<Self> {
        let parts = [Part::Etcd, Part::ApiServer];
        let builder = ControlPlane::builder_or_skip(suite, &parts).unwrap()?;
        let plane = builder.start().await.unwrap();
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Some(Self {
            client: connect(config.unwrap()).unwrap(),
            plane,
        })
    }

    pub(crate) fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    pub(crate) fn store(&self, gate: Gate) -> CrdStore {
        CrdStore::new(self.client.clone(), StoreOptions::default(), gate)
    }

    pub(crate) fn addresses(&self) -> Api<FloatingIP> {
        Api::all(self.client.clone())
    }

    pub(crate) fn pools(&self) -> Api<Pool> {
        Api::namespaced(self.client.clone(), POOL_NAMESPACE)
    }

    /// Deletes all records.
    pub(crate) async fn clear(&self) {
        let (how, which) = (DeleteParams::default(), ListParams::default());
        self.addresses()
            .delete_collection(&how, &which)
            .await
            .unwrap();
        self.pools().delete_collection(&how, &which).await.unwrap();
    }
}
