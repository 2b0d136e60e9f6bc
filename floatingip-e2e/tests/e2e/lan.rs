//! The data centre's network: a bridge in the namespace of the test program, which is the gateway and has an address there.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, ensure};

use crate::isolation::ip;

/// The last byte of the gateway's address, which is that of the test program.
const GATEWAY: u8 = 1;
/// The last bytes of addresses that pods have; below are the nodes'.
const FIRST_FOR_PODS: u8 = 100;

/// A network of a test's own: `10.214.N.0/24`.
#[derive(Debug)]
pub(crate) struct Lan {
    number: u8,
}

impl Lan {
    /// Makes the next one.
    pub(crate) fn new() -> Result<Self> {
        static MADE: AtomicU8 = AtomicU8::new(0);
        let lan = Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
        };
        ensure!(lan.number < u8::MAX, "there are too many networks");
        let bridge = lan.bridge();
        // A bridge without an address of its own has that of one of its ports, and another one when a port comes with a lower
        // one: nodes that know the gateway by the former would not reach it for half a minute.
        let mac = format!("02:00:00:00:00:{:02x}", lan.number);
        ip(&format!("link add {bridge} address {mac} type bridge"))?;
        ip(&format!("address add {}/24 dev {bridge}", lan.gateway()))?;
        ip(&format!("link set {bridge} up"))?;
        Ok(lan)
    }

    /// The subnet, as in configurations.
    pub(crate) fn subnet(&self) -> String {
        format!("{}/24", self.address(0))
    }

    /// The test program's own address.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.address(GATEWAY)
    }

    /// An address that a node may have.
    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 214, self.number, last)
    }

    /// An address that pods may have, from 0 on.
    pub(crate) fn pod_address(&self, index: u8) -> Ipv4Addr {
        self.address(FIRST_FOR_PODS + index)
    }

    /// Gives the namespace of a process a link to the network.
    pub(crate) fn plug(&self, process: u32, link: &str) -> Result<()> {
        static PLUGGED: AtomicU8 = AtomicU8::new(0);
        let port = format!("port{}", PLUGGED.fetch_add(1, Ordering::Relaxed));
        ip(&format!(
            "link add {port} type veth peer name {link} netns {process}"
        ))?;
        ip(&format!("link set {port} master {}", self.bridge()))?;
        ip(&format!("link set {port} up"))
    }

    fn bridge(&self) -> String {
        format!("lan{}", self.number)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // The namespace takes it along in any case.
        let _ = ip(&format!("link delete {}", self.bridge()));
    }
}
