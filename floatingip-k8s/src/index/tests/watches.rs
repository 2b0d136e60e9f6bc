use std::time::Duration;

use floatingip_core::fact::Slots;
use tokio::time::{sleep, timeout};

use super::api::{Script, forbidden, not_found, not_served};
use super::*;
use crate::index::live::{AppRead, read_app, read_pod};
use crate::index::watch;

/// Waits, in virtual time, until the index is so.
async fn until(index: &SharedIndex, what: impl Fn(&Index) -> bool) {
    let wait = async {
        while !what(&index.read()) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(600), wait)
        .await
        .expect("the index never came to be so");
}

fn pod_json(name: &str, version: u64, wants: bool) -> String {
    let key = if wants {
        "tke.cloud.tencent.com/eni-ip"
    } else {
        "cpu"
    };
    json!({"metadata": {"name": name, "namespace": "ns", "uid": format!("{name}-uid"),
            "resourceVersion": version.to_string()},
        "spec": {"containers": [{"resources": {"requests": {key: "1"}}}]}})
    .to_string()
}

fn list_json(version: u64, more: &str, items: &[String]) -> String {
    format!(
        r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"{version}","continue":"{more}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

fn pods_status(index: &Index) -> KindStatus {
    index.synced().get(&Kind::Pods).cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn pages_bad_objects_events_and_bookmarks_are_taken_in() {
    let (script, index) = (Script::default(), SharedIndex::default());
    let bad = r#"{"metadata":{"name":"bad","namespace":"ns","resourceVersion":"4"},"spec":7}"#;
    let first = [pod_json("a", 3, true), bad.to_owned()];
    script.answer("/pods?&limit=500", 200, list_json(10, "more", &first));
    script.answer(
        "continue=more",
        200,
        list_json(10, "", &[pod_json("b", 5, false)]),
    );
    let bookmark = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"40"}}"#;
    let events = [
        event("ADDED", &pod_json("c", 11, true)),
        event("DELETED", &pod_json("a", 12, true)),
        event("MODIFIED", bad),
        event("BOOKMARK", bookmark),
    ];
    script.answer("watch=true&timeoutSeconds", 200, "");
    script.answer("/pods?&watch=true", 200, events.concat());
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    until(&index, |index| pods_status(index).version == 40).await;
    let status = pods_status(&index.read());
    assert_eq!(
        (status.objects, status.unreadable, status.is_current()),
        (1, 1, true)
    );
    let facts = ["a", "b", "c", "bad"].map(|name| pod_fact(&index.read(), name));
    assert_eq!(
        facts,
        [Fact::Gone, Fact::Gone, Fact::Known(false), Fact::Unknown]
    );
    assert!(
        script
            .asked()
            .iter()
            .any(|asked| asked.contains("resourceVersion=10"))
    );
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_is_unknown_keeps_nobody_waiting_and_comes_back() {
    let (script, index) = (Script::default(), SharedIndex::default());
    script.answer("/pods?", 403, forbidden());
    script.answer("/nodes?", 200, list_json(7, "", &[]));
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    until(&index, |index| index.node("x").is_gone()).await;
    until(&index, |index| pods_status(index).failure.is_some()).await;
    let failure = pods_status(&index.read()).failure.unwrap();
    assert!(failure.contains("grant get, list and watch"), "{failure}");
    assert_eq!(pod_fact(&index.read(), "web"), Fact::Unknown);
    script.answer("/pods?", 200, list_json(9, "", &[]));
    until(&index, |index| pod_fact(index, "web").is_gone()).await;
    assert!(pods_status(&index.read()).is_current());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_lists_again() {
    let (script, index) = (Script::default(), SharedIndex::default());
    script.answer(
        "/pods?&limit",
        200,
        list_json(10, "", &[pod_json("a", 3, true)]),
    );
    let expired =
        r#"{"kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410}"#;
    script.answer("/pods?&watch=true", 200, event("ERROR", expired));
    script.answer(
        "/pods?&limit",
        200,
        list_json(50, "", &[pod_json("b", 44, true)]),
    );
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    until(&index, |index| pod_fact(index, "a").is_gone()).await;
    assert_eq!(pod_fact(&index.read(), "b"), Fact::Known(false));
    assert!(index.write().take_effects().ended.contains_key("a-uid"));
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_has_everything_listed_anew() {
    let (script, index) = (Script::default(), SharedIndex::default());
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    let late = index.catch_up(Duration::from_secs(60)).await;
    assert!(late.is_err(), "nothing can be listed");
    for _ in 0..2 {
        for kind in [
            "pods",
            "nodes",
            "deployments",
            "replicasets",
            "statefulsets",
            "daemonsets",
        ] {
            script.answer(&format!("/{kind}?&limit"), 200, list_json(9, "", &[]));
        }
    }
    until(&index, |index| {
        index.synced().values().filter(|s| s.is_current()).count() == 6
    })
    .await;
    script.answer(
        "/pods?&limit",
        200,
        list_json(20, "", &[pod_json("a", 15, true)]),
    );
    for _ in 0..2 {
        index.catch_up(Duration::from_secs(60)).await.unwrap();
        script.answer("/nodes?&limit", 200, list_json(30, "", &[]));
        for kind in ["deployments", "replicasets", "statefulsets", "daemonsets"] {
            script.answer(&format!("/{kind}?&limit"), 200, list_json(30, "", &[]));
        }
    }
    assert_eq!(pod_fact(&index.read(), "a"), Fact::Known(false));
}

fn discovery(scale: bool) -> String {
    let subresources = if scale {
        json!([{"subresource": "scale", "verbs": ["get"],
        "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}}])
    } else {
        json!([])
    };
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": [{"metadata": {"name": "apps.tkestack.io"}, "versions": [{"version": "v1",
            "freshness": "Current", "resources": [{"resource": "tapps", "scope": "Namespaced",
                "singularResource": "tapp", "verbs": ["get", "list", "watch"],
                "responseKind": {"group": "apps.tkestack.io", "version": "v1", "kind": "TApp"},
                "subresources": subresources}]}]}]})
    .to_string()
}

fn tapp() -> KindRef {
    KindRef::new("apps.tkestack.io", "TApp")
}

fn game(name: &str) -> AppRef {
    tapp().named(&"ns".into(), &name.into())
}

fn tapp_json(name: &str) -> String {
    json!({"metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "5", "generation": 2}})
        .to_string()
}

const SCALE: &str = r#"{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"game"},"spec":{"replicas":6}}"#;

#[tokio::test(start_paused = true)]
async fn a_foreign_kind_is_discovered_watched_and_its_scale_read() {
    let (script, index) = (Script::default(), SharedIndex::default());
    script.answer("/apis", 200, discovery(true));
    let both = [tapp_json("game"), tapp_json("odd")];
    script.answer(
        "/apis/apps.tkestack.io/v1/tapps?&limit",
        200,
        list_json(9, "", &both),
    );
    script.answer("/tapps/game/scale", 200, SCALE);
    script.answer("/tapps/odd/scale", 403, forbidden());
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    index.write().demand(tapp());
    until(&index, |index| index.app(&game("game")).known().is_some()).await;
    let state = index.read().app(&game("game")).known().unwrap();
    assert_eq!(state.slots, Slots::Count(6));
    assert_eq!(index.read().scales(&tapp()), Some(true));
    until(&index, |index| index.needs_confirmation(&game("none"))).await;
    assert_eq!(
        index.read().app(&game("odd")),
        Fact::Unknown,
        "its scale may not be read"
    );
    assert!(
        !index.read().needs_confirmation(&game("odd")),
        "it is there"
    );
    script.answer("/tapps/odd/scale", 200, SCALE);
    until(&index, |index| index.app(&game("odd")).known().is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_without_scale_is_known_not_to_scale() {
    let (script, index) = (Script::default(), SharedIndex::default());
    script.answer("/apis", 200, discovery(false));
    let _watching = AbortOnDrop(tokio::spawn(watch::run(script.client(), index.clone())));
    index.write().demand(tapp());
    until(&index, |index| index.scales(&tapp()) == Some(false)).await;
    assert_eq!(index.read().app(&game("game")), Fact::Unknown);
}

const LIMIT: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn an_app_is_gone_only_if_its_kind_is_served_without_it() {
    let (script, index) = (Script::default(), SharedIndex::default());
    let kind = Kind::Apps(KindRef::new("apps", "deployment"));
    list(&mut index.write(), &kind, &[], 3);
    let web = KindRef::new("apps", "deployment").named(&"ns".into(), &"web".into());
    let client = script.client();
    let read = || read_app(&client, &index, &web, LIMIT);
    script.answer("/deployments/web", 403, forbidden());
    assert!(matches!(
        read().await,
        AppRead::Unknown(Failure::Forbidden(_))
    ));
    for unserved in ["404 page not found\n".to_owned(), not_served()] {
        script.answer("/deployments/web", 404, unserved);
        let read = read().await;
        assert!(matches!(read, AppRead::Unknown(Failure::NotServed)));
    }
    assert!(
        matches!(read().await, AppRead::Unknown(Failure::TimedOut(_))),
        "no answer at all"
    );
    script.answer("/deployments/web", 200, r#"{"metadata":{"name":"web"}}"#);
    assert!(matches!(read().await, AppRead::Present));
    assert_eq!(index.read().app(&web), Fact::Unknown);
    script.answer("/deployments/web", 404, not_found("web"));
    assert!(matches!(read().await, AppRead::Gone));
    assert_eq!(index.read().app(&web), Fact::Gone);
    let game = read_app(&client, &index, &game("game"), LIMIT).await;
    assert!(matches!(game, AppRead::Unknown(_)), "the kind is not known");
    assert_eq!(index.read().demanded(), [tapp()]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_read_live_into_the_index() {
    let (script, index) = (Script::default(), SharedIndex::default());
    script.answer("/pods/web", 200, pod_json("web", 8, true));
    script.answer("/pods/web", 404, not_found("web"));
    let client = script.client();
    let read = read_pod(&client, &index, ("ns", "web"), LIMIT)
        .await
        .unwrap();
    assert_eq!(read.unwrap().version, 8);
    assert_eq!(pod_fact(&index.read(), "web"), Fact::Known(false));
    assert!(
        read_pod(&client, &index, ("ns", "web"), LIMIT)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        read_pod(&client, &index, ("ns", "web"), LIMIT)
            .await
            .is_err(),
        "late"
    );
}
