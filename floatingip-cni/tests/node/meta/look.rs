//! A pod that is looked at: by the runtime's annotations alone, or by an API server in the node's namespace.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::{NETWORKS, Scene};
use crate::lab::{Call, infos};

/// Answers one request with a pod.
fn api_server(scene: &Scene, call: &mut Call<'_>, pod: &Value) -> JoinHandle<String> {
    let listener = scene
        .lab
        .host
        .run(|| TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let kubeconfig = scene.data.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    call.config["kubeconfig"] = json!(kubeconfig);
    let body = pod.to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    })
}

fn pod(annotations: &Value, requests: bool) -> Value {
    let resources = json!({"requests": {"tke.cloud.tencent.com/eni-ip": "1"}});
    let container = if requests {
        json!({"resources": resources})
    } else {
        json!({})
    };
    json!({"metadata": {"uid": "u1", "annotations": annotations}, "spec": {"containers": [container]}})
}

/// The scheduler extender was passed by.
#[test]
fn a_pod_that_requests_a_floating_ip_and_was_bound_without_one_is_refused() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let mut call = scene.add("", &["one"]);
    call.config["DefaultNetworks"] = json!(["one"]);
    call.config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": {"a": "b"}});
    let asked = api_server(&scene, &mut call, &pod(&json!({}), true));
    let refused = scene.lab.call(&call);
    refused.fails_with(4, "pod shop/web-0 requests tke.cloud.tencent.com/eni-ip");
    assert!(
        asked
            .join()
            .unwrap()
            .starts_with("GET /api/v1/namespaces/shop/pods/web-0 ")
    );
    let asked = api_server(&scene, &mut call, &pod(&json!({}), false));
    scene.lab.call(&call).succeeds();
    asked.join().unwrap();
    assert_eq!(scene.calls(), ["ADD one eth0"]);
}

#[test]
fn a_runtime_without_annotations_has_the_pod_read() {
    let Some(scene) = Scene::new() else { return };
    let mut call = scene.add("", &[]);
    call.config.as_object_mut().unwrap().remove("runtimeConfig");
    scene
        .lab
        .call(&call)
        .fails_with(7, "nothing is known of pod shop/web-0");
    let args = json!({"common": {"ipinfos": infos(&["10.9.0.20/24"])}}).to_string();
    let annotations = json!({"k8s.v1.cni.galaxy.io/args": args, NETWORKS: "lan"});
    let asked = api_server(&scene, &mut call, &pod(&annotations, true));
    scene.lab.call(&call).succeeds();
    asked.join().unwrap();
    assert!(scene.lab.outside.reaches(&scene.pod, "10.9.0.20"));
    scene.lab.call(&call.verb("DEL")).succeeds();
}

/// Whoever takes that risk says so.
#[test]
fn without_a_kubeconfig_nobody_is_taken_for_a_pod_that_needs_no_floating_ip() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let mut call = scene.add("", &["one"]);
    call.config["DefaultNetworks"] = json!(["one"]);
    call.config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": {"a": "b"}});
    call.config.as_object_mut().unwrap().remove("kubeconfig");
    let refused = scene.lab.call(&call);
    refused.fails_with(7, "/etc/cni/net.d/floatingip.kubeconfig");
    assert!(scene.calls().is_empty());
    scene
        .lab
        .call(&call.verb("STATUS"))
        .fails_with(50, "kubeconfig");
    call.config["kubeconfig"] = json!("");
    scene.lab.call(&call).succeeds();
    assert_eq!(scene.calls(), ["ADD one eth0"]);
}

/// No API server listens there: each of these would fail if it were asked.
#[test]
fn nobody_is_asked_where_the_runtime_tells_enough() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let nobody = scene.data.path().join("kubeconfig");
    let mut bound = scene.add("lan", &["one"]);
    bound.config["kubeconfig"] = json!(nobody);
    scene.lab.call(&bound).succeeds();
    scene.lab.call(&bound.verb("DEL")).succeeds();
    let mut told = scene.add("", &["one"]);
    told.config["kubeconfig"] = json!(nobody);
    told.config["DefaultNetworks"] = json!(["one"]);
    let mut annotated = |annotations: Value| {
        told.config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": annotations});
        told.clone()
    };
    let from_file = annotated(json!({"kubernetes.io/config.source": "file"}));
    scene.lab.call(&from_file).succeeds();
    scene.lab.call(&from_file.verb("DEL")).succeeds();
    let mut strict = annotated(json!({"kubernetes.io/config.source": "api"}));
    scene.lab.call(&strict).fails_with(7, "kubeconfig");
    strict.config["requireFloatingIP"] = json!(true);
    scene.lab.call(&strict).fails_with(4, "requireFloatingIP");
    strict.config["requireFloatingIP"] = json!(false);
    strict.config["kubeconfig"] = json!("");
    scene.lab.call(&strict).succeeds();
}
