//! Lists and watches that go wrong.

use std::net::IpAddr;

use floatingip_core::Now;
use floatingip_core::engine::{Engine, Settings};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::script::{line, list, page};
use super::*;

fn web(version: u64) -> String {
    object(version, &Value::Address(record(pod("web").owner())))
}

/// What a follower tells of FloatingIP objects.
struct Heard {
    news: UnboundedReceiver<News>,
    following: Following,
}

impl Heard {
    fn start(script: &Script, from: Option<ListVersions>) -> Self {
        let follower = Follower::new(script.client(), StoreOptions::default(), from);
        let following = follower.following();
        let (tell, news) = unbounded_channel();
        tokio::spawn(follower.run(move |told| {
            let _ = tell.send(told);
        }));
        Self { news, following }
    }

    /// In short, without lists of pools.
    async fn next(&mut self) -> String {
        loop {
            match self.news.recv().await.unwrap() {
                News::List(_, Version(1)) | News::CaughtUp(_) => {}
                News::List(list, version) => return format!("list {version} of {}", size(list)),
                News::Changed(change) => {
                    let what = if change.observed.value.is_some() {
                        "written"
                    } else {
                        "deleted"
                    };
                    return format!("{what} {}", change.observed.version);
                }
                News::Unreadable(_, unreadable) => {
                    return format!("passed over {}", unreadable.name);
                }
            }
        }
    }
}

/// How many addresses a list has.
fn size(list: floatingip_core::engine::WholeList) -> usize {
    let mut engine = Engine::new(Settings::default());
    engine.observe_all(list, Now::default()).taken.len()
}

fn gone() -> String {
    r#"{"kind":"Status","code":410,"message":"too old resource version"}"#.to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_begins_with_a_new_list() {
    let script = Script::of([
        Reply::says(200, &list(40, &[web(30)])),
        Reply::says(200, &(line("MODIFIED", &web(41)) + &line("ERROR", &gone()))),
        Reply::says(200, &list(50, &[])),
        Reply::says(410, ""),
        Reply::says(200, &list(60, &[web(55)])),
    ]);
    let mut heard = Heard::start(&script, None);
    for expected in ["list 40 of 1", "written 41", "list 50 of 0", "list 60 of 1"] {
        assert_eq!(heard.next().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_what_was_told_last() {
    let bookmark = line("BOOKMARK", r#"{"metadata":{"resourceVersion":"45"}}"#);
    let half = line("MODIFIED", &web(46));
    let half = &half[..half.len() / 2];
    let script = Script::of([
        Reply::says(200, &(line("ADDED", &web(42)) + &bookmark + half)),
        Reply::says(500, "busy"),
        Reply::says(200, &line("DELETED", &web(46))),
    ]);
    let from = ListVersions {
        addresses: Version(41),
        pools: Version(41),
    };
    let mut heard = Heard::start(&script, Some(from));
    assert_eq!(heard.next().await, "written 42");
    assert_eq!(heard.next().await, "deleted 46");
    let asked = script.asked();
    let from: Vec<bool> = [(0, 41), (1, 45), (2, 45)]
        .map(|(at, version)| asked[at].contains(&format!("resourceVersion={version}&")))
        .into();
    assert_eq!(from, [true; 3], "{asked:?}");
    assert_eq!(
        heard.following.status(Kind::FloatingIp).version,
        Version(46)
    );
}

#[tokio::test(start_paused = true)]
async fn objects_and_lines_that_make_no_sense_do_not_end_it() {
    let router = r#"{"metadata":{"name":"router","resourceVersion":"43"},"spec":{}}"#;
    let script = Script::of([
        Reply::says(200, &list(40, &[router.to_owned(), web(30)])),
        Reply::says(
            200,
            &(line("ADDED", router) + &line("MODIFIED", &web(44)) + "what?\n"),
        ),
        Reply::says(200, &list(50, &[web(44)])),
        Reply::says(200, &line("MODIFIED", &web(51))),
    ]);
    let mut heard = Heard::start(&script, None);
    let expected = [
        "passed over router",
        "list 40 of 1",
        "passed over router",
        "written 44",
        "list 50 of 1",
        "written 51",
    ];
    for expected in expected {
        assert_eq!(heard.next().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_shows_until_a_watch_is_open_again() {
    let script = Script::of([
        Reply::says(403, r#"{"message":"floatingips is forbidden"}"#),
        Reply::says(200, &list(40, &[])),
        Reply::says(200, &line("ADDED", &web(42))),
    ]);
    let mut heard = Heard::start(&script, None);
    let mut status = heard.following.subscribe(Kind::FloatingIp);
    let failed = status.wait_for(|status| status.last_error.is_some()).await;
    let error = failed.unwrap().last_error.clone().unwrap();
    assert!(error.contains("floatingips is forbidden"), "{error}");
    assert!(!heard.following.is_synced());

    assert_eq!(heard.next().await, "list 40 of 0");
    assert_eq!(heard.next().await, "written 42");
    let status = heard.following.status(Kind::FloatingIp);
    assert_eq!(
        (status.connected, status.last_error, status.lists),
        (true, None, 1)
    );
}

#[tokio::test]
async fn a_list_of_several_pages_is_one_and_begins_anew_when_its_moment_is_over() {
    let object = |n: u8| web(30).replace("10.0.0.7", &format!("10.0.0.{n}"));
    let script = Script::of([
        Reply::says(200, &page(40, "a+b", &object(1))),
        Reply::says(410, &gone()),
        Reply::says(200, &page(41, "c", &object(2))),
        Reply::says(200, &list(41, &[object(3)])),
    ]);
    let store = script.store();
    let snapshot = store.load().await.unwrap();
    let found: Vec<IpAddr> = snapshot.addresses.iter().map(|(ip, ..)| *ip).collect();
    assert_eq!(found, [ip(2), ip(3)]);
    assert_eq!(snapshot.version, Version(41));
    let asked = script.asked();
    assert!(
        asked[1].ends_with("?limit=1000&continue=a%2Bb"),
        "{}",
        asked[1]
    );
    let versions = store.listed().unwrap();
    assert_eq!(
        (versions.addresses, versions.pools),
        (Version(41), Version(1))
    );
}

#[tokio::test]
async fn a_list_that_cannot_be_had_says_why() {
    let script = Script::of([Reply::says(
        403,
        r#"{"message":"floatingips is forbidden"}"#,
    )]);
    let Err(LoadError::Unavailable(error)) = script.store().load().await else {
        panic!("loaded");
    };
    let told = answer::told(error.as_ref());
    assert!(told.contains("floatingips is forbidden"), "{told}");
    assert_eq!(script.store().listed(), None);
}
