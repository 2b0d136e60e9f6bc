use floatingip_core::plan::{Entry, Event};
use floatingip_core::record::Version;
use floatingip_core::{Owner, WallTime};
use floatingip_server::backend::{History, HistoryError, HistoryQuestion};

use crate::support::{Call, Fake, Server};

const PATH: &str = "/v1/ip/10.0.70.2/history";

fn reserved() -> Owner {
    Owner::Administrator("router".into())
}

fn history() -> History {
    let entry = Entry {
        at: WallTime::from_nanos(1_000_000_000),
        event: Event::AdminReserve,
        from: None,
        to: Some(reserved()),
    };
    History {
        entries: vec![(Version(7), entry)],
        more: true,
        complete: true,
        since: None,
        owner: None,
    }
}

#[tokio::test]
async fn a_page_leads_to_the_next_one() {
    let server = Server::standard(Fake {
        history: Ok(history()),
        ..Fake::default()
    });
    let page = server.get(&format!("{PATH}?limit=1&before=9")).await;
    assert_eq!(page.text(), include_str!("../golden/history.json"));
    let asked = HistoryQuestion {
        ip: "10.0.70.2".parse().unwrap(),
        before: Some(Version(9)),
        at: None,
        most: 1,
    };
    assert_eq!(server.fake.calls(), [Call::History(asked)]);
}

#[tokio::test]
async fn a_moment_has_an_owner_or_says_that_nobody_knows() {
    let known = History {
        owner: Some(reserved()),
        more: false,
        ..history()
    };
    for (history, complete, owner) in [(known, true, "router"), (History::default(), false, "")] {
        let server = Server::standard(Fake {
            history: Ok(history),
            ..Fake::default()
        });
        let answer = server
            .get(&format!("{PATH}?at=1970-01-01T00:00:02Z"))
            .await
            .json();
        assert_eq!(answer["at"], "1970-01-01T00:00:02Z");
        assert_eq!(answer["complete"], complete);
        assert_eq!(
            answer["owner"]["administrator"]
                .as_str()
                .unwrap_or_default(),
            owner
        );
        assert_eq!(answer["message"] == "", complete);
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_refused() {
    let server = Server::standard(Fake::default());
    for (question, named) in [
        ("at=yesterday", "at: `yesterday` is no time"),
        ("at=1969-12-31T00:00:00Z", "is no time"),
        ("before=x", "before"),
        ("before=-1", "before"),
        ("limit=0", "[1,1000]"),
        ("limit=1001", "[1,1000]"),
        ("when=1", "unknown parameter"),
    ] {
        let (status, message) = server.get(&format!("{PATH}?{question}")).await.verdict();
        assert_eq!(status, 400, "{question}");
        assert!(message.contains(named), "{question}: {message}");
    }
    assert_eq!(server.get("/v1/ip/x/history").await.status, 400);
    assert_eq!(server.fake.calls(), []);
}

#[tokio::test]
async fn a_server_without_a_journal_says_where_to_look() {
    let server = Server::standard(Fake {
        history: Err(HistoryError::NoJournal),
        ..Fake::default()
    });
    let (status, message) = server.get(PATH).await.verdict();
    assert_eq!(status, 501);
    assert!(message.contains("audit log"), "{message}");
}
