//! The life of pods, apps and nodes over a store in memory and a modelled API server.

use floatingip_core::Store;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::Place;
use floatingip_core::owner::{Owner, Slot};
use floatingip_core::testing::{Fault, FaultyStore, VirtualTimer, fixture};
use http::Method;
use serde_json::json;

use super::*;
use crate::index::{KindRef, PodEntry, Seen};
use crate::object::StatefulSetObject;
use crate::request::request_of;
use crate::scripted::{Core, Server, core, node, owner, pod, running, store_with, until};

struct Scene {
    core: Arc<Core>,
    server: Server,
    gate: Gate,
    life: Life<FaultyStore<MemoryStore>, VirtualTimer>,
}

impl Scene {
    async fn new(store: FaultyStore<MemoryStore>) -> Self {
        let core = core(store).await;
        let (server, gate) = (Server::default(), Gate::open());
        let (reporter, publisher) = Reporter::new(server.client(), "test".to_owned());
        tokio::spawn(publisher.run());
        let life = Life::new(
            Arc::clone(&core),
            server.client(),
            gate.clone(),
            reporter,
            Waiting::default(),
            Pace::default(),
        );
        Self {
            core,
            server,
            gate,
            life,
        }
    }

    /// Follows what happens until it is so.
    async fn run_until(&self, what: impl Fn(&Self) -> bool) {
        tokio::select! {
            () = self.life.run() => {}
            () = until(|| what(self)) => {}
        }
    }

    /// A pod that is bound with the address that it was given.
    async fn bound(&self, name: &str) -> PodEntry {
        self.core.world().write().apply_pod(pod(name));
        let request = request_of(&pod(name), Some("a-1"), &self.core.world().read()).unwrap();
        let given = self.core.allocate(&request, &Place::Anywhere).await;
        let bound = running(name, &given.unwrap()[0].to_string());
        self.core.world().write().apply_pod(bound.clone());
        bound
    }

    fn is_free(&self, ip: &str) -> bool {
        owner(&self.core, ip).is_none()
    }
}

/// A store where 10.0.70.2 belongs to this one, under `immutable`.
async fn store_of(owner: Owner) -> FaultyStore<MemoryStore> {
    let store = store_with([]);
    let ip = "10.0.70.2".parse().unwrap();
    let batch = fixture::batch(1, [fixture::create(ip, fixture::record(owner))]);
    store.apply(&batch).await;
    store
}

fn stateful_set(version: u64) -> StatefulSetObject {
    let object = json!({
        "metadata": { "namespace": "default", "name": "web", "uid": "uid-of-web", "resourceVersion": version.to_string() },
        "spec": { "replicas": 1 },
    });
    serde_json::from_value(object).unwrap()
}

const STATEFUL_SET: &str = "/apis/apps/v1/namespaces/default/statefulsets/web";

/// LIVE-KEEPS: before anything is decided.
#[tokio::test(start_paused = true)]
async fn a_new_leader_records_what_bound_pods_use() {
    let scene = Scene::new(store_with([])).await;
    let web = running("web", "10.0.70.2");
    scene.core.world().write().apply_pod(web);
    scene.life.begin().await;
    assert_eq!(owner(&scene.core, "10.0.70.2").unwrap(), "web-uid");
    assert_eq!(scene.life.counts().surveys(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_does_not_decide_before_the_store_has_taken_it() {
    let scene = Scene::new(store_with([Fault::Before, Fault::Before])).await;
    let web = running("web", "10.0.70.2");
    scene.core.world().write().apply_pod(web);
    scene.life.begin().await;
    assert_eq!(owner(&scene.core, "10.0.70.2").unwrap(), "web-uid");
    assert_eq!(scene.life.counts().surveys(), 3);
}

/// An annotation alone proves nothing.
#[tokio::test(start_paused = true)]
async fn what_the_node_does_not_report_is_not_adopted() {
    let scene = Scene::new(store_with([])).await;
    let web = PodEntry {
        pod_ips: Vec::new(),
        ..running("web", "10.0.70.2")
    };
    scene.core.world().write().apply_pod(web);
    scene.life.begin().await;
    assert!(scene.is_free("10.0.70.2"));
}

#[tokio::test(start_paused = true)]
async fn who_runs_with_the_address_of_another_is_told() {
    let scene = Scene::new(store_with([])).await;
    let mine = scene.bound("mine").await.bound_addresses[0].to_string();
    scene
        .core
        .world()
        .write()
        .apply_pod(running("thief", &mine));
    scene.life.begin().await;
    assert_eq!(owner(&scene.core, &mine).unwrap(), "mine-uid");
    assert_eq!(scene.life.counts().foreign(), 1);
    until(|| !scene.server.notes().is_empty()).await;
    let notes = scene.server.notes();
    assert!(notes[0].contains("not its own"), "{notes:?}");
}

/// ONE-OWNER, LIVE-KEEPS: the pod still uses its own address, whatever is written on it since.
#[tokio::test(start_paused = true)]
async fn an_edited_annotation_frees_nothing_of_a_live_pod() {
    let scene = Scene::new(store_with([])).await;
    let (web, other) = (scene.bound("web").await, scene.bound("other").await);
    let [mine, others] = [&web, &other].map(|pod| pod.bound_addresses[0]);
    scene.life.begin().await;
    let edited = PodEntry {
        version: 9,
        bound_addresses: vec![others],
        ..web
    };
    scene.core.world().write().apply_pod(edited);
    let told = |scene: &Scene| !scene.server.notes().is_empty() && scene.life.backlog() == 0;
    scene.run_until(told).await;
    assert_eq!(scene.life.counts().surveys(), 1, "by the event");
    scene.life.survey().await;
    assert_eq!(owner(&scene.core, &mine.to_string()).unwrap(), "web-uid");
    assert_eq!(
        owner(&scene.core, &others.to_string()).unwrap(),
        "other-uid"
    );
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_pod_that_ends_is_free_soon() {
    let scene = Scene::new(store_with([])).await;
    scene.life.begin().await;
    let web = scene.bound("web").await;
    let address = web.bound_addresses[0].to_string();
    let deleted = PodEntry { version: 9, ..web };
    scene.core.world().write().delete_pod(&deleted);
    scene.run_until(|scene| scene.is_free(&address)).await;
    assert_eq!(scene.life.counts().surveys(), 1, "by the event");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_take_is_tried_again() {
    let faults = [None, Some(Fault::Before), Some(Fault::Before)];
    let scene = Scene::new(FaultyStore::scripted(MemoryStore::per_record(), faults)).await;
    scene.life.begin().await;
    let web = scene.bound("web").await;
    let address = web.bound_addresses[0].to_string();
    let deleted = PodEntry { version: 9, ..web };
    scene.core.world().write().delete_pod(&deleted);
    scene
        .run_until(|scene| scene.is_free(&address) && scene.life.backlog() == 0)
        .await;
    assert_eq!(
        (scene.life.counts().left(), scene.life.counts().surveys()),
        (0, 1)
    );
}

/// Trap 2: what happened before this process led is not carried out late, but seen by the survey.
#[tokio::test(start_paused = true)]
async fn who_does_not_lead_keeps_nothing_in_mind() {
    let scene = Scene::new(store_with([])).await;
    let web = scene.bound("web").await;
    let address = web.bound_addresses[0].to_string();
    scene.gate.close();
    let ended = PodEntry { version: 9, ..web };
    scene.core.world().write().delete_pod(&ended);
    scene.life.record_deleted("10.0.70.3".parse().unwrap());
    assert_eq!(scene.life.backlog(), 0);
    scene
        .gate
        .open_until(Instant::now() + Duration::from_secs(3600));
    scene.life.begin().await;
    assert!(scene.is_free(&address));
    assert_eq!(scene.core.world().write().take_effects().ended.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_app_kept_is_freed_when_a_live_read_says_that_it_is_gone() {
    let kept = fixture::pod("web-0").of_statefulset("web").reserve();
    let scene = Scene::new(store_of(kept).await).await;
    let app = Seen::Present(stateful_set(5));
    scene.core.world().write().feed(&app).unwrap();
    scene
        .server
        .put(STATEFUL_SET, json!({ "metadata": { "name": "web" } }));
    scene.life.begin().await;
    let deleted = Seen::Deleted(stateful_set(6));
    scene.core.world().write().feed(&deleted).unwrap();
    let read = |scene: &Scene| !scene.server.paths(&Method::GET).is_empty();
    scene.run_until(read).await;
    assert!(!scene.is_free("10.0.70.2"), "the read found it");
    scene.server.remove(STATEFUL_SET);
    scene.run_until(|scene| scene.is_free("10.0.70.2")).await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_cannot_be_read_keeps_its_addresses() {
    let kept = fixture::pod("web-0").of_statefulset("web").reserve();
    let scene = Scene::new(store_of(kept).await).await;
    scene.server.break_down(Some(Method::GET));
    for _ in 0..3 {
        scene.life.survey().await;
    }
    assert_eq!(scene.server.paths(&Method::GET).len(), 3);
    assert!(!scene.is_free("10.0.70.2"));
}

/// Trap 5, for a kind that no pod and no watch has named: the record alone does.
#[tokio::test(start_paused = true)]
async fn kinds_that_only_records_name_are_asked_for() {
    let game = fixture::pod("game-0").of("", "tapp", "game", Slot::Ordinal(0));
    let scene = Scene::new(store_of(game.reserve()).await).await;
    scene.life.begin().await;
    let demanded = scene.core.world().read().demanded();
    assert_eq!(demanded, [KindRef::new("", "tapp")]);
}

/// A pod that ended unseen, and a great many events that nobody took.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_listed_is_surveyed_at_once() {
    let scene = Scene::new(store_with([])).await;
    scene.life.begin().await;
    scene.life.take(Effects {
        incomplete: true,
        ..Effects::default()
    });
    let begun = Instant::now();
    scene
        .run_until(|scene| scene.life.counts().surveys() == 2)
        .await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_node_is_not_handed_out_and_an_owner_of_it_is_told() {
    let scene = Scene::new(store_with([])).await;
    let web = scene.bound("web").await;
    let address = web.bound_addresses[0].to_string();
    scene.life.begin().await;
    let joined = node("a-2", &address);
    scene.core.world().write().feed(&joined).unwrap();
    scene
        .run_until(|scene| !scene.server.notes().is_empty())
        .await;
    let notes = scene.server.notes();
    assert!(notes[0].contains("default/web"), "{notes:?}");
    let other = node("a-3", "10.0.70.3");
    scene.core.world().write().feed(&other).unwrap();
    let taken = |scene: &Scene| scene.core.engine().usage()[0].free == 0;
    scene.run_until(taken).await;
}

/// Trap 9: neither event nor watch has told.
#[tokio::test(start_paused = true)]
async fn what_no_event_told_is_found_by_the_survey() {
    let web = fixture::pod("web-7").of_statefulset("web").owner();
    let scene = Scene::new(store_of(web).await).await;
    let is_live = |scene: &Scene| {
        let engine = scene.core.engine();
        let record = engine.record("10.0.70.2".parse().unwrap());
        record.is_some_and(|record| record.is_live())
    };
    assert!(is_live(&scene));
    scene.life.begin().await;
    assert_eq!(scene.life.counts().repairs(), 1);
    assert!(!is_live(&scene));
}
