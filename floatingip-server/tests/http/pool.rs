use axum::http::StatusCode;
use floatingip_core::PoolName;
use floatingip_server::backend::{PoolReport, PoolSpec, PoolView, WriteError};

use crate::support::{Call, Fake, Server};

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

fn reached(real_size: u32, complete: bool) -> Fake {
    Fake {
        put: Ok(PoolReport {
            real_size,
            complete,
        }),
        ..Fake::default()
    }
}

#[tokio::test]
async fn a_pool_is_shown_byte_for_byte() {
    let fake = || Fake {
        pool: Some(PoolView {
            size: 4,
            pre_allocate: true,
            addresses: 3,
            in_use: 2,
            owed: true,
        }),
        ..Fake::default()
    };
    for (make, golden) in [
        (
            Server::standard as fn(Fake) -> Server,
            include_str!("../golden/pool.json"),
        ),
        (Server::galaxy, include_str!("../golden/pool-galaxy.json")),
    ] {
        let server = make(fake());
        let answer = server.get("/v1/pool/blue-green").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text(), golden);
        assert_eq!(server.fake.calls(), [Call::Pool(name("blue-green"))]);
    }
}

#[tokio::test]
async fn a_pool_is_written_and_its_real_size_told() {
    let body = r#"{"name":"blue","size":4,"preAllocateIP":true}"#;
    let server = Server::standard(reached(4, true));
    let answer = server.post("/v1/pool", body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text(), include_str!("../golden/pool-written.json"));
    let spec = PoolSpec {
        name: name("blue"),
        size: 4,
        pre_allocate: true,
    };
    assert_eq!(server.fake.calls(), [Call::Put(spec)]);
    let answer = Server::standard(reached(2, false))
        .post("/v1/pool", body)
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.text(), include_str!("../golden/pool-short.json"));
}

#[tokio::test]
async fn size_and_pre_allocation_may_be_left_out_and_have_bounds() {
    let server = Server::standard(Fake::default());
    server.post("/v1/pool", r#"{"name":"blue"}"#).await;
    server
        .post("/v1/pool", r#"{"name":"blue","size":2147483647}"#)
        .await;
    server
        .post("/v1/pool", r#"{"name":"blue","size":4.0}"#)
        .await;
    let sizes = server.fake.calls().into_iter().map(|call| match call {
        Call::Put(spec) => (spec.size, spec.pre_allocate),
        call => panic!("{call:?}"),
    });
    assert_eq!(
        sizes.collect::<Vec<_>>(),
        [(0, false), (2_147_483_647, false), (4, false)]
    );
}

#[tokio::test]
async fn faulty_pools_are_refused_and_nothing_is_written() {
    for make in [Server::standard, Server::galaxy] {
        let server = make(Fake::default());
        for (body, fault) in [
            (r#"{"size":1}"#, "pool name is empty"),
            (r#"{"name":"","size":1}"#, "pool name is empty"),
            (r#"{"name":"a_b"}"#, "no RFC 1123 label"),
            (r#"{"name":"A"}"#, "no RFC 1123 label"),
            (r#"{"name":"a.b"}"#, "no RFC 1123 label"),
            (r#"{"name":"a b"}"#, "use visible characters"),
            (r#"{"name":null}"#, "name: invalid type: null"),
            (
                r#"{"name":"a","size":-1}"#,
                "size: -1 is outside the valid range [0,2147483647]",
            ),
            (
                r#"{"name":"a","size":2147483648}"#,
                "outside the valid range",
            ),
            (
                r#"{"name":"a","size":99999999999999999999}"#,
                "size: invalid value",
            ),
            (r#"{"name":"a","size":1.5}"#, "size: invalid value"),
            (r#"{"name":"a","size":"1"}"#, "size: invalid type"),
            (r#"{"name":"a","size":null}"#, "size: invalid type"),
            (
                r#"{"name":"a","preAllocateIP":"true"}"#,
                "preAllocateIP: invalid type",
            ),
            ("null", "invalid type"),
        ] {
            let (code, message) = server.post("/v1/pool", body).await.verdict();
            assert_eq!(code, 400, "{body}");
            assert!(message.contains(fault), "{body}: {message}");
        }
        let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(64));
        assert_eq!(server.post("/v1/pool", long).await.status, 400);
        assert_eq!(server.fake.calls(), []);
    }
}

#[tokio::test]
async fn a_misspelt_field_of_a_pool_is_refused_and_with_galaxy_ignored() {
    let body = r#"{"name":"a","sizes":4}"#;
    let answer = Server::standard(Fake::default())
        .post("/v1/pool", body)
        .await;
    assert!(answer.verdict().1.contains("unknown field `sizes`"));
    let answer = Server::galaxy(Fake::default()).post("/v1/pool", body).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn deleting_tells_whether_there_was_a_pool() {
    let there = Fake {
        delete: Ok(true),
        ..Fake::default()
    };
    let server = Server::standard(there);
    let answer = server.ask("DELETE", "/v1/pool/blue").await;
    assert_eq!(answer.verdict(), (200, String::new()));
    assert_eq!(server.fake.calls(), [Call::Delete(name("blue"))]);
}

#[tokio::test]
async fn an_unknown_pool_is_not_found() {
    for method in ["GET", "DELETE"] {
        let answer = Server::standard(Fake::default())
            .ask(method, "/v1/pool/x")
            .await;
        assert_eq!(answer.verdict(), (404, "pool not found".to_owned()));
        let answer = Server::galaxy(Fake::default())
            .ask(method, "/v1/pool/x")
            .await;
        assert_eq!(answer.verdict(), (404, "not found: pool x".to_owned()));
    }
}

#[tokio::test]
async fn a_forgotten_name_is_400() {
    for make in [Server::standard, Server::galaxy] {
        let server = make(Fake::default());
        for path in ["/v1/pool", "/v1/pool/"] {
            for method in ["GET", "DELETE"] {
                let answer = server.ask(method, path).await;
                assert_eq!(answer.verdict(), (400, "pool name is empty".to_owned()));
            }
        }
        assert_eq!(server.fake.calls(), []);
    }
}

#[tokio::test]
async fn names_in_paths_are_decoded_strictly() {
    let server = Server::standard(Fake::default());
    for path in ["/v1/pool/a%2Fb", "/v1/pool/a+b", "/v1/pool/%E8%93%9D"] {
        assert_eq!(
            server.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let asked = [name("a/b"), name("a+b"), name("蓝")].map(Call::Pool);
    assert_eq!(server.fake.calls(), asked);
    for path in [
        "/v1/pool/%ff",
        "/v1/pool/%zz",
        "/v1/pool/%20",
        "/v1/pool/a%00",
    ] {
        assert_eq!(server.get(path).await.verdict().0, 400, "{path}");
    }
    let long = format!("/v1/pool/{}", "x".repeat(64));
    assert_eq!(server.get(&long).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_store_that_is_away_is_503() {
    let fake = Fake {
        put: Err(WriteError::Unavailable),
        delete: Err(WriteError::Unavailable),
        ..Fake::default()
    };
    let server = Server::standard(fake);
    let put = server.post("/v1/pool", r#"{"name":"a"}"#).await;
    let delete = server.ask("DELETE", "/v1/pool/a").await;
    assert_eq!((put.verdict().0, delete.verdict().0), (503, 503));
}
