//! What all interfaces of one `ADD` have in common: packet length and routes.

use super::facts::Facts;
use super::plan::{PlanError, Wish};
use crate::connect::routes;
use crate::link::Link;
use crate::spec::IpInfo;
use crate::state::Hop;

/// The pod, on a node as it is.
pub(super) struct Pod<'a> {
    pub(super) wish: &'a Wish<'a>,
    pub(super) facts: &'a Facts,
    pub(super) device: &'a Link,
    pub(super) mtu: u32,
}

impl<'a> Pod<'a> {
    /// # Errors
    /// The packet length that was asked for is not possible.
    pub(super) fn of(
        wish: &'a Wish<'a>,
        facts: &'a Facts,
        device: &'a Link,
    ) -> Result<Self, PlanError> {
        let infos = wish.infos.as_slice();
        let v6 = infos.iter().any(|info| info.ip.addr().is_ipv6());
        // What each protocol needs at least.
        let least = if v6 { 1280 } else { 68 };
        let most = device.mtu;
        let mtu = wish.config.mtu.filter(|mtu| *mtu > 0).unwrap_or(most);
        if !(least..=most).contains(&mtu) {
            let device = device.name.clone();
            return Err(PlanError::Mtu {
                mtu,
                least,
                most,
                device,
            });
        }
        Ok(Self {
            wish,
            facts,
            device,
            mtu,
        })
    }

    /// Whether others are asked before an address is used.
    pub(super) fn probes(&self) -> bool {
        self.wish.config.duplicate_address_probe
    }

    /// The routes of an address.
    pub(super) fn routes(&self, info: &IpInfo) -> Vec<Hop> {
        routes(self.wish.infos, &self.facts.container, info)
    }
}
