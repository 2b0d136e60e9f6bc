//! A node with a link to a network that nobody else is on.

use std::io;

use super::space::Space;

pub(crate) const DEVICE: &str = "eth0";

pub(crate) struct Node {
    pub(crate) host: Space,
    /// The other end of the link.
    _network: Space,
}

impl Node {
    pub(crate) fn new() -> io::Result<Self> {
        let (host, network) = (Space::new()?, Space::new()?);
        let there = network.path();
        host.ip(&format!(
            "link add {DEVICE} type veth peer name out0 netns {there}"
        ))?;
        network.ip("link set out0 up")?;
        host.ip(&format!("link set {DEVICE} up"))?;
        Ok(Self {
            host,
            _network: network,
        })
    }
}
