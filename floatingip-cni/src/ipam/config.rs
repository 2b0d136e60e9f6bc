//! The section `ipam` of a network configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use super::lease::{Ended, Lease};
use crate::server::{self, Server, ServerUrl};
use crate::spec::{Code, Failure, IpInfo};
use crate::state::{Folder, FolderOf};

/// What is around the section: main plugins pass their whole configuration on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Section {
    /// The section.
    #[serde(default)]
    pub ipam: IpamConfig,
}

/// The fields. One that is not known is refused: a misspelt policy would let addresses go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct IpamConfig {
    /// The plugin's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The standalone server, for pods that were not bound with addresses.
    #[serde(rename = "serverURL", deserialize_with = "server::optional")]
    pub server_url: Option<ServerUrl>,
    /// The file with the token that the server knows this node by.
    pub token_file: Option<PathBuf>,
    /// What the server calls this node; absent: the kernel's host name.
    pub node_name: String,
    /// The node's addresses, by which the server chooses the subnet; absent: any subnet.
    #[serde(rename = "nodeIPs")]
    pub node_ips: Vec<IpAddr>,
    /// The namespace of pods that have none.
    pub namespace: String,
    /// The release policy: empty, `immutable` or `never`.
    pub policy: String,
    /// The app that all pods of this network belong to.
    pub app: Option<App>,
    /// The pool that addresses are taken from.
    pub pool: String,
    /// How many addresses each pod gets; absent: one.
    pub count: Option<u32>,
    /// Of which families; absent: as the server does without.
    #[serde(rename = "ipFamilies")]
    pub ip_families: Vec<String>,
    /// Out of which ranges; absent: any.
    #[serde(rename = "requestIPRange")]
    pub request_ip_range: Vec<Vec<String>>,
    /// The routes of the answer; absent: the default route of each family.
    pub routes: Option<Vec<StaticRoute>>,
    /// The VLAN that the main plugin connects to.
    pub vlan: u16,
    /// Give addresses of any VLAN.
    pub ignore_vlan: bool,
    /// Where it is kept what was given; absent: where the main plugins of floatingip keep what they make.
    pub state_folder: Option<PathBuf>,
}

/// An app, as the server's API names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its kind: `deployment`, `statefulset`, `tapp`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Its kind's API group, where kinds of one name are to be told apart.
    #[serde(default)]
    pub group: String,
    /// Its name.
    pub name: String,
}

/// A route of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticRoute {
    /// Where to.
    pub dst: IpNet,
    /// By whom; absent: by the gateway of the address.
    #[serde(default)]
    pub gw: Option<IpAddr>,
}

impl IpamConfig {
    /// The server that addresses come from, where there is one.
    pub(crate) fn server(&self) -> Option<Server> {
        Server::configured(self.server_url.as_ref(), self.token_file.as_ref())
    }

    /// What the server calls this node.
    ///
    /// # Errors
    /// It is not said, and the kernel's name is one that every machine may have: what this node's `GC` ends would be
    /// another one's.
    pub(super) fn node(&self) -> Result<String, Failure> {
        match self.node_name.as_str() {
            "" => own_name(server::node_name()),
            name => Ok(name.to_owned()),
        }
    }

    /// What was given.
    pub(crate) fn leases(&self) -> FolderOf<Lease> {
        let folder = self.state_folder.as_deref();
        let folder = folder.unwrap_or_else(|| Path::new(Folder::USUAL));
        FolderOf::at(folder.join("ipam"))
    }

    /// What has ended: beside what was given.
    pub(super) fn ended(&self) -> FolderOf<Ended> {
        let folder = self.state_folder.as_deref();
        let folder = folder.unwrap_or_else(|| Path::new(Folder::USUAL));
        FolderOf::at(folder.join("ipam-ended"))
    }

    /// In that folder, unless it says another one.
    pub(crate) fn kept_in(mut self, folder: &Path) -> Self {
        self.state_folder.get_or_insert_with(|| folder.to_owned());
        self
    }

    /// An IPAM plugin makes no VLAN: the main plugin has to connect to that of the addresses.
    ///
    /// # Errors
    /// The configuration does not say that it does.
    pub(super) fn check_vlans(&self, infos: &[IpInfo]) -> Result<(), Failure> {
        let odd = infos.iter().find(|info| info.vlan != self.vlan);
        let Some(IpInfo { ip, vlan, .. }) = odd.filter(|_| !self.ignore_vlan) else {
            return Ok(());
        };
        let ip = ip.addr();
        let expected = self.vlan;
        Err(Failure::new(
            Code::InvalidNetwork,
            format!(
                "{ip} is of VLAN {vlan}, and the configuration's ipam.vlan is {expected}: have the main plugin connect to VLAN {vlan} and set ipam.vlan to it, or set ipam.ignoreVlan where the VLAN is made elsewhere"
            ),
        ))
    }
}

fn own_name(kernels: String) -> Result<String, Failure> {
    let plain = kernels.split('.').next().unwrap_or_default();
    if !["", "localhost", "(none)"].contains(&plain) {
        return Ok(kernels);
    }
    Err(Failure::new(
        Code::InvalidNetwork,
        format!(
            "the kernel calls this node {kernels:?}, as it may call others, and their addresses are not to be mixed up: set ipam.nodeName to a name that only this node has"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IpamConfig, serde_json::Error> {
        serde_json::from_str::<Section>(text).map(|section| section.ipam)
    }

    #[test]
    fn a_section_need_say_nothing() {
        for text in ["{}", r#"{"ipam":{}}"#] {
            assert_eq!(read(text).unwrap(), IpamConfig::default());
        }
        let named = read(r#"{"ipam":{"nodeName":"n1"}}"#).unwrap();
        assert_eq!(named.node().unwrap(), "n1");
    }

    #[test]
    fn a_name_that_every_machine_may_have_is_none_of_a_node() {
        for name in ["localhost", "localhost.localdomain", "(none)", ""] {
            let refused = own_name(name.to_owned()).unwrap_err();
            assert_eq!(refused.code, Code::InvalidNetwork);
            assert!(refused.message.contains("ipam.nodeName"), "{refused}");
        }
        for name in ["n1", "localhost-2", "n1.localhost"] {
            assert_eq!(own_name(name.to_owned()).unwrap(), name);
        }
        let said = read(r#"{"ipam":{"nodeName":"localhost"}}"#).unwrap();
        assert_eq!(said.node().unwrap(), "localhost");
    }

    #[test]
    fn mistakes_are_refused_and_named() {
        for (field, expected) in [
            (r#""polcy":"never""#, "polcy"),
            (r#""serverURL":"https://a""#, "no TLS"),
            (r#""routes":[{"dst":"10.0.0.1"}]"#, "address"),
            (r#""app":{"type":"tapp"}"#, "name"),
            (r#""nodeIPs":["x"]"#, "IP"),
        ] {
            let text = format!(r#"{{"ipam":{{{field}}}}}"#);
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn info(vlan: u16) -> IpInfo {
        IpInfo {
            ip: "10.0.70.2/24".parse().unwrap(),
            vlan,
            gateway: "10.0.70.1".parse().unwrap(),
        }
    }

    #[test]
    fn an_address_of_a_vlan_needs_a_main_plugin_that_is_said_to_connect_to_it() {
        let config = |vlan, ignore_vlan| IpamConfig {
            vlan,
            ignore_vlan,
            ..IpamConfig::default()
        };
        for (config, vlan, fits) in [
            (config(0, false), 0, true),
            (config(0, false), 2, false),
            (config(2, false), 2, true),
            (config(2, false), 0, false),
            (config(0, true), 2, true),
        ] {
            let checked = config.check_vlans(&[info(vlan)]);
            assert_eq!(checked.is_ok(), fits, "{vlan} of {config:?}");
        }
    }
}
