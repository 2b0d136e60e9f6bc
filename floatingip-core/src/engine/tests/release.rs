//! Release by the API.

use std::net::IpAddr;

use super::scene::{Asker, Scene, a, b, bare, ordinal, replica};
use crate::engine::{Live, Named, NotReleased};
use crate::name::Name;

fn named(ip: IpAddr) -> Named {
    Named {
        ip,
        pool: None,
        namespace: None,
        app: None,
        kind: None,
        pod: None,
    }
}

/// An address, named by its pool.
pub(super) fn of_pool(ip: IpAddr, pool: &str) -> Named {
    Named {
        pool: Some(Name::from(pool)),
        ..named(ip)
    }
}

fn of_app(ip: IpAddr, app: &str) -> Named {
    Named {
        namespace: Some(Name::from("default")),
        app: Some(Name::from(app)),
        ..named(ip)
    }
}

fn reason(scene: &mut Scene, named: Named) -> NotReleased {
    let releasing = scene.engine.plan_release(&[named], scene.now).unwrap();
    assert!(releasing.plan.is_empty());
    releasing.unreleased[0].1.clone()
}

fn kept(scene: &mut Scene, asker: &Asker) -> IpAddr {
    let ip = scene.allocate(asker);
    scene.end(asker);
    ip
}

#[test]
fn what_is_named_rightly_and_has_no_pod_is_released() {
    let mut scene = Scene::two_subnets();
    let db = kept(&mut scene, &ordinal("db-0").never());
    let solo = kept(&mut scene, &bare("solo").never());
    let pooled = kept(&mut scene, &replica("web-x").in_pool("blue"));
    let by_pod = Named {
        namespace: Some(Name::from("default")),
        pod: Some(Name::from("solo")),
        ..named(solo)
    };
    let request = [of_app(db, "db"), by_pod, of_pool(pooled, "blue")];
    let releasing = scene.engine.plan_release(&request, scene.now).unwrap();
    assert_eq!(releasing.unreleased, []);
    scene.settle(releasing.plan);
    assert!([db, solo, pooled].into_iter().all(|ip| scene.is_free(ip)));
}

#[test]
fn one_live_owner_and_nothing_of_the_request_is_released() {
    let mut scene = Scene::two_subnets();
    let reserved = kept(&mut scene, &ordinal("db-0").never());
    let live = scene.allocate(&ordinal("web-0"));
    let request = [
        of_app(reserved, "db"),
        of_app(live, "web"),
        of_app(b(1), "x"),
    ];
    let refused = scene.engine.plan_release(&request, scene.now).unwrap_err();
    assert_eq!(refused, Live(vec![live]));
    assert_eq!(refused.to_string(), format!("{live} is not releasable"));
    assert!(scene.is_kept(reserved));
}

#[test]
fn a_live_pod_of_somebody_else_is_only_somebody_elses() {
    let mut scene = Scene::two_subnets();
    let live = scene.allocate(&ordinal("web-0"));
    let others = reason(&mut scene, of_app(live, "db"));
    assert!(matches!(others, NotReleased::OthersOwn(_)));
    assert!(others.to_string().contains("web-0"), "{others}");
    assert_eq!(reason(&mut scene, named(live)), NotReleased::OwnerNotNamed);
}

#[test]
fn what_is_given_has_to_match_all_of_it() {
    let mut scene = Scene::two_subnets();
    let ip = kept(&mut scene, &ordinal("db-0").never());
    let right = of_app(ip, "db");
    let wrong = Some(Name::from("wrong"));
    for named in [
        Named {
            kind: wrong.clone(),
            ..right.clone()
        },
        Named {
            pod: wrong.clone(),
            ..right.clone()
        },
        Named {
            namespace: wrong.clone(),
            ..right.clone()
        },
        Named {
            pool: wrong,
            ..right.clone()
        },
    ] {
        assert!(matches!(
            reason(&mut scene, named),
            NotReleased::OthersOwn(_)
        ));
    }
    let namespace_only = Named { app: None, ..right };
    assert_eq!(
        reason(&mut scene, namespace_only),
        NotReleased::OwnerNotNamed
    );
}

#[test]
fn free_and_unknown_addresses_are_not_released() {
    let mut scene = Scene::two_subnets();
    assert_eq!(
        reason(&mut scene, of_app(a(1), "db")),
        NotReleased::AlreadyFree
    );
    let outside = IpAddr::from([192, 0, 2, 1]);
    assert_eq!(
        reason(&mut scene, of_app(outside, "db")),
        NotReleased::OutOfRange
    );
}

#[test]
fn an_address_under_change_is_not_released() {
    let mut scene = Scene::two_subnets();
    let ip = kept(&mut scene, &ordinal("db-0").never());
    let open = scene.plan(&ordinal("db-0").never().uid("next")).unwrap();
    let refused = scene.engine.plan_release(&[of_app(ip, "db")], scene.now);
    assert_eq!(refused.unwrap_err(), Live(vec![ip]));
    scene.settle(open.plan);
}

#[test]
fn an_address_named_twice_is_released_once() {
    let mut scene = Scene::two_subnets();
    let ip = kept(&mut scene, &ordinal("db-0").never());
    let request = [of_app(ip, "db"), of_app(ip, "db")];
    let releasing = scene.engine.plan_release(&request, scene.now).unwrap();
    assert_eq!(releasing.plan.batch().writes.len(), 1);
    scene.settle(releasing.plan);
    assert!(scene.is_free(ip));
}
