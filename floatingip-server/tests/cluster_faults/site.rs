//! An API server without controllers, scheduler and nodes, in which a test writes every object itself.

use std::path::Path;

use anyhow::{Context as _, Result};
use floatingip_k8s::crd::install_crds;
use floatingip_testkit::{ControlPlane, Node, Part, Verified, Workload, node, object, verify};
use kube::Client;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::{Value, json};

use crate::LIMIT;

/// The node that every pod is bound to.
pub(crate) const NODE: &str = "node-1";

/// The API server, and what was written to it since the last [`clear`](Site::clear).
pub(crate) struct Site {
    plane: ControlPlane,
    client: Client,
    written: Vec<Value>,
}

impl Site {
    /// None, said loudly, where the programs are missing.
    pub(crate) async fn start() -> Result<Option<Self>> {
        let parts = [Part::Etcd, Part::ApiServer];
        let Some(builder) = ControlPlane::builder_or_skip("planted violations", &parts)? else {
            return Ok(None);
        };
        let plane = builder.start().await?;
        let client = plane.client();
        install_crds(&client, LIMIT).await?;
        node::create_all(&client, &[Node::new(NODE, [10, 1, 0, 1].into())]).await?;
        Ok(Some(Self {
            plane,
            client,
            written: Vec::new(),
        }))
    }

    pub(crate) async fn configure(&self) -> Result<()> {
        let entries = json!([{
            "nodeSubnets": ["10.1.0.0/16"], "ips": ["10.0.0.2~10.0.0.99"], "subnet": "10.0.0.0/24",
            "gateway": "10.0.0.1", "vlan": 2,
        }]);
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "floatingip-config", "namespace": "kube-system"},
            "data": {"floatingips": entries.to_string()},
        });
        object::apply(&self.client, &map).await?;
        Ok(())
    }

    /// What `floatingip-server verify` says.
    pub(crate) async fn verify(&self) -> Result<Verified> {
        let binary = Path::new(env!("CARGO_BIN_EXE_floatingip-server"));
        verify(binary, &self.plane, 1).await
    }

    /// Writes an object.
    pub(crate) async fn write(&mut self, manifest: &Value) -> Result<DynamicObject> {
        let created = object::create(&self.client, manifest).await?;
        self.written.push(manifest.clone());
        Ok(created)
    }

    /// A pod that is bound with these addresses; its UID.
    pub(crate) async fn pod(&mut self, pod: Workload, addresses: &[&str]) -> Result<String> {
        let infos = addresses
            .iter()
            .map(|ip| json!({"ip": format!("{ip}/24"), "vlan": 2, "gateway": "10.0.0.1"}));
        let args = json!({"common": {"ipinfos": infos.collect::<Vec<_>>()}});
        let pod = match addresses {
            [] => pod,
            _ => pod.annotation("k8s.v1.cni.galaxy.io/args", &args.to_string()),
        };
        let pod = pod.merge(&json!({"spec": {"nodeName": NODE}}));
        let created = self.write(pod.manifest()).await?;
        created.uid().context("a pod without UID")
    }

    /// A FloatingIP as galaxy-ipam writes it; without a UID its address is in reserve.
    pub(crate) async fn address(
        &mut self,
        ip: &str,
        key: &str,
        uid: &str,
        policy: u8,
    ) -> Result<()> {
        let node = if uid.is_empty() { "" } else { NODE };
        let attribute = json!({"NodeName": node, "Uid": uid}).to_string();
        let object = json!({
            "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP", "metadata": {"name": ip},
            "spec": {"key": key, "attribute": attribute, "policy": policy},
        });
        self.write(&object).await.map(drop)
    }

    /// Deletes what was written, the last first, without waiting for a kubelet.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        let now = DeleteParams::background().grace_period(0);
        while let Some(manifest) = self.written.pop() {
            let name = manifest["metadata"]["name"].as_str().context("no name")?;
            object::api(&self.client, &manifest)?
                .delete(name, &now)
                .await?;
        }
        Ok(())
    }
}
