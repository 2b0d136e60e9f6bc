//! Addresses that `floatingip-ipam` lends within the plugins: they come with their VLAN. The server is played, for the machine has
//! none; the real one is asked in `tests/node/lent.rs`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::plugin::{GATEWAY, Pod};
use crate::scene::Scene;
use crate::sriov;

const ADDRESS: &str = "10.2.0.10";
const VLAN: u16 = 2;

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_lent_address_speaks_in_its_vlan_by_a_bridge() {
    speaks_in_its_vlan("b1", &json!({"switch": "bridge"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_lent_address_speaks_in_its_vlan_by_a_function() {
    speaks_in_its_vlan("s1", &sriov::fields(&json!({})));
}

fn speaks_in_its_vlan(name: &str, fields: &Value) {
    let scene = Scene::new();
    scene.wire.answers(VLAN, "10.2.0.1/24");
    let (socket, asked) = lender(name);
    let mut pod = Pod::new(&scene, name, ADDRESS, VLAN, fields);
    pod.unbind();
    let ipam =
        json!({"type": "floatingip-ipam", "serverURL": format!("unix:{socket}"), "nodeName": "n1"});
    pod.set("ipam", ipam);
    pod.connect();
    scene.wire.netns().reaches(ADDRESS);
    pod.netns.reaches(GATEWAY);
    pod.succeeds("CHECK");
    pod.disconnect();
    let mut asked = asked.try_iter();
    assert_eq!(asked.next().as_deref(), Some("POST /v1/attachment"));
    let explained = format!("GET /v1/explain/default/{name}");
    assert_eq!(asked.next(), Some(explained));
    let ended = asked.next().unwrap();
    let (path, attempt) = ended.split_once("?attempt=").unwrap();
    assert_eq!(path, format!("DELETE /v1/attachment/n1/lan/{name}/eth0"));
    assert!(!attempt.is_empty());
    assert_eq!(asked.next(), None);
}

/// Where it listens, and what it was asked.
fn lender(name: &str) -> (String, Receiver<String>) {
    let socket = format!("/tmp/lender-{name}.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell, asked) = channel();
    let uid = format!("n1/{name}/eth0");
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &uid, &tell);
        }
    });
    (socket, asked)
}

fn answer(mut stream: UnixStream, uid: &str, tell: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    reader.read_exact(&mut vec![0; length]).unwrap();
    let asked = head.rsplit_once(" HTTP/1.1").map_or("", |(asked, _)| asked);
    // The test may have ended.
    let _ = tell.send(asked.to_owned());
    let infos = json!([{"ip": format!("{ADDRESS}/24"), "vlan": VLAN, "gateway": GATEWAY}]);
    let pod = json!({"uid": uid, "addresses": [ADDRESS]});
    let body = json!({"ipinfos": infos, "pod": pod}).to_string();
    let length = body.len();
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
}
