use std::time::Duration;

use floatingip_server::backend::{MarkError, Quarantine};

use crate::support::{Call, Fake, Server};

const PATH: &str = "/v1/ip/10.0.70.2/quarantine";

#[tokio::test]
async fn a_quarantine_lasts_ten_minutes_unless_told_otherwise() {
    let server = Server::standard(Fake::default());
    assert_eq!(
        server.post(PATH, "{}").await.verdict(),
        (200, String::new())
    );
    let whole = r#"{"reason":"seen twice","mac":"02-00-5E-10-00-01","seconds":60.0}"#;
    assert_eq!(server.post(PATH, whole).await.status, 200);
    let asked = |reason: &str, mac: Option<&str>, seconds| {
        Call::Quarantine(Quarantine {
            ip: "10.0.70.2".parse().unwrap(),
            reason: reason.to_owned(),
            mac: mac.map(str::to_owned),
            lasts: Duration::from_secs(seconds),
        })
    };
    let first = asked("set by an administrator", None, 600);
    let second = asked("seen twice", Some("02:00:5e:10:00:01"), 60);
    assert_eq!(server.fake.calls(), [first, second]);
}

#[tokio::test]
async fn what_is_no_quarantine_is_refused_and_asks_nobody() {
    let server = Server::standard(Fake::default());
    for (body, named) in [
        (r#"{"seconds":0}"#, "[1,604800]"),
        (r#"{"seconds":604801}"#, "[1,604800]"),
        (r#"{"seconds":-1}"#, "seconds"),
        (r#"{"mac":"02:00"}"#, "mac: `02:00`"),
        (r#"{"reason":"a\u0000b"}"#, "reason"),
        (r#"{"reasons":"x"}"#, "unknown field"),
        ("[]", "bad request"),
    ] {
        let (status, message) = server.post(PATH, body).await.verdict();
        assert_eq!(status, 400, "{body}");
        assert!(message.contains(named), "{body}: {message}");
    }
    let (status, message) = server
        .post("/v1/ip/10.0.70/quarantine", "{}")
        .await
        .verdict();
    assert_eq!(
        (status, message.as_str()),
        (400, "`10.0.70` is not an IP address")
    );
    assert_eq!(server.fake.calls(), []);
}

#[tokio::test]
async fn a_refusal_says_why() {
    for (error, status) in [
        (MarkError::NotFound("why".to_owned()), 404),
        (MarkError::Busy("why".to_owned()), 503),
    ] {
        let server = Server::standard(Fake {
            marked: Err(error),
            ..Fake::default()
        });
        assert_eq!(
            server.post(PATH, "{}").await.verdict(),
            (status, "why".to_owned())
        );
        assert_eq!(
            server.ask("DELETE", PATH).await.verdict(),
            (status, "why".to_owned())
        );
    }
}
