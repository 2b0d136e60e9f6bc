//! The control plane itself: it starts, it works without us, and it goes.

#[cfg(test)]
mod control_plane {
    use std::time::Instant;

    use floatingip_testkit::{ControlPlane, Part};

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
}
