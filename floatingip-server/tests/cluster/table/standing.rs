//! What stands in the pods' annotations, in the FloatingIP objects and in the API's listing: the same everywhere, and
//! nothing besides.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::object;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::app::{App, NAME};
use super::axes::{Kind, Policy, Slot};
use crate::view::PodView;

/// Addresses without a pod, and what is written of them.
pub(super) type Reserve = BTreeMap<String, Entry>;

/// What is written of an address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// As the API lists it, without the time.
    row: Value,
    /// `spec.key`.
    key: String,
    /// `spec.policy`.
    policy: u64,
    /// Node and UID of `spec.attribute`.
    attribute: [String; 2],
}

impl App {
    /// What is to be written of these pods' addresses when they are kept without a pod, under the present policy.
    pub(super) fn reserve_of(&self, pods: &[PodView]) -> Reserve {
        let entries = pods.iter().flat_map(|pod| {
            let addresses = pod.addresses();
            addresses
                .into_iter()
                .map(|ip| (ip.to_owned(), self.kept(ip, pod)))
        });
        entries.collect()
    }

    /// Waits until the records are those of `pods` and of `reserve`, and of nothing else.
    pub(super) async fn stands(&self, pods: &[PodView], reserve: &Reserve) -> Result<()> {
        let mut expected = reserve.clone();
        for pod in pods {
            let ip = self.one_address(pod)?;
            let twice = expected.insert(ip.to_owned(), self.live(ip, pod));
            ensure!(
                twice.is_none(),
                "{ip} of {pod:?} is somebody else's too: {twice:?}"
            );
        }
        let rows: BTreeMap<&String, &Value> = expected
            .iter()
            .map(|(ip, entry)| (ip, &entry.row))
            .collect();
        self.lot
            .eventually("the API lists what is expected", || async {
                let listed = self.listed().await?;
                let same = listed.iter().eq(rows.iter().map(|(ip, row)| (*ip, *row)));
                ensure!(same, "listed {listed:#?}\nexpected {rows:#?}");
                Ok(())
            })
            .await?;
        self.lot
            .eventually("the objects say what is expected", || async {
                let objects = self.objects().await?;
                let expected: BTreeMap<&String, Value> = expected
                    .iter()
                    .map(|(ip, entry)| (ip, entry.spec()))
                    .collect();
                let same = objects
                    .iter()
                    .eq(expected.iter().map(|(ip, spec)| (*ip, spec)));
                ensure!(same, "objects {objects:#?}\nexpected {expected:#?}");
                Ok(())
            })
            .await
    }

    /// The rows of all addresses of the lot that somebody has.
    pub(super) async fn listed(&self) -> Result<BTreeMap<String, Value>> {
        let path = format!("/v1/ip?size=9999&keyword={}", self.lot.prefix());
        let page = self.lot.cluster.server.api().get(&path).await?.json(200)?;
        let rows = page["content"].as_array().context("no content")?;
        let row = |row: &Value| {
            let mut row = row.clone();
            let fields = row.as_object_mut().context("a row is no object")?;
            fields.remove("updateTime").context("no updateTime")?;
            Ok((text(&row["ip"]), row))
        };
        rows.iter().map(row).collect()
    }

    /// Key, policy and attribute of all objects of the lot.
    pub(super) async fn objects(&self) -> Result<BTreeMap<String, Value>> {
        let kind = json!({"apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP"});
        let objects = object::api(&self.lot.cluster.client(), &kind)?;
        let objects = objects.list(&ListParams::default()).await?;
        let ours = objects
            .into_iter()
            .filter(|object| object.name_any().starts_with(&self.lot.prefix()));
        let spec = |object: kube::api::DynamicObject| {
            let spec = &object.data["spec"];
            let attribute: Value =
                serde_json::from_str(spec["attribute"].as_str().unwrap_or("null"))?;
            let spec =
                json!({"key": spec["key"], "policy": spec["policy"], "attribute": attribute});
            Ok((object.name_any(), spec))
        };
        ours.map(spec).collect()
    }

    /// The address of a pod that has one, as its annotation says it.
    pub(super) fn one_address<'a>(&self, pod: &'a PodView) -> Result<&'a str> {
        let [info] = pod.infos.as_slice() else {
            anyhow::bail!("{pod:?} has not one address");
        };
        let gateway = format!("{}1", self.lot.prefix());
        ensure!(
            info["gateway"] == gateway.as_str() && info["vlan"] == 2,
            "{info}"
        );
        let ip = info["ip"].as_str().and_then(|ip| ip.strip_suffix("/24"));
        let ip = ip.with_context(|| format!("{info} has no address in a /24"))?;
        ensure!(
            ip.starts_with(&self.lot.prefix()),
            "{ip} is not of {}",
            self.lot.prefix()
        );
        Ok(ip)
    }

    fn live(&self, ip: &str, pod: &PodView) -> Entry {
        let mut row = self.row(ip);
        row["podName"] = json!(pod.name);
        row["status"] = json!("Running");
        Entry {
            row,
            key: self.key(&pod.name),
            policy: self.code(),
            attribute: [pod.node.clone().unwrap_or_default(), pod.uid.clone()],
        }
    }

    fn kept(&self, ip: &str, pod: &PodView) -> Entry {
        let mut row = self.row(ip);
        row["status"] = json!("Deleted");
        row["releasable"] = json!(true);
        let slot = match self.kind.slot() {
            Slot::Any | Slot::Nothing => "",
            Slot::Ordinal | Slot::PodName => &pod.name,
            Slot::Node => pod.node.as_deref().unwrap_or_default(),
        };
        let shared = slot.is_empty() && self.policy == Policy::Pool;
        let entry = |row, key| Entry {
            row,
            key,
            policy: self.code(),
            attribute: Default::default(),
        };
        if shared {
            let row = json!({
                "ip": ip, "poolName": self.pool, "policy": 2, "status": "Deleted", "releasable": true,
            });
            return entry(row, format!("pool__{}_", self.pool));
        }
        if matches!(self.kind.slot(), Slot::Ordinal | Slot::PodName) {
            row["podName"] = json!(slot);
        }
        entry(row, self.key(slot))
    }

    /// What rows of live and kept addresses have in common.
    fn row(&self, ip: &str) -> Value {
        let mut row = json!({"ip": ip, "namespace": self.lot.namespace, "policy": self.code()});
        if let Some(app_type) = self.kind.app_type() {
            row["appName"] = json!(self.app_name());
            row["appType"] = json!(app_type);
        }
        if self.kind == Kind::Deployment {
            row["isDeployment"] = json!(true);
        }
        if self.policy == Policy::Pool {
            row["poolName"] = json!(self.pool);
        }
        row
    }

    fn key(&self, last: &str) -> String {
        let pool = match self.policy {
            Policy::Pool => format!("pool__{}_", self.pool),
            _ => String::new(),
        };
        let kind = match self.kind.app_type() {
            None => "NULL",
            Some("deployment") => "dp",
            Some("statefulset") => "sts",
            Some(other) => other,
        };
        format!(
            "{pool}{kind}_{}_{}_{last}",
            self.lot.namespace,
            self.app_name()
        )
    }

    fn app_name(&self) -> &'static str {
        match self.kind {
            Kind::Pod => "NULL",
            _ => NAME,
        }
    }

    /// The policy that holds: a pod by itself has no app with which its address could go.
    fn code(&self) -> u64 {
        match (self.policy, self.kind) {
            (Policy::PodDelete, _) => 0,
            (Policy::Immutable, kind) if kind != Kind::Pod => 1,
            _ => 2,
        }
    }
}

impl Entry {
    /// Of the object.
    fn spec(&self) -> Value {
        let [node, uid] = &self.attribute;
        json!({"key": self.key, "policy": self.policy, "attribute": {"NodeName": node, "Uid": uid}})
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
