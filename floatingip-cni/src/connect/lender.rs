//! The IPAM plugin of a network, for pods that were not bound with addresses: it lends some, and gets them back.
//!
//! Our own is called in this process, so that an address comes with its VLAN, for which a result has no place. Any other
//! one is run as a runtime does.

use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;

use super::plan::Connects;
use crate::delegate::{Call, Delegate, DelegateError, Limit, SearchPath};
use crate::ipam::{self, IpamConfig, Section, Taker};
use crate::plugin::Plugin;
use crate::server::Server;
use crate::spec::{
    Attachment, CniResult, Code, Failure, IpInfo, IpInfos, Network, NetworkName, Verb, Version,
};
use crate::state::{Lent, Record};

/// The IPAM plugin that a configuration names, if it does.
#[derive(Clone, Debug, Default)]
pub struct Lender {
    kind: Option<String>,
    config: Value,
    call: Call,
    path: SearchPath,
}

/// How long another IPAM plugin may take: the rest of the call has to fit beside it.
const LENDING: Duration = Duration::from_secs(15);

impl Lender {
    /// What `input` names, and what a plugin that it calls has to be told, read by `variable`.
    ///
    /// # Errors
    /// The configuration, or the environment, cannot be what it has to be.
    pub fn read(
        network: &Network,
        input: &[u8],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let Some(kind) = network.ipam.clone() else {
            return Ok(Self::default());
        };
        if kind == Plugin::Ipam.name() {
            Network::own::<Section>(input)?;
        }
        let path = variable("CNI_PATH").unwrap_or_default();
        Ok(Self {
            kind: Some(kind),
            config: Network::own(input)?,
            call: Call::read(variable)?,
            path: SearchPath::new(path),
        })
    }

    /// The server that our own plugin asks.
    pub(super) fn server(&self) -> Option<Server> {
        let lent = self.loan()?;
        lent.is_own().then(|| section(&lent).ok()?.server())?
    }

    /// What is written down before anything is lent.
    pub(super) fn loan(&self) -> Option<Lent> {
        let mut config = self.config.clone();
        for passing in ["prevResult", "runtimeConfig"] {
            config.as_object_mut()?.remove(passing);
        }
        Some(Lent {
            kind: self.kind.clone()?,
            config,
            args: self.call.args.clone(),
        })
    }

    /// Is the plugin there? Our own is this program.
    pub(super) fn find(&self, lent: &Lent) -> Result<Option<Delegate>, DelegateError> {
        match lent.is_own() {
            true => Ok(None),
            false => self.path.find(&lent.kind).map(Some),
        }
    }

    /// Lends addresses.
    pub(super) fn lend<C: Connects>(
        &self,
        config: &C,
        taker: &Taker<'_>,
        lent: &Lent,
        within: Limit,
    ) -> Result<IpInfos, Failure> {
        let Some(plugin) = self.find(lent)? else {
            return ipam::obtain(&own(lent, config.state_folder())?, taker, within);
        };
        let within = within.at_most(LENDING);
        let result = plugin.add(&self.call, &self.config, within)?;
        addresses(&lent.kind, &result, config.vlan())
    }

    /// Is it certain that nothing is lent, after it failed?
    pub(super) fn lent_nothing(&self, taker: &Taker<'_>, lent: &Lent, folder: &Path) -> bool {
        let remembered = || {
            let leases = own(lent, folder).ok()?.leases();
            leases.read(&taker.network.name, taker.attachment).ok()
        };
        lent.is_own() && remembered() == Some(None)
    }

    /// Takes back what an `ADD` was lent.
    pub(super) fn take_back(
        &self,
        record: &Record,
        folder: &Path,
        within: Limit,
    ) -> Result<(), Failure> {
        let Some(lent) = &record.lent else {
            return Ok(());
        };
        let attachment = record.attachment();
        let Some(plugin) = self.find(lent)? else {
            let own = own(lent, folder)?;
            return ipam::end(&own, &record.network, &attachment, within);
        };
        let call = Call {
            netns: self.call.netns.clone(),
            attachment: Some(attachment),
            args: lent.args.clone(),
        };
        let within = within.at_most(LENDING);
        Ok(plugin.tell(Verb::Del, &call, &lent.config, within)?)
    }

    /// Takes back what may have been lent to an interface of which nothing is remembered, as after a restart of the
    /// node.
    pub(super) fn take_back_unknown(
        &self,
        network: &NetworkName,
        attachment: &Attachment,
        folder: &Path,
    ) -> Result<(), Failure> {
        let Some(lent) = self.loan() else {
            return Ok(());
        };
        let plugin = match self.find(&lent) {
            // What was never there lent nothing: galaxy's configurations name plugins that are not called.
            Err(DelegateError::NotFound { .. }) => return Ok(()),
            found => found?,
        };
        let within = Limit::starting_now(LENDING);
        let Some(plugin) = plugin else {
            return ipam::end(&own(&lent, folder)?, network, attachment, within);
        };
        Ok(plugin.tell(Verb::Del, &self.call, &lent.config, within)?)
    }

    /// `CHECK` of what an `ADD` was lent.
    pub(super) fn check(
        &self,
        network: &Network,
        record: &Record,
        folder: &Path,
    ) -> Result<(), Failure> {
        let Some(lent) = &record.lent else {
            return Ok(());
        };
        let Some(plugin) = self.find(lent)? else {
            return ipam::check(&own(lent, folder)?, network, &record.attachment());
        };
        let within = Limit::starting_now(LENDING);
        Ok(plugin.tell(Verb::Check, &self.call, &self.config, within)?)
    }

    /// `GC`, with the list of what is left.
    pub(super) fn collect(&self, network: &Network, folder: &Path) -> Result<(), Failure> {
        match self.loan() {
            Some(lent) if lent.is_own() => ipam::gc(&own(&lent, folder)?, network),
            _ => self.pass_on(Verb::Gc, network),
        }
    }

    /// `STATUS`.
    pub(crate) fn status(&self, network: &Network, folder: &Path) -> Result<(), Failure> {
        match self.loan() {
            Some(lent) if lent.is_own() => ipam::status(&own(&lent, folder)?),
            Some(lent) => {
                // What is not there now will not come by itself.
                let found = self.find(&lent);
                found.map_err(|error| Failure::new(Code::NotAvailable, error))?;
                self.pass_on(Verb::Status, network)
            }
            None => Ok(()),
        }
    }

    /// To a plugin that knows the verb: it is of version 1.1.0.
    fn pass_on(&self, verb: Verb, network: &Network) -> Result<(), Failure> {
        let lent = self.loan().filter(|_| network.version >= Version::V1_1_0);
        let plugin = lent.map(|lent| self.find(&lent)).transpose()?.flatten();
        let Some(plugin) = plugin else {
            return Ok(());
        };
        let within = Limit::starting_now(LENDING);
        Ok(plugin.tell(verb, &Call::default(), &self.config, within)?)
    }
}

/// `CHECK` of the addresses that an `ADD` was lent, if it was.
///
/// # Errors
/// The IPAM plugin finds a difference, or cannot be asked.
pub(crate) fn check_lent<C: Connects>(
    config: &C,
    network: &Network,
    attachment: &Attachment,
    lender: &Lender,
) -> Result<(), Failure> {
    match config.records().read(&network.name, attachment)? {
        Some(record) => lender.check(network, &record, config.state_folder()),
        None => Ok(()),
    }
}

/// Our own plugin's section, which keeps what it lends where the main plugin keeps what it makes.
fn own(lent: &Lent, folder: &Path) -> Result<IpamConfig, Failure> {
    Ok(section(lent)?.kept_in(folder))
}

fn section(lent: &Lent) -> Result<IpamConfig, Failure> {
    let Section { ipam } = Network::own(lent.config.to_string().as_bytes())?;
    Ok(ipam)
}

/// Another plugin says nothing about VLANs, and need not name a gateway.
fn addresses(kind: &str, result: &CniResult, vlan: u16) -> Result<IpInfos, Failure> {
    let info = |(ip, gateway): (IpNet, _)| match gateway {
        Some(gateway) => Ok(IpInfo { ip, vlan, gateway }),
        None => Err(Failure::new(
            Code::InvalidNetwork,
            format!(
                "the IPAM plugin {kind} gave {ip} without a gateway: name one in its configuration"
            ),
        )),
    };
    let infos = result.ips.iter().map(|ip| info((ip.address, ip.gateway)));
    let infos = IpInfos::new(infos.collect::<Result<_, _>>()?);
    infos.map_err(|error| {
        let message = format!("the addresses of the IPAM plugin {kind} cannot be used: {error}");
        Failure::new(Code::InvalidNetwork, message)
    })
}
