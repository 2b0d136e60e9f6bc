//! The control plane and the server that all tests share.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use floatingip_testkit::{Assets, ControlPlane, Server, ServerPlan, eventually, foreign, object};
use kube::Client;
use serde_json::{Value, json};

/// The longest wait for anything that has to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How long a node may be silent: a busy machine is silent for some seconds too.
const GRACE: Duration = Duration::from_secs(12);

/// A control plane whose scheduler asks our server.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) plane: ControlPlane,
}

impl Cluster {
    /// Starts everything, the server with this ConfigMap.
    pub(crate) async fn start(assets: Assets, config_map: &str) -> Result<Self> {
        let start = Instant::now();
        let plan = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?;
        let builder = ControlPlane::builder(assets).scheduler(plan.extender());
        let plane = builder
            .controller_manager()
            .kwok()
            .node_grace(GRACE)
            .start()
            .await?;
        println!(
            "control plane ready after {:.1} s",
            start.elapsed().as_secs_f32()
        );
        let kinds = [
            foreign::TAPP,
            foreign::KRUISE_STATEFUL_SET,
            foreign::ROLLOUT,
        ];
        foreign::install(&plane.client(), &kinds, LIMIT).await?;
        object::apply(&plane.client(), &yaml(config_map)?).await?;
        let server = plan.start(&plane).await?;
        println!("server ready after {:.1} s", start.elapsed().as_secs_f32());
        Ok(Self { server, plane })
    }

    pub(crate) fn client(&self) -> Client {
        self.plane.client()
    }

    /// Replaces the configuration, and waits until it is in force: until so many addresses are configured.
    pub(crate) async fn configure(&self, entries: &Value, addresses: u64) -> Result<()> {
        let config_map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "floatingip-config", "namespace": "kube-system"},
            "data": {"floatingips": entries.to_string()},
        });
        object::apply(&self.client(), &config_map).await?;
        eventually(LIMIT, "the new configuration", || async {
            let page = self
                .server
                .api()
                .get("/v1/ip?includeFree=true&size=1")
                .await?
                .json(200)?;
            ensure!(
                page["totalElements"] == addresses,
                "{} of {addresses} addresses",
                page["totalElements"]
            );
            Ok(())
        })
        .await
    }

    /// Asks the server to end, as a rolling update does.
    pub(crate) async fn end(&self) -> Result<()> {
        let status = self.server.terminate().await?;
        if status.code() != Some(0) {
            bail!("{status}:\n{}", self.server.process().log_tail(30));
        }
        Ok(())
    }
}

/// A manifest as documents print it.
pub(crate) fn yaml(text: &str) -> Result<Value> {
    Ok(serde_saphyr::from_str(text)?)
}
