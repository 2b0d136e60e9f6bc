use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use floatingip_server::backend::{Check, Gauge, GaugeKind, Readiness, SubnetUsage};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;

use crate::support::{Fake, Server, request};

#[tokio::test]
async fn unknown_paths_are_404_in_json() {
    let server = Server::standard(Fake::default());
    for path in [
        "/",
        "/v1",
        "/v2/ip",
        "/v1/ip/10.0.0.2",
        "/v1/pool/a/b",
        "/%ff",
    ] {
        assert_eq!(server.get(path).await.verdict().0, 404, "{path}");
    }
}

#[tokio::test]
async fn other_methods_are_405_in_json_and_say_which_there_are() {
    let server = Server::standard(Fake::default());
    for (method, path, allow) in [
        ("PUT", "/v1/ip", "GET,HEAD,POST"),
        ("DELETE", "/v1/ip", "GET,HEAD,POST"),
        ("OPTIONS", "/v1/ip", "GET,HEAD,POST"),
        ("TRACE", "/v1/ip", "GET,HEAD,POST"),
        ("QUERY", "/v1/ip", "GET,HEAD,POST"),
        ("PUT", "/v1/pool", "GET,HEAD,DELETE,POST"),
        ("POST", "/v1/pool/a", "GET,HEAD,DELETE"),
        ("POST", "/metrics", "GET,HEAD"),
    ] {
        let answer = server.ask(method, path).await;
        assert_eq!(answer.verdict().0, 405, "{method} {path}");
        assert_eq!(answer.headers["allow"], allow, "{method} {path}");
    }
}

#[tokio::test]
async fn long_bodies_are_413_whether_they_say_so_or_not() {
    let server = Server::standard(Fake::default());
    let long = vec![b' '; (1 << 20) + 1];
    let unsaid = Full::from(long.clone()).map_frame(|frame| frame);
    for body in [Body::from(long), Body::new(unsaid)] {
        let answer = server.post("/v1/ip", body).await;
        let message = "body is longer than 1048576 bytes".to_owned();
        assert_eq!(answer.verdict(), (413, message));
    }
    let mut fits = br#"{"ips":[]}"#.to_vec();
    fits.resize(1 << 20, b' ');
    assert_eq!(server.post("/v1/ip", fits).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_panic_is_a_500_of_its_request_alone() {
    let fake = Fake {
        broken: true,
        ..Fake::default()
    };
    let server = Server::standard(fake);
    let answer = server.get("/v1/ip").await;
    assert_eq!(answer.verdict(), (500, "internal server error".to_owned()));
    assert_eq!(server.get("/healthz").await.text(), "ok");
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_503_and_its_write_ends_all_the_same() {
    let fake = Fake {
        gate: Semaphore::new(0),
        ..Fake::default()
    };
    let server = Arc::new(Server::hasty(fake));
    let body = r#"{"ips":[{"ip":"10.0.0.2"}]}"#;
    assert_eq!(server.post("/v1/ip", body).await.verdict().0, 503);
    let waits = server.get("/v1/ip").await;
    assert_eq!(waits.verdict().0, 503, "the write still has the only place");
    assert_eq!(server.fake.calls(), []);
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    server.fake.gate.add_permits(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(server.fake.calls().len(), 1);
    assert_eq!(server.get("/v1/ip").await.status, StatusCode::OK);
}

#[tokio::test]
async fn readiness_shows_its_checks_when_asked_or_not_ready() {
    let check = |ok| Check {
        name: "config",
        ok,
        detail: if ok {
            String::new()
        } else {
            "[0].vlan: 5000".to_owned()
        },
    };
    let fake = |ready| Fake {
        readiness: Readiness {
            ready,
            checks: vec![check(ready)],
        },
        ..Fake::default()
    };
    let ready = Server::standard(fake(true));
    assert_eq!(ready.get("/readyz").await.text(), "ok");
    let verbose = ready.get("/readyz?verbose").await;
    assert_eq!(verbose.text(), "[+]config ok\nreadyz check passed\n");
    let failing = Server::standard(fake(false)).get("/readyz").await;
    assert_eq!(failing.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        failing.text(),
        "[-]config failed: [0].vlan: 5000\nreadyz check failed\n"
    );
}

#[tokio::test]
async fn metrics_count_addresses_and_requests_by_route() {
    let usage = SubnetUsage {
        subnet: "10.0.70.0/24".parse().unwrap(),
        first_ip: "10.0.70.2".parse().unwrap(),
        allocated: 3,
        total: 240,
        states: vec![("free", 237), ("owned", 3)],
    };
    let check = |name, ok| Check {
        name,
        ok,
        detail: "not for labels".to_owned(),
    };
    let readiness = Readiness {
        ready: true,
        checks: vec![check("config", false), check("store", true)],
    };
    let gauge = |name, kind, value| Gauge {
        name,
        help: "What it is.",
        kind,
        value,
    };
    let gauges = vec![
        gauge("floatingip_plans_open", GaugeKind::Gauge, 2.0),
        gauge("floatingip_store_commits_total", GaugeKind::Counter, 1e9),
        gauge(
            "floatingip_store_last_commit_seconds",
            GaugeKind::Gauge,
            0.25,
        ),
    ];
    let fake = Fake {
        usage: vec![usage],
        readiness,
        gauges,
        ..Fake::default()
    };
    let server = Server::standard(fake);
    for path in [
        "/v1/pool/a",
        "/v1/pool/b",
        "/v1/ip",
        "/v1/ip?page=x",
        "/other",
        "/another",
    ] {
        server.get(path).await;
    }
    server
        .send(request("PUT", "/v1/ip").body(Body::empty()).unwrap())
        .await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.text(), include_str!("../golden/metrics.txt"));
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
}

/// Whatever is asked, before its body is looked at.
#[tokio::test]
async fn in_a_cluster_nobody_is_told_of_containers_pods_and_apps() {
    let server = Server::standard(Fake::default());
    for (method, path) in [
        ("POST", "/v1/attachment"),
        ("POST", "/v1/attachment/gc"),
        ("DELETE", "/v1/attachment/node-1/lan/c1/eth0"),
        ("DELETE", "/v1/pod/u"),
        ("POST", "/v1/app"),
        ("GET", "/v1/app/default/deployment/web"),
        ("DELETE", "/v1/app/default/deployment/web"),
    ] {
        let answer = server.ask(method, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert!(answer.text().contains("not served in a cluster"));
    }
    assert_eq!(server.fake.calls(), []);
}
