//! Two servers on one cluster: one decides, the other stands by and takes over.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use floatingip_testkit::control_plane::Extender;
use floatingip_testkit::{
    Assets, ControlPlane, Node, Server, ServerPlan, Workload, eventually, node, object,
};
use kube::Client;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::cluster::{LIMIT, config_map, floating_ip};
use crate::suite::Alone;
use crate::view::PodView;

const DOCUMENT: &str = r#"[{"nodeSubnets":["10.0.0.0/24"],"ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;
/// How long a lease lasts that nobody renews.
const LEASE: Duration = Duration::from_secs(6);
/// What may come on top of it on a busy machine: a look at the lease each second, and catching up.
const SLACK: Duration = Duration::from_secs(14);

pub(crate) const ALONE: &[Alone] = &[("a_standby_takes_over_and_never_do_two_decide", |assets| {
    Box::pin(handed_over(assets))
})];

async fn handed_over(assets: Assets) -> Result<()> {
    let service = Service::listen().await?;
    let builder = ControlPlane::builder(assets).scheduler(Extender::at(service.port));
    let plane = builder.controller_manager().kwok().start().await?;
    let client = plane.client();
    object::apply(&client, &config_map(DOCUMENT)).await?;
    let nodes = [1, 2].map(|last| Node::new(format!("node-{last}"), [10, 0, 0, last].into()));
    node::create_all(&client, &nodes).await?;
    let plan = || ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"));
    let first = plan()?.arg("--leader-elect=true").start(&plane).await?;
    let second = plan()?.arg("--leader-elect=true").spawn(&plane)?;
    let servers = Arc::new([first, second]);
    let both = Overlap::watch(Arc::clone(&servers));
    let _serving = service.serve(Arc::clone(&servers));
    let [first, second] = &*servers;

    stands_by(second).await?;
    deployed(&client, "one", 6).await?;
    first.kill()?;
    let killed = Instant::now();
    deployed(&client, "two", 6).await?;
    second.ready(LIMIT).await?;
    let after_kill = killed.elapsed();
    ensure!(
        after_kill < LEASE + SLACK,
        "taken over after {after_kill:?}"
    );

    first.process().restart()?;
    stands_by(first).await?;
    let told = Instant::now();
    let status = second.terminate().await?;
    ensure!(status.code() == Some(0), "{status}");
    first.ready(LIMIT).await?;
    let after_end = told.elapsed();
    println!(
        "taken over after a kill within {after_kill:.1?}, after a clean end within {after_end:.1?}"
    );
    ensure!(
        after_end < LEASE,
        "a lease that was given back was waited for: {after_end:?}"
    );
    deployed(&client, "three", 6).await?;
    ensure!(
        both.seen() == 0,
        "two servers were ready at once, {} times",
        both.seen()
    );
    each_has_its_own(&client).await
}

/// Waits until a server is alive, not ready, and refuses to decide.
async fn stands_by(server: &Server) -> Result<()> {
    eventually(LIMIT, "a standby", || async {
        let ready = server.api().get("/readyz").await?;
        ensure!(
            ready.status == 503 && ready.body.contains(" leads"),
            "{}: {}",
            ready.status,
            ready.body
        );
        // It has read everything, so that it is quick when it is needed.
        ensure!(ready.body.contains("[+]records ok"), "{}", ready.body);
        Ok(())
    })
    .await?;
    ensure!(
        server.api().get("/healthz").await?.status == 200,
        "a standby counts as broken"
    );
    let pod = Workload::pod("default", "question");
    let question = json!({"Pod": pod.manifest(), "NodeNames": ["node-1"]});
    let answer = server.extender().post("/v1/filter", &question).await?;
    ensure!(
        answer.body.contains("another process leads"),
        "{}",
        answer.body
    );
    let binding =
        json!({"PodNamespace": "default", "PodName": "question", "PodUID": "x", "Node": "node-1"});
    let answer = server.extender().post("/v1/bind", &binding).await?;
    ensure!(
        answer.body.contains("another process leads"),
        "{}",
        answer.body
    );
    let written = server
        .api()
        .post("/v1/pool", &json!({"name": "no", "size": 1}))
        .await?;
    ensure!(
        written.status == 503,
        "{}: {}",
        written.status,
        written.body
    );
    Ok(())
}

async fn deployed(client: &Client, name: &str, replicas: usize) -> Result<()> {
    let app = Workload::deployment("default", name)
        .replicas(replicas as u32)
        .policy("immutable");
    object::create(client, app.manifest()).await?;
    eventually(LIMIT, &format!("{replicas} pods of {name}"), || async {
        let pods = object::pods(client, "default", &app.selector()).await?;
        let running = pods
            .iter()
            .map(PodView::of)
            .filter(PodView::is_running)
            .count();
        ensure!(running == replicas, "{running} run");
        Ok(())
    })
    .await
}

/// ONE-OWNER and ONE-SLOT, as pods and records show them.
async fn each_has_its_own(client: &Client) -> Result<()> {
    let pods = object::pods(client, "default", "").await?;
    let mut owners = BTreeMap::new();
    for pod in pods.iter().map(PodView::of) {
        let [address] = pod.addresses()[..] else {
            bail!("{pod:?} has not one address")
        };
        if let Some(other) = owners.insert(address.to_owned(), pod.clone()) {
            bail!("{pod:?} and {other:?} share an address");
        }
    }
    let all = object::api(client, &floating_ip(""))?;
    let records = all.list(&kube::api::ListParams::default()).await?;
    ensure!(
        records.items.len() == owners.len(),
        "{} records, {} pods",
        records.items.len(),
        owners.len()
    );
    for record in records.items {
        let name = record.metadata.name.unwrap_or_default();
        let pod = owners
            .get(&name)
            .with_context(|| format!("{name} has no pod"))?;
        let attribute = record.data["spec"]["attribute"]
            .as_str()
            .unwrap_or_default();
        let attribute: Value = serde_json::from_str(attribute)?;
        ensure!(
            attribute["Uid"] == pod.uid.as_str(),
            "{name} of {pod:?} belongs to {attribute}"
        );
    }
    Ok(())
}

/// What a Service does in a cluster: connections go to a server that is ready.
struct Service {
    listener: TcpListener,
    port: u16,
}

impl Service {
    async fn listen() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Serves until the answer is dropped.
    fn serve(self, servers: Arc<[Server; 2]>) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                let servers = Arc::clone(&servers);
                // A connection that breaks is the scheduler's to repeat.
                connections.spawn(async move { drop(pass_on(stream, &servers).await) });
            }
        });
        serving
    }
}

async fn pass_on(mut from: TcpStream, servers: &[Server; 2]) -> Result<()> {
    for server in servers {
        if is_ready(server).await {
            let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, server.extender_port())).await?;
            copy_bidirectional(&mut from, &mut to).await?;
            return Ok(());
        }
    }
    Ok(())
}

async fn is_ready(server: &Server) -> bool {
    server
        .api()
        .get("/readyz")
        .await
        .is_ok_and(|answer| answer.status == 200)
}

/// Looks all the time whether two servers say that they decide.
struct Overlap {
    seen: Arc<AtomicUsize>,
    watching: JoinHandle<()>,
}

impl Overlap {
    fn watch(servers: Arc<[Server; 2]>) -> Self {
        let seen = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            let [first, second] = &*servers;
            loop {
                let (first, second) = tokio::join!(is_ready(first), is_ready(second));
                count.fetch_add(usize::from(first && second), Ordering::Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
        });
        Self { seen, watching }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for Overlap {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
