//! The document that users of galaxy-ipam have: its configuration, its Deployment and its command lines, as printed.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::runner::Outcome;
use floatingip_testkit::{Node, Workload, eventually, foreign, node, object};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT, yaml};
use crate::view::PodView;

/// As printed, but for the indentation of `floatingips`.
pub(crate) const CONFIG_MAP: &str = r#"
kind: ConfigMap
apiVersion: v1
metadata:
 name: floatingip-config
 namespace: kube-system
data:
 floatingips: '[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]'
"#;
/// How many addresses that configures.
pub(crate) const ADDRESSES: u64 = 240;

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx-deployment
  labels:
    app: nginx
spec:
  replicas: 3
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
      annotations:
        k8s.v1.cni.cncf.io/networks: galaxy-k8s-vlan
        k8s.v1.cni.galaxy.io/release-policy: never
    spec:
      containers:
      - name: nginx
        image: nginx:1.7.9
        resources:
          limits:
            tke.cloud.tencent.com/eni-ip: "1"
          requests:
            tke.cloud.tencent.com/eni-ip: "1"
"#;

const LIST: &str = r#"curl "http://192.168.99.100:32761/v1/ip?namespace=default&appName=nginx-deployment&appType=tapp""#;
const RELEASE: &str = r#"curl -v -H 'Content-type: application/json' -d '{"ips":[{"ip":"10.0.70.169", "namespace":"default", "appName":"nginx-deployment", "appType":"tapp", "podName": "nginx-deployment-1"}]}' "http://192.168.99.100:32761/v1/ip""#;
const HOST: &str = "192.168.99.100:32761";
/// What the listing of the document shows, pod by pod.
const LISTED: [&str; 3] = ["10.0.70.33", "10.0.70.169", "10.0.70.142"];

pub(crate) type Body = fn(Arc<Cluster>) -> Outcome;

/// These run one after the other, before all others.
pub(crate) const TESTS: &[(&str, Body)] = &[
    ("the_seeds_deployment_runs_as_printed", |cluster| {
        Box::pin(deployment(cluster))
    }),
    ("the_seeds_command_lines_answer_as_printed", |cluster| {
        Box::pin(command_lines(cluster))
    }),
];

/// The entries of the configuration.
pub(crate) fn entries() -> Result<Vec<Value>> {
    let text = yaml(CONFIG_MAP)?;
    let text = text["data"]["floatingips"]
        .as_str()
        .context("no floatingips")?;
    Ok(serde_json::from_str(text)?)
}

async fn deployment(cluster: Arc<Cluster>) -> Result<()> {
    let client = cluster.client();
    let nodes: Vec<Node> = (1..=2)
        .map(|last| Node::new(format!("seed-{last}"), [10, 0, 0, last].into()))
        .collect();
    node::create_all(&client, &nodes).await?;
    let mut manifest = yaml(DEPLOYMENT)?;
    manifest["metadata"]["namespace"] = json!("default");
    object::create(&client, &manifest).await?;

    let pods = running(&cluster, "app=nginx", 3).await?;
    let mut addresses = BTreeSet::new();
    for pod in &pods {
        let [info] = pod.infos.as_slice() else {
            anyhow::bail!("{pod:?} has not one address")
        };
        ensure!(
            info["vlan"] == 2 && info["gateway"] == "10.0.70.1",
            "{info}"
        );
        ensure!(
            info["ip"]
                .as_str()
                .is_some_and(|ip| ip.starts_with("10.0.70.") && ip.ends_with("/24")),
            "{info}"
        );
        addresses.extend(pod.addresses());
        let key = format!("dp_default_nginx-deployment_{}", pod.name);
        let record = record(&cluster, pod.addresses()[0]).await?;
        ensure!(
            record["spec"]["key"] == key && record["spec"]["policy"] == 2,
            "{record}"
        );
    }
    ensure!(addresses.len() == 3, "{addresses:?}");

    object::delete(&client, &manifest).await?;
    kept(&cluster, "appName=nginx-deployment&appType=deployment", 3).await
}

async fn command_lines(cluster: Arc<Cluster>) -> Result<()> {
    if !curl_is_there() {
        return Ok(());
    }
    let client = cluster.client();
    let tapp = Workload::foreign(
        &foreign::TAPP.api_version(),
        foreign::TAPP.kind,
        "default",
        "nginx-deployment",
    );
    let tapp = tapp.replicas(3);
    let owner = object::create(&client, tapp.manifest()).await?;
    for (ordinal, address) in LISTED.iter().enumerate() {
        let pod = Workload::pod("default", &format!("nginx-deployment-{ordinal}")).policy("never");
        let pod = pod.ranges(&json!([[address]])).owned_by(&owner);
        let pod = pod.merge(&json!({"metadata": {"labels": {"app": "tapp"}}}));
        object::create(&client, pod.manifest()).await?;
    }
    running(&cluster, "app=tapp", 3).await?;
    object::delete(&client, tapp.manifest()).await?;
    kept(&cluster, "appName=nginx-deployment&appType=tapp", 3).await?;

    let page = run(&cluster, LIST)?;
    ensure!(without_times(&page) == expected_page(), "{page}");
    let released = run(&cluster, RELEASE)?;
    ensure!(
        released == json!({"code": 200, "message": ""}),
        "{released}"
    );
    let page = run(&cluster, LIST)?;
    ensure!(page["totalElements"] == 2, "{page}");
    Ok(())
}

/// As printed, but in the order of numbers.
fn expected_page() -> Value {
    let row = |ordinal: usize| {
        json!({
            "ip": LISTED[ordinal], "namespace": "default", "appName": "nginx-deployment",
            "podName": format!("nginx-deployment-{ordinal}"), "policy": 2, "appType": "tapp",
            "status": "Deleted", "releasable": true,
        })
    };
    json!({
        "last": true, "totalElements": 3, "totalPages": 1, "first": true, "numberOfElements": 3, "size": 10,
        "number": 0, "content": [row(0), row(2), row(1)],
    })
}

fn without_times(page: &Value) -> Value {
    let mut page = page.clone();
    for row in page["content"].as_array_mut().into_iter().flatten() {
        let time = row.as_object_mut().and_then(|row| row.remove("updateTime"));
        assert!(time.is_some(), "{row} has no updateTime");
    }
    page
}

/// Waits until so many addresses are kept and no pod has them any more.
async fn kept(cluster: &Cluster, parameters: &str, count: usize) -> Result<()> {
    let path = format!("/v1/ip?namespace=default&{parameters}");
    eventually(
        LIMIT,
        &format!("{count} kept addresses of {parameters}"),
        || async {
            let page = cluster.server.api().get(&path).await?.json(200)?;
            let rows = page["content"].as_array().context("no content")?;
            let kept = rows.iter().filter(|row| row["status"] == "Deleted").count();
            ensure!(rows.len() == count && kept == count, "{page}");
            Ok(())
        },
    )
    .await
}

async fn running(cluster: &Cluster, labels: &str, count: usize) -> Result<Vec<PodView>> {
    let what = format!("{count} running pods with {labels}");
    let found = eventually(LIMIT, &what, || async {
        let pods = object::pods(&cluster.client(), "default", labels).await?;
        let pods: Vec<PodView> = pods.iter().map(PodView::of).collect();
        ensure!(
            pods.len() == count && pods.iter().all(PodView::is_running),
            "{pods:?}"
        );
        Ok(pods)
    });
    let log = || {
        format!(
            "the server's log:\n{}",
            cluster.server.process().log_tail(30)
        )
    };
    found.await.with_context(log)
}

async fn record(cluster: &Cluster, address: &str) -> Result<Value> {
    let named = json!({"apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP"});
    let found = object::api(&cluster.client(), &named)?.get(address).await?;
    Ok(serde_json::to_value(found)?)
}

/// What a command line prints, with our host in the place of the document's.
fn run(cluster: &Cluster, command: &str) -> Result<Value> {
    let here = format!("127.0.0.1:{}", cluster.server.api_port());
    let script = format!(
        "curl() {{ command curl --max-time 30 -sS \"$@\"; }}\n{}",
        command.replace(HOST, &here)
    );
    let ran = Command::new("sh").args(["-ec", &script]).output()?;
    ensure!(ran.status.success(), "{command}\n{ran:?}");
    Ok(serde_json::from_slice(&ran.stdout)?)
}

/// Where commands must be run as printed, it is no excuse that they cannot.
fn curl_is_there() -> bool {
    let found = Command::new("curl").arg("--version").output();
    let found = found.is_ok_and(|answer| answer.status.success());
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !must, "curl is missing");
    if !found {
        eprintln!("SKIPPED: curl is missing, so the printed command lines were NOT run");
    }
    found
}
