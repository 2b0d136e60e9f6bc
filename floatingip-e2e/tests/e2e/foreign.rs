//! A machine that somebody has put on the network with an address of the pods'.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::lan::Lan;
use crate::machine::Machine;

/// Its hardware address.
pub(crate) const MAC: &str = "02:00:00:00:be:ef";

/// Starts it.
pub(crate) async fn plant(lan: &Lan, address: Ipv4Addr) -> Result<Machine> {
    let machine = Machine::start().await?;
    let last = address.octets()[3];
    machine.join_as(lan, last, MAC).await?;
    Ok(machine)
}
