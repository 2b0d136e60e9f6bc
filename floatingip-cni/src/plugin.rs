//! Which plugin a program is, and what it does for a runtime.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::connect::{self, Connects, Lender};
use crate::ipam::{self, Section};
use crate::link::{KernelError, NetnsError};
use crate::meta::{self, MetaConfig};
use crate::spec::{Attachment, Code, Failure, Invocation, Network, Version};
use crate::sriov::{self, SriovConfig, SriovError};
use crate::state::{LockError, StateError};
use crate::vlan::{self, PlanError, VlanConfig};

/// A plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `galaxy-k8s-vlan`
    Vlan,
    /// `galaxy-k8s-sriov`
    Sriov,
    /// `floatingip-ipam`
    Ipam,
    /// `floatingip`
    Meta,
}

/// What the process prints and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output; may be empty.
    pub text: String,
    /// Did it work?
    pub success: bool,
}

/// A name that is none of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the name of a plugin: call this program by a link named {names}",
    names = Plugin::names()
)]
pub struct NoPlugin(String);

impl Plugin {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Vlan, Self::Sriov, Self::Ipam, Self::Meta];

    /// What it is called as, and its type in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlan => "galaxy-k8s-vlan",
            Self::Sriov => "galaxy-k8s-sriov",
            Self::Ipam => "floatingip-ipam",
            Self::Meta => "floatingip",
        }
    }

    pub(crate) fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|plugin| plugin.name()).collect();
        names.join(" or ")
    }

    /// By its type in a configuration.
    pub(crate) fn of_type(kind: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|plugin| plugin.name() == kind)
    }

    /// Would it take a configuration?
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check_config(self, input: &[u8]) -> Result<(), Failure> {
        Network::read(input)?;
        match self {
            Self::Vlan => Ok(Network::own::<VlanConfig>(input).map(drop)?),
            Self::Sriov => Ok(Network::own::<SriovConfig>(input).map(drop)?),
            Self::Ipam => Ok(Network::own::<Section>(input).map(drop)?),
            Self::Meta => Network::own::<MetaConfig>(input)?.check(),
        }
    }

    /// By the name that a program was called as.
    ///
    /// # Errors
    /// No plugin has that name.
    pub fn called(program: &Path) -> Result<Self, NoPlugin> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let kind = name.as_ref();
        Self::of_type(kind).ok_or_else(|| NoPlugin(kind.to_owned()))
    }

    /// Does what a runtime asks for in the environment, which `variable` reads, and on standard input.
    pub fn answer(self, variable: impl Fn(&str) -> Option<String>, input: &[u8]) -> Answer {
        let done = Invocation::read(&variable)
            .map_err(Failure::from)
            .and_then(|invocation| {
                let done = self.carry_out(&invocation, &variable, input);
                done.or_else(|failure| forgive(&invocation, failure))
            });
        match done {
            Ok(text) => Answer {
                text,
                success: true,
            },
            Err(failure) => Answer {
                text: failure.to_json(Network::version_of(input)),
                success: false,
            },
        }
    }

    fn carry_out(
        self,
        invocation: &Invocation,
        variable: impl Fn(&str) -> Option<String>,
        input: &[u8],
    ) -> Result<String, Failure> {
        if *invocation == Invocation::Version {
            return Ok(versions(input));
        }
        let network = Network::read(input)?;
        match self {
            Self::Vlan => verb::<VlanConfig>(invocation, variable, &network, input),
            Self::Sriov => verb::<SriovConfig>(invocation, variable, &network, input),
            Self::Ipam => {
                let Section { ipam } = Network::own(input)?;
                ipam::carry_out(&ipam, &network, invocation)
            }
            Self::Meta => meta::carry_out(invocation, variable, &network, &Network::own(input)?),
        }
    }
}

/// What a plugin has of its own among the verbs.
trait Verbs: Connects {
    fn check(
        &self,
        network: &Network,
        attachment: &Attachment,
        netns: &Path,
    ) -> Result<(), Failure>;

    fn status(&self) -> Result<(), Failure>;
}

impl Verbs for VlanConfig {
    fn check(
        &self,
        network: &Network,
        attachment: &Attachment,
        netns: &Path,
    ) -> Result<(), Failure> {
        vlan::check(self, network, attachment, netns)
    }

    fn status(&self) -> Result<(), Failure> {
        vlan::status(self)
    }
}

impl Verbs for SriovConfig {
    fn check(
        &self,
        network: &Network,
        attachment: &Attachment,
        netns: &Path,
    ) -> Result<(), Failure> {
        sriov::check(self, network, attachment, netns)
    }

    fn status(&self) -> Result<(), Failure> {
        sriov::status(self)
    }
}

fn verb<C: Verbs + DeserializeOwned>(
    invocation: &Invocation,
    variable: impl Fn(&str) -> Option<String>,
    network: &Network,
    input: &[u8],
) -> Result<String, Failure> {
    let lender = &Lender::read(network, input, variable)?;
    let config: &C = &Network::own(input)?;
    let silent = |()| String::new();
    match invocation {
        Invocation::Add {
            attachment,
            netns,
            args,
        } => {
            let result = connect::add(config, network, attachment, netns, args, lender)?;
            Ok(result.to_json(network.version).to_string())
        }
        Invocation::Del { attachment } => {
            connect::del(config, network, attachment, lender).map(silent)
        }
        Invocation::Check { attachment, netns } => {
            config.check(network, attachment, netns)?;
            connect::check_lent(config, network, attachment, lender).map(silent)
        }
        Invocation::Gc => connect::gc(config, network, lender).map(silent),
        Invocation::Status => {
            config.status()?;
            lender.status(network, config.state_folder()).map(silent)
        }
        Invocation::Version => Ok(String::new()),
    }
}

/// A runtime takes the node out of service for a `STATUS` that fails: what may work later is no reason for that.
fn forgive(invocation: &Invocation, failure: Failure) -> Result<String, Failure> {
    match (invocation, failure.code) {
        (Invocation::Status, Code::TryAgain) => Ok(String::new()),
        _ => Err(failure),
    }
}

/// What is spoken, in the version of the question where that says one.
fn versions(input: &[u8]) -> String {
    let asked = match input {
        [] => Version::LATEST,
        input => Network::version_of(input),
    };
    json!({ "cniVersion": asked, "supportedVersions": Version::ALL }).to_string()
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        let code = match &error {
            KernelError::Netns(_) => Code::UnknownContainer,
            KernelError::Silent | KernelError::Late | KernelError::Restless => Code::TryAgain,
            _ => Code::Io,
        };
        Self::new(code, error)
    }
}

impl From<NetnsError> for Failure {
    fn from(error: NetnsError) -> Self {
        KernelError::from(error).into()
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let code = match &error {
            LockError::Busy { .. } => Code::TryAgain,
            LockError::File { .. } => Code::Io,
        };
        Self::new(code, error)
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::new(Code::Io, error)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let code = match &error {
            PlanError::NodesOwn(_) | PlanError::Routed { .. } => Code::AddressInUse,
            PlanError::IsThere(_) => Code::InvalidEnvironment,
            _ => Code::InvalidNetwork,
        };
        Self::new(code, error)
    }
}

impl From<SriovError> for Failure {
    fn from(error: SriovError) -> Self {
        let code = match &error {
            SriovError::NodesOwn(_) => Code::AddressInUse,
            SriovError::IsThere(_) => Code::InvalidEnvironment,
            SriovError::NoneFree { .. } | SriovError::NoLinks { .. } => Code::TryAgain,
            SriovError::Refused { .. } => Code::Io,
            _ => Code::InvalidNetwork,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verb: &str, input: &str) -> Answer {
        let variable = |name: &str| (name == "CNI_COMMAND").then(|| verb.to_owned());
        Plugin::Vlan.answer(variable, input.as_bytes())
    }

    #[test]
    fn what_may_work_later_is_no_reason_for_a_status_to_fail() {
        let forgiven = |verb: &str, code| {
            let variable = |name: &str| match name {
                "CNI_COMMAND" => Some(verb.to_owned()),
                "CNI_CONTAINERID" => Some("c1".to_owned()),
                "CNI_IFNAME" => Some("eth0".to_owned()),
                "CNI_NETNS" => Some("/run/netns/c1".to_owned()),
                _ => None,
            };
            let invocation = Invocation::read(variable).unwrap();
            forgive(&invocation, Failure::new(code, "x")).is_ok()
        };
        assert!(forgiven("STATUS", Code::TryAgain));
        assert!(!forgiven("STATUS", Code::NotAvailable));
        assert!(!forgiven("CHECK", Code::TryAgain));
    }

    #[test]
    fn a_program_is_the_plugin_that_it_is_called_as() {
        assert_eq!(
            Plugin::called(Path::new("/opt/cni/bin/galaxy-k8s-vlan")),
            Ok(Plugin::Vlan)
        );
        assert_eq!(
            Plugin::called(Path::new("./galaxy-k8s-sriov")),
            Ok(Plugin::Sriov)
        );
        for path in ["floatingip-cni", "/opt/cni/bin/bridge", ""] {
            assert!(Plugin::called(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn versions_are_told_without_a_configuration() {
        let expected = r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#;
        assert_eq!(answer("VERSION", "").text, expected);
        let asked = answer("VERSION", r#"{"cniVersion":"0.4.0"}"#);
        assert!(asked.text.contains(r#""cniVersion":"0.4.0""#) && asked.success);
    }

    #[test]
    fn errors_are_told_on_standard_output_with_their_code() {
        let told = answer("ADD", r#"{"cniVersion":"1.0.0","name":"lan"}"#);
        assert!(!told.success);
        assert!(
            told.text
                .starts_with(r#"{"cniVersion":"1.0.0","code":4,"msg":"CNI_"#),
            "{}",
            told.text
        );
        let told = answer("STATUS", r#"{"cniVersion":"9.0.0","name":"lan"}"#);
        assert!(told.text.contains(r#""code":1"#), "{}", told.text);
        let told = answer("STATUS", r#"{"name":"lan","switch":"x"}"#);
        assert!(told.text.contains(r#""code":6"#), "{}", told.text);
    }
}
