//! How a server starts: without a configuration, with a bad one, and on what galaxy-ipam left.

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{
    Assets, ControlPlane, Node, Server, ServerPlan, Workload, eventually, node, object,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::cluster::{LIMIT, config_map, floating_ip};
use crate::suite::Alone;
use crate::view::PodView;

const GOOD: &str = r#"[{"nodeSubnets":["10.0.0.0/24"],"ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;
const BAD: &str = r#"[{"nodeSubnets":["10.0.0.0/24"],"ips":["10.0.70.9~10.0.70.2"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1"}]"#;
const ARGS: &str = "k8s.v1.cni.galaxy.io/args";

pub(crate) const ALONE: &[Alone] = &[
    (
        "a_server_without_a_configuration_says_what_is_missing",
        |assets| Box::pin(configured(assets)),
    ),
    (
        "what_galaxy_ipam_left_is_adopted_and_nothing_moves",
        |assets| Box::pin(adopted(assets)),
    ),
];

async fn configured(assets: Assets) -> Result<()> {
    let plane = ControlPlane::builder(assets).start().await?;
    let client = plane.client();
    let server = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?.spawn(&plane)?;
    lacks(
        &server,
        "there is no ConfigMap kube-system/floatingip-config",
    )
    .await?;
    ensure!(
        server.api().get("/healthz").await?.status == 200,
        "not healthy"
    );
    ensure!(
        server.extender().get("/healthy").await?.status == 200,
        "not healthy"
    );
    ensure!(
        server.api().get("/v1/ip").await?.status == 503,
        "it lists what it does not know"
    );
    let pod = Workload::pod("default", "web");
    let question = json!({"Pod": pod.manifest(), "NodeNames": ["a-1"]});
    let answer = server.extender().post("/v1/filter", &question).await?;
    ensure!(answer.body.contains("starting"), "{}", answer.body);

    object::apply(&client, &config_map(BAD)).await?;
    lacks(&server, "10.0.70.9~10.0.70.2").await?;
    object::apply(&client, &config_map(GOOD)).await?;
    server.ready(LIMIT).await?;

    server.kill()?;
    object::apply(&client, &config_map(BAD)).await?;
    server.restart().await?;
    let ready = server.api().get("/readyz?verbose").await?.body;
    ensure!(
        ready.contains("the last good one is in force") && ready.contains("10.0.70.9~10.0.70.2"),
        "{ready}"
    );
    let page = server
        .api()
        .get("/v1/ip?includeFree=true&size=1")
        .await?
        .json(200)?;
    ensure!(page["totalElements"] == 240, "{page}");
    Ok(())
}

/// Waits until the server is not ready, and says that this is missing.
async fn lacks(server: &Server, what: &str) -> Result<()> {
    eventually(LIMIT, &format!("not ready, for: {what}"), || async {
        let answer = server.api().get("/readyz").await?;
        ensure!(
            answer.status == 503 && answer.body.contains(what),
            "{}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    })
    .await
}

/// A cluster that galaxy-ipam has run in, without controllers: nothing but our server changes anything.
async fn adopted(assets: Assets) -> Result<()> {
    let plane = ControlPlane::builder(assets).start().await?;
    let client = plane.client();
    let server = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?.spawn(&plane)?;
    defined(&server).await?;
    server.kill()?;
    let nodes =
        [("a-1", 1), ("a-2", 2)].map(|(name, last)| Node::new(name, [10, 0, 0, last].into()));
    node::create_all(&client, &nodes).await?;
    let apps = Apps::create(&client).await?;
    let former = apps.records(&client).await?;
    object::apply(&client, &config_map(GOOD)).await?;

    server.restart().await?;
    for (address, record) in &former {
        let present = record_of(&client, address).await?;
        for field in ["key", "attribute", "policy"] {
            ensure!(
                present["spec"][field] == record["spec"][field],
                "{record} became {present}"
            );
        }
        ensure!(
            present["metadata"]["uid"] == record["metadata"]["uid"],
            "{record} was made anew"
        );
    }
    let page = server
        .api()
        .get("/v1/ip?size=9999&poolName=blue_green")
        .await?
        .json(200)?;
    ensure!(page["totalElements"] == 2, "{page}");
    let page = server.api().get("/v1/pool/blue").await?.json(200)?;
    ensure!(
        page["pool"] == json!({"name": "blue", "size": 8, "preAllocateIP": true}),
        "{page}"
    );
    successors(&client, &server, &apps).await
}

/// The next pods of the same slots have the same addresses.
async fn successors(client: &Client, server: &Server, apps: &Apps) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete("web-0", &now).await?;
    let next = [
        (
            Workload::pod("default", "web-0")
                .policy("immutable")
                .owned_by(&apps.set),
            "10.0.70.70",
        ),
        (
            Workload::pod("default", "web-5d-x2")
                .policy("never")
                .owned_by(&apps.replicas),
            "10.0.70.71",
        ),
        (
            Workload::pod("default", "web-5d-x3")
                .pool("blue_green")
                .owned_by(&apps.replicas),
            "10.0.70.72",
        ),
    ];
    for (pod, address) in next {
        let pod = object::create(client, pod.manifest()).await?;
        bind(server, &pod).await?;
        let bound = PodView::of(&pods.get(&pod.name_any()).await?);
        ensure!(
            bound.addresses() == [address],
            "{bound:?} instead of {address}"
        );
    }
    Ok(())
}

/// As the scheduler does, again and again while it is refused.
async fn bind(server: &Server, pod: &DynamicObject) -> Result<()> {
    let question = json!({"Pod": pod, "NodeNames": ["a-2"]});
    let binding = json!({
        "PodNamespace": "default", "PodName": pod.name_any(), "PodUID": pod.uid(), "Node": "a-2",
    });
    eventually(LIMIT, "a binding", || async {
        let passed = server.extender().post("/v1/filter", &question).await?.body;
        let answer = server.extender().post("/v1/bind", &binding).await?.body;
        let error = serde_json::from_str::<Value>(&answer)?;
        let error = error
            .get("Error")
            .or_else(|| error.get("error"))
            .and_then(Value::as_str);
        ensure!(error.is_none_or(str::is_empty), "{passed}\n{answer}");
        Ok(())
    })
    .await
}

async fn defined(server: &Server) -> Result<()> {
    eventually(LIMIT, "the definitions", || async {
        let answer = server.api().get("/readyz?verbose").await?;
        ensure!(answer.body.contains("[+]crds ok"), "{}", answer.body);
        Ok(())
    })
    .await
}

/// The apps whose pods have addresses.
struct Apps {
    set: DynamicObject,
    replicas: DynamicObject,
    /// The UIDs of `web-0`, `web-5d-x1` and `debug`.
    uids: [String; 3],
}

impl Apps {
    async fn create(client: &Client) -> Result<Self> {
        let set = Workload::stateful_set("default", "web").policy("immutable");
        let set = object::create(client, set.manifest()).await?;
        let web = Workload::deployment("default", "web")
            .replicas(3)
            .policy("never");
        let web = object::create(client, web.manifest()).await?;
        let replicas = Workload::replica_set("default", "web-5d")
            .replicas(3)
            .owned_by(&web);
        let replicas = object::create(client, replicas.manifest()).await?;
        let pods = [
            (
                Workload::pod("default", "web-0")
                    .policy("immutable")
                    .owned_by(&set),
                "a-2",
                "10.0.70.70",
            ),
            (
                Workload::pod("default", "web-5d-x1")
                    .pool("blue_green")
                    .owned_by(&replicas),
                "a-2",
                "10.0.70.73",
            ),
            (
                Workload::pod("default", "debug").policy("never"),
                "a-1",
                "10.0.70.75",
            ),
        ];
        let mut uids = Vec::new();
        for (pod, node, address) in pods {
            uids.push(run(client, &pod, node, address).await?);
        }
        let uids = uids.try_into().ok().context("three pods")?;
        Ok(Self {
            set,
            replicas,
            uids,
        })
    }

    /// Writes galaxy's objects, the pods' UIDs put right; by address.
    async fn records(&self, client: &Client) -> Result<Vec<(&'static str, Value)>> {
        let [web, pooled, debug] = &self.uids;
        let objects: [(&str, &str, &str); 6] = [
            (
                "10.0.70.70",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-running.json"),
                web,
            ),
            (
                "10.0.70.71",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-reserved.json"),
                "",
            ),
            (
                "10.0.70.72",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-pool.json"),
                "",
            ),
            (
                "10.0.70.73",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-pooled.json"),
                pooled,
            ),
            (
                "10.0.70.74",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-administrator.json"),
                "",
            ),
            (
                "10.0.70.75",
                include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-bare.json"),
                debug,
            ),
        ];
        let mut records = Vec::new();
        for (address, text, uid) in objects {
            records.push((address, create_as_left(client, text, uid).await?));
        }
        let pool = include_str!("../../../floatingip-k8s/tests/golden/crd/galaxy-sized-pool.json");
        create_as_left(client, pool, "").await?;
        Ok(records)
    }
}

/// Creates an object without what only an API server may give it.
async fn create_as_left(client: &Client, text: &str, uid: &str) -> Result<Value> {
    let mut object: Value = serde_json::from_str(text)?;
    let metadata = object["metadata"].as_object_mut().context("no metadata")?;
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        metadata.remove(field);
    }
    let attribute = object["spec"]["attribute"].as_str().unwrap_or("{}");
    let mut attribute: Value = serde_json::from_str(attribute)?;
    if !uid.is_empty() {
        attribute["Uid"] = json!(uid);
        object["spec"]["attribute"] = json!(attribute.to_string());
    }
    Ok(serde_json::to_value(
        object::create(client, &object).await?,
    )?)
}

/// A pod that runs with an address, as galaxy-ipam has bound it; its UID.
async fn run(client: &Client, pod: &Workload, node: &str, address: &str) -> Result<String> {
    let infos = json!([{"ip": format!("{address}/24"), "vlan": 2, "gateway": "10.0.70.1"}]);
    let args = json!({"common": {"ipinfos": infos}}).to_string();
    let pod = pod
        .clone()
        .annotation(ARGS, &args)
        .merge(&json!({"spec": {"nodeName": node}}));
    let made = object::create(client, pod.manifest()).await?;
    let status =
        json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    pods.patch_status(
        &made.name_any(),
        &PatchParams::default(),
        &Patch::Merge(&status),
    )
    .await?;
    made.uid().context("no uid")
}

async fn record_of(client: &Client, address: &str) -> Result<Value> {
    let found = object::api(client, &floating_ip(address))?
        .get(address)
        .await?;
    Ok(serde_json::to_value(found)?)
}
