use std::net::IpAddr;

use axum::http::StatusCode;
use floatingip_core::engine::Named;
use floatingip_server::backend::{ReleaseError, ReleaseReport};

use crate::support::{Call, Fake, Server, request};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn only(address: &str) -> Named {
    Named {
        ip: ip(address),
        pool: None,
        namespace: None,
        app: None,
        kind: None,
        pod: None,
    }
}

/// What a body makes the backend release; nothing if it is refused.
async fn asked(server: &Server, body: &str) -> Vec<Named> {
    server.post("/v1/ip", body.to_owned()).await;
    match server.fake.calls().pop() {
        Some(Call::Release(entries)) => entries,
        None => vec![],
        call => panic!("{call:?}"),
    }
}

/// The body that the user's document sends.
const SAMPLE: &str = r#"{"ips":[{"ip":"10.0.70.169", "namespace":"default", "appName":"nginx-deployment", "appType":"tapp", "podName": "nginx-deployment-1"}]}"#;

#[tokio::test]
async fn the_documented_release_is_answered_byte_for_byte() {
    for server in [
        Server::standard(Fake::default()),
        Server::galaxy(Fake::default()),
    ] {
        let answer = server.post("/v1/ip", SAMPLE).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text(), include_str!("../golden/release-all.json"));
        let entry = Named {
            namespace: Some("default".into()),
            app: Some("nginx-deployment".into()),
            kind: Some("tapp".into()),
            pod: Some("nginx-deployment-1".into()),
            ..only("10.0.70.169")
        };
        assert_eq!(server.fake.calls(), [Call::Release(vec![entry])]);
    }
}

#[tokio::test]
async fn what_is_not_released_is_202_with_a_reason_each() {
    let report = ReleaseReport {
        released: vec![ip("10.0.70.2")],
        unreleased: vec![
            (ip("10.0.70.3"), "already free".to_owned()),
            (ip("10.9.9.9"), "outside the ranges".to_owned()),
        ],
    };
    let fake = Fake {
        release: Ok(report),
        ..Fake::default()
    };
    let answer = Server::standard(fake).post("/v1/ip", SAMPLE).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.text(), include_str!("../golden/release-some.json"));
}

#[tokio::test]
async fn live_addresses_are_all_named() {
    for (live, message) in [
        (vec![ip("10.0.0.2")], "10.0.0.2 is not releasable"),
        (
            vec![ip("10.0.0.2"), ip("fd00::1")],
            "10.0.0.2, fd00::1 are not releasable",
        ),
    ] {
        let fake = Fake {
            release: Err(ReleaseError::Live(live)),
            ..Fake::default()
        };
        let answer = Server::galaxy(fake).post("/v1/ip", SAMPLE).await;
        assert_eq!(answer.verdict(), (400, message.to_owned()));
    }
}

#[tokio::test]
async fn an_empty_list_is_200_and_asks_nobody() {
    let server = Server::standard(Fake::default());
    let answer = server.post("/v1/ip", r#"{"ips":[]}"#).await;
    assert_eq!(answer.text(), include_str!("../golden/release-all.json"));
    assert_eq!(server.fake.calls(), []);
}

#[tokio::test]
async fn a_row_of_the_listing_can_be_sent_back() {
    let row = r#"{"ips":[{"ip":"10.0.70.4","namespace":"default","appName":"web","podName":"",
        "poolName":"blue","policy":2,"isDeployment":true,"appType":"deployment",
        "updateTime":"2019-10-10T08:37:13Z","status":"Deleted","releasable":true}]}"#;
    let entry = Named {
        pool: Some("blue".into()),
        namespace: Some("default".into()),
        app: Some("web".into()),
        kind: Some("deployment".into()),
        ..only("10.0.70.4")
    };
    assert_eq!(
        asked(&Server::standard(Fake::default()), row).await,
        [entry]
    );
}

#[tokio::test]
async fn only_the_address_is_required_and_the_flag_stands_for_a_type() {
    let server = Server::standard(Fake::default());
    let bare = asked(&server, r#"{"ips":[{"ip":"::ffff:10.0.0.2"}]}"#).await;
    assert_eq!(bare, [only("10.0.0.2")], "an IPv4 address in either dress");
    let kind = |body| async move {
        let entries = asked(&Server::standard(Fake::default()), body).await;
        entries[0].kind.as_ref().map(|kind| kind.to_string())
    };
    let flagged = r#"{"ips":[{"ip":"10.0.0.2","isDeployment":true}]}"#;
    assert_eq!(kind(flagged).await.as_deref(), Some("deployment"));
    let unflagged = r#"{"ips":[{"ip":"10.0.0.2","isDeployment":false}]}"#;
    assert_eq!(kind(unflagged).await, None);
}

#[tokio::test]
async fn hostile_bodies_are_400_with_their_place_and_release_nothing() {
    let server = Server::standard(Fake::default());
    let deep = format!(
        "{{\"ips\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (body, fault) in [
        ("", "EOF while parsing"),
        ("null", "invalid type: null"),
        ("[]", "bad request"),
        ("7", "invalid type"),
        ("{}", "missing field `ips`"),
        (r#"{"ips":null}"#, "ips: invalid type: null"),
        (r#"{"ips":{}}"#, "ips: invalid type: map"),
        (r#"{"ips":[null]}"#, "ips[0]: invalid type: null"),
        (
            r#"{"ips":[["10.0.0.2"]]}"#,
            "ips[0]: invalid type: sequence, expected an object",
        ),
        (
            r#"[[{"ip":"10.0.0.2"}]]"#,
            "invalid type: sequence, expected an object",
        ),
        (r#"{"ips":[{}]}"#, "ips[0]: missing field `ip`"),
        (r#"{"ips":["10.0.0.2"]}"#, "ips[0]: invalid type: string"),
        (r#"{"ips":[{"ip":7}]}"#, "ips[0].ip: invalid type: integer"),
        (r#"{"ips":[{"ip":null}]}"#, "ips[0].ip: invalid type: null"),
        (
            r#"{"ips":[{"ip":"10.0.0.2","podName":null}]}"#,
            "ips[0].podName: invalid type: null",
        ),
        (
            r#"{"ips":[{"ip":"10.0.0.2","policy":"2"}]}"#,
            "ips[0].policy: invalid type: string",
        ),
        (
            r#"{"ips":[{"ip":"10.0.0.2","releasable":1}]}"#,
            "ips[0].releasable: invalid type",
        ),
        (
            r#"{"ips":[{"ip":"10.0.0.2","ip":"10.0.0.3"}]}"#,
            "key `ip` stands there twice",
        ),
        (r#"{"ips":[],"ips":[]}"#, "key `ips` stands there twice"),
        (
            r#"{"ips":[{"ip":"10.0.0.2","podname":"a"}]}"#,
            "unknown field `podname`",
        ),
        (r#"{"ips":[],"x":1}"#, "unknown field `x`"),
        (r#"{"ips":[]} {}"#, "trailing characters"),
        (r#"{"ips":[]"#, "EOF"),
        ("{\"ips\":[{\"ip\":\"\u{0}\"}]}", "control character"),
        (
            r#"{"ips":[{"ip":""}]}"#,
            "ips[0].ip: `` is not an IP address",
        ),
        (
            r#"{"ips":[{"ip":"10.0.0.010"}]}"#,
            "`10.0.0.010` is not an IP address",
        ),
        (r#"{"ips":[{"ip":"10.0.0.2/24"}]}"#, "is not an IP address"),
        (
            r#"{"ips":[{"ip":"x"},{"ip":"10.0.0.2"},{"ip":"y"}]}"#,
            "ips[0].ip: `x` is not an IP address; ips[2].ip: `y` is not an IP address",
        ),
        (
            r#"{"ips":[{"ip":"10.0.0.2","appType":"tapp","isDeployment":true}]}"#,
            "ips[0].isDeployment: true disagrees with appType `tapp`",
        ),
        (deep.as_str(), "recursion limit exceeded"),
    ] {
        let answer = server.post("/v1/ip", body.to_owned()).await;
        let (code, message) = answer.verdict();
        let shown = body.get(..80).unwrap_or(body);
        assert_eq!(code, 400, "{shown}");
        assert!(message.contains(fault), "{shown}: {message}");
    }
    let answer = server
        .post("/v1/ip", b"{\"ips\":[{\"ip\":\"\xff\"}]}".to_vec())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.fake.calls(), []);
}

#[tokio::test]
async fn galaxy_reads_keys_as_go_does() {
    let body = r#"{"IPs":[{"ip":"10.0.0.2","podname":"web-1","x":{"y":[1]}}],"z":null}"#;
    let entry = Named {
        pod: Some("web-1".into()),
        ..only("10.0.0.2")
    };
    assert_eq!(asked(&Server::galaxy(Fake::default()), body).await, [entry]);
    let twice = r#"{"ips":[{"ip":"10.0.0.2","IP":"10.0.0.3"}]}"#;
    let list = r#"{"ips":[["10.0.0.2"]]}"#;
    for refused in [twice, list] {
        let answer = Server::galaxy(Fake::default())
            .post("/v1/ip", refused)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{refused}");
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let server = Server::standard(Fake::default());
    for (kind, status) in [
        (Some("application/json"), 200),
        (Some("Application/JSON; charset=utf-8"), 200),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("text/plain"), 415),
        (Some("application/jsonp"), 415),
        (None, 415),
    ] {
        let mut request = request("POST", "/v1/ip");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = server.send(request.body(SAMPLE.into()).unwrap()).await;
        assert_eq!(answer.verdict().0, status, "{kind:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_503() {
    let fake = Fake {
        release: Err(ReleaseError::Unavailable),
        ..Fake::default()
    };
    let answer = Server::standard(fake).post("/v1/ip", SAMPLE).await;
    assert_eq!(answer.verdict().0, 503);
}
