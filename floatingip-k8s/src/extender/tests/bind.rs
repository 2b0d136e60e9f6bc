//! Binding, and binding again.

use tokio::time::Instant;

use super::*;

const ARGS: &str = "k8s.v1.cni.galaxy.io/args";

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_with_the_address_that_its_record_says() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    assert_eq!(scene.bind("web", "a-1").await, "");
    let [binding] = &scene.server.bindings()[..] else {
        panic!("not one binding");
    };
    assert_eq!(binding["metadata"]["uid"], "web-uid");
    assert_eq!(binding["target"]["name"], "a-1");
    assert_eq!(
        binding["metadata"]["annotations"][ARGS],
        r#"{"common":{"ipinfos":[{"ip":"10.0.70.2/24","vlan":2,"gateway":"10.0.70.1"}]}}"#
    );
    let engine = scene.extender.core.engine();
    let record = engine.record("10.0.70.2".parse().unwrap()).unwrap();
    assert_eq!(record.owner.pod().unwrap().uid, "web-uid");
}

#[tokio::test(start_paused = true)]
async fn what_the_pod_asked_for_stays_in_the_annotation() {
    let scene = Scene::new().await;
    let wish = r#"{"request_ip_range":[["10.0.70.3"]]}"#;
    scene.pod("web", &json!({ ARGS: wish }));
    assert_eq!(scene.bind("web", "a-1").await, "");
    assert_eq!(
        scene.server.bindings()[0]["metadata"]["annotations"][ARGS],
        r#"{"request_ip_range":[["10.0.70.3"]],"common":{"ipinfos":[{"ip":"10.0.70.3/24","vlan":2,"gateway":"10.0.70.1"}]}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_bind_is_harmless() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    assert_eq!(scene.bind("web", "a-1").await, "");
    assert_eq!(scene.bind("web", "a-1").await, "");
    assert_eq!(scene.server.bindings().len(), 1);
    let elsewhere = scene.bind("web", "b-1").await;
    assert!(
        elsewhere.contains("bound to node a-1 already"),
        "{elsewhere}"
    );
    assert_eq!(scene.extender.core.engine().len(), 1);
}

/// Trap 10: the binding landed, its answer did not. The next attempt finds it.
#[tokio::test(start_paused = true)]
async fn a_binding_without_an_answer_is_found_by_the_next_attempt() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    scene.server.be_silent(Some(Silence::Mute));
    assert_ne!(scene.bind("web", "a-1").await, "");
    scene.server.be_silent(None);
    assert_eq!(scene.bind("web", "a-1").await, "");
    assert_eq!(scene.extender.core.engine().len(), 1);
}

/// The scheduler chose another node meanwhile: the pod runs where it was bound, with its address there, and
/// the other address is free again.
#[tokio::test(start_paused = true)]
async fn a_late_binding_elsewhere_keeps_its_address_and_frees_the_other() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    scene.server.be_silent(Some(Silence::Mute));
    assert_ne!(scene.bind("web", "a-1").await, "");
    scene.server.be_silent(None);
    let elsewhere = scene.bind("web", "b-1").await;
    assert!(
        elsewhere.contains("bound to node a-1 already"),
        "{elsewhere}"
    );
    let engine = scene.extender.core.engine();
    assert!(engine.record("10.0.70.2".parse().unwrap()).is_some());
    assert!(engine.record("10.0.80.2".parse().unwrap()).is_none());
}

#[tokio::test(start_paused = true)]
async fn another_pod_of_the_name_gets_nothing() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    let error = scene.bind_uid("web", "former-uid", "a-1").await;
    assert!(error.contains("is another one now"), "{error}");
    scene.server.remove(&pod_path("gone"));
    let error = scene.bind("gone", "a-1").await;
    assert!(error.contains("does not exist any more"), "{error}");
    assert!(scene.extender.core.engine().is_empty());
    assert!(scene.server.bindings().is_empty());
}

/// The scheduler may be quicker than our watch.
#[tokio::test(start_paused = true)]
async fn a_pod_that_no_watch_has_shown_is_read() {
    let scene = Scene::new().await;
    let mut pod = scene.pod("web", &json!({}));
    pod["metadata"]["name"] = json!("new");
    pod["metadata"]["uid"] = json!("new-uid");
    scene.server.put(&pod_path("new"), pod);
    assert_eq!(scene.bind("new", "b-1").await, "");
    let engine = scene.extender.core.engine();
    assert!(engine.record("10.0.80.2".parse().unwrap()).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_binds_nothing() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    scene.gate.close();
    let error = scene.bind("web", "a-1").await;
    assert!(error.contains("does not lead"), "{error}");
    assert!(scene.extender.core.engine().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_subnet_is_said_to_be_full() {
    let scene = Scene::new().await;
    for pod in ["p-0", "p-1", "p-2"] {
        scene.pod(pod, &json!({}));
    }
    assert_eq!(scene.bind("p-0", "a-1").await, "");
    assert_eq!(scene.bind("p-1", "a-2").await, "");
    let error = scene.bind("p-2", "a-1").await;
    assert!(error.contains("10.0.70.0/24 is full"), "{error}");
    assert_eq!(scene.bind("p-2", "b-1").await, "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_asks_for_nothing_is_not_bound() {
    let scene = Scene::new().await;
    let mut pod = scene.pod("web", &json!({}));
    pod["metadata"]["name"] = json!("plain");
    pod["metadata"]["uid"] = json!("plain-uid");
    pod["spec"] = json!({ "containers": [{}] });
    scene.server.put(&pod_path("plain"), pod);
    let error = scene.bind("plain", "a-1").await;
    assert!(error.contains("managedResources"), "{error}");
}

/// The lease ran short on the way: the binding might land when another process decides.
#[tokio::test(start_paused = true)]
async fn no_binding_is_sent_that_the_lease_may_not_outlive() {
    let scene = Scene::new().await;
    let mut pod = scene.pod("web", &json!({}));
    pod["metadata"]["name"] = json!("new");
    pod["metadata"]["uid"] = json!("new-uid");
    scene.server.put(&pod_path("new"), pod);
    scene.server.read_slowly(Duration::from_secs(1));
    scene
        .gate
        .open_until(Instant::now() + Duration::from_secs(4));
    let error = scene.bind("new", "a-1").await;
    assert!(error.contains("does not lead"), "{error}");
    assert!(scene.server.bindings().is_empty());
    scene
        .gate
        .open_until(Instant::now() + Duration::from_secs(6));
    assert_eq!(scene.bind("new", "a-1").await, "");
}

/// Its end was dealt with before it had an address.
#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_while_it_is_bound_leaves_nothing() {
    let scene = Scene::new().await;
    scene.pod("web", &json!({}));
    scene.server.remove(&pod_path("web"));
    let error = scene.bind("web", "a-1").await;
    assert!(error.contains("does not exist any more"), "{error}");
    assert!(scene.extender.core.engine().is_empty());
}
