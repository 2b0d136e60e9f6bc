//! Debian's plugins, as they are before ours stand beside them.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use super::lab::{HOST_IP, Lab, debians_plugins};
use super::space::Space;

/// What is measured and chained later works on this machine at all, iptables included.
#[test]
fn debians_bridge_and_portmap_forward_a_port_of_the_node() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let pod = Space::new();
    let data = tempfile::tempdir().unwrap();
    let ranges = json!([[{"subnet": "10.20.0.0/24", "rangeStart": "10.20.0.20"}]]);
    let mut call = lab.add("c1", &pod, &[], &json!({}));
    call.config = json!({
        "cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
        "ipam": {"type": "host-local", "dataDir": data.path(), "ranges": ranges},
    });
    let bridge = lab.call(&call);
    assert_eq!(
        bridge.succeeds().json()["ips"][0]["address"],
        "10.20.0.20/24"
    );
    assert!(lab.host.reaches(&pod, "10.20.0.20"));
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]);
    let mut chained = call.clone();
    chained.config = json!({
        "cniVersion": "1.0.0", "name": "lan", "type": "portmap", "prevResult": bridge.json(),
        "runtimeConfig": {"portMappings": ports},
    });
    lab.call(&chained).succeeds();
    assert!(echoes(&lab.outside, (HOST_IP, 8080), &pod, 80));
    lab.call(&chained.verb("DEL")).succeeds();
    lab.call(&call.verb("DEL")).succeeds();
    assert!(!pod.ip("-o link").contains("eth0"));
}

/// Does what is sent to `to` arrive at `port` of the other, and its answer come back from where it was sent to?
fn echoes(from: &Space, to: (&str, u16), other: &Space, port: u16) -> bool {
    let there = other.run(|| UdpSocket::bind(("0.0.0.0", port))).unwrap();
    let here = from.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
    here.connect(to).unwrap();
    for socket in [&here, &there] {
        let limit = Duration::from_millis(700);
        socket.set_read_timeout(Some(limit)).unwrap();
    }
    let mut bytes = [0; 16];
    // The first packet may be lost while neighbours are asked for.
    (0..20).any(|_| {
        let asked = here.send(b"question").is_ok();
        let Ok((_, asker)) = there.recv_from(&mut bytes) else {
            return false;
        };
        asked && there.send_to(b"answer", asker).is_ok() && here.recv(&mut bytes).is_ok()
    })
}
