//! The configurations that come into force one after the other, and a naive reading of each.

use std::net::{IpAddr, Ipv6Addr};

use floatingip_core::Topology;
use floatingip_core::config::{Config, Strictness};

/// Names of nodes that run pods, and the group of node subnets each is in.
pub(crate) const NODES: [(&str, [u8; 4]); 4] = [
    ("n1", [10, 1, 0, 1]),
    ("n2", [10, 1, 0, 2]),
    ("n3", [10, 2, 0, 1]),
    ("n4", [10, 2, 0, 2]),
];

/// How many configurations there are.
pub(crate) const CONFIGS: usize = 4;

pub(crate) fn node_named(name: &str) -> Option<usize> {
    NODES.iter().position(|(known, _)| *known == name)
}

/// One entry: addresses `net` + `first..=last`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    net: IpAddr,
    prefix: u8,
    first: u8,
    last: u8,
    exclude: Option<u8>,
    disabled: bool,
    /// The second octets of the node subnets.
    nodes: &'static [u8],
}

impl Entry {
    fn nth(&self, n: u8) -> IpAddr {
        match self.net {
            IpAddr::V4(net) => IpAddr::from([net.octets()[0], net.octets()[1], net.octets()[2], n]),
            IpAddr::V6(net) => Ipv6Addr::from(u128::from(net) + u128::from(n)).into(),
        }
    }

    pub(crate) fn serves(&self, node: usize) -> bool {
        self.nodes.contains(&NODES[node].1[1])
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        (self.first..=self.last).any(|n| self.nth(n) == ip)
    }

    /// Whether the entry may give the address to somebody new.
    pub(crate) fn gives(&self, ip: IpAddr) -> bool {
        let broadcast = self.prefix == 28 && ip == self.nth(15);
        let never = [self.nth(0), self.nth(1)].contains(&ip) || broadcast;
        let excluded = self.exclude.is_some_and(|n| self.nth(n) == ip);
        self.contains(ip) && !never && !excluded && !self.disabled
    }

    fn json(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|n| format!("\"10.{n}.0.0/16\""))
            .collect();
        let exclude = self.exclude.map_or_else(String::new, |n| {
            format!(",\"exclude\":[\"{}\"]", self.nth(n))
        });
        let disabled = if self.disabled {
            ",\"disabled\":true"
        } else {
            ""
        };
        format!(
            r#"{{"nodeSubnets":[{}],"ips":["{}~{}"],"subnet":"{}/{}","gateway":"{}"{exclude}{disabled}}}"#,
            nodes.join(","),
            self.nth(self.first),
            self.nth(self.last),
            self.net,
            self.prefix,
            self.nth(1),
        )
    }
}

fn v4(third: u8, first: u8, last: u8, nodes: &'static [u8]) -> Entry {
    Entry {
        net: IpAddr::from([10, 0, third, 0]),
        prefix: 28,
        first,
        last,
        exclude: None,
        disabled: false,
        nodes,
    }
}

/// The entries of a configuration.
pub(crate) fn entries(config: usize) -> Vec<Entry> {
    let v6 = Entry {
        net: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0).into(),
        prefix: 64,
        ..v4(0, 2, 5, &[1])
    };
    let excluding = Entry {
        exclude: Some(5),
        ..v4(0, 0, 10, &[1])
    };
    match config {
        0 => vec![excluding, v4(1, 10, 15, &[1, 2]), v4(2, 2, 5, &[2]), v6],
        // A range cut short and an entry removed, both perhaps in use.
        1 => vec![v4(0, 2, 6, &[1]), v4(2, 2, 5, &[2]), v6],
        2 => vec![
            v4(2, 2, 8, &[2]),
            v6,
            Entry {
                disabled: true,
                ..excluding
            },
            v4(1, 10, 15, &[1, 2]),
        ],
        _ => vec![
            v4(3, 2, 6, &[1, 2]),
            excluding,
            v4(1, 10, 15, &[2]),
            v4(2, 2, 5, &[2]),
            v6,
        ],
    }
}

/// What a process makes of the configuration.
pub(crate) fn topology(config: usize) -> Topology {
    let entries: Vec<String> = entries(config).iter().map(Entry::json).collect();
    let document = format!("[{}]", entries.join(","));
    let parsed = Config::parse(&document, Strictness::Strict);
    parsed
        .expect("the model's configurations are good")
        .into_topology()
}

/// Every address that any configuration has.
pub(crate) fn universe() -> Vec<IpAddr> {
    let all = (0..CONFIGS).flat_map(entries);
    let mut addresses: Vec<IpAddr> = all
        .flat_map(|entry| (entry.first..=entry.last).map(move |n| entry.nth(n)))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
