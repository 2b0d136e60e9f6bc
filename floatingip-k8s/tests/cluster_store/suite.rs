//! What core's contract asks of a store, asked of the store on a real API server.

use floatingip_core::testing::contract;
use floatingip_k8s::store::Gate;

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_custom_resources_passes_the_contract_suite() {
    let Some(cluster) = Cluster::start("the store's contract").await else {
        return;
    };
    let checked = contract::check_all(&mut async || {
        cluster.clear().await;
        cluster.store(Gate::open())
    })
    .await;
    checked.unwrap_or_else(|broken| panic!("{broken}"));

    cluster.clear().await;
    let reopened = contract::reopen(cluster.store(Gate::open()), async |store| {
        drop(store);
        cluster.store(Gate::open())
    });
    reopened.await.unwrap_or_else(|broken| panic!("{broken}"));
}
