use kube::core::ObjectMeta;
use tokio::time::{Duration, timeout};

use super::*;

#[test]
fn absence_is_gone_only_once_the_watch_is_in_sync_and_works() {
    let mut index = Index::default();
    assert_eq!(pod_fact(&index, "web"), Fact::Unknown);
    list(&mut index, &Kind::Pods, &[], 5);
    assert_eq!(pod_fact(&index, "web"), Fact::Gone);
    index.failed(&Kind::Pods, "forbidden".to_owned());
    assert_eq!(pod_fact(&index, "web"), Fact::Unknown);
    index.recovered(&Kind::Pods);
    assert_eq!(pod_fact(&index, "web"), Fact::Gone);
    index.apply_pod(pod("web", 6));
    index.failed(&Kind::Pods, "late".to_owned());
    assert_eq!(
        pod_fact(&index, "web"),
        Fact::Known(false),
        "what was seen stays known"
    );
}

#[test]
fn what_cannot_be_read_is_unknown_until_it_can_be() {
    let mut index = synced();
    let meta = ObjectMeta {
        name: Some("web".to_owned()),
        namespace: Some("ns".to_owned()),
        ..ObjectMeta::default()
    };
    index.apply_pod(pod("web", 2));
    index.unreadable(&Kind::Pods, &meta);
    assert_eq!(pod_fact(&index, "web"), Fact::Unknown);
    assert_eq!(pod_fact(&index, "db"), Fact::Gone);
    index.apply_pod(pod("web", 4));
    assert_eq!(pod_fact(&index, "web"), Fact::Known(false));
    index.unreadable(&Kind::Pods, &ObjectMeta::default());
    assert_eq!(
        pod_fact(&index, "db"),
        Fact::Unknown,
        "it may be the nameless one"
    );
    list(&mut index, &Kind::Pods, &["web"], 9);
    assert_eq!(pod_fact(&index, "db"), Fact::Gone);
}

#[test]
fn a_pod_that_wants_nothing_is_not_kept() {
    let mut index = synced();
    index.apply_pod(PodEntry {
        wanted: None,
        ..pod("web", 2)
    });
    assert_eq!(index.synced()[&Kind::Pods].objects, 0);
    assert_eq!(index.synced()[&Kind::Pods].version, 2);
    index.apply_pod(PodEntry {
        wanted: None,
        ..bound("thief", 3, "a-1")
    });
    assert!(
        index.pod("ns", "thief").is_some(),
        "it says that it has an address"
    );
    let cleaned = PodEntry {
        wanted: None,
        bound_addresses: Vec::new(),
        ..bound("thief", 4, "a-1")
    };
    index.apply_pod(cleaned);
    assert!(index.pod("ns", "thief").is_some(), "and may go on using it");
}

#[test]
fn older_states_never_replace_newer_ones() {
    let mut index = synced();
    index.apply_pod(bound("web", 5, "a-1"));
    index.apply_pod(pod("web", 4));
    index.expect_pod(pod("web", 5));
    index.delete_pod(&pod("web", 4));
    assert_eq!(pod_fact(&index, "web"), Fact::Known(true));
}

#[test]
fn a_live_read_counts_ahead_of_the_watch_but_raises_no_dead() {
    let mut index = synced();
    index.expect_pod(pod("web", 10));
    assert_eq!(pod_fact(&index, "web"), Fact::Known(false));
    index.delete_pod(&pod("web", 12));
    index.expect_pod(pod("web", 10));
    assert_eq!(
        pod_fact(&index, "web"),
        Fact::Gone,
        "deleted while the read was under way"
    );
    list(&mut index, &Kind::Pods, &[], 20);
    index.expect_pod(pod("web", 19));
    assert_eq!(pod_fact(&index, "web"), Fact::Gone);
    index.expect_pod(pod("web", 21));
    assert_eq!(pod_fact(&index, "web"), Fact::Known(false));
}

#[test]
fn a_live_read_counts_while_a_list_is_under_way() {
    let mut index = synced();
    index.apply_listed_pod(pod("first-page", 95));
    index.expect_pod(pod("later-page", 60));
    assert_eq!(pod_fact(&index, "later-page"), Fact::Known(false));
}

#[test]
fn a_list_drops_what_it_lacks_unless_that_is_newer() {
    let mut index = synced();
    for (name, version) in [("listed", 4), ("missed", 5), ("newer", 30)] {
        index.apply_pod(pod(name, version));
    }
    index.take_effects();
    list(&mut index, &Kind::Pods, &["listed"], 20);
    let facts = ["listed", "missed", "newer"].map(|name| pod_fact(&index, name));
    assert_eq!(facts, [Fact::Known(false), Fact::Gone, Fact::Known(false)]);
    let ended: Vec<_> = index.take_effects().ended.into_keys().collect();
    assert_eq!(ended, ["missed-uid"]);
}

fn ending(index: &mut Index, name: &str) -> Option<HowEnded> {
    let effects = index.take_effects();
    effects
        .ended
        .get(&*format!("{name}-uid"))
        .map(|ended| ended.how)
}

#[test]
fn how_a_pod_ended_depends_on_its_node() {
    let mut index = synced();
    index.feed(&node("ready", 2, "10.0.0.9", true)).unwrap();
    index.feed(&node("lost", 2, "10.0.0.8", false)).unwrap();
    let mut delete = |entry: PodEntry| {
        index.apply_pod(entry.clone());
        index.delete_pod(&PodEntry {
            version: entry.version + 1,
            ..entry
        });
        ending(&mut index, "web")
    };
    assert_eq!(delete(bound("web", 10, "ready")), Some(HowEnded::Deleted));
    assert_eq!(
        delete(bound("web", 12, "lost")),
        Some(HowEnded::Unreachable)
    );
    assert_eq!(
        delete(bound("web", 14, "never-was")),
        Some(HowEnded::Deleted),
        "node gone too"
    );
    assert_eq!(
        delete(pod("web", 16)),
        Some(HowEnded::Deleted),
        "never bound"
    );
    let finished = PodEntry {
        finished: true,
        ..bound("web", 18, "lost")
    };
    assert_eq!(delete(finished), Some(HowEnded::Finished));
    let mut blind = Index::default();
    blind.apply_pod(bound("web", 2, "ready"));
    blind.delete_pod(&bound("web", 3, "ready"));
    assert_eq!(
        ending(&mut blind, "web"),
        Some(HowEnded::Unreachable),
        "nodes are not known"
    );
}

#[test]
fn a_pod_that_finishes_ends_once() {
    let mut index = synced();
    index.apply_pod(bound("web", 2, "a-1"));
    let finished = |version| PodEntry {
        finished: true,
        ..bound("web", version, "a-1")
    };
    index.apply_pod(finished(3));
    let effects = index.take_effects();
    assert_eq!(effects.ended.len(), 1);
    assert!(effects.bound.is_empty(), "it is bound no more");
    index.apply_pod(finished(4));
    assert!(index.take_effects().is_empty());
}

#[test]
fn another_uid_under_the_name_ends_the_former_pod() {
    let mut index = synced();
    index.apply_pod(bound("web", 2, "a-1"));
    index.take_effects();
    let next = PodEntry {
        uid: "next".into(),
        ..pod("web", 5)
    };
    index.apply_pod(next);
    index.delete_pod(&bound("web", 4, "a-1"));
    let effects = index.take_effects();
    assert_eq!(effects.ended.into_keys().collect::<Vec<_>>(), ["web-uid"]);
    assert_eq!(
        effects.waiting.into_iter().collect::<Vec<_>>(),
        [key("web")]
    );
    assert_eq!(
        &*index.pod("ns", "web").unwrap().uid,
        "next",
        "the late deletion is not its own"
    );
    index.apply_pod(PodEntry {
        wanted: None,
        uid: "other".into(),
        ..pod("web", 6)
    });
    assert_eq!(
        pod_fact(&index, "web"),
        Fact::Gone,
        "the name is taken by one that wants nothing"
    );
    assert_eq!(
        index.take_effects().ended.into_keys().collect::<Vec<_>>(),
        ["next"]
    );
}

#[test]
fn pods_wait_by_priority_then_age() {
    let mut index = synced();
    let at = |second| Timestamp::from_second(second).unwrap();
    for (name, priority, second) in [("young", 0, 9), ("vip", 100, 5), ("old", 0, 1)] {
        index.apply_pod(PodEntry {
            priority,
            created: at(second),
            ..pod(name, 2)
        });
    }
    index.apply_pod(PodEntry {
        gated: true,
        ..pod("gated", 2)
    });
    index.apply_pod(PodEntry {
        deleting: true,
        ..pod("deleting", 2)
    });
    index.apply_pod(PodEntry {
        finished: true,
        ..pod("finished", 2)
    });
    let names = |index: &Index| {
        index
            .waiting()
            .map(|pod| pod.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&index), ["vip", "old", "young"]);
    index.expect_binding("vip-uid", &"a-1".into(), &["10.0.0.2".parse().unwrap()]);
    assert_eq!(names(&index), ["old", "young"]);
    assert_eq!(pod_fact(&index, "vip"), Fact::Known(true));
    assert_eq!(index.pods_on("a-1").count(), 1);
}

#[test]
fn a_binding_is_told_once_and_again_when_its_addresses_change() {
    let mut index = synced();
    index.apply_pod(pod("web", 2));
    index.take_effects();
    index.apply_pod(bound("web", 3, "a-1"));
    let effects = index.take_effects();
    assert_eq!(
        effects.bound[&Name::from("web-uid")],
        bound("web", 3, "a-1").bound_addresses
    );
    index.apply_pod(bound("web", 4, "a-1"));
    assert!(index.take_effects().is_empty(), "its status changed");
    let moved = vec!["10.0.0.3".parse().unwrap()];
    index.apply_pod(PodEntry {
        bound_addresses: moved.clone(),
        ..bound("web", 5, "a-1")
    });
    assert_eq!(index.take_effects().bound[&Name::from("web-uid")], moved);
}

#[test]
fn a_waiting_pod_is_told_again_only_if_it_asks_for_something_else() {
    let mut index = synced();
    index.apply_pod(pod("web", 2));
    index.take_effects();
    index.apply_pod(pod("web", 3));
    assert!(
        index.take_effects().is_empty(),
        "the scheduler wrote its condition"
    );
    index.apply_pod(PodEntry {
        priority: 7,
        ..pod("web", 4)
    });
    assert_eq!(index.take_effects().waiting.len(), 1);
}

#[test]
fn effects_that_nobody_takes_are_bounded() {
    let mut index = synced();
    for serial in 0..70_000_u64 {
        let uid = Name::from(format!("{serial}"));
        index.apply_pod(PodEntry {
            uid,
            ..pod("web", 2 + serial)
        });
    }
    let effects = index.take_effects();
    assert!(effects.incomplete && effects.ended.len() < 70_000);
    assert!(!index.take_effects().incomplete);
}

#[tokio::test]
async fn whoever_waits_for_effects_is_woken() {
    let shared = SharedIndex::default();
    shared.write().apply_pod(pod("web", 2));
    timeout(Duration::from_secs(5), shared.effects())
        .await
        .unwrap();
    assert_eq!(shared.write().take_effects().waiting.len(), 1);
    let waiting = shared.effects();
    shared.write().apply_pod(bound("web", 3, "a-1"));
    timeout(Duration::from_secs(5), waiting).await.unwrap();
}
