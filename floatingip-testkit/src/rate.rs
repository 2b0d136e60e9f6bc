//! How many pods a server binds in a second, beside how many the API server could take.
//!
//! Both are measured by the same client on the same control plane, one after the other, pair by pair: *raw* creates
//! one object of the shape of a FloatingIP and posts one binding for each pod; *served* asks the extender's filter
//! with the names of all nodes and then its bind, as the scheduler does. Pods are created before and deleted after
//! the clock runs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::{Node, Server, eventually, node};

/// The extended resource that makes a pod the server's.
const ENI_IP: &str = "tke.cloud.tencent.com/eni-ip";
/// How long all pods of a turn may take to be gone, with their addresses.
const CLEAN: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many pods each turn binds.
    pub pods: usize,
    /// How many of them at once.
    pub in_flight: usize,
    /// How many pairs of turns.
    pub pairs: usize,
}

/// What came out, in pods per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Of each raw turn.
    pub raw: Vec<f64>,
    /// Of each turn through the server.
    pub served: Vec<f64>,
}

impl Rates {
    /// The median of the pairs' ratios: how much of the raw rate the server reaches.
    pub fn ratio(&self) -> f64 {
        let pairs = self.served.iter().zip(&self.raw);
        median(pairs.map(|(served, raw)| served / raw).collect())
    }

    /// The medians, raw and served.
    pub fn medians(&self) -> (f64, f64) {
        (median(self.raw.clone()), median(self.served.clone()))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The configuration that the measurement needs: one large subnet for all its nodes.
pub fn configuration() -> String {
    json!([{
        "nodeSubnets": ["10.64.0.0/16"],
        "ips": ["10.128.0.2~10.128.255.254"],
        "subnet": "10.128.0.0/16",
        "gateway": "10.128.0.1",
    }])
    .to_string()
}

/// A control plane and a server under measurement.
#[derive(Debug)]
pub struct Bench<'a> {
    server: &'a Server,
    requests: Requests,
    nodes: Vec<String>,
    turn: usize,
}

impl<'a> Bench<'a> {
    /// Makes the nodes. Needs no scheduler, no controllers and no kwok; the configuration is
    /// [`configuration`]'s.
    ///
    /// # Errors
    /// What the API server refuses.
    pub async fn prepare(client: Client, server: &'a Server, nodes: u16) -> Result<Self> {
        let address = |n: u16| {
            let [high, low] = (n + 1).to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(10, 64, high, low))
        };
        let made: Vec<Node> = (0..nodes)
            .map(|n| Node::new(format!("rate-{n}"), address(n)).pods(100_000))
            .collect();
        node::create_all(&client, &made).await?;
        let requests = Requests(client);
        for node in &made {
            requests.report(node.name()).await?;
        }
        requests.define_raw().await?;
        Ok(Self {
            server,
            requests,
            nodes: made.iter().map(|node| node.name().to_owned()).collect(),
            turn: 0,
        })
    }

    /// Measures pair by pair, after a pair that does not count.
    ///
    /// # Errors
    /// Any pod that is not bound ends it.
    pub async fn run(&mut self, plan: Plan) -> Result<Rates> {
        let mut rates = Rates {
            raw: Vec::new(),
            served: Vec::new(),
        };
        for pair in 0..=plan.pairs {
            let raw = self.raw_turn(plan).await.context("raw")?;
            let served = self.served_turn(plan).await.context("served")?;
            if pair > 0 {
                rates.raw.push(raw);
                rates.served.push(served);
            }
        }
        Ok(rates)
    }

    async fn raw_turn(&mut self, plan: Plan) -> Result<f64> {
        let pods = self.pods(plan, false).await?;
        let begun = Instant::now();
        let bind = async |(n, pod): (usize, &Value)| {
            let node = self.node_of(n);
            self.requests.create_address(n, pod, node).await?;
            self.requests.bind(n, pod, node).await
        };
        at_once(plan.in_flight, pods.iter().enumerate(), bind).await?;
        let took = begun.elapsed();
        self.clean().await?;
        Ok(per_second(plan.pods, took))
    }

    async fn served_turn(&mut self, plan: Plan) -> Result<f64> {
        let pods = self.pods(plan, true).await?;
        let begun = Instant::now();
        let bind = async |(n, pod): (usize, &Value)| self.schedule(n, pod).await;
        at_once(plan.in_flight, pods.iter().enumerate(), bind).await?;
        let took = begun.elapsed();
        self.clean().await?;
        Ok(per_second(plan.pods, took))
    }

    /// Filter and bind, as the scheduler asks.
    async fn schedule(&self, n: usize, pod: &Value) -> Result<()> {
        let question = json!({ "Pod": pod, "Nodes": null, "NodeNames": self.nodes });
        let answer = self.server.extender().post("/v1/filter", &question).await?;
        let answer = answer.json(200)?;
        let node = self.node_of(n);
        let passed = answer["NodeNames"].as_array();
        let passed = passed.is_some_and(|names| names.iter().any(|name| name == node));
        ensure!(passed, "the node did not pass: {answer}");
        let binding = json!({
            "PodName": pod["metadata"]["name"], "PodNamespace": pod["metadata"]["namespace"],
            "PodUID": pod["metadata"]["uid"], "Node": node,
        });
        let answer = self.server.extender().post("/v1/bind", &binding).await?;
        let answer = answer.json(200)?;
        ensure!(answer["Error"] == "", "not bound: {answer}");
        Ok(())
    }

    fn node_of(&self, n: usize) -> &str {
        self.nodes
            .get(n % self.nodes.len().max(1))
            .map_or("", String::as_str)
    }

    /// Fresh pods, as the API server has them.
    async fn pods(&mut self, plan: Plan, wanted: bool) -> Result<Vec<Value>> {
        self.turn += 1;
        let turn = self.turn;
        let pod = |n: usize| pod(&format!("rate-{turn}-{n}"), wanted);
        let requests = &self.requests;
        stream::iter((0..plan.pods).map(pod))
            .map(|pod| async move { requests.create_pod(&pod).await })
            .buffered(32)
            .try_collect()
            .await
    }

    /// Deletes what the turn made, and waits until the server has freed its addresses.
    async fn clean(&self) -> Result<()> {
        self.requests.delete_all(PODS).await?;
        self.requests.delete_all(RAW).await?;
        eventually(CLEAN, "no address left", || async {
            let left = self.requests.count(ADDRESSES).await?;
            ensure!(left == 0, "{left} left");
            Ok(())
        })
        .await
    }
}

async fn at_once<T>(
    in_flight: usize,
    items: impl Iterator<Item = T>,
    each: impl AsyncFn(T) -> Result<()>,
) -> Result<()> {
    let each = &each;
    stream::iter(items.map(Ok))
        .try_for_each_concurrent(in_flight, |item| each(item))
        .await
}

fn per_second(pods: usize, took: Duration) -> f64 {
    pods as f64 / took.as_secs_f64()
}

fn pod(name: &str, wanted: bool) -> Value {
    let mut resources = json!({ "cpu": "1m" });
    if wanted {
        resources[ENI_IP] = json!("1");
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "rate" } },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main", "image": "none",
                "resources": { "requests": resources, "limits": resources },
            }],
        },
    })
}

/// The address of the raw turn's pod of that number.
fn address(n: usize) -> Result<Ipv4Addr> {
    let [high, low] = u16::try_from(n + 2)?.to_be_bytes();
    Ok(Ipv4Addr::new(10, 128, high, low))
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const ADDRESSES: &str = "/apis/galaxy.k8s.io/v1alpha1/floatingips";
/// A kind of the same definition under another name, so that the server does not notice the raw turns.
const RAW: &str = "/apis/rate.example/v1alpha1/rawips";

/// The requests of the measurement.
struct Requests(Client);

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requests").finish()
    }
}

impl Requests {
    /// Says in the place of a kubelet that it is ready: the addresses of pods that are deleted on other nodes
    /// rest.
    async fn report(&self, node: &str) -> Result<()> {
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        let path = format!("/api/v1/nodes/{node}/status");
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.body(serde_json::to_vec(&ready)?)?;
        self.0.request::<Value>(request).await.map(drop)?;
        Ok(())
    }

    async fn create_pod(&self, pod: &Value) -> Result<Value> {
        self.post(PODS, pod).await
    }

    /// An object as the server writes one for a pod.
    async fn create_address(&self, n: usize, pod: &Value, node: &str) -> Result<()> {
        let name = &pod["metadata"]["name"];
        let uid = &pod["metadata"]["uid"];
        let address = json!({
            "apiVersion": "rate.example/v1alpha1", "kind": "RawIP",
            "metadata": { "name": address(n)?.to_string(), "labels": {
                "floatingip.galaxy.k8s.io/namespace": "default",
                "floatingip.galaxy.k8s.io/node": node,
                "floatingip.galaxy.k8s.io/policy": "release",
            }},
            "spec": {
                "key": format!("NULL_NS_NULL_{}", name.as_str().unwrap_or_default()),
                "attribute": json!({ "NodeName": node, "Uid": uid }).to_string(),
                "policy": 0,
                "updateTime": "2023-11-14T22:13:20.123456789Z",
                "form": "pod",
                "plan": "f1c7a0b1c2d3e4f5-7",
            },
        });
        self.post(RAW, &address).await.map(drop)
    }

    /// A binding as the server posts one.
    async fn bind(&self, n: usize, pod: &Value, node: &str) -> Result<()> {
        let ip = format!("{}/16", address(n)?);
        let args = json!({ "common": { "ipinfos": [
            { "ip": ip, "vlan": 0, "gateway": "10.128.0.1" }
        ]}});
        let metadata = &pod["metadata"];
        let name = metadata["name"].as_str().context("a pod without a name")?;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {
                "name": name, "namespace": "default", "uid": metadata["uid"],
                "annotations": { "k8s.v1.cni.galaxy.io/args": args.to_string() },
            },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let path = format!("{PODS}/{name}/binding");
        self.post(&path, &binding).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(body)?)?;
        let answer = self.0.request(request).await;
        answer.with_context(|| format!("cannot post to {path}"))
    }

    async fn delete_all(&self, path: &str) -> Result<()> {
        let path = format!("{path}?gracePeriodSeconds=0");
        let request = Request::delete(&path).body(Vec::new())?;
        self.0.request::<Value>(request).await.map(drop)?;
        Ok(())
    }

    async fn count(&self, path: &str) -> Result<usize> {
        let request = Request::get(path).body(Vec::new())?;
        let list: Value = self.0.request(request).await?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    }

    /// Copies the definition of the FloatingIP objects.
    async fn define_raw(&self) -> Result<()> {
        const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let path = format!("{DEFINITIONS}/floatingips.galaxy.k8s.io");
        let of: Value = self.0.request(Request::get(path).body(Vec::new())?).await?;
        let mut spec = of["spec"].clone();
        spec["group"] = json!("rate.example");
        spec["names"] = json!({
            "kind": "RawIP", "listKind": "RawIPList", "plural": "rawips", "singular": "rawip",
        });
        let copy = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "rawips.rate.example" }, "spec": spec,
        });
        self.post(DEFINITIONS, &copy).await?;
        eventually(CLEAN, "the copied definition is served", || self.count(RAW)).await?;
        Ok(())
    }
}
