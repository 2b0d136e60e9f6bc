//! The client against a listener that plays each sort of bad server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use super::*;
use crate::server::{AttachRequest, Quarantine};
use crate::spec::{Attachment, Code, Failure};

/// What a listener answers, one text for each connection; `None` says nothing until the client has gone.
/// Tells what it was asked.
fn listener(answers: Vec<Option<String>>) -> (Server, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, heard) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            // The test may have ended.
            let _ = tell.send(question(&stream));
            match answer {
                // The client may have heard enough.
                Some(text) => drop(stream.write_all(text.as_bytes())),
                None => drop(stream.read_to_end(&mut Vec::new())),
            }
        }
    });
    (Server::at(url.parse().unwrap(), None), heard)
}

fn question(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

const INFOS: &str =
    r#"{"code":200,"ipinfos":[{"ip":"10.0.70.2/24","vlan":2,"gateway":"10.0.70.1"}]}"#;

/// Long enough for a busy machine.
fn patient() -> Limit {
    Limit::starting_now(Duration::from_secs(20))
}

/// No time for a second attempt.
fn short() -> Limit {
    Limit::starting_now(PAUSE)
}

fn request() -> AttachRequest {
    AttachRequest {
        node_name: "n1".to_owned(),
        network: "lan".to_owned(),
        container: "c1".to_owned(),
        interface: "eth0".to_owned(),
        ..AttachRequest::default()
    }
}

fn attached(answers: Vec<Option<String>>) -> (Result<usize, Failure>, usize) {
    let (server, heard) = listener(answers);
    let infos = server.attach(&request(), patient());
    let count = infos.map(|infos| infos.as_slice().len());
    (count.map_err(Failure::from), heard.try_iter().count())
}

#[track_caller]
fn fails_with(answers: Vec<Option<String>>, code: Code, words: &str) {
    let failure = attached(answers).0.unwrap_err();
    assert_eq!(failure.code, code, "{failure}");
    assert!(failure.to_string().contains(words), "{failure}");
}

#[test]
fn a_question_is_what_the_api_takes() {
    let done = || answer("200 OK", "{}");
    let (server, heard) = listener(vec![answer("200 OK", INFOS), done(), done()]);
    let infos = server.attach(&request(), patient()).unwrap();
    assert_eq!(infos.as_slice()[0].vlan, 2);
    let attachment = Attachment {
        container: "c1".parse().unwrap(),
        interface: "eth@0".parse().unwrap(),
    };
    server
        .detach("n 1", &"lan".parse().unwrap(), &attachment, None, patient())
        .unwrap();
    let attempt = Some("a 1");
    server
        .detach(
            "n1",
            &"lan".parse().unwrap(),
            &attachment,
            attempt,
            patient(),
        )
        .unwrap();
    let heard: Vec<String> = heard.try_iter().collect();
    assert!(
        heard[0].starts_with("POST /v1/attachment HTTP/1.1\r\n"),
        "{heard:?}"
    );
    assert!(heard[0].contains("content-type: application/json\r\n"));
    let body = heard[0].split("\r\n\r\n").nth(1).unwrap();
    let expected =
        json!({"nodeName": "n1", "network": "lan", "containerID": "c1", "interface": "eth0"});
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
    assert!(
        heard[1].starts_with("DELETE /v1/attachment/n%201/lan/c1/eth%400 HTTP/1.1\r\n"),
        "{heard:?}"
    );
    assert!(
        heard[2].starts_with("DELETE /v1/attachment/n1/lan/c1/eth%400?attempt=a%201 HTTP/1.1\r\n"),
        "{heard:?}"
    );
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_allowed() {
    let (server, _heard) = listener(vec![None]);
    let failure = Failure::from(server.attach(&request(), short()).unwrap_err());
    assert_eq!(failure.code, Code::TryAgain);
    assert!(failure.message.contains("within 0.2 s"), "{failure}");
}

#[test]
fn an_answer_without_an_end_is_not_read_to_its_end() {
    let huge = "x".repeat(LONGEST_ANSWER + 1);
    fails_with(
        vec![answer("200 OK", &huge)],
        Code::Decode,
        "more than 262144 bytes",
    );
}

#[test]
fn what_is_cut_off_or_no_http_is_told_as_such() {
    let cut = INFOS.get(..20).unwrap();
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{cut}");
    // Both are asked again, as the first one may have come just before a restart.
    for bad in [cut.as_str(), "SSH-2.0-dropbear\r\n", ""] {
        let answers = vec![Some(bad.to_owned()), answer("200 OK", INFOS)];
        assert_eq!(attached(answers), (Ok(1), 2), "{bad}");
    }
    let (server, _heard) = listener(vec![Some(cut)]);
    let failure = Failure::from(server.attach(&request(), short()).unwrap_err());
    assert_eq!(failure.code, Code::TryAgain, "{failure}");
    assert!(failure.message.contains("broke off"), "{failure}");
}

/// The server may have given addresses before it broke off: that it is gone now is no proof that it did not.
#[test]
fn what_an_attempt_left_open_stays_open_when_the_next_finds_nobody() {
    let (server, _heard) = listener(vec![Some(String::new())]);
    let asked = server.attach(&request(), Limit::starting_now(4 * PAUSE));
    assert!(!asked.unwrap_err().is_definite());
    let gone = server.attach(&request(), short()).unwrap_err();
    assert!(gone.is_definite(), "{gone}");
}

#[test]
fn only_how_the_matter_stands_closes_what_an_attempt_left_open() {
    for (status, closes) in [
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("429 Too Many Requests", false),
        ("400 Bad Request", false),
        ("404 Not Found", true),
        ("409 Conflict", true),
    ] {
        let (server, heard) = listener(vec![Some(String::new()), answer(status, "{}")]);
        let error = server.attach(&request(), patient()).unwrap_err();
        assert_eq!(heard.try_iter().count(), 2, "{status}");
        assert_eq!(error.is_definite(), closes, "{status}: {error}");
    }
}

/// A listener that takes no more connections: what comes is lost, as on a way that leads nowhere.
fn black_hole() -> (OwnedFd, SocketAddr, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let hole = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    bind(&hole, &any).unwrap();
    listen(&hole, 0).unwrap();
    let address = getsockname(&hole).unwrap().try_into().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let waiting = std::iter::from_fn(connect).collect();
    (hole, address, waiting)
}

#[test]
fn an_address_that_leads_nowhere_leaves_time_for_the_next() {
    let (_hole, lost, _waiting) = black_hole();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let within = Limit::starting_now(Duration::from_secs(2));
    let connected = runtime.unwrap().block_on(async {
        let limit = Duration::from_secs(20);
        timeout(limit, connect_to_one(&[lost, good], within)).await
    });
    let stream = connected.unwrap().unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(within.left() > Duration::ZERO, "it had a share alone");
}

#[test]
fn an_answer_of_another_form_is_told_with_its_place() {
    let odd = r#"{"ipinfos":[{"ip":"10.0.70.2","gateway":"10.0.70.1"}]}"#;
    fails_with(
        vec![answer("200 OK", odd)],
        Code::Decode,
        "at ipinfos[0].ip",
    );
    fails_with(vec![answer("200 OK", "{")], Code::Decode, "cannot be read");
    let none = r#"{"ipinfos":[]}"#;
    fails_with(vec![answer("200 OK", none)], Code::Decode, "0 addresses");
}

#[test]
fn what_is_refused_is_passed_on_with_the_servers_reason() {
    let full = r#"{"code":409,"message":"no free address in 10.0.70.0/24","reason":"exhausted"}"#;
    fails_with(
        vec![answer("409 Conflict", full)],
        Code::TryAgain,
        "no free address in 10.0.70.0/24; reason: exhausted",
    );
    let field = r#"{"code":400,"message":"policy: `nevver` is unknown","reason":"unknownPolicy"}"#;
    fails_with(
        vec![answer("400 Bad Request", field)],
        Code::InvalidNetwork,
        "`nevver`",
    );
    fails_with(
        vec![answer("401 Unauthorized", "")],
        Code::InvalidNetwork,
        "tokenFile",
    );
    fails_with(
        vec![answer("404 Not Found", "{}")],
        Code::InvalidNetwork,
        "standalone server",
    );
    let long = json!({ "message": "x".repeat(100_000) }).to_string();
    let failure = attached(vec![answer("409 Conflict", &long)]).0.unwrap_err();
    assert!(failure.message.len() < 2000);
}

#[test]
fn what_may_be_asked_again_is_and_nothing_else() {
    let busy = || answer("503 Service Unavailable", r#"{"message":"busy"}"#);
    assert_eq!(
        attached(vec![busy(), answer("200 OK", INFOS)]),
        (Ok(1), 2),
        "a busy server"
    );
    let (asked, connections) = attached(vec![answer("500 Internal Server Error", "{}")]);
    assert!(asked.is_err() && connections == 1);
    let wanted = Quarantine {
        ip: "10.0.70.2".parse().unwrap(),
        mac: None,
        reason: "answers twice".to_owned(),
        seconds: 600,
    };
    let (server, _waits) = listener(vec![busy(), answer("200 OK", "{}")]);
    assert!(server.quarantine(&wanted, patient()).is_err(), "asked once");
    let (server, heard) = listener(vec![answer("200 OK", "{}")]);
    server.quarantine(&wanted, patient()).unwrap();
    let heard: Vec<String> = heard.try_iter().collect();
    assert!(
        heard[0].starts_with("POST /v1/ip/10.0.70.2/quarantine "),
        "{heard:?}"
    );
}

#[test]
fn a_server_that_is_not_there_is_told_with_its_place() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}/no.sock", folder.path().display());
    for url in [format!("http://{port}"), socket] {
        let server = Server::at(url.parse().unwrap(), None);
        let failure = Failure::from(server.attach(&request(), short()).unwrap_err());
        assert_eq!(failure.code, Code::TryAgain);
        assert!(failure.message.contains(&url), "{failure}");
    }
}

#[test]
fn the_token_is_read_anew_for_each_question() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (server, heard) = listener(vec![answer("200 OK", INFOS), answer("200 OK", INFOS)]);
    let server = Server::at(server.url().clone(), Some(file.path().to_owned()));
    for token in ["first\n", "second"] {
        std::fs::write(file.path(), token).unwrap();
        server.attach(&request(), patient()).unwrap();
    }
    let heard: Vec<String> = heard.try_iter().collect();
    for (heard, token) in heard.iter().zip(["first", "second"]) {
        let header = format!("authorization: Bearer {token}\r\n");
        assert!(heard.contains(&header), "{heard}");
    }
}

#[test]
fn a_token_that_is_none_is_told_with_its_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let server = Server::at(
        "http://127.0.0.1:1".parse().unwrap(),
        Some(file.path().to_owned()),
    );
    for (text, words) in [(" \n", "empty"), ("a\nb", "one line")] {
        std::fs::write(file.path(), text).unwrap();
        let failure = Failure::from(server.attach(&request(), patient()).unwrap_err());
        let path = file.path().display().to_string();
        assert!(failure.message.contains(&path), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}
