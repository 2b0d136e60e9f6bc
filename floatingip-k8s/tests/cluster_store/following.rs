//! How changes of others arrive.

use floatingip_core::Owner;
use floatingip_core::engine::Observed;
use floatingip_core::record::{Target, Value};
use floatingip_core::store::{Answer, Outcome, Store as _};
use floatingip_core::testing::fixture::{batch, create, ip, pod, pool_record, put_pool, record};
use floatingip_k8s::store::{
    Change, CrdStore, Follower, Following, Gate, Kind, News, StoreOptions,
};
use floatingip_testkit::Part;
use kube::api::DeleteParams;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::cluster::{Cluster, FLOATING_IPS, LIMIT, post, write_one};

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
