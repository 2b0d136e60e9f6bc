//! One call of a plugin.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::error::DelegateError;
use super::process::{self, Ended, Limit, Outcome};
use super::search::SearchPath;
use crate::spec::{Attachment, CniResult, Code, EnvironmentError, Failure, Network, Verb};

/// What a plugin is told in the environment, besides the verb and where plugins are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// `CNI_CONTAINERID` and `CNI_IFNAME`; none for verbs that concern no container.
    pub attachment: Option<Attachment>,
    /// `CNI_NETNS`, where the namespace is known.
    pub netns: Option<PathBuf>,
    /// `CNI_ARGS`, as it stands.
    pub args: String,
}

/// A plugin that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    kind: String,
    program: PathBuf,
    path: SearchPath,
}

impl Call {
    /// What this process was told itself, read by `variable`: for plugins that are to do the same.
    ///
    /// # Errors
    /// A variable is there and cannot be what it has to be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let ids = variable("CNI_CONTAINERID").zip(variable("CNI_IFNAME"));
        let attachment = ids.map(|(container, interface)| Attachment::read(&container, &interface));
        Ok(Self {
            attachment: attachment.transpose()?,
            netns: variable("CNI_NETNS").map(PathBuf::from),
            args: variable("CNI_ARGS").unwrap_or_default(),
        })
    }

    fn variables(&self) -> [(&'static str, String); 4] {
        let attachment = self.attachment.as_ref();
        let container = attachment.map(|it| it.container.to_string());
        let interface = attachment.map(|it| it.interface.to_string());
        let netns = self.netns.as_ref().map(|path| path.display().to_string());
        [
            ("CNI_CONTAINERID", container.unwrap_or_default()),
            ("CNI_IFNAME", interface.unwrap_or_default()),
            ("CNI_NETNS", netns.unwrap_or_default()),
            ("CNI_ARGS", self.args.clone()),
        ]
    }
}

impl Delegate {
    pub(super) fn new(kind: &str, program: PathBuf, path: &SearchPath) -> Self {
        Self {
            kind: kind.to_owned(),
            program,
            path: path.clone(),
        }
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// `ADD`, with the configuration that the plugin gets.
    ///
    /// # Errors
    /// It failed, did not end within the limit, or answered what is no result.
    pub fn add(
        &self,
        call: &Call,
        config: &Value,
        within: Limit,
    ) -> Result<CniResult, DelegateError> {
        let input = config.to_string();
        let answer = self.run(Verb::Add, call, &input, within)?;
        let asked = Network::version_of(input.as_bytes());
        CniResult::read(&answer, asked).map_err(|error| DelegateError::Answer {
            kind: self.kind.clone(),
            error,
        })
    }

    /// A verb that answers nothing.
    ///
    /// # Errors
    /// It failed, or did not end within the limit.
    pub fn tell(
        &self,
        verb: Verb,
        call: &Call,
        config: &Value,
        within: Limit,
    ) -> Result<(), DelegateError> {
        self.run(verb, call, &config.to_string(), within).map(drop)
    }

    fn run(
        &self,
        verb: Verb,
        call: &Call,
        input: &str,
        within: Limit,
    ) -> Result<Vec<u8>, DelegateError> {
        let mut command = Command::new(&self.program);
        command.envs(call.variables());
        command.env("CNI_COMMAND", verb.as_str());
        command.env("CNI_PATH", self.path.as_str());
        let ended = process::run(command, input.as_bytes(), within);
        let ended = ended.map_err(|error| DelegateError::Run {
            program: self.program.clone(),
            error,
        })?;
        self.judge(ended, within)
    }

    fn judge(&self, ended: Ended, within: Limit) -> Result<Vec<u8>, DelegateError> {
        let kind = self.kind.clone();
        let stderr = ended.complaint();
        let status = match ended.outcome {
            Outcome::TooSlow => {
                let limit = within.length();
                return Err(DelegateError::TooSlow {
                    kind,
                    limit,
                    stderr,
                });
            }
            Outcome::TooLong => {
                let limit = process::LONGEST_ANSWER;
                return Err(DelegateError::TooLong { kind, limit });
            }
            Outcome::Exit(status) => status,
        };
        if status.success() {
            return Ok(ended.stdout);
        }
        Err(match told(&ended.stdout) {
            Some(failure) => DelegateError::Refused { kind, failure },
            None => DelegateError::Failed {
                kind,
                status,
                stderr,
            },
        })
    }
}

/// The error that a plugin wrote to standard output.
fn told(stdout: &[u8]) -> Option<Failure> {
    #[derive(Deserialize)]
    struct Wire {
        code: u32,
        #[serde(default)]
        msg: String,
        #[serde(default)]
        details: String,
    }
    let wire: Wire = serde_json::from_slice(stdout).ok()?;
    Some(Failure::new(Code::told(wire.code), wire.msg).with_details(wire.details))
}

#[cfg(test)]
mod tests;
