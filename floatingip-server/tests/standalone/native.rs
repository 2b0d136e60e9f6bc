//! Containers, pods and apps without Kubernetes: attached, ended, told of.

mod body;
mod explain;
mod policy;
mod trap;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::server::{Home, SEED, Server};

/// Where a pod of an app is started: on which node, as which container.
#[derive(Clone, Copy, Debug)]
struct Start<'a> {
    app: &'a Value,
    pod: &'a str,
    node: &'a str,
    container: &'a str,
}

/// The app of the seed document.
fn nginx() -> Value {
    json!({"appType": "tapp", "appName": "nginx-deployment", "policy": "never"})
}

fn merged(base: &Value, more: &Value) -> Value {
    let mut merged = base.as_object().unwrap().clone();
    merged.extend(more.as_object().unwrap().clone());
    Value::Object(merged)
}

impl Server {
    fn attach(&self, body: &Value) -> Answer {
        self.ask("POST", "/v1/attachment", &body.to_string())
    }

    /// Attaches, with all that has no say in it.
    fn attach_container(&self, container: &str, more: &Value) -> Answer {
        let place = json!({"nodeName": "node-1", "network": "lan", "containerID": container, "interface": "eth0"});
        self.attach(&merged(&place, more))
    }

    /// Starts a pod; answers with its only address.
    #[track_caller]
    fn start_pod(&self, start: Start<'_>) -> String {
        let Start {
            app,
            pod,
            node,
            container,
        } = start;
        let more = json!({"podName": pod, "nodeName": node});
        address(&self.attach_container(container, &merged(app, &more)))
    }

    #[track_caller]
    fn detach(&self, node: &str, container: &str) {
        let path = format!("/v1/attachment/{node}/lan/{container}/eth0");
        self.ask("DELETE", &path, "").json(200);
    }

    #[track_caller]
    fn end_pod(&self, uid: &str) {
        self.ask("DELETE", &format!("/v1/pod/{uid}"), "").json(200);
    }

    /// Tells of an app; answers with how many addresses became free.
    #[track_caller]
    fn tell(&self, app: &Value) -> Value {
        self.ask("POST", "/v1/app", &app.to_string()).json(200)["freed"].clone()
    }

    #[track_caller]
    fn rows(&self, parameters: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/ip?{parameters}")).json(200);
        page["content"].as_array().unwrap().clone()
    }
}

/// The only address of an answer, without its prefix.
#[track_caller]
fn address(answer: &Answer) -> String {
    let ipinfos = answer.json(200)["ipinfos"].clone();
    assert_eq!(ipinfos.as_array().unwrap().len(), 1, "{ipinfos}");
    let ip = ipinfos[0]["ip"].as_str().unwrap();
    ip.split_once('/').unwrap().0.to_owned()
}

/// Why a request was refused.
#[track_caller]
fn reason(answer: &Answer, status: u16) -> String {
    let told = answer.json(status);
    assert!(
        told["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    told["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_seed_documents_second_half_is_played_without_kubernetes() {
    let home = Home::new(SEED);
    let server = home.start();
    let pods = [0, 1, 2].map(|n| format!("nginx-deployment-{n}"));
    let start = |server: &Server, generation: &str| {
        pods.clone().map(|pod| {
            server.start_pod(Start {
                app: &nginx(),
                pod: &pod,
                node: "node-1",
                container: &format!("{pod}-{generation}"),
            })
        })
    };
    let first = start(&server, "a");
    for row in server.rows("appName=nginx-deployment") {
        assert_eq!(row["status"], "Running");
        assert_eq!(row.get("releasable"), None);
    }
    for pod in &pods {
        server.detach("node-1", &format!("{pod}-a"));
    }
    server
        .ask("DELETE", "/v1/app/default/tapp/nginx-deployment", "")
        .json(200);
    server.kill();

    let server = home.start();
    let filter = "namespace=default&appName=nginx-deployment&appType=tapp";
    let page = server.get(&format!("/v1/ip?{filter}")).json(200);
    assert_eq!(page["totalElements"], 3);
    for (pod, ip) in pods.iter().zip(&first) {
        let mut row = server.rows(&format!("podName={pod}")).remove(0);
        assert!(row["updateTime"].take().is_string());
        let expected = json!({
            "ip": ip, "namespace": "default", "appName": "nginx-deployment", "podName": pod,
            "policy": 2, "appType": "tapp", "updateTime": null, "status": "Deleted", "releasable": true,
        });
        assert_eq!(row, expected);
    }
    let released = json!({"ips": [{
        "ip": first[1], "namespace": "default", "appName": "nginx-deployment", "appType": "tapp",
        "podName": "nginx-deployment-1",
    }]});
    let answer = server.ask("POST", "/v1/ip", &released.to_string());
    assert_eq!(answer.json(200), json!({"code": 200, "message": ""}));
    assert_eq!(server.rows(filter).len(), 2);

    let second = start(&server, "b");
    assert_eq!((&second[0], &second[2]), (&first[0], &first[2]));
    let rows = server.rows(filter);
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter().all(|row| row["status"] == "Running"),
        "{rows:?}"
    );
    server.stop();
}
