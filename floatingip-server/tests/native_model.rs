//! Random lives of containers, pods and apps, told to the standalone server in memory, against what a
//! client may rely on: who was answered keeps what it was given until its end is told, and nothing else
//! is in use.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use floatingip_core::config::{Config, Strictness};
use floatingip_server::app::Settings;
use floatingip_server::standalone::in_memory;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Few enough that subnets become full and slots wait for each other.
const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.6"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1"}]"#;
const CONTAINERS: usize = 6;
const POLICIES: [&str; 3] = ["", "immutable", "never"];

/// Whose container it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    Bare,
    Replica,
    Ordinal(u8),
}

#[derive(Clone, Debug)]
enum Op {
    Attach(Who, usize, usize),
    Detach(usize),
    EndPod(usize),
    Collect(usize, BTreeSet<usize>),
    Tell(Who, u8),
    Delete(Who),
    ReleaseAll,
}

fn who() -> impl Strategy<Value = Who> {
    let ordinal = (0..2_u8).prop_map(Who::Ordinal);
    prop_oneof![
        Just(Who::Nobody),
        Just(Who::Bare),
        Just(Who::Replica),
        ordinal
    ]
}

fn app() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Replica), Just(Who::Ordinal(0))]
}

fn op() -> impl Strategy<Value = Op> {
    let container = 0..CONTAINERS;
    let valid = prop::collection::btree_set(0..CONTAINERS, 0..CONTAINERS);
    prop_oneof![
        8 => (who(), container.clone(), 0..3_usize).prop_map(|(w, c, p)| Op::Attach(w, c, p)),
        4 => container.clone().prop_map(Op::Detach),
        2 => container.prop_map(Op::EndPod),
        1 => (0..2_usize, valid).prop_map(|(node, valid)| Op::Collect(node, valid)),
        2 => (app(), 0..3_u8).prop_map(|(app, replicas)| Op::Tell(app, replicas)),
        1 => app().prop_map(Op::Delete),
        1 => Just(Op::ReleaseAll),
    ]
}

impl Who {
    /// Kind and name of its app.
    const fn app(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nobody | Self::Bare => None,
            Self::Replica => Some(("deployment", "web")),
            Self::Ordinal(_) => Some(("statefulset", "db")),
        }
    }

    /// Its fields in a request.
    fn fields(self, container: usize) -> Value {
        let pod = match self {
            Self::Nobody => return json!({}),
            Self::Bare => "solo".to_owned(),
            Self::Replica => format!("web-{container}"),
            Self::Ordinal(ordinal) => format!("db-{ordinal}"),
        };
        match self.app() {
            Some((kind, name)) => json!({"podName": pod, "appType": kind, "appName": name}),
            None => json!({"podName": pod}),
        }
    }

    /// Whether a row of the listing is kept for it.
    fn is_kept_in(self, row: &Value) -> bool {
        let name = self.app().map_or(Value::Null, |(_, name)| json!(name));
        let pod = match self {
            Self::Nobody => return false,
            Self::Replica => Value::Null,
            named => named.fields(0)["podName"].clone(),
        };
        row["status"] == "Deleted" && row["appName"] == name && row["podName"] == pod
    }
}

fn node(container: usize) -> String {
    format!("node-{}", container % 2)
}

/// What the clients know.
#[derive(Debug, Default)]
struct Model {
    /// What containers were given, and by which request.
    live: BTreeMap<usize, (String, Value)>,
    /// How many pods an app may have, by its name, where it was told.
    slots: BTreeMap<&'static str, u8>,
    /// Apps that were deleted and not heard of since.
    gone: BTreeSet<&'static str>,
}

struct Lab {
    runtime: Runtime,
    router: Router,
    model: Model,
}

impl Lab {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let topology = Config::parse(CONFIG, Strictness::Strict).unwrap();
        let started = in_memory(topology.into_topology(), Settings::default());
        let router = runtime.block_on(started).unwrap();
        Self {
            runtime,
            router,
            model: Model::default(),
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let sent = Request::builder().method(method).uri(path);
        let sent = sent.header("content-type", "application/json");
        let sent = sent.body(Body::from(body.to_string())).unwrap();
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(sent).await.unwrap();
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice(&body).unwrap())
        })
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    fn rows(&self) -> Vec<Value> {
        let page = self.done("GET", "/v1/ip?size=100", &Value::Null);
        page["content"].as_array().unwrap().clone()
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Attach(who, container, policy) => self.attach(*who, *container, POLICIES[*policy]),
            Op::Detach(container) => {
                let path = format!("/v1/attachment/{}/lan/c{container}/eth0", node(*container));
                self.done("DELETE", &path, &Value::Null);
                self.model.live.remove(container);
            }
            Op::EndPod(container) => self.end_pod(*container),
            Op::Collect(node, valid) => self.collect(*node, valid),
            Op::Tell(who, replicas) => {
                let (kind, name) = who.app().unwrap();
                let app = json!({"appType": kind, "appName": name, "replicas": replicas});
                self.done("POST", "/v1/app", &app);
                self.model.slots.insert(name, *replicas);
                self.model.gone.remove(name);
            }
            Op::Delete(who) => {
                let (kind, name) = who.app().unwrap();
                let path = format!("/v1/app/default/{kind}/{name}");
                self.done("DELETE", &path, &Value::Null);
                self.model.slots.remove(name);
                self.model.gone.insert(name);
            }
            Op::ReleaseAll => {
                let kept = self
                    .rows()
                    .into_iter()
                    .filter(|row| row["releasable"] == true);
                let kept: Vec<Value> = kept.collect();
                self.done("POST", "/v1/ip", &json!({ "ips": kept }));
                assert!(self.rows().iter().all(|row| row["status"] == "Running"));
            }
        }
        self.check(op);
    }

    fn attach(&mut self, who: Who, container: usize, policy: &str) {
        let policy = match (who, policy) {
            // A bare pod has no app with which its address could go: to ask for one is to ask for the other.
            (Who::Bare, "immutable") => "never",
            (_, policy) => policy,
        };
        let mut body = who.fields(container);
        for (field, value) in [
            ("nodeName", node(container)),
            ("network", "lan".to_owned()),
            ("containerID", format!("c{container}")),
            ("interface", "eth0".to_owned()),
            ("policy", policy.to_owned()),
        ] {
            body[field] = json!(value);
        }
        let before = self.rows();
        let (status, answer) = self.ask("POST", "/v1/attachment", &body);
        let former = self.model.live.get(&container).cloned();
        if let (None, Some((_, name))) = (&former, who.app()) {
            // Asked for a new container, served or not: it is there again.
            if status != 400 {
                self.model.gone.remove(name);
            }
        }
        assert!([200, 400, 409].contains(&status), "{body}: {answer}");
        if status != 200 {
            let same = former.is_some_and(|(_, former)| former == body);
            assert!(!same, "refused what it has: {body} {answer}");
            return;
        }
        let ip = answer["ipinfos"][0]["ip"].as_str().unwrap();
        let ip = ip.split_once('/').unwrap().0.to_owned();
        if let Some(former) = former {
            assert_eq!((ip, body), former, "another request was answered");
            return;
        }
        let kept: Vec<&Value> = before.iter().filter(|row| who.is_kept_in(row)).collect();
        assert!(
            kept.is_empty() || kept.iter().any(|row| row["ip"] == ip.as_str()),
            "STICKY: {ip} in spite of {kept:?}"
        );
        self.model.live.insert(container, (ip, body));
        // A slot gets its own address back whatever the app's size.
        if kept.is_empty() || who == Who::Replica {
            self.check_cap(who, policy);
        }
    }

    /// CAP: whoever was served under a policy that keeps addresses had a slot.
    fn check_cap(&self, who: Who, policy: &str) {
        let Some((_, name)) = who.app().filter(|_| !policy.is_empty()) else {
            return;
        };
        let Some(slots) = self.model.slots.get(name) else {
            return;
        };
        let sticky = |(_, body): &&(String, Value)| body["appName"] == name && body["policy"] != "";
        let used = self.model.live.values().filter(sticky).count();
        assert!(
            used <= usize::from(*slots),
            "CAP: {used} of {slots} of {name}"
        );
    }

    /// Of a pod by the UID that it has without one, and of a container that is its own owner.
    fn end_pod(&mut self, container: usize) {
        let own = format!("{}%2Fc{container}%2Feth0", node(container));
        for uid in [format!("c{container}"), own] {
            self.done("DELETE", &format!("/v1/pod/{uid}"), &Value::Null);
        }
        self.model.live.remove(&container);
    }

    fn collect(&mut self, at: usize, valid: &BTreeSet<usize>) {
        let at = format!("node-{at}");
        let interface = |c: &usize| json!({"containerID": format!("c{c}"), "interface": "eth0"});
        let left: Vec<Value> = valid.iter().map(interface).collect();
        let body = json!({"nodeName": at, "network": "lan", "valid": left});
        self.done("POST", "/v1/attachment/gc", &body);
        self.model
            .live
            .retain(|c, _| node(*c) != at || valid.contains(c));
    }

    fn check(&self, op: &Op) {
        let rows = self.rows();
        let running = rows.iter().filter(|row| row["status"] == "Running");
        let running: BTreeSet<&str> = running.map(|row| row["ip"].as_str().unwrap()).collect();
        let live: BTreeSet<&str> = self
            .model
            .live
            .values()
            .map(|(ip, _)| ip.as_str())
            .collect();
        assert_eq!(live.len(), self.model.live.len(), "ONE-OWNER after {op:?}");
        assert_eq!(running, live, "LIVE-KEEPS and PROMPT after {op:?}");
        for row in rows.iter().filter(|row| row["status"] == "Deleted") {
            assert_ne!(row["policy"], 0, "kept for nobody after {op:?}: {row}");
            let gone = self.model.gone.iter().any(|name| row["appName"] == *name);
            assert!(
                !gone || row["policy"] == 2,
                "kept for a deleted app after {op:?}: {row}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_was_answered_keeps_its_address_until_its_end_and_nothing_else_is_in_use(
        ops in prop::collection::vec(op(), 1..60)
    ) {
        let mut lab = Lab::new();
        for op in &ops {
            lab.perform(op);
        }
    }
}
