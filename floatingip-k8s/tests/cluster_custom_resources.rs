//! The custom resources on a real API server: what it takes and refuses, what galaxy left, and how changes of
//! others arrive.

mod cluster;

use std::time::Duration;

use floatingip_core::engine::Observed;
use floatingip_core::plan::Write;
use floatingip_core::record::{Target, Value, Version};
use floatingip_core::store::{Answer, Outcome, Store as _};
use floatingip_core::testing::fixture::{
    batch, create, ip, mark, pod, pool, pool_record, put_pool, record, update,
};
use floatingip_core::{Owner, Record, record::MarkKind};
use floatingip_k8s::crd::{PoolStatus, check_crds, install_crds};
use floatingip_k8s::store::{
    Change, CrdStore, Follower, Following, Gate, Kind, News, StoreOptions,
};
use floatingip_testkit::{Part, eventually};
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use cluster::Cluster;

/// The longest wait for anything; reached only by a failure.
const LIMIT: Duration = Duration::from_secs(60);

const FLOATING_IPS: &str = "/apis/galaxy.k8s.io/v1alpha1/floatingips";
const POOLS: &str = "/apis/galaxy.k8s.io/v1alpha1/namespaces/kube-system/pools";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Makes an object as `kubectl create` would.
async fn post(client: &Client, path: &str, object: &Json) -> Result<Json, kube::Error> {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes());
    client.request(request.unwrap()).await
}

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

/// Makes a write that has to be applied, repeated while its outcome is not certain.
async fn write_one(store: &CrdStore, serial: u64, write: Write) -> Version {
    let batch = batch(serial, [write]);
    let certain = eventually(LIMIT, "a certain outcome", || async {
        match &store.apply(&batch).await[..] {
            [Answer::Definite(outcome)] => Ok(outcome.clone()),
            other => anyhow::bail!("{other:?}"),
        }
    });
    match certain.await.unwrap() {
        Outcome::Applied(version) => version,
        other => panic!("{other:?}"),
    }
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
    let filled = floatingip_core::record::PoolRecord {
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

/// What a follower tells, in its order.
struct Heard {
    news: UnboundedReceiver<News>,
    following: Following,
}

impl Heard {
    fn start(cluster: &Cluster, store: &CrdStore) -> Self {
        let options = StoreOptions::default();
        let follower = Follower::new(cluster.client.clone(), options, store.listed());
        let following = follower.following();
        let (tell, news) = unbounded_channel();
        tokio::spawn(follower.run(move |told| {
            // The test may be over.
            let _ = tell.send(told);
        }));
        Self { news, following }
    }

    /// The next change, whatever else comes before it.
    async fn change(&mut self) -> Change {
        loop {
            if let News::Changed(change) = self.next().await {
                return change;
            }
        }
    }

    async fn next(&mut self) -> News {
        let told = timeout(LIMIT, self.news.recv()).await;
        told.expect("news in time")
            .expect("a follower that goes on")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_others_arrive_with_what_was_there_before() {
    let Some(cluster) = Cluster::start("following").await else {
        return;
    };
    let store = cluster.store(Gate::open());
    store.load().await.unwrap();
    let mut heard = Heard::start(&cluster, &store);
    let web = pod("web-0").of_statefulset("web");
    let made = write_one(&store, 1, create(ip(7), record(web.owner()))).await;
    let change = heard.change().await;
    let there = store.load().await.unwrap().addresses[0].2.clone();
    let expected = Observed {
        target: Target::Address(ip(7)),
        version: made,
        value: Some(Value::Address(there.clone())),
    };
    assert_eq!(change.observed, expected);

    cluster
        .addresses()
        .delete("10.0.0.7", &DeleteParams::default())
        .await
        .unwrap();
    let gone = heard.change().await;
    assert_eq!(
        (gone.observed.value, gone.last),
        (None, Some(Value::Address(there)))
    );
    assert_eq!(gone.uid, change.uid);
    assert!(gone.observed.version > made);

    let odd = json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1",
        "kind": "FloatingIP",
        "metadata": { "name": "10.0.0.8" },
        "spec": { "key": "what is this" },
    });
    post(&cluster.client, FLOATING_IPS, &odd).await.unwrap();
    let held = heard.change().await;
    assert!(held.fault.is_some());
    let Some(Value::Address(held)) = held.observed.value else {
        panic!("no address");
    };
    assert_eq!(held.owner, Owner::Administrator("what is this".into()));
    catching_up_tells_everything_that_was_written_before(&mut heard, &store).await;
    a_follower_goes_on_after_the_api_server_was_away(&cluster, &mut heard, &store).await;
}

async fn catching_up_tells_everything_that_was_written_before(heard: &mut Heard, store: &CrdStore) {
    let last = write_one(store, 2, put_pool("blue", None, pool_record(3))).await;
    assert!(heard.following.catch_up(LIMIT).await);
    assert!(heard.following.version() >= last);
    let mut lists = 0;
    while lists < 2 {
        if let News::List(_, version) = heard.next().await {
            assert!(version >= last);
            lists += 1;
        }
    }
    let caught_up = async {
        loop {
            if let News::CaughtUp(version) = heard.next().await
                && version >= last
            {
                return;
            }
        }
    };
    timeout(LIMIT, caught_up).await.unwrap();
}

async fn a_follower_goes_on_after_the_api_server_was_away(
    cluster: &Cluster,
    heard: &mut Heard,
    store: &CrdStore,
) {
    let api_server = cluster.plane().process(Part::ApiServer).unwrap();
    api_server.kill().unwrap();
    let while_away = batch(3, [create(ip(9), record(pod("web").owner()))]);
    let answer = store.apply(&while_away).await;
    assert_ne!(answer, [Answer::Definite(Outcome::Refused(None))]);
    cluster.plane().restart(Part::ApiServer).await.unwrap();
    cluster.wait_served(LIMIT).await;
    let made = write_one(store, 4, create(ip(10), record(pod("web").owner()))).await;
    // An API server that has just started may not know any more what happened before.
    let told = |news: &News| match news {
        News::Changed(change) => change.observed.version == made,
        News::List(_, version) => *version >= made,
        News::Unreadable(..) | News::CaughtUp(_) => false,
    };
    while !told(&heard.next().await) {}
    let mut status = heard.following.subscribe(Kind::FloatingIp);
    let connected = timeout(LIMIT, status.wait_for(|status| status.connected)).await;
    connected.unwrap().unwrap();
    assert_eq!(heard.following.status(Kind::FloatingIp).last_error, None);
}
