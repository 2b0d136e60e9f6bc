//! An API server with our definitions, for the tests that need one.

use std::time::Duration;

use floatingip_core::plan::Write;
use floatingip_core::record::Version;
use floatingip_core::store::{Answer, Outcome, Store as _};
use floatingip_core::testing::fixture::batch;
use floatingip_k8s::crd::{FloatingIP, POOL_NAMESPACE, Pool, install_crds};
use floatingip_k8s::store::{CrdStore, Gate, StoreOptions, connect};
use floatingip_testkit::{ControlPlane, Part, eventually};
use kube::api::{DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::Value as Json;

/// The longest wait for anything; reached only by a failure.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const FLOATING_IPS: &str = "/apis/galaxy.k8s.io/v1alpha1/floatingips";
pub(crate) const POOLS: &str = "/apis/galaxy.k8s.io/v1alpha1/namespaces/kube-system/pools";

/// etcd and an API server, which end with this.
pub(crate) struct Cluster {
    plane: ControlPlane,
    pub(crate) client: Client,
}

impl Cluster {
    /// With our definitions. None, said loudly, where the binaries are missing.
    pub(crate) async fn start(suite: &str) -> Option<Self> {
        let cluster = Self::bare(suite).await?;
        install_crds(&cluster.client, LIMIT).await.unwrap();
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

    /// Waits until both kinds can be listed.
    pub(crate) async fn wait_served(&self, limit: Duration) {
        let served = eventually(limit, "both kinds served", || async {
            let one = ListParams::default().limit(1);
            self.addresses().list_metadata(&one).await?;
            self.pools().list_metadata(&one).await?;
            Ok(())
        });
        served.await.unwrap();
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

/// Makes an object as `kubectl create` would.
pub(crate) async fn post(client: &Client, path: &str, object: &Json) -> Result<Json, kube::Error> {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes());
    client.request(request.unwrap()).await
}

/// Makes a write that has to be applied, repeated while its outcome is not certain.
pub(crate) async fn write_one(store: &CrdStore, serial: u64, write: Write) -> Version {
    let batch = batch(serial, [write]);
    let certain = eventually(LIMIT, "a certain outcome", || async {
        match &store.apply(&batch).await[..] {
            [Answer::Definite(outcome)] => Ok(outcome.clone()),
            other => anyhow::bail!("{other:?}"),
        }
    });
    match certain.await.unwrap() {
        Outcome::Applied(version) => version,
        other => panic!("{other:?}"),
    }
}
