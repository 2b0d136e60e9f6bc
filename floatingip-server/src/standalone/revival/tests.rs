use std::net::{IpAddr, Ipv4Addr};

use floatingip_core::ReleasePolicy;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::Ending;
use floatingip_core::testing::fixture::{PodFixture, attachment, ip, pod};

use super::*;
use crate::store::{EmbeddedStore, Told};

const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.0.2~10.0.0.3"],"subnet":"10.0.0.0/24","gateway":"10.0.0.1"}]"#;

/// A pod of the StatefulSet `db`, in a container of its own name.
fn wanted(name: &str) -> Wanted {
    wanted_by(&pod(name).of_statefulset("db"), name)
}

fn wanted_by(fixture: &PodFixture, name: &str) -> Wanted {
    let tenant = fixture.owner().tenant().unwrap().clone();
    let request = PodRequest::new(tenant, fixture.pod(), ReleasePolicy::Immutable);
    Wanted {
        request: request.unwrap().with_attachment(attachment("node-1", name)),
        place: Place::Anywhere,
        attempt: None,
    }
}

async fn allocate(core: &Core, wanted: &Wanted) -> Result<Vec<IpAddr>, NativeError> {
    let announced = core.announce(&wanted.request);
    super::allocate(core, &announced, wanted).await
}

fn app() -> AppRef {
    app_of(&wanted("db-0"))
}

fn app_of(wanted: &Wanted) -> AppRef {
    wanted.request.tenant().app_ref().unwrap()
}

/// The app was deleted while its pod `db-0` runs.
async fn deleted_under_its_pod() -> Core {
    deleted_under(&wanted("db-0")).await
}

/// The app of a pod was deleted while that runs, with the first address.
async fn deleted_under(pod: &Wanted) -> Core {
    let config = Config::parse(CONFIG, Strictness::Strict).unwrap();
    let store = EmbeddedStore::in_memory().unwrap();
    let core = super::super::start(0, config.into_topology(), store);
    let core = core.await.unwrap();
    assert_eq!(allocate(&core, pod).await, Ok(vec![ip(2)]));
    let gone = AppChange::Tell(app_of(pod), Told::Gone);
    core.store().change_app(gone).await.unwrap();
    core
}

#[track_caller]
fn assert_nothing_is_open(core: &Core) {
    assert_eq!(core.engine().open_plans(), 0);
}

#[tokio::test]
async fn a_container_that_gets_an_address_revives_its_app() {
    let core = deleted_under_its_pod().await;
    assert_eq!(allocate(&core, &wanted("db-1")).await, Ok(vec![ip(3)]));
    assert!(core.world().is_empty());
    assert_nothing_is_open(&core);
}

#[tokio::test]
async fn a_container_that_is_refused_revives_nothing_and_the_deletion_frees_what_it_should() {
    let core = deleted_under_its_pod().await;
    let elsewhere = Wanted {
        place: Place::Node(vec![IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1))]),
        ..wanted("db-1")
    };
    let other_interface = {
        let again = wanted("db-0");
        let mut other = attachment("node-1", "db-0");
        other.interface = "eth1".into();
        Wanted {
            request: again.request.with_attachment(other),
            ..again
        }
    };
    for refused in [elsewhere, other_interface] {
        let answer = allocate(&core, &refused).await;
        assert!(matches!(answer, Err(NativeError::Refused(_))), "{answer:?}");
        assert!(core.world().app(&app()).is_gone(), "{answer:?}");
    }
    let uid = wanted("db-0").request.pod().uid.clone();
    core.ended(&uid, &Ending::Certain).await.unwrap();
    assert!(core.engine().is_empty());
}

#[tokio::test]
async fn a_container_that_finds_no_address_left_revives_nothing() {
    let core = deleted_under_its_pod().await;
    let key = "printer".into();
    core.reserve(ip(3), key).await.unwrap().unwrap();
    let answer = allocate(&core, &wanted("db-1")).await;
    assert!(matches!(answer, Err(NativeError::Refused(_))), "{answer:?}");
    assert!(core.world().app(&app()).is_gone());
}

#[tokio::test]
async fn who_asks_once_more_for_what_it_has_revives_nothing() {
    let core = deleted_under_its_pod().await;
    assert_eq!(allocate(&core, &wanted("db-0")).await, Ok(vec![ip(2)]));
    assert!(core.world().app(&app()).is_gone());
}

/// What its interface has it is about to lose, so it is a container that starts; what it had is free then.
#[tokio::test]
async fn who_asks_while_its_former_end_is_under_way_revives_its_app() {
    assert_revives_during_its_former_end(&wanted("db-0")).await;
}

/// Caps, which refuse other pods of a deleted app, do not count these.
#[tokio::test]
async fn a_pod_of_a_daemonset_revives_it_too_while_its_former_end_is_under_way() {
    let agent = pod("agent").of_daemonset("agent");
    assert_revives_during_its_former_end(&wanted_by(&agent, "agent")).await;
}

async fn assert_revives_during_its_former_end(wanted: &Wanted) {
    let core = deleted_under(wanted).await;
    let ending = core.carry_out(end(&core, wanted));
    let (answer, ended) = tokio::join!(allocate(&core, wanted), ending);
    assert!(ended.is_complete());
    assert_eq!(answer, Ok(vec![ip(3)]));
    assert!(core.world().is_empty(), "{} is gone", app_of(wanted));
    assert_nothing_is_open(&core);
}

/// Its former end came while another plan held its address, and is owed.
#[tokio::test]
async fn who_asks_while_its_former_end_is_owed_revives_its_app() {
    let wanted = wanted("db-0");
    let core = deleted_under(&wanted).await;
    let failing = end(&core, &wanted);
    assert!(end(&core, &wanted).is_empty());
    abandon(&core, failing);
    let (answer, ()) = tokio::join!(allocate(&core, &wanted), core.tend());
    assert_eq!(answer, Ok(vec![ip(3)]));
    assert!(core.world().is_empty());
    assert_nothing_is_open(&core);
}

/// Its end comes while it waits for its former one: it is given up, and revives nothing.
#[tokio::test]
async fn who_ends_while_it_waits_revives_nothing() {
    let wanted = wanted("db-0");
    let core = deleted_under(&wanted).await;
    let failing = end(&core, &wanted);
    assert!(end(&core, &wanted).is_empty());
    abandon(&core, failing);
    let attachment = wanted.request.attachment().unwrap();
    let (answer, ended) = tokio::join!(allocate(&core, &wanted), core.detached(attachment));
    assert_eq!(ended, Ok(()));
    assert!(matches!(answer, Err(NativeError::Refused(_))), "{answer:?}");
    assert!(core.world().app(&app()).is_gone());
    assert_nothing_is_open(&core);
}

fn end(core: &Core, wanted: &Wanted) -> Plan {
    let attachment = wanted.request.attachment().unwrap();
    let now = core.now();
    core.engine().plan_detached(attachment, core.world(), now)
}

/// As a server leaves it that dies after the first of its two writes.
#[tokio::test]
async fn whoever_asks_again_after_a_revival_that_was_cut_off_gets_its_address() {
    let core = deleted_under_its_pod().await;
    let revived = AppChange::Revive(app());
    core.store().change_app(revived).await.unwrap();
    assert_eq!(allocate(&core, &wanted("db-1")).await, Ok(vec![ip(3)]));
}

#[tokio::test]
async fn a_revival_that_is_not_stored_gives_nothing_and_holds_nothing() {
    let core = deleted_under_its_pod().await;
    core.store().close();
    let answer = allocate(&core, &wanted("db-1")).await;
    assert_eq!(answer, Err(NativeError::Stuck(Stuck::Unavailable)));
    assert_nothing_is_open(&core);
    assert_eq!(core.engine().len(), 1);
    assert!(core.world().app(&app()).is_gone());
}

#[tokio::test]
async fn the_same_container_twice_at_once_gets_the_same_address() {
    let core = deleted_under_its_pod().await;
    let wanted = wanted("db-1");
    let (one, two) = tokio::join!(allocate(&core, &wanted), allocate(&core, &wanted));
    assert_eq!(one, Ok(vec![ip(3)]));
    assert_eq!(two, one);
    assert_nothing_is_open(&core);
}
