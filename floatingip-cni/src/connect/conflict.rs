//! An address that somebody else uses already: what the runtime is told, and the server.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::delegate::Limit;
use crate::link::{Mac, Neighbour};
use crate::server::{Quarantine, Server, node_name};
use crate::spec::{Code, Failure, NetworkName};
use crate::state::{Endpoint, Folder, Record};

/// Somebody else uses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    ip: IpAddr,
    /// Who; the kernel, which asks for IPv6 addresses, does not tell.
    mac: Option<Mac>,
}

/// Where records of links are, below the state folder.
const OWN: [&str; 2] = ["vlan", "sriov"];
/// How long a report may take: the runtime waits for an answer that it does not change.
const REPORT: Duration = Duration::from_millis(200);
/// How long the server is to keep everybody from the address, in seconds: for people to find the other machine.
const QUARANTINE: u64 = 600;

impl Conflict {
    /// `ADD` fails by it. Where there is a server it is told, as well as it can be in a moment, so that nobody else is
    /// given the address meanwhile; not of what this node made itself, by the records in `folder`, as that is the
    /// address's owner.
    pub(super) fn failure(
        self,
        server: Option<&Server>,
        wanted: &Record,
        folder: &Path,
    ) -> Failure {
        let failure = Failure::new(Code::AddressInUse, self.told());
        match (self.own(wanted, folder), server) {
            (Some(record), _) => failure.with_details(format!(
                "not reported: that is {}, which this node connected to {}",
                record.attachment(),
                record.network
            )),
            (None, None) => failure,
            (None, Some(server)) => failure.with_details(self.report(server, &wanted.network)),
        }
    }

    /// Which one of this node's own has it, besides the one that is being made: links of one address have the same
    /// hardware address everywhere. A record that cannot be read names nobody.
    fn own(self, wanted: &Record, folder: &Path) -> Option<Record> {
        let mac = self.mac?;
        let has = |end: &Endpoint| end.inside.mac == Some(mac) || end.first_mac == mac;
        let is_wanted =
            |it: &Record| it.network == wanted.network && it.attachment() == wanted.attachment();
        let records = OWN.iter().map(|plugin| Folder::at(folder.join(plugin)));
        let mut records = records.flat_map(|records| records.every().unwrap_or_default());
        records.find(|record| !is_wanted(record) && record.endpoints.iter().any(has))
    }

    fn told(self) -> String {
        let ip = self.ip;
        match self.mac {
            Some(mac) => format!(
                "{ip} is used by {mac} already: find that machine on the network and take the address from it, or release the address"
            ),
            None => format!(
                "{ip} is used on this network already: find that machine and take the address from it, or release the address"
            ),
        }
    }

    fn report(self, server: &Server, network: &NetworkName) -> String {
        let wanted = Quarantine {
            ip: self.ip,
            mac: self.mac,
            reason: reason(&node_name(), network),
            seconds: QUARANTINE,
        };
        match server.quarantine(&wanted, Limit::starting_now(REPORT)) {
            Ok(()) => format!("reported: the server gives it to nobody for {QUARANTINE} s"),
            Err(error) => format!("it could not be reported: {error}"),
        }
    }
}

/// The server takes 256 characters that can be printed.
fn reason(node: &str, network: &NetworkName) -> String {
    const LONGEST_NAME: usize = 80;
    let short = |text: &str| text.chars().take(LONGEST_NAME).collect::<String>();
    let (node, network) = (short(node), short(network.as_str()));
    format!("somebody else answered for it on network {network} when node {node} connected a pod")
}

impl From<Neighbour> for Conflict {
    fn from(neighbour: Neighbour) -> Self {
        Self {
            ip: neighbour.ip.into(),
            mac: Some(neighbour.mac),
        }
    }
}

impl From<IpAddr> for Conflict {
    fn from(ip: IpAddr) -> Self {
        Self { ip, mac: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Stage;

    #[test]
    fn a_server_that_says_nothing_changes_no_answer_and_takes_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("silent.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let url = format!("unix:{}", path.display()).parse().unwrap();
        let conflict = Conflict::from(IpAddr::from([10, 9, 0, 20]));
        let wanted = Record {
            network: "lan".parse().unwrap(),
            container: "c1".parse().unwrap(),
            interface: "eth0".parse().unwrap(),
            netns: "/run/netns/c1".into(),
            space: None,
            stage: Stage::Begun,
            lent: None,
            endpoints: Vec::new(),
        };
        let server = Server::at(url, None);
        let failure = conflict.failure(Some(&server), &wanted, folder.path());
        assert_eq!(failure.code, Code::AddressInUse);
        assert_eq!(
            failure.message,
            conflict.failure(None, &wanted, folder.path()).message
        );
        assert!(
            failure.details.contains("could not be reported")
                && failure.details.contains("within 0.2 s"),
            "{failure}"
        );
    }

    #[test]
    fn a_reason_is_one_that_the_server_takes() {
        let network = "n".repeat(5000).parse().unwrap();
        assert!(reason(&"x".repeat(253), &network).chars().count() <= 256);
    }
}
