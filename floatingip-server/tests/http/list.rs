use std::sync::Arc;

use axum::http::StatusCode;
use floatingip_core::owner::{App, Owner, Pod, Slot, Tenant};
use floatingip_core::query::Row;
use floatingip_core::{Name, Record, ReleasePolicy, WallTime};
use floatingip_server::backend::ListError;

use crate::support::{Call, Fake, Server};

/// 2019-10-10T08:37:13Z.
const THEN: u64 = 1_570_696_633_000_000_000;

fn row(ip: &str, owner: Owner, nanos: u64) -> Row {
    let record = Record {
        owner,
        policy: ReleasePolicy::Never,
        updated_at: WallTime::from_nanos(THEN + nanos),
        mark: None,
        attachment: None,
        plan: None,
    };
    Row {
        ip: ip.parse().unwrap(),
        record: Some(Arc::new(record)),
        draining: false,
    }
}

fn tenant(kind: &str, name: &str, slot: Slot) -> Tenant {
    let app = App {
        group: Name::default(),
        kind: Name::from(kind),
        name: Name::from(name),
        uid: None,
    };
    Tenant {
        namespace: Name::from("default"),
        app: Some(app).filter(|_| !kind.is_empty()),
        slot,
        pool: None,
        pod: None,
    }
}

fn live(mut tenant: Tenant, pod: &str) -> Owner {
    tenant.pod = Some(Pod {
        name: Name::from(pod),
        uid: Name::from("u"),
        node: Name::from("n"),
    });
    Owner::Slot(tenant)
}

fn nginx(ordinal: u64) -> Owner {
    Owner::Slot(tenant("tapp", "nginx-deployment", Slot::Ordinal(ordinal)))
}

/// The listing that the user's document shows.
fn sample() -> Vec<Row> {
    vec![
        row("10.0.70.142", nginx(2), 498_446_133),
        row("10.0.70.169", nginx(1), 447_486_802),
        row("10.0.70.33", nginx(0), 468_236_091),
    ]
}

/// One row of every kind of owner.
fn every_owner() -> Vec<Row> {
    let mut pooled = tenant("deployment", "web", Slot::Any);
    pooled.pool = Some("blue_green".parse().unwrap());
    let free = Row {
        ip: "10.0.70.9".parse().unwrap(),
        record: None,
        draining: false,
    };
    let mut nobody = row("10.0.70.10", Owner::Nobody, 0);
    Arc::make_mut(nobody.record.as_mut().unwrap()).policy = ReleasePolicy::PodDelete;
    vec![
        row(
            "10.0.70.2",
            live(tenant("deployment", "web", Slot::Any), "web-5d-x"),
            0,
        ),
        row(
            "10.0.70.3",
            live(tenant("statefulset", "db", Slot::Ordinal(0)), "db-0"),
            100_000_000,
        ),
        row("10.0.70.4", Owner::Slot(pooled), 0),
        row(
            "10.0.70.5",
            Owner::Slot(tenant("", "", Slot::Pod("lone".into()))),
            0,
        ),
        row(
            "10.0.70.6",
            Owner::Slot(tenant("daemonset", "log", Slot::Node("n1".into()))),
            0,
        ),
        row("10.0.70.7", Owner::Pool("blue".parse().unwrap()), 0),
        row("10.0.70.8", Owner::Administrator("printer".into()), 0),
        free,
        nobody,
        row("fd00::1", nginx(7), 1),
    ]
}

fn listing(rows: Vec<Row>) -> Fake {
    Fake {
        rows: Ok(rows),
        ..Fake::default()
    }
}

#[tokio::test]
async fn the_documented_listing_is_answered_byte_for_byte_in_both_modes() {
    let path = "/v1/ip?namespace=default&appName=nginx-deployment&appType=tapp";
    for server in [
        Server::standard(listing(sample())),
        Server::galaxy(listing(sample())),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.text(), include_str!("../golden/list-sample.json"));
        let calls = server.fake.calls();
        let [Call::List(query)] = calls.as_slice() else {
            panic!("{calls:?}")
        };
        assert_eq!(query.filter.app, Some("nginx-deployment".into()));
        assert!(!query.include_free);
    }
}

#[tokio::test]
async fn every_kind_of_owner_has_its_row() {
    let server = Server::standard(listing(every_owner()));
    let answer = server.get("/v1/ip?includeFree=true").await;
    assert_eq!(answer.text(), include_str!("../golden/list-owners.json"));
}

#[tokio::test]
async fn an_empty_listing_has_its_content() {
    for server in [
        Server::standard(Fake::default()),
        Server::galaxy(Fake::default()),
    ] {
        let answer = server.get("/v1/ip").await;
        assert_eq!(answer.text(), include_str!("../golden/list-empty.json"));
    }
}

#[tokio::test]
async fn a_page_beyond_the_end_is_empty_last_and_not_first() {
    let fake = Fake {
        total: Some(3),
        ..Fake::default()
    };
    let answer = Server::standard(fake)
        .get("/v1/ip?page=99999&size=9999")
        .await;
    assert_eq!(answer.text(), include_str!("../golden/list-beyond.json"));
}

#[tokio::test]
async fn both_modes_ask_the_backend_what_the_table_of_differences_says() {
    use floatingip_core::query::SortBy;
    let (standard, galaxy) = (
        Server::standard(Fake::default()),
        Server::galaxy(Fake::default()),
    );
    for path in ["/v1/ip", "/v1/ip?appName=a", "/v1/ip?keyword=k&appName=a"] {
        assert_eq!(standard.get(path).await.status, StatusCode::OK);
        assert_eq!(galaxy.get(path).await.status, StatusCode::OK);
    }
    let seen: Vec<_> = [standard, galaxy]
        .iter()
        .flat_map(|s| s.fake.calls())
        .collect();
    let seen = seen.iter().map(|call| {
        let Call::List(query) = call else {
            panic!("{call:?}")
        };
        let kind = query.filter.kind.as_ref().map(|kind| kind.to_string());
        (
            query.sort.by,
            query.include_free,
            kind,
            query.filter.app.is_some(),
        )
    });
    let statefulset = Some("statefulset".to_owned());
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            (SortBy::Ip, false, None, false),
            (SortBy::Ip, false, None, true),
            (SortBy::Ip, false, None, true),
            (SortBy::IpText, true, None, false),
            (SortBy::IpText, false, statefulset, true),
            (SortBy::IpText, false, None, false),
        ]
    );
}

#[tokio::test]
async fn faulty_parameters_are_named_and_the_backend_is_not_asked() {
    let server = Server::standard(Fake::default());
    for (query, fault) in [
        (
            "page=100000",
            "page: `100000` is outside the valid range [0,99999]",
        ),
        ("size=0", "size: `0` is outside the valid range (0,9999]"),
        (
            "size=99999999999999999999",
            "size: `99999999999999999999` is outside the valid range (0,9999]",
        ),
        (
            "page=1.5",
            "page: `1.5` is outside the valid range [0,99999]",
        ),
        (
            "isDeployment=maybe",
            "isDeployment: `maybe` is not a boolean: use true or false",
        ),
        (
            "page=1&page=2",
            "parameter page stands there more than once",
        ),
        ("appName=%ff", "`%ff` is not percent-encoded UTF-8"),
        ("appName=%f", "`%f` is not percent-encoded UTF-8"),
    ] {
        let answer = server.get(&format!("/v1/ip?{query}")).await;
        assert_eq!(answer.verdict(), (400, fault.to_owned()));
    }
    for query in ["sort=status", "podname=a"] {
        let answer = server.get(&format!("/v1/ip?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(server.fake.calls(), []);
}

#[tokio::test]
async fn galaxy_clamps_what_is_out_of_range_and_refuses_only_what_is_no_boolean() {
    let server = Server::galaxy(Fake::default());
    let json = server
        .get("/v1/ip?page=123456&size=0&sort=x&x=y&page=1")
        .await
        .json();
    assert_eq!(
        (&json["number"], &json["size"]),
        (&99_999.into(), &10.into())
    );
    let answer = server.get("/v1/ip?isDeployment=maybe").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn too_many_free_addresses_are_refused_and_a_backend_that_is_away_is_503() {
    let failing = |error| Fake {
        rows: Err(error),
        ..Fake::default()
    };
    let many = ListError::TooManyFree {
        found: 1 << 64,
        limit: 1 << 20,
    };
    for make in [Server::standard, Server::galaxy] {
        let (code, message) = make(failing(many.clone())).get("/v1/ip").await.verdict();
        assert_eq!(code, 400);
        assert!(message.contains("18446744073709551616") && message.contains("1048576"));
        let away = make(failing(ListError::Unavailable)).get("/v1/ip").await;
        assert_eq!(away.verdict().0, 503);
        assert_eq!(away.headers["retry-after"], "1");
    }
}
