//! A server that is killed at any moment, while pods and apps go on changing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use floatingip_testkit::{ControlPlane, Part, Server, ServerPlan, object};
use tokio::time::sleep;

use crate::apps::{NAMESPACE, config_map, nodes, set_up};
use crate::churn::Churn;
use crate::record::Recorder;
use crate::{LIMIT, TURN, end};

/// How often the server is killed.
const KILLS: u32 = 20;
/// How long it may live before that, from its start or from its readiness, in milliseconds.
const LIFE: u64 = 1500;
/// How long it may be away.
const AWAY: u64 = 800;
/// How many of the kills have to meet it while it decides.
const WHILE_DECIDING: u32 = KILLS / 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_moment_breaks_no_promise() -> Result<()> {
    let _turn = TURN.lock().await;
    let Some(builder) = ControlPlane::builder_or_skip("a killed server", Part::ALL)? else {
        return Ok(());
    };
    let seed = seed()?;
    println!("FLOATINGIP_SEED={seed}");
    let plan = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?
        // A lease would keep the next one waiting for the end of that of the killed one.
        .arg("--leader-elect=false")
        .arg("--sweep-seconds=5");
    let builder = builder.scheduler(plan.extender());
    let plane = builder.controller_manager().kwok().start().await?;
    object::apply(&plane.client(), &config_map()).await?;
    nodes(&plane.client()).await?;
    let server = plan.start(&plane).await?;

    let told = lives_through(&plane, &server, seed).await;
    told.with_context(|| {
        let log = server.process().log_tail(60);
        format!("FLOATINGIP_SEED={seed}; the server's log:\n{log}")
    })
}

/// Random, or the one of the run that is to be repeated; the machine's own timing is not.
fn seed() -> Result<u64> {
    match std::env::var("FLOATINGIP_SEED") {
        Ok(seed) => seed.parse().context("FLOATINGIP_SEED is no number"),
        Err(_) => Ok(fastrand::u64(..)),
    }
}

async fn lives_through(plane: &ControlPlane, server: &Server, seed: u64) -> Result<()> {
    let start = Instant::now();
    let client = plane.client();
    set_up(&client).await?;
    let recorder = Recorder::default();
    let mut rng = Rng::with_seed(seed);
    let mut churn = Churn::new(client.clone(), rng.fork());
    let ended = async {
        let deciding = tokio::select! {
            deciding = kill(server, &mut rng) => deciding?,
            failed = churn.run() => return Err(failed.err().context("the churn has ended")?),
        };
        set_up(&client).await?;
        end::come_to_rest(&client).await?;
        Ok(deciding)
    };
    let deciding = tokio::select! {
        deciding = ended => deciding?,
        failed = recorder.follow(client.clone(), NAMESPACE) => return failed,
    };
    println!(
        "{KILLS} kills, {deciding} of them while it was deciding, {} changes, {} bindings, {:.0} s",
        churn.changes(),
        recorder.read().bindings,
        start.elapsed().as_secs_f32()
    );
    at_every_instant(&recorder)?;
    ensure!(
        deciding >= WHILE_DECIDING,
        "only {deciding} kills met it deciding"
    );
    server.verify(plane).await
}

/// What the test's own watch has seen, from the first change to the last.
pub(crate) fn at_every_instant(recorder: &Recorder) -> Result<()> {
    let record = recorder.read();
    if let Some(first) = record.clashes.first() {
        let address = first.split(' ').next().unwrap_or_default();
        let history = record.traced(address);
        anyhow::bail!("ONE-OWNER: {:#?}\n{history}", record.clashes);
    }
    end::sticky(&record)
}

/// Kills the server and starts it again; how often it was deciding. Every second time it may still be on its way up.
async fn kill(server: &Server, rng: &mut Rng) -> Result<u32> {
    let mut deciding = 0;
    for number in 0..KILLS {
        if number % 2 == 0 {
            server.ready(LIMIT).await?;
        }
        sleep(Duration::from_millis(rng.u64(..LIFE))).await;
        deciding += u32::from(server.ready(Duration::from_millis(100)).await.is_ok());
        server.kill()?;
        sleep(Duration::from_millis(rng.u64(..AWAY))).await;
        server.process().restart()?;
    }
    server.ready(LIMIT).await?;
    Ok(deciding)
}
