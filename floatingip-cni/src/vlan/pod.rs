//! What all interfaces of one `ADD` have in common: bounds of the packet length, and routes.

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
}

impl<'a> Pod<'a> {
    /// How long packets may be that go through `narrowest`.
    ///
    /// # Errors
    /// The length that was asked for is not possible.
    pub(super) fn mtu(&self, narrowest: &Link) -> Result<u32, PlanError> {
        let infos = self.wish.infos.as_slice();
        let v6 = infos.iter().any(|info| info.ip.addr().is_ipv6());
        // What each protocol needs at least.
        let least = if v6 { 1280 } else { 68 };
        let most = narrowest.mtu;
        let wanted = self.wish.config.mtu.filter(|mtu| *mtu > 0);
        let mtu = wanted.unwrap_or(most);
        if (least..=most).contains(&mtu) {
            return Ok(mtu);
        }
        let device = narrowest.name.clone();
        Err(PlanError::Mtu {
            mtu,
            least,
            most,
            device,
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
