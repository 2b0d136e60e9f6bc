use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use serde_json::json;

use super::*;

/// An API server that answers one request, and the kubeconfig for it.
struct Played {
    folder: tempfile::TempDir,
    asked: thread::JoinHandle<String>,
}

impl Played {
    fn answering(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "the request ends early");
                request.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        Self {
            folder: kubeconfig(port, &json!({"token": "secret"})),
            asked,
        }
    }

    fn read(self, who: &Who) -> (Result<Pod, ApiError>, String) {
        let answer = read(&self.folder.path().join("config"), who, PATIENCE);
        (answer, self.asked.join().unwrap())
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn kubeconfig(port: u16, user: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    fs::write(folder.path().join("config"), config.to_string()).unwrap();
    folder
}

fn who() -> Who {
    let args = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u1";
    Who::of(&args.parse().unwrap()).unwrap().unwrap()
}

fn pod(containers: &Value) -> String {
    json!({
        "metadata": {"name": "web-0", "uid": "u1", "annotations": {"a": "b"}},
        "spec": containers,
    })
    .to_string()
}

#[test]
fn a_pod_is_read_by_its_name_with_the_token_of_the_kubeconfig() {
    let resources = json!({"requests": {"tke.cloud.tencent.com/eni-ip": "1"}});
    let played = Played::answering(
        "200 OK",
        &pod(&json!({"containers": [{}, {"resources": resources}]})),
    );
    let (answer, asked) = played.read(&who());
    let answer = answer.unwrap();
    assert_eq!(answer.requests, Some(true));
    assert_eq!(answer.annotations["a"], "b");
    assert!(
        asked.starts_with("GET /api/v1/namespaces/shop/pods/web-0 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked
            .to_lowercase()
            .contains("authorization: bearer secret"),
        "{asked}"
    );
}

#[test]
fn any_container_and_a_limit_too_make_a_request() {
    let eni = json!({"tke.cloud.tencent.com/eni-ip": "0"});
    for (spec, expected) in [
        (
            json!({"containers": [{"resources": {"limits": eni}}]}),
            true,
        ),
        (
            json!({"initContainers": [{"resources": {"requests": eni}}], "containers": [{}]}),
            true,
        ),
        (
            json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]}),
            false,
        ),
        (json!({"containers": null}), false),
    ] {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        assert_eq!(spec.requests(), expected, "{spec:?}");
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let containers = self.containers.as_ref().map_or(0, Vec::len);
        write!(f, "a pod of {containers} containers")
    }
}

#[test]
fn another_pod_of_the_same_name_is_not_it() {
    let other = pod(&json!({})).replace("u1", "u2");
    let (answer, _) = Played::answering("200 OK", &other).read(&who());
    assert!(matches!(answer, Err(ApiError::Gone(_))), "{answer:?}");
    let mirror = other.replace("\"a\":\"b\"", "\"kubernetes.io/config.mirror\":\"u1\"");
    let (answer, _) = Played::answering("200 OK", &mirror).read(&who());
    assert!(answer.is_ok(), "{answer:?}");
    let (answer, _) = Played::answering("404 Not Found", "{}").read(&who());
    assert!(matches!(answer, Err(ApiError::Gone(_))), "{answer:?}");
}

#[test]
fn a_server_that_does_not_tell_is_quoted() {
    let (answer, _) = Played::answering("403 Forbidden", "{}").read(&who());
    let failure = Failure::from(answer.unwrap_err());
    assert_eq!(failure.code, Code::InvalidNetwork);
    assert!(failure.message.contains("HTTP 403"), "{failure}");
    let (answer, _) = Played::answering("503 Service Unavailable", "{}").read(&who());
    assert_eq!(Failure::from(answer.unwrap_err()).code, Code::TryAgain);
    let (answer, _) = Played::answering("200 OK", "[").read(&who());
    assert!(
        matches!(answer, Err(ApiError::Unreadable { .. })),
        "{answer:?}"
    );
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_no_longer_than_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = kubeconfig(listener.local_addr().unwrap().port(), &json!({}));
    let limit = Duration::from_millis(50);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let answer = read(&folder.path().join("config"), &who(), limit);
        tell.send(answer).ok();
    });
    let answer = told.recv_timeout(PATIENCE).unwrap();
    let failure = Failure::from(answer.unwrap_err());
    assert_eq!(failure.code, Code::TryAgain);
    assert!(failure.message.contains("0.05 s"), "{failure}");
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let answer = read(&folder.path().join("config"), &who(), PATIENCE);
    assert!(answer.unwrap_err().to_string().contains("/config"));
    for program in [
        json!({"exec": {"command": "sleep", "apiVersion": "client.authentication.k8s.io/v1"}}),
        json!({"auth-provider": {"name": "gcp", "config": {"cmd-path": "sleep", "cmd-args": "600"}}}),
    ] {
        let folder = kubeconfig(1, &program);
        let answer = read(&folder.path().join("config"), &who(), PATIENCE);
        assert!(matches!(answer, Err(ApiError::Program(_))), "{answer:?}");
    }
}

#[test]
fn a_container_that_is_no_pods_is_nobodys_to_be_asked_for() {
    assert_eq!(Who::of(&"A=1".parse().unwrap()).unwrap(), None);
    for name in ["a/b", "..", "a?b", "A"] {
        let args = format!("K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name}");
        assert!(Who::of(&args.parse().unwrap()).is_err(), "{name}");
    }
}
