//! What the kernel has before an `ADD`.

use std::collections::BTreeMap;

use super::config::{Switch, VlanConfig};
use crate::link::{Address, Kernel, KernelError, Link, Route, View};

/// The settings of a link by which it listens to routers' advertisements.
pub(super) const HEED_ADVERTISEMENTS: [&str; 2] = ["accept_ra", "autoconf"];

/// What an `ADD` is decided from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The node.
    pub host: View,
    /// The container.
    pub container: View,
    /// Settings of the node below `/proc/sys/net`.
    pub settings: BTreeMap<String, String>,
}

impl Facts {
    /// Asks the kernel.
    ///
    /// # Errors
    /// It does not answer.
    pub fn gather(
        config: &VlanConfig,
        host: &mut Kernel,
        container: &mut Kernel,
    ) -> Result<Self, KernelError> {
        let mut facts = Self {
            host: host.view()?,
            container: View {
                routes: container.routes()?,
                ..container.view()?
            },
            settings: BTreeMap::new(),
        };
        // A bridge takes over what a device had, and who routes looks whether an address is routed already. The others
        // need none, and a router's list of routes is long.
        let moves = config.switch == Switch::Bridge && facts.may_be_taken_over(config);
        if moves || config.switch == Switch::Pure {
            facts.host.routes = host.routes()?;
        }
        let mut wanted = facts.routing(config);
        wanted.extend(facts.advertised());
        for setting in wanted {
            if let Some(value) = host.setting(&setting)? {
                facts.settings.insert(setting, value);
            }
        }
        Ok(facts)
    }

    /// Has a link that may become a port an address?
    fn may_be_taken_over(&self, config: &VlanConfig) -> bool {
        let named = config
            .candidates()
            .filter_map(|name| self.host.link(name.as_str()));
        let vlans = self.host.links.iter().filter(|link| link.vlan.is_some());
        let mut links = named.chain(vlans);
        links.any(|link| self.host.addresses_of(link).next().is_some())
    }

    /// Whether the device answers for others already.
    fn routing(&self, config: &VlanConfig) -> Vec<String> {
        if config.switch != Switch::Pure {
            return Vec::new();
        }
        let of = |link: &str, name: &str| format!("ipv4/conf/{link}/{name}");
        let mut settings = vec!["ipv4/ip_forward".to_owned(), of("all", "arp_ignore")];
        if let Some(device) = config.device_in(&self.host) {
            let device = &device.name;
            settings.extend([of(device, "arp_ignore"), of(device, "proxy_arp")]);
        }
        settings
    }

    /// Whether the links listen that have something from a router's advertisements.
    fn advertised(&self) -> Vec<String> {
        let links = self.host.links.iter().filter(|link| self.listens(link));
        let of_link = |link: &Link| {
            HEED_ADVERTISEMENTS.map(|setting| format!("ipv6/conf/{}/{setting}", link.name))
        };
        links.flat_map(of_link).collect()
    }

    /// Has a link of the host an address or a route from a router's advertisements?
    pub(super) fn listens(&self, link: &Link) -> bool {
        let lent = |it: &Address| it.net().addr().is_ipv6() && it.is_global() && it.is_lent();
        let mut routes = self.host.routes_of(link);
        self.host.addresses_of(link).any(lent) || routes.any(Route::is_advertised)
    }

    /// Does a setting have a value?
    pub fn is_set(&self, setting: &str, value: &str) -> bool {
        self.settings.get(setting).is_some_and(|it| it == value)
    }
}
