//! The other end of the wire: what is seen on it, and who answers there.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use crate::process::{ip, run};
use crate::scene::Netns;

/// The card at this end.
const PEER: &str = "eth1";
/// Its hardware address.
pub(crate) const PEER_MAC: &str = "52:54:00:00:00:02";
const NETNS: &str = "wire";

/// The namespace with the second card.
pub(crate) struct Wire {
    netns: Netns,
    vlans: RefCell<Vec<String>>,
}

impl Wire {
    /// The first test moves the card, which stays for those after it.
    pub(crate) fn of_card() -> Self {
        Self {
            netns: Netns::existing(NETNS).unwrap_or_else(Self::far_end),
            vlans: RefCell::default(),
        }
    }

    fn far_end() -> Netns {
        let netns = Netns::new(NETNS);
        ip(&format!("link set {PEER} netns {NETNS}"));
        // An address answers in its own VLAN alone.
        netns.set("net.ipv4.conf.all.arp_ignore=1");
        netns.ip(&format!("link set {PEER} up"));
        netns
    }

    /// Answers at `address` in a VLAN.
    pub(crate) fn answers(&self, vlan: u16, address: &str) {
        let name = format!("{PEER}.{vlan}");
        self.netns.ip(&format!(
            "link add link {PEER} name {name} type vlan id {vlan}"
        ));
        self.netns.ip(&format!("address add {address} dev {name}"));
        self.netns.ip(&format!("link set {name} up"));
        self.vlans.borrow_mut().push(name);
    }

    /// The namespace itself, to look from.
    pub(crate) fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Looks from now on for a frame that `filter`, in the language of tcpdump, lets pass.
    pub(crate) fn watch(&self, filter: &str) -> Watch {
        Watch::start(self.netns.name(), filter)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for vlan in self.vlans.borrow().iter() {
            run(&format!("ip -netns {NETNS} link delete {vlan}"));
        }
    }
}

/// tcpdump, which ends with the first frame, or without one when none comes for long.
pub(crate) struct Watch {
    tcpdump: Child,
}

impl Watch {
    fn start(netns: &str, filter: &str) -> Self {
        let limit = ["busybox", "timeout", "20"];
        let tcpdump = [
            "tcpdump", "-i", PEER, "-Z", "root", "-n", "-e", "-c", "1", filter,
        ];
        let mut command = Command::new("ip");
        command.args(["netns", "exec", netns]).args(limit);
        command.args(tcpdump).stdout(Stdio::piped());
        let mut tcpdump = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(tcpdump.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains("listening on") {
            assert!(said.read_line(&mut text).unwrap() > 0, "tcpdump: {text}");
        }
        tcpdump.stderr = Some(said.into_inner());
        Self { tcpdump }
    }

    /// The line of the frame; empty when none came.
    pub(crate) fn seen(mut self) -> String {
        let mut line = String::new();
        let mut out = self.tcpdump.stdout.take().unwrap();
        out.read_to_string(&mut line).unwrap();
        self.tcpdump.wait().unwrap();
        line
    }
}
