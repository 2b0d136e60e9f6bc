//! The control plane itself: it starts, it works without us, and it goes.

#[cfg(test)]
mod control_plane {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use floatingip_testkit::{ControlPlane, Node, Part, Workload, eventually, node, object};
    use k8s_openapi::api::core::v1::Pod;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn etcd_and_the_api_server_start_alone_and_come_back() {
        let parts = [Part::Etcd, Part::ApiServer];
        let Some(builder) = ControlPlane::builder_or_skip("API server alone", &parts).unwrap()
        else {
            return;
        };
        let start = Instant::now();
        let plane = builder.start().await.unwrap();
        println!(
            "etcd and API server: {:.1} s",
            start.elapsed().as_secs_f32()
        );
        plane.client().apiserver_version().await.unwrap();

        plane.process(Part::ApiServer).unwrap().kill().unwrap();
        plane.client().apiserver_version().await.unwrap_err();
        plane.restart(Part::ApiServer).await.unwrap();
        plane.client().apiserver_version().await.unwrap();
    }

    #[tokio::test]
    async fn a_deployment_runs_on_a_thousand_nodes_and_leaves_a_lost_one() {
        let Some(builder) =
            ControlPlane::builder_or_skip("whole control plane", Part::ALL).unwrap()
        else {
            return;
        };
        let start = Instant::now();
        let builder = builder.plain_scheduler().controller_manager().kwok();
        let plane = builder.start().await.unwrap();
        println!("all parts: {:.1} s", start.elapsed().as_secs_f32());

        let start = Instant::now();
        let nodes: Vec<Node> = (0..1000).map(node).collect();
        node::create_all(&plane.client(), &nodes).await.unwrap();
        println!("1000 nodes created: {:.1} s", start.elapsed().as_secs_f32());

        let web = Workload::deployment("default", "web")
            .replicas(3)
            .addresses(0);
        object::create(&plane.client(), web.manifest())
            .await
            .unwrap();
        let pods = running(&plane, &web, 3, "").await;
        println!("3 pods running: {:.1} s", start.elapsed().as_secs_f32());

        let start = Instant::now();
        let lost = pods[0].spec.as_ref().unwrap().node_name.clone().unwrap();
        node::lose(&plane.client(), &lost).await.unwrap();
        running(&plane, &web, 3, &lost).await;
        println!(
            "moved away from a lost node: {:.1} s",
            start.elapsed().as_secs_f32()
        );
    }

    fn node(number: u16) -> Node {
        let [high, low] = number.to_be_bytes();
        Node::new(
            format!("node-{number}"),
            Ipv4Addr::new(10, 1, high, low).into(),
        )
    }

    /// Waits for so many running pods, none of them on the lost node.
    async fn running(plane: &ControlPlane, app: &Workload, count: usize, lost: &str) -> Vec<Pod> {
        let found = eventually(LIMIT, "running pods", || async {
            let mut pods = object::pods(&plane.client(), "default", &app.selector()).await?;
            pods.retain(|pod| is_running(pod) && node_of(pod) != Some(lost));
            anyhow::ensure!(pods.len() == count, "{} run", pods.len());
            Ok(pods)
        });
        found
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{}", plane.report()))
    }

    fn is_running(pod: &Pod) -> bool {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        phase == Some("Running")
    }

    fn node_of(pod: &Pod) -> Option<&str> {
        pod.spec.as_ref()?.node_name.as_deref()
    }
}
