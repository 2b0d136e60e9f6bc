//! What people tell of apps: there again after a crash, and in memory what is in the file.

use std::collections::BTreeSet;

use floatingip_core::Fact;
use floatingip_core::fact::{AppState, Slots, World};
use floatingip_core::owner::AppRef;
use redb::ReadableTable;

use super::super::format::{AppKey, app_bytes, app_key};
use super::*;

pub(super) const APPS: TableDefinition<'_, AppKey<'static>, &[u8]> = TableDefinition::new("apps");

pub(super) fn app(name: &str) -> AppRef {
    AppRef {
        namespace: "default".into(),
        group: "apps".into(),
        kind: "statefulset".into(),
        name: name.into(),
    }
}

fn there(slots: Slots) -> Told {
    Told::There(AppState::new(slots))
}

pub(super) fn tell(name: &str, told: &Told) -> AppChange {
    AppChange::Tell(app(name), told.clone())
}

#[tokio::test]
async fn what_was_told_of_apps_is_there_again_after_reopening() {
    let folder = folder();
    let nodes = BTreeSet::from(["node-1".into(), "node-2".into()]);
    let counted = AppState::new(Slots::Count(3)).with_uid("u-1").with_surge(2);
    let told = [
        ("gone", Told::Gone),
        ("counted", Told::There(counted)),
        ("ordinals", there(Slots::Ordinals { start: 5, count: 2 })),
        ("nodes", there(Slots::Nodes(nodes))),
        ("everywhere", there(Slots::EveryNode)),
    ];
    let store = open(&folder);
    let apps = store.apps().unwrap();
    for (name, told) in &told {
        store.change_app(tell(name, told)).await.unwrap();
        assert_eq!(apps.told(&app(name)).unwrap().told, *told);
    }
    drop(store);

    let store = open(&folder);
    let again = store.apps().unwrap();
    assert_eq!(again.len(), told.len());
    for (name, _) in &told {
        assert_eq!(again.told(&app(name)), apps.told(&app(name)), "{name}");
    }
    assert_eq!(again.app(&app("gone")), Fact::Gone);
    assert_eq!(again.app(&app("never told")), Fact::Unknown);
    assert_eq!(store.load().await.unwrap().version, Version(5));
}

#[tokio::test]
async fn only_what_was_told_of_ends_and_only_what_is_gone_is_revived_or_forgotten() {
    let folder = folder();
    let store = open(&folder);
    let apps = store.apps().unwrap();
    let version = || apps.told(&app("web")).map(|row| row.version);
    let (one, two) = (there(Slots::Count(1)), there(Slots::Count(2)));
    let web = || app("web");
    for (change, left) in [
        (AppChange::Revive(web()), None),
        (AppChange::End(web()), None),
        (tell("web", &one), Some(1)),
        (tell("web", &one), Some(1)),
        (AppChange::Revive(web()), Some(1)),
        (AppChange::Forget(web(), Version(1)), Some(1)),
        (tell("web", &two), Some(2)),
        (tell("web", &Told::Gone), Some(3)),
        (AppChange::Forget(web(), Version(2)), Some(3)),
        (AppChange::End(web()), Some(3)),
        (AppChange::Forget(web(), Version(3)), None),
        (tell("web", &Told::Gone), Some(5)),
        (AppChange::Revive(web()), None),
        (tell("web", &one), Some(7)),
        (AppChange::End(web()), Some(8)),
        (AppChange::Revive(web()), None),
    ] {
        store.change_app(change.clone()).await.unwrap();
        assert_eq!(version(), left.map(Version), "{change:?}");
    }
    assert!(apps.is_empty());
}

#[tokio::test]
async fn no_more_apps_are_remembered_than_there_is_room_for() {
    let folder = folder();
    drop(open(&folder));
    tamper(&folder, |transaction| {
        let mut table = transaction.open_table(APPS).unwrap();
        let row = AppRow {
            version: Version(1),
            told: Told::Gone,
        };
        for n in 0..MOST_APPS {
            let app = app(&format!("app-{n}"));
            let bytes = app_bytes(app_key(&app), &row).unwrap();
            table.insert(app_key(&app), bytes.as_slice()).unwrap();
        }
    });
    let store = open(&folder);
    let apps = store.apps().unwrap();
    let one = there(Slots::Count(1));
    let refused = store.change_app(tell("one more", &one)).await;
    assert_eq!(refused, Err(AppError::Full));
    assert_eq!(apps.told(&app("one more")), None);
    store.change_app(tell("app-7", &one)).await.unwrap();
    let revived = AppChange::Revive(app("app-8"));
    store.change_app(revived).await.unwrap();
    store.change_app(tell("one more", &one)).await.unwrap();
    assert_eq!(apps.len() as u64, MOST_APPS);
}

#[tokio::test]
async fn a_file_of_before_there_were_apps_is_taken_as_it_is() {
    let folder = folder();
    drop(open(&folder));
    tamper(&folder, |transaction| {
        assert!(transaction.delete_table(APPS).unwrap());
    });
    let store = open(&folder);
    let apps = store.apps().unwrap();
    assert!(apps.is_empty());
    store.change_app(tell("web", &Told::Gone)).await.unwrap();
    assert_eq!(apps.gone(), [(app("web"), Version(1))]);
}

#[tokio::test]
async fn an_app_that_cannot_be_read_is_named_and_left_as_it_is() {
    let folder = folder();
    let store = open(&folder);
    store.change_app(tell("web", &Told::Gone)).await.unwrap();
    drop(store);
    let damage = |transaction: &redb::WriteTransaction| {
        let mut table = transaction.open_table(APPS).unwrap();
        table.insert(app_key(&app("web")), &b"?"[..]).unwrap();
    };
    tamper(&folder, damage);
    let store = open(&folder);
    let error = store.apps().unwrap_err();
    let told = text(&error);
    assert!(told.contains("web"), "{told}");
    let refused = store
        .change_app(tell("web", &there(Slots::EveryNode)))
        .await;
    assert_eq!(refused, Err(AppError::Unavailable));
    drop(store);
    let found = tamper(&folder, |transaction| {
        let table = transaction.open_table(APPS).unwrap();
        let value = table.get(app_key(&app("web"))).unwrap().unwrap();
        value.value().to_vec()
    });
    assert_eq!(found, b"?");
}

#[tokio::test]
async fn all_apps_together_name_so_many_nodes() {
    let folder = folder();
    let store = open(&folder);
    let apps = store.apps().unwrap();
    let named = |n: usize| {
        let nodes = (0..n).map(|n| format!("node-{n}").as_str().into());
        AppState::new(Slots::Nodes(nodes.collect()))
    };
    let half = MOST_NAMED_NODES / 2;
    for name in ["one", "two"] {
        assert!(apps.has_room_for(&app(name), &named(half)));
        let told = Told::There(named(half));
        store.change_app(tell(name, &told)).await.unwrap();
    }
    assert!(apps.has_room_for(&app("two"), &named(half)));
    assert!(!apps.has_room_for(&app("two"), &named(half + 1)));
    assert!(!apps.has_room_for(&app("three"), &named(1)));
    store.change_app(tell("one", &Told::Gone)).await.unwrap();
    assert!(apps.has_room_for(&app("three"), &named(half)));
    drop(store);
    let again = open(&folder).apps().unwrap();
    assert!(!again.has_room_for(&app("three"), &named(half + 1)));
}
