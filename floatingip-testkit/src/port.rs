//! Ports on loopback that nobody else takes meanwhile.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

const FIRST: u16 = 10_240;
/// Where Linux begins to take ports for outgoing connections, unless it is told otherwise.
const FIRST_EPHEMERAL: u16 = 32_768;
const ATTEMPTS: usize = 1_000;

/// A port that is free, and that this process is not told a second time.
///
/// It lies below those that the kernel gives to outgoing connections: a server that is killed and started again at
/// its former port must find it free although clients by the hundred have connected meanwhile.
///
/// # Errors
/// None is found in a thousand attempts.
pub fn free() -> Result<u16> {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let range = range();
    for _ in 0..ATTEMPTS {
        let port = fastrand::u16(range.clone());
        let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if unused && taken.insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port in {range:?} on loopback")
}

fn range() -> Range<u16> {
    let first_ephemeral = first_ephemeral().unwrap_or(FIRST_EPHEMERAL);
    FIRST..first_ephemeral.max(FIRST * 2)
}

fn first_ephemeral() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_told_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| range().contains(port)));
    }
}
