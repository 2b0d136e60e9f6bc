//! Who waits, who is woken, and how often.

use std::sync::Arc;

use floatingip_core::engine::Ending;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::Place;
use floatingip_core::testing::{FaultyStore, VirtualTimer};
use http::Method;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::request::request_of;
use crate::scripted::{Core, Server, core, pod, pod_path, running, store_with, until};

const SECOND: Duration = Duration::from_secs(1);

fn due(waiting: &Waiting, index: &SharedIndex) -> usize {
    waiting.due(index, Instant::now()).pods.len()
}

/// The scheduler may be quicker than our watch.
#[tokio::test(start_paused = true)]
async fn who_is_refused_before_the_watch_shows_it_still_waits() {
    let (waiting, index) = (Waiting::default(), SharedIndex::default());
    waiting.refused(&pod("web"), Offered::default());
    sleep(2 * SECOND).await;
    assert_eq!((due(&waiting, &index), waiting.len()), (0, 1));
    index.write().apply_pod(pod("web"));
    assert_eq!(due(&waiting, &index), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_never_shown_is_forgotten() {
    let (waiting, index) = (Waiting::default(), SharedIndex::default());
    waiting.refused(&pod("web"), Offered::default());
    sleep(UNSEEN).await;
    due(&waiting, &index);
    assert!(waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_woken_in_vain_rests_longer_each_time() {
    let (waiting, index) = (Waiting::default(), SharedIndex::default());
    let web = pod("web");
    index.write().apply_pod(web.clone());
    for rest in [1, 1, 2, 4, 8, 16, 16] {
        waiting.refused(&web, Offered::default());
        sleep(rest * SECOND - Duration::from_millis(1)).await;
        assert_eq!(due(&waiting, &index), 0, "after a rest of {rest} s");
        sleep(Duration::from_millis(1)).await;
        assert_eq!(due(&waiting, &index), 1, "after a rest of {rest} s");
        waiting.waking(&web.uid);
        assert_eq!(due(&waiting, &index), 0, "it is awake");
    }
    waiting.passed(&web.uid);
    waiting.refused(&web, Offered::default());
    sleep(SECOND).await;
    assert_eq!(due(&waiting, &index), 1, "it had passed meanwhile");
}

/// Pods that wait in a cluster of two addresses, and who wakes them.
struct Scene {
    core: Arc<Core>,
    server: Server,
    waiting: Waiting,
    waker: Waker<FaultyStore<MemoryStore>, VirtualTimer>,
}

impl Scene {
    /// `taken` of the two addresses have owners, and these pods were refused.
    async fn new(taken: usize, pods: &[&str]) -> Self {
        let core = core(store_with([])).await;
        let (server, waiting) = (Server::default(), Waiting::default());
        for name in ["first", "second"].iter().take(taken) {
            core.world().write().apply_pod(pod(name));
            give(&core, name).await;
        }
        for name in pods {
            core.world().write().apply_pod(pod(name));
            waiting.refused(&pod(name), Offered::default());
            server.put(&pod_path(name), json!({ "metadata": { "name": name } }));
        }
        let waker = Waker::new(Arc::clone(&core), server.client(), waiting.clone());
        Self {
            core,
            server,
            waiting,
            waker,
        }
    }

    /// Wakes for so long.
    async fn run(&self, time: Duration) {
        tokio::select! {
            () = self.waker.run() => {}
            () = sleep(time) => {}
        }
    }

    fn woken(&self) -> Vec<String> {
        self.server.paths(&Method::PATCH)
    }
}

async fn give(core: &Core, name: &str) {
    let request = request_of(&pod(name), Some("a-1"), &core.world().read()).unwrap();
    core.allocate(&request, &Place::Anywhere).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_many_are_woken_as_there_is_room_for() {
    let scene = Scene::new(2, &["a", "b", "c"]).await;
    scene.run(20 * SECOND).await;
    assert!(scene.woken().is_empty());
    let first = "first-uid".into();
    scene.core.ended(&first, &Ending::Certain).await.unwrap();
    scene.run(2 * SECOND).await;
    assert_eq!(scene.woken(), [pod_path("a")]);
    assert_eq!(
        scene.waiting.len(),
        3,
        "until the scheduler has asked for it"
    );
}

/// Room that came just before the refusal is noticed when the pod may be woken, not at the next sign.
#[tokio::test(start_paused = true)]
async fn who_was_refused_just_before_is_woken_in_a_second() {
    let scene = Scene::new(1, &["a"]).await;
    scene.run(Duration::from_millis(1300)).await;
    assert_eq!(scene.woken(), [pod_path("a")]);
}

/// The nodes that would do are none that the scheduler may take.
#[tokio::test(start_paused = true)]
async fn a_pod_that_no_waking_helps_is_not_woken_each_second() {
    let scene = Scene::new(0, &["a"]).await;
    let refuse_again = async {
        let mut woken = 0;
        loop {
            until(|| scene.woken().len() > woken).await;
            woken = scene.woken().len();
            scene.core.engine().unclaim(&pod("a").uid);
            scene.waiting.refused(&pod("a"), Offered::default());
        }
    };
    tokio::select! {
        () = scene.run(60 * SECOND) => {}
        () = refuse_again => {}
    }
    let woken = scene.woken().len();
    assert!((5..=8).contains(&woken), "{woken} times in a minute");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_woken_is_tried_again_and_who_is_gone_is_not() {
    let scene = Scene::new(0, &["a", "b"]).await;
    scene.server.break_down(Some(Method::PATCH));
    scene.run(2 * SECOND).await;
    let failed = scene.woken().len();
    assert!(failed >= 2, "{failed}");
    scene.server.break_down(None);
    scene.server.remove(&pod_path("b"));
    scene.run(10 * SECOND).await;
    assert_eq!(scene.woken().len(), failed + 2);
    assert_eq!(scene.waiting.len(), 1);
}

/// Everybody who waits is looked at by a new leader, and nobody else.
#[tokio::test(start_paused = true)]
async fn a_new_leader_begins_with_those_that_wait() {
    let (waiting, index) = (Waiting::default(), SharedIndex::default());
    waiting.refused(&pod("former"), Offered::default());
    index.write().apply_pod(pod("web"));
    index.write().apply_pod(running("db", "10.0.70.2"));
    waiting.expect_all(&index);
    assert_eq!(waiting.len(), 1);
    sleep(SECOND).await;
    assert_eq!(due(&waiting, &index), 1);
}
