use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use floatingip_server::app::{Settings, TokenFile};

use crate::support::{Answer, Fake, Server};

const POOL: &str = r#"{"name":"blue","size":0}"#;

/// A server that lets in whoever knows a token of a file.
struct Guarded {
    server: Server,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Guarded {
    fn by(tokens: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, tokens).unwrap();
        let settings = Settings {
            token: Some(TokenFile::at(Path::new(&path))),
            ..Settings::default()
        };
        Self {
            server: Server::new(Fake::default(), settings),
            path,
            _folder: folder,
        }
    }

    async fn put_pool(&self, token: Option<&str>) -> Answer {
        let mut request = Request::post("/v1/pool").header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.server
            .send(request.body(Body::from(POOL)).unwrap())
            .await
    }
}

#[tokio::test]
async fn who_changes_something_has_to_name_a_token_and_who_reads_does_not() {
    let guarded = Guarded::by("first\n");
    for token in [None, Some("second"), Some("")] {
        let answer = guarded.put_pool(token).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let (status, message) = answer.verdict();
        assert_eq!(status, 401);
        assert!(message.contains("--api-token-file"), "{message}");
    }
    for path in ["/v1/ip/10.0.70.2/quarantine", "/v1/pool/blue", "/v1/pod/x"] {
        let answer = guarded.server.ask("DELETE", path).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(guarded.server.fake.calls(), []);
    for path in ["/v1/ip", "/healthz", "/metrics", "/openapi.json"] {
        let answer = guarded.server.ask("GET", path).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    assert!(guarded.put_pool(Some("first")).await.status.is_success());
    assert_eq!(guarded.server.fake.calls().len(), 2);
}

#[tokio::test]
async fn a_token_is_replaced_without_a_restart() {
    let guarded = Guarded::by("first\n");
    std::fs::write(&guarded.path, "first\nsecond\n").unwrap();
    for token in ["first", "second"] {
        let answer = guarded.put_pool(Some(token)).await;
        assert!(answer.status.is_success(), "{token}");
    }
    std::fs::write(&guarded.path, "second\n").unwrap();
    assert_eq!(guarded.put_pool(Some("first")).await.status, 401);
}

#[tokio::test]
async fn without_a_readable_token_nobody_changes_anything() {
    let guarded = Guarded::by("first\n");
    std::fs::write(&guarded.path, "\n").unwrap();
    assert_eq!(guarded.put_pool(Some("")).await.status, 503);
    std::fs::remove_file(&guarded.path).unwrap();
    assert_eq!(guarded.put_pool(Some("first")).await.status, 503);
    assert_eq!(guarded.server.fake.calls(), []);
}
