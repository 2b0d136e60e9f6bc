//! What the kernel has before an `ADD`.

use std::collections::BTreeMap;

use super::config::{Switch, VlanConfig};
use crate::link::{Kernel, KernelError, View};

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
        // Only a bridge takes over what a device had; a router's list of routes is long.
        if matches!(config.switch, Switch::Bridge | Switch::Pure) && facts.may_be_taken_over(config)
        {
            facts.host.routes = host.routes()?;
        }
        for setting in settings(config) {
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

    /// Does a setting have a value?
    pub fn is_set(&self, setting: &str, value: &str) -> bool {
        self.settings.get(setting).is_some_and(|it| it == value)
    }
}

fn settings(config: &VlanConfig) -> Vec<String> {
    if config.switch != Switch::Pure {
        return Vec::new();
    }
    let of = |link: &str, name: &str| format!("ipv4/conf/{link}/{name}");
    let mut settings = vec!["ipv4/ip_forward".to_owned(), of("all", "arp_ignore")];
    for device in config.candidates() {
        let device = device.as_str();
        settings.extend([of(device, "arp_ignore"), of(device, "proxy_arp")]);
    }
    settings
}
