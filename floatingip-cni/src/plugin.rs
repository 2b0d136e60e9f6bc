//! Which plugin a program is, and what it does for a runtime.

use std::path::Path;

use serde_json::json;

use crate::link::KernelError;
use crate::spec::{Code, Failure, Invocation, Network, Version};
use crate::state::{LockError, StateError};
use crate::vlan::{self, PlanError, VlanConfig};

/// A plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `galaxy-k8s-vlan`
    Vlan,
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
    pub const ALL: &[Self] = &[Self::Vlan];

    /// What it is called as, and its type in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlan => "galaxy-k8s-vlan",
        }
    }

    pub(crate) fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|plugin| plugin.name()).collect();
        names.join(" or ")
    }

    /// By the name that a program was called as.
    ///
    /// # Errors
    /// No plugin has that name.
    pub fn called(program: &Path) -> Result<Self, NoPlugin> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let found = Self::ALL.iter().find(|plugin| plugin.name() == name);
        found.copied().ok_or_else(|| NoPlugin(name.into_owned()))
    }

    /// Does what a runtime asks for in the environment, which `variable` reads, and on standard input.
    pub fn answer(self, variable: impl Fn(&str) -> Option<String>, input: &[u8]) -> Answer {
        let done = Invocation::read(variable)
            .map_err(Failure::from)
            .and_then(|invocation| self.carry_out(&invocation, input));
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

    fn carry_out(self, invocation: &Invocation, input: &[u8]) -> Result<String, Failure> {
        if *invocation == Invocation::Version {
            return Ok(versions(input));
        }
        let network = Network::read(input)?;
        match self {
            Self::Vlan => vlan_verb(invocation, &network, &Network::own(input)?),
        }
    }
}

fn vlan_verb(
    invocation: &Invocation,
    network: &Network,
    config: &VlanConfig,
) -> Result<String, Failure> {
    let silent = |()| String::new();
    match invocation {
        Invocation::Add {
            attachment,
            netns,
            args,
        } => {
            let result = vlan::add(config, network, attachment, netns, args)?;
            Ok(result.to_json(network.version).to_string())
        }
        Invocation::Del { attachment } => vlan::del(config, network, attachment).map(silent),
        Invocation::Check { attachment, netns } => {
            vlan::check(config, network, attachment, netns).map(silent)
        }
        Invocation::Gc => vlan::gc(config, network).map(silent),
        Invocation::Status => vlan::status(config).map(silent),
        Invocation::Version => Ok(String::new()),
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
            KernelError::Silent | KernelError::Restless => Code::TryAgain,
            _ => Code::Io,
        };
        Self::new(code, error)
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
            PlanError::NodesOwn(_) => Code::AddressInUse,
            PlanError::IsThere(_) => Code::InvalidEnvironment,
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
    fn a_program_is_the_plugin_that_it_is_called_as() {
        assert_eq!(
            Plugin::called(Path::new("/opt/cni/bin/galaxy-k8s-vlan")),
            Ok(Plugin::Vlan)
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
