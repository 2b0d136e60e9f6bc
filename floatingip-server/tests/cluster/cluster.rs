//! The control plane and the server that all tests share.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use floatingip_testkit::{Assets, ControlPlane, Server, ServerPlan, eventually, foreign, object};
use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The longest wait for anything that has to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How long a node may be silent: a busy machine is silent for some seconds too.
const GRACE: Duration = Duration::from_secs(12);

/// A control plane whose scheduler asks our server.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) plane: ControlPlane,
    /// What is configured. Kept by who changes it, so that no change undoes another.
    entries: Mutex<Vec<Value>>,
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
        Ok(Self {
            server,
            plane,
            entries: Mutex::default(),
        })
    }

    pub(crate) fn client(&self) -> Client {
        self.plane.client()
    }

    /// Replaces the configuration, and waits until it is in force: until so many addresses are configured.
    pub(crate) async fn configure(&self, entries: &Value, addresses: u64) -> Result<()> {
        *self.entries.lock().await = entries.as_array().cloned().unwrap_or_default();
        self.write(&entries.to_string()).await?;
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

    /// Changes the configuration; what other tests have there stays.
    pub(crate) async fn reconfigure(&self, change: impl FnOnce(&mut Vec<Value>)) -> Result<()> {
        let mut entries = self.entries.lock().await;
        change(&mut entries);
        self.write(&Value::Array(entries.clone()).to_string()).await
    }

    /// Has another document in the ConfigMap while `look` looks, and then the former one again.
    pub(crate) async fn with_document(
        &self,
        text: &str,
        look: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let entries = self.entries.lock().await;
        self.write(text).await?;
        let seen = look.await;
        self.write(&Value::Array(entries.clone()).to_string())
            .await?;
        seen
    }

    /// Has nobody change the configuration meanwhile, which would end claims and wake who waits.
    pub(crate) async fn unchanged<T>(&self, look: impl Future<Output = T>) -> T {
        let _entries = self.entries.lock().await;
        look.await
    }

    async fn write(&self, floatingips: &str) -> Result<()> {
        object::apply(&self.client(), &config_map(floatingips)).await?;
        Ok(())
    }

    /// The events of a namespace, one per line.
    pub(crate) async fn events(&self, namespace: &str) -> Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.client(), namespace);
        let events = events.list(&ListParams::default()).await?;
        let line = |event: &Event| {
            let object = event.involved_object.name.as_deref().unwrap_or_default();
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!(
                "  {object}: {} {}",
                text(&event.reason),
                text(&event.message)
            )
        };
        Ok(events.iter().map(line).collect())
    }

    /// Waits for an event in a namespace: its reason, and a part of its text.
    pub(crate) async fn told(&self, namespace: &str, reason: &str, text: &str) -> Result<()> {
        let what = format!("event {reason} in {namespace} that says: {text}");
        eventually(LIMIT, &what, || async {
            let events = self.events(namespace).await?;
            let fits = |event: &&String| event.contains(reason) && event.contains(text);
            ensure!(
                events.iter().any(|event| fits(&event)),
                "{}",
                events.join("\n")
            );
            Ok(())
        })
        .await
    }

    /// The FloatingIP object of an address.
    pub(crate) async fn record(&self, address: &str) -> Result<Option<Value>> {
        let found = object::api(&self.client(), &floating_ip(address))?;
        let found = found.get_opt(address).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// A number in the server's metrics.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let metrics = self.server.api().get("/metrics").await?.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        let value = line.with_context(|| format!("there is no metric {name}"))?;
        Ok(value.trim().parse()?)
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

/// The ConfigMap that the server reads, with this document.
pub(crate) fn config_map(floatingips: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "floatingip-config", "namespace": "kube-system"},
        "data": {"floatingips": floatingips},
    })
}

/// Which FloatingIP object is meant.
pub(crate) fn floating_ip(address: &str) -> Value {
    json!({"apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP", "metadata": {"name": address}})
}
