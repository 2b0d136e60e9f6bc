//! Measures how many pods a server binds in a second, beside what the API server could take.
//!
//! `schedule-rate SERVER [NODES] [PODS] [PAIRS]` starts a control plane of its own and the server binary at SERVER.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use floatingip_testkit::rate::{Bench, Plan, configuration};
use floatingip_testkit::{Assets, ControlPlane, Part, ServerPlan, object};
use serde_json::json;

/// How many pods are on their way at once.
const IN_FLIGHT: [usize; 2] = [16, 64];

#[expect(
    clippy::print_stderr,
    reason = "the terminal is this program's user interface"
)]
fn main() -> ExitCode {
    let measured = tokio::runtime::Runtime::new()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(measure(std::env::args().skip(1).collect())));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("schedule-rate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the terminal is this program's user interface"
)]
async fn measure(arguments: Vec<String>) -> Result<()> {
    let server = arguments
        .first()
        .context("usage: schedule-rate SERVER [NODES] [PODS] [PAIRS]")?;
    let number = |place: usize, default: usize| {
        arguments
            .get(place)
            .map_or(Ok(default), |text| text.parse())
    };
    let (nodes, pods, pairs) = (number(1, 100)?, number(2, 1000)?, number(3, 5)?);
    let assets = Assets::find(&[Part::Etcd, Part::ApiServer])?;
    let plane = ControlPlane::builder(assets).start().await?;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "floatingip-config", "namespace": "kube-system" },
        "data": { "floatingips": configuration() },
    });
    object::create(&plane.client(), &map).await?;
    let server = ServerPlan::new(server)?.start(&plane).await?;
    let client = plane.client();
    let mut bench = Bench::prepare(client, &server, u16::try_from(nodes)?).await?;
    println!("| nodes | in flight | raw pods/s | filter+bind pods/s | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    for in_flight in IN_FLIGHT {
        let plan = Plan {
            pods,
            in_flight,
            pairs,
        };
        let rates = bench.run(plan).await?;
        let ((raw, served), ratio) = (rates.medians(), rates.ratio());
        println!("| {nodes} | {in_flight} | {raw:.0} | {served:.0} | {ratio:.2} |");
    }
    Ok(())
}
