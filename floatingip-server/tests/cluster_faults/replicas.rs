//! Several servers behind one Service: whoever is asked, the one that leads decides, and when it ends, is killed or is
//! frozen, another one does soon.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use floatingip_testkit::control_plane::Extender;
use floatingip_testkit::{ControlPlane, Part, Server, ServerPlan, eventually, object};
use serde_json::json;
use tokio::time::sleep;

use crate::apps::{NAMESPACE, config_map, nodes, set_up};
use crate::churn::Churn;
use crate::gap::{Gap, is_decision, question};
use crate::killed::at_every_instant;
use crate::record::Recorder;
use crate::service::Service;
use crate::{LIMIT, TURN, end, monitoring, shipped};

/// How long a lease lasts that nobody renews: one that is given back is not waited for.
const LEASE: Duration = Duration::from_secs(6);
/// The longest time without a decision after a kill: the lease, and what a busy machine may need on top for a look each
/// second and for catching up. On a quiet one it is about a second; what it was is printed.
const TAKEN_OVER: Duration = Duration::from_secs(20);
/// How long a leader is frozen.
const FROZEN: Duration = Duration::from_secs(30);
/// How long things go on between two faults.
const PEACE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_follow_each_other() -> Result<()> {
    stand_together(2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_follow_each_other() -> Result<()> {
    stand_together(3).await
}

async fn stand_together(count: usize) -> Result<()> {
    let _turn = TURN.lock().await;
    let Some(builder) = ControlPlane::builder_or_skip("several servers", Part::ALL)? else {
        return Ok(());
    };
    let service = Service::listen().await?;
    let builder = builder.scheduler(Extender::at(service.port));
    let plane = builder.controller_manager().kwok().start().await?;
    object::apply(&plane.client(), &config_map()).await?;
    nodes(&plane.client()).await?;
    let account = shipped::account(&plane).await?;
    let servers: Result<Vec<Server>> = (0..count).map(|_| spawn(&plane, &account)).collect();
    let servers = Arc::new(servers?);
    for server in servers.iter() {
        server.ready(LIMIT).await?;
    }
    let port = service.port;
    let _serving = service.serve(&servers);
    let told = live_through(&plane, &servers, port).await;
    told.with_context(|| logs(&servers))
}

/// With the rights that are shipped, and no others.
fn spawn(plane: &ControlPlane, account: &Path) -> Result<Server> {
    let plan = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?;
    let plan = plan.with_rights_of(account).arg("--sweep-seconds=5");
    plan.spawn(plane)
}

fn logs(servers: &[Server]) -> String {
    let tail = |server: &Server| server.process().log_tail(30);
    servers.iter().map(tail).collect::<Vec<_>>().join("\n---\n")
}

async fn live_through(plane: &ControlPlane, servers: &[Server], port: u16) -> Result<()> {
    let client = plane.client();
    set_up(&client).await?;
    let recorder = Recorder::default();
    let mut churn = Churn::new(client.clone(), Rng::new());
    let ended = async {
        tokio::select! {
            done = faults(servers, port) => done?,
            failed = churn.run() => return failed,
        }
        set_up(&client).await?;
        end::come_to_rest(&client).await
    };
    tokio::select! {
        ended = ended => ended?,
        failed = recorder.follow(client.clone(), NAMESPACE) => return failed,
    }
    println!(
        "{} servers, {} changes, {} bindings",
        servers.len(),
        churn.changes(),
        recorder.read().bindings
    );
    at_every_instant(&recorder)?;
    let leader = leader(servers).await?;
    monitoring::names_are_known(leader).await?;
    leader.verify(plane).await
}

async fn faults(servers: &[Server], port: u16) -> Result<()> {
    followers_pass_on(servers).await?;
    let gap = gap_of(port, servers, async |leader: &Server| {
        leader.terminate().await?;
        leader.process().restart()
    });
    within("an orderly end", gap.await?, LEASE)?;
    let gap = gap_of(port, servers, async |leader: &Server| {
        leader.kill()?;
        let another = || async { self::leader(servers).await.map(drop) };
        eventually(LIMIT, "another one decides", another).await?;
        leader.process().restart()
    });
    within("a kill", gap.await?, TAKEN_OVER)?;
    let gap = gap_of(port, servers, async |leader: &Server| {
        leader.process().pause()?;
        sleep(FROZEN).await;
        leader.process().resume()
    });
    within("a freeze", gap.await?, TAKEN_OVER)
}

fn within(what: &str, gap: Duration, limit: Duration) -> Result<()> {
    println!("{what}: nothing was decided for {gap:.2?}");
    ensure!(gap < limit, "{what}: nothing was decided for {gap:?}");
    Ok(())
}

/// Every server is ready, one decides, and each answers the scheduler and takes writes.
async fn followers_pass_on(servers: &[Server]) -> Result<()> {
    for (number, server) in servers.iter().enumerate() {
        server.ready(LIMIT).await?;
        let answer = server.extender().post("/v1/filter", &question()).await?;
        ensure!(is_decision(&answer.body), "{}", answer.body);
        let pool = json!({"name": format!("of-{number}"), "size": 0});
        let written = server.api().post("/v1/pool", &pool).await?;
        ensure!(written.status < 300, "{}: {}", written.status, written.body);
    }
    let pools = servers.len();
    for server in servers {
        for number in 0..pools {
            let path = format!("/v1/pool/of-{number}");
            let shown = server.api().get(&path).await?;
            ensure!(shown.status == 200, "{path}: {}", shown.body);
        }
    }
    Ok(())
}

/// The longest time without a decision while the leader suffers this.
async fn gap_of(
    port: u16,
    servers: &[Server],
    fault: impl AsyncFnOnce(&Server) -> Result<()>,
) -> Result<Duration> {
    let gap = Gap::watch(port)?;
    sleep(PEACE).await;
    let leader = leader(servers).await?;
    fault(leader).await?;
    leader.ready(LIMIT).await?;
    sleep(PEACE).await;
    gap.longest()
}

/// The one that says that it decides; never two.
async fn leader(servers: &[Server]) -> Result<&Server> {
    let mut deciding = Vec::new();
    for server in servers {
        // One that was killed does not answer.
        let shown = server.api().get("/readyz?verbose").await;
        if shown.is_ok_and(|shown| shown.body.contains("this process decides")) {
            deciding.push(server);
        }
    }
    match deciding.as_slice() {
        [leader] => Ok(leader),
        others => bail!("{} servers say that they decide", others.len()),
    }
}
