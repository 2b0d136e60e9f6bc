//! That the measurement of `schedule-rate` works, in its shortest form. No time is asserted: what it prints is for
//! people.

#[cfg(test)]
mod rate {
    use anyhow::Result;
    use floatingip_testkit::rate::{Bench, Plan, configuration};
    use floatingip_testkit::{ControlPlane, Part, ServerPlan, object};
    use serde_json::json;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_pod_of_a_measurement_is_bound_and_leaves_nothing_behind() -> Result<()> {
        let parts = [Part::Etcd, Part::ApiServer];
        let Some(builder) = ControlPlane::builder_or_skip("the measurement", &parts)? else {
            return Ok(());
        };
        let plane = builder.start().await?;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "floatingip-config", "namespace": "kube-system" },
            "data": { "floatingips": configuration() },
        });
        object::create(&plane.client(), &map).await?;
        let server = ServerPlan::new(env!("CARGO_BIN_EXE_floatingip-server"))?;
        let server = server.start(&plane).await?;
        let mut bench = Bench::prepare(plane.client(), &server, 20).await?;
        let plan = Plan {
            pods: 64,
            in_flight: 16,
            pairs: 1,
        };
        let rates = bench.run(plan).await?;
        assert_eq!((rates.raw.len(), rates.served.len()), (1, 1));
        Ok(())
    }
}
