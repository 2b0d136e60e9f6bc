use floatingip_server::backend::{Explained, ExplainedNodes};

use crate::support::{Call, Fake, Server};

fn waiting() -> Explained {
    Explained {
        uid: "5f1c".to_owned(),
        app: "statefulset.apps default/web".to_owned(),
        slot: "ordinal 0".to_owned(),
        policy: 1,
        summary: "it has no address, and no node would do now".to_owned(),
        nodes: vec![ExplainedNodes {
            count: 2,
            examples: vec!["a-1".to_owned(), "a-2".to_owned()],
            reason: "no address to give: subnet 10.0.70.0/24 is full".to_owned(),
            subnets: vec![vec![(
                "10.0.70.0/24".parse().unwrap(),
                "is full".to_owned(),
            )]],
            marked: vec![(
                "10.0.70.9".parse().unwrap(),
                "two MACs answer".to_owned(),
                540,
            )],
            ..ExplainedNodes::default()
        }],
        ..Explained::default()
    }
}

#[tokio::test]
async fn a_waiting_pod_is_explained_byte_for_byte() {
    let fake = Fake {
        explained: Some(waiting()),
        ..Fake::default()
    };
    let server = Server::standard(fake);
    let answer = server.get("/v1/explain/default/web-0").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), include_str!("../golden/explained.json"));
    let asked = Call::Explain("default".to_owned(), "web-0".to_owned());
    assert_eq!(server.fake.calls(), [asked]);
}

#[tokio::test]
async fn a_pod_that_nobody_knows_is_not_found() {
    let server = Server::standard(Fake::default());
    let answer = server.get("/v1/explain/default/web%2D0").await;
    let message = "pod default/web-0 is not known, or asks for no floating IP";
    assert_eq!(answer.verdict(), (404, message.to_owned()));
    for path in ["/v1/explain/default", "/v1/explain", "/v1/explain/a/b/c"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}
