//! The shipped admission policies, on a real API server: what they let pass, what they refuse, and what they warn of.

use anyhow::{Result, ensure};
use axum::http::{Request, request};
use floatingip_testkit::{ControlPlane, Part, Workload, eventually, object};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::{LIMIT, shipped};

const ARGS: &str = "k8s.v1.cni.galaxy.io/args";
const POLICY: &str = "k8s.v1.cni.galaxy.io/release-policy";
const POOL: &str = "tke.cloud.tencent.com/eni-ip-pool";
const FAMILIES: &str = "k8s.v1.cni.galaxy.io/ip-families";
const SURGE: &str = "k8s.v1.cni.galaxy.io/surge";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
/// Another pod's address.
const THEFT: &str = r#"{"common":{"ipinfos":[{"ip":"10.0.70.2/24","vlan":2}]}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_refused_where_they_are_written() -> Result<()> {
    let parts = [Part::Etcd, Part::ApiServer];
    let Some(builder) = ControlPlane::builder_or_skip("admission policies", &parts)? else {
        return Ok(());
    };
    let plane = builder.start().await?;
    let user = Caller(plane.client());
    let server = Caller(as_the_server(&plane).await?);
    for folder in ["base", "node", "admission"] {
        shipped::apply(&user.0, folder).await?;
    }
    in_force(&user).await?;
    addresses_of_new_pods(&user, &server).await?;
    addresses_of_pods_that_are_there(&user, &server).await?;
    values(&user).await?;
    rollouts(&user).await
}

/// With all rights, as the administrator has them, so that nothing but the policies refuses; under the server's name.
async fn as_the_server(plane: &ControlPlane) -> Result<Client> {
    let mut kubeconfig = Kubeconfig::read_from(plane.kubeconfig())?;
    for auth in kubeconfig
        .auth_infos
        .iter_mut()
        .filter_map(|it| it.auth_info.as_mut())
    {
        auth.impersonate = Some("system:serviceaccount:kube-system:floatingip-server".to_owned());
        auth.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    }
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(Client::try_from(config)?)
}

/// The API server reads new policies a little later.
async fn in_force(user: &Caller) -> Result<()> {
    let rollout = rollout(&json!({}), 3, &json!({"maxUnavailable": 0}));
    eventually(LIMIT, "policies in force", || async {
        let (thief, mistyped) = (pod(ARGS, THEFT), pod(POLICY, "forever"));
        user.create(PODS, thief.manifest()).await?.refused()?;
        user.create(PODS, mistyped.manifest()).await?.refused()?;
        user.create(DEPLOYMENTS, rollout.manifest()).await?.warned()
    })
    .await
}

async fn addresses_of_new_pods(user: &Caller, server: &Caller) -> Result<()> {
    for request in [
        r#"{"request_ip_range":[["10.0.70.2~10.0.70.9","10.0.70.20"],["fd00::2~fd00::F"]]}"#,
        " { \"request_ip_range\" : [ [ \"10.0.70.2\" ] ]\n}\t",
        r#"{"request_ip_range":[]}"#,
        "",
    ] {
        let pod = pod(ARGS, request);
        user.create(PODS, pod.manifest()).await?.passed()?;
    }
    let thefts = [
        THEFT,
        r#"{"request_ip_range":[["10.0.70.2"]],"common":{"ipinfos":[]}}"#,
        r#"{"common":{"ipinfos":[]},"request_ip_range":[["10.0.70.2"]]}"#,
        r#"{"request_ip_range":[],"request_ip_range":[],"Common":{}}"#,
        r#"{"\u0063ommon":{"ipinfos":[]}}"#,
        r#"{"request_ip_range":[],"\u0063ommon":{}}"#,
        "{\"request_ip_range\":[]}\n{\"common\":{}}",
        "{\"common\":{}}\n{\"request_ip_range\":[]}",
        "common",
    ];
    for theft in thefts {
        let waiting = pod(ARGS, theft);
        let bound = waiting
            .clone()
            .merge(&json!({"spec": {"nodeName": "node-1"}}));
        for pod in [waiting, bound] {
            user.create(PODS, pod.manifest()).await?.refused()?;
        }
    }
    let bound = pod(ARGS, THEFT);
    server.create(PODS, bound.manifest()).await?.passed()
}

async fn addresses_of_pods_that_are_there(user: &Caller, server: &Caller) -> Result<()> {
    let named = json!({"metadata": {"name": "waiting", "finalizers": ["a.b/c"]}});
    let waiting = pod(ARGS, r#"{"request_ip_range":[["10.0.70.2"]]}"#).merge(&named);
    object::create(&user.0, waiting.manifest()).await?;
    let binding = |annotations: &Value| {
        json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": "waiting", "annotations": annotations},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
        })
    };
    let to = format!("{PODS}/waiting/binding");
    let stolen = binding(&json!({ARGS: THEFT}));
    user.create(&to, &stolen).await?.refused()?;
    user.create(&to, &binding(&json!({}))).await?.passed()?;
    server.create(&to, &stolen).await?.passed()?;

    let path = format!("{PODS}/waiting");
    let annotation = |value: Value| json!({"metadata": {"annotations": {ARGS: value}}});
    for change in [
        annotation(json!(THEFT)),
        annotation(json!("")),
        annotation(Value::Null),
    ] {
        user.change(&path, &change).await?.refused()?;
        user.change(&format!("{path}/status"), &change)
            .await?
            .refused()?;
        server.change(&path, &change).await?.passed()?;
    }
    for change in [
        json!({"metadata": {"labels": {"color": "blue"}}}),
        json!({"metadata": {"finalizers": null}}),
        json!({"metadata": {"annotations": {"other": "value"}}}),
    ] {
        user.change(&path, &change).await?.passed()?;
    }
    let running = json!({"status": {"phase": "Running"}});
    user.change(&format!("{path}/status"), &running)
        .await?
        .passed()
}

async fn values(user: &Caller) -> Result<()> {
    let long = "x".repeat(64);
    let wrong = [
        (POLICY, "Immutable"),
        (POLICY, "never "),
        (POOL, "two words"),
        (POOL, "größe"),
        (POOL, long.as_str()),
        (FAMILIES, "ipv4"),
        (FAMILIES, "IPv6,IPv4"),
    ];
    for (name, value) in wrong {
        let pod = pod(name, value);
        user.create(PODS, pod.manifest()).await?.refused()?;
        let app = rollout(&json!({name: value}), 1, &json!({}));
        user.create(DEPLOYMENTS, app.manifest()).await?.refused()?;
    }
    let right = [
        (POLICY, ""),
        (POLICY, "immutable"),
        (POLICY, "never"),
        (POOL, "a_b-C.d"),
        (FAMILIES, "IPv4,IPv6"),
    ];
    for (name, value) in right {
        let pod = pod(name, value);
        user.create(PODS, pod.manifest()).await?.passed()?;
        let app = rollout(&json!({name: value}), 1, &json!({"maxUnavailable": 1}));
        user.create(DEPLOYMENTS, app.manifest()).await?.passed()?;
    }
    Ok(())
}

async fn rollouts(user: &Caller) -> Result<()> {
    let keeps = json!({});
    for (replicas, update) in [
        (3, json!({})),
        (3, json!({"maxUnavailable": 0})),
        (9, json!({"maxUnavailable": "10%"})),
    ] {
        let rollout = rollout(&keeps, replicas, &update);
        user.create(DEPLOYMENTS, rollout.manifest())
            .await?
            .warned()?;
    }
    let surge = json!({SURGE: "allow"});
    let pooled = json!({POOL: "blue"});
    let lets_go = json!({POLICY: ""});
    for (annotations, replicas, update) in [
        (&keeps, 4, json!({})),
        (&keeps, 3, json!({"maxUnavailable": 1})),
        (&keeps, 10, json!({"maxUnavailable": "10%"})),
        (&keeps, 3, json!({"maxUnavailable": "10%", "maxSurge": 0})),
        (&keeps, 0, json!({"maxUnavailable": 0})),
        (&surge, 3, json!({})),
        (&pooled, 3, json!({})),
        (&lets_go, 3, json!({})),
    ] {
        let rollout = rollout(annotations, replicas, &update);
        user.create(DEPLOYMENTS, rollout.manifest())
            .await?
            .passed()?;
    }
    let recreate = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    let anew = rollout(&keeps, 3, &json!({})).merge(&recreate);
    user.create(DEPLOYMENTS, anew.manifest()).await?.passed()
}

fn pod(annotation: &str, value: &str) -> Workload {
    Workload::pod("default", "a").annotation(annotation, value)
}

/// A Deployment under `immutable`, unless the annotations of its template say otherwise.
fn rollout(annotations: &Value, replicas: u32, update: &Value) -> Workload {
    let app = Workload::deployment("default", "a").replicas(replicas);
    app.policy("immutable").merge(&json!({"spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": update},
        "template": {"metadata": {"annotations": annotations}},
    }}))
}

/// Asks what would become of a request; nothing is kept.
struct Caller(Client);

/// What became of it, and of which one.
struct Verdict {
    asked: String,
    status: u16,
    body: String,
    warnings: usize,
}

impl Caller {
    async fn create(&self, path: &str, manifest: &Value) -> Result<Verdict> {
        let request = Request::post(dry(path)).header("content-type", "application/json");
        self.ask(request, manifest).await
    }

    async fn change(&self, path: &str, change: &Value) -> Result<Verdict> {
        let kind = "application/merge-patch+json";
        let request = Request::patch(dry(path)).header("content-type", kind);
        self.ask(request, change).await
    }

    async fn ask(&self, request: request::Builder, body: &Value) -> Result<Verdict> {
        let request = request.body(Body::from(body.to_string().into_bytes()))?;
        let response = self.0.send(request).await?;
        let (parts, answer) = response.into_parts();
        Ok(Verdict {
            asked: body.to_string(),
            status: parts.status.as_u16(),
            body: String::from_utf8(answer.collect().await?.to_bytes().to_vec())?,
            warnings: parts.headers.get_all("warning").iter().count(),
        })
    }
}

fn dry(path: &str) -> String {
    format!("{path}?dryRun=All")
}

impl Verdict {
    fn passed(self) -> Result<()> {
        ensure!(self.status < 300 && self.warnings == 0, "{self}");
        Ok(())
    }

    /// By a policy, and not because the request is malformed.
    fn refused(self) -> Result<()> {
        let by_policy = self.body.contains("ValidatingAdmissionPolicy 'floatingip-");
        ensure!(self.status >= 400 && by_policy, "{self}");
        Ok(())
    }

    fn warned(self) -> Result<()> {
        ensure!(self.status < 300 && self.warnings == 1, "{self}");
        Ok(())
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            asked,
            status,
            body,
            warnings,
        } = self;
        write!(
            f,
            "{asked}\nwas answered {status} with {warnings} warnings: {body}"
        )
    }
}
