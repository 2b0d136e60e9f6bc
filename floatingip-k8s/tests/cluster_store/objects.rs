//! What the API server takes and refuses, and what galaxy and people left there.

use floatingip_core::record::{MarkKind, PoolRecord, Version};
use floatingip_core::store::Store as _;
use floatingip_core::testing::fixture::{
    create, ip, mark, pod, pool, pool_record, put_pool, record, update,
};
use floatingip_core::{Owner, Record};
use floatingip_k8s::crd::{PoolStatus, check_crds, install_crds};
use floatingip_k8s::store::Gate;
use kube::api::{Patch, PatchParams};
use serde_json::{Value as Json, json};

use crate::cluster::{Cluster, FLOATING_IPS, LIMIT, POOLS, post, write_one};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A definition such as galaxy's: it says nothing of the fields.
fn older_definition(kind: &str, singular: &str, scope: &str) -> Json {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{singular}s.galaxy.k8s.io"),
            "annotations": { "api-approved.kubernetes.io": "unapproved, legacy API" },
        },
        "spec": {
            "group": "galaxy.k8s.io",
            "scope": scope,
            "names": { "kind": kind, "plural": format!("{singular}s"), "singular": singular },
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}

fn golden(name: &str) -> Json {
    let path = format!(
        "{}/tests/golden/crd/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut object: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for served in ["uid", "resourceVersion", "generation", "creationTimestamp"] {
        metadata.remove(served);
    }
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_definitions_replace_those_of_galaxy_and_its_objects_stay() {
    let Some(cluster) = Cluster::bare("galaxy's definitions").await else {
        return;
    };
    let client = &cluster.client;
    check_crds(client).await.unwrap_err();
    for older in [
        older_definition("FloatingIP", "floatingip", "Cluster"),
        older_definition("Pool", "pool", "Namespaced"),
    ] {
        post(client, DEFINITIONS, &older).await.unwrap();
    }
    cluster.wait_served(LIMIT).await;
    let addresses = [
        "running",
        "reserved",
        "pool",
        "pooled",
        "administrator",
        "bare",
    ];
    for name in addresses {
        let object = golden(&format!("galaxy-{name}"));
        post(client, FLOATING_IPS, &object).await.unwrap();
    }
    post(client, POOLS, &golden("galaxy-sized-pool"))
        .await
        .unwrap();
    let outdated = check_crds(client).await.unwrap_err();
    assert!(
        outdated.to_string().contains("--install-crds"),
        "{outdated}"
    );

    for _ in 0..2 {
        install_crds(client, LIMIT).await.unwrap();
        check_crds(client).await.unwrap();
    }
    let loaded = cluster.store(Gate::closed()).load().await.unwrap();
    assert_eq!(loaded.addresses.len(), addresses.len());
    let live = loaded
        .addresses
        .iter()
        .filter(|(_, _, record)| record.is_live());
    assert_eq!(live.count(), 3);
    assert_eq!(loaded.pools[0].2.size, 8);
    an_object_of_galaxy_is_taken_over_by_an_update(&cluster).await;
}

async fn an_object_of_galaxy_is_taken_over_by_an_update(cluster: &Cluster) {
    let store = cluster.store(Gate::open());
    let loaded = store.load().await.unwrap();
    let (ip, version, before) = loaded.addresses[0].clone();
    let after = Record {
        mark: Some(mark(MarkKind::Quarantine)),
        ..before
    };
    let version = write_one(&store, 1, update(ip, version, after.clone())).await;
    let loaded = store.load().await.unwrap();
    let (_, found, mut read) = loaded.addresses[0].clone();
    assert!(read.plan.take().is_some());
    assert_eq!((found, read), (version, after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_make_no_sense_are_refused_with_the_remedy() {
    let Some(cluster) = Cluster::start("validation").await else {
        return;
    };
    let address = |name: &str, spec: Json| {
        json!({
            "apiVersion": "galaxy.k8s.io/v1alpha1",
            "kind": "FloatingIP",
            "metadata": { "name": name },
            "spec": spec,
        })
    };
    let key = || json!({ "key": "router" });
    for good in [
        "0.0.0.0",
        "255.255.255.255",
        "fd00-0000-0000-0000-0000-0000-0000-0007",
    ] {
        let made = post(&cluster.client, FLOATING_IPS, &address(good, key())).await;
        made.unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    let bad = [
        ("router", key(), "has to be an address"),
        ("10.0.0.256", key(), "up to 255"),
        ("10.0.0.07", key(), "without leading zeros"),
        ("10.0.0", key(), "has to be an address"),
        ("fd00-0-0-0-0-0-0-7", key(), "has to be an address"),
        (
            "10.0.0.1",
            json!({ "key": "router", "policy": 3 }),
            "spec.policy",
        ),
        ("10.0.0.1", json!({}), "spec.key"),
        (
            "10.0.0.1",
            json!({ "key": "router", "form": "odd" }),
            "spec.form",
        ),
        (
            "10.0.0.1",
            json!({ "key": "router", "updateTime": "now" }),
            "spec.updateTime",
        ),
    ];
    for (name, spec, remedy) in bad {
        let refused = post(&cluster.client, FLOATING_IPS, &address(name, spec)).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(remedy), "{name}: {told}");
    }
    let sized = |name: &str, size: i64| {
        json!({
            "apiVersion": "galaxy.k8s.io/v1alpha1",
            "kind": "Pool",
            "metadata": { "name": name },
            "size": size,
        })
    };
    post(&cluster.client, POOLS, &sized("blue", 2_147_483_647))
        .await
        .unwrap();
    let long = "x".repeat(64);
    for (name, size, remedy) in [
        ("a.b", 1, "RFC 1123"),
        (long.as_str(), 1, "RFC 1123"),
        ("red", -1, "size"),
        ("red", 2_147_483_648, "size"),
    ] {
        let refused = post(&cluster.client, POOLS, &sized(name, size)).await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(remedy), "{name}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_put_on_an_object_outlives_our_updates() {
    let Some(cluster) = Cluster::start("people's notes").await else {
        return;
    };
    let store = cluster.store(Gate::open());
    let web = pod("web-0").of_statefulset("web");
    let marked = Record {
        mark: Some(mark(MarkKind::Rest)),
        ..record(web.owner())
    };
    write_one(&store, 1, create(ip(7), marked)).await;
    let note = json!({ "metadata": {
        "annotations": { "note": "ask Li" },
        "labels": { "team": "blue" },
    }});
    let noted = cluster.addresses();
    let noted = noted
        .patch("10.0.0.7", &PatchParams::default(), &Patch::Merge(&note))
        .await;
    let version = noted
        .unwrap()
        .metadata
        .resource_version
        .unwrap()
        .parse()
        .unwrap();
    let bare = record(Owner::Administrator("router".into()));
    write_one(&store, 2, update(ip(7), Version(version), bare)).await;

    let object = cluster.addresses().get("10.0.0.7").await.unwrap();
    let labels = object.metadata.labels.unwrap();
    assert_eq!(labels["team"], "blue");
    assert_eq!(labels["reserved"], "true");
    assert!(
        !labels.contains_key("floatingip.galaxy.k8s.io/app"),
        "{labels:?}"
    );
    assert_eq!(object.metadata.annotations.unwrap()["note"], "ask Li");
    assert_eq!((object.spec.mark, object.spec.group), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_size_is_changed_by_kubectl_is_owed_addresses_again() {
    let Some(cluster) = Cluster::start("pools").await else {
        return;
    };
    let store = cluster.store(Gate::open());
    let filled = PoolRecord {
        pre_allocate: true,
        ..pool_record(8)
    };
    write_one(&store, 1, put_pool("blue", None, filled)).await;
    assert!(!store.load().await.unwrap().pools[0].2.owed);

    let status = PoolStatus {
        addresses: 8,
        in_use: 3,
        ..PoolStatus::default()
    };
    store.put_pool_status(&pool("blue"), &status).await.unwrap();
    let found = cluster.pools().get("blue").await.unwrap();
    assert_eq!(found.status, Some(status));
    assert!(
        !store.load().await.unwrap().pools[0].2.owed,
        "its status is no specification"
    );

    let larger = Patch::Merge(json!({ "size": 9 }));
    let patched = cluster
        .pools()
        .patch("blue", &PatchParams::default(), &larger)
        .await;
    patched.unwrap();
    assert!(store.load().await.unwrap().pools[0].2.owed);
}
