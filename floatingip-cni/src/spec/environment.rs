//! What a runtime says in the environment: verb, container, namespace and interface.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::args::{Args, ArgsError};

/// What a runtime wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Connect a container.
    Add,
    /// Undo that.
    Del,
    /// Is everything as it was left?
    Check,
    /// Undo everything but what is listed.
    Gc,
    /// Could a container be connected?
    Status,
    /// Which versions are spoken?
    Version,
}

impl Verb {
    /// As it stands in `CNI_COMMAND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

impl FromStr for Verb {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "ADD" => Self::Add,
            "DEL" => Self::Del,
            "CHECK" => Self::Check,
            "GC" => Self::Gc,
            "STATUS" => Self::Status,
            "VERSION" => Self::Version,
            _ => return Err(EnvironmentError::Verb(text.to_owned())),
        })
    }
}

/// A container's name for the runtime: a letter or digit, then also `_`, `.` and `-`. It may be of any length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// An interface's name: at most 15 bytes, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// One `ADD` of a network: which interface of which container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The container.
    pub container: ContainerId,
    /// The interface in it.
    pub interface: InterfaceName,
}

/// A verb with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// `ADD`
    Add {
        /// What to connect.
        attachment: Attachment,
        /// Its network namespace.
        netns: PathBuf,
        /// `CNI_ARGS`.
        args: Args,
    },
    /// `DEL`
    Del {
        /// What to disconnect.
        attachment: Attachment,
    },
    /// `CHECK`
    Check {
        /// What to look at.
        attachment: Attachment,
        /// Its network namespace.
        netns: PathBuf,
    },
    /// `GC`
    Gc,
    /// `STATUS`
    Status,
    /// `VERSION`
    Version,
}

/// Why the environment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable is absent or empty.
    #[error("{0} is not set: this is a CNI plugin, to be called by a container runtime")]
    Missing(&'static str),
    /// A verb that the specification does not have.
    #[error("CNI_COMMAND {0:?} is not one of ADD, DEL, CHECK, GC, STATUS and VERSION")]
    Verb(String),
    /// A name that cannot be one.
    #[error("{variable} {error}")]
    Name {
        /// Where it was.
        variable: &'static str,
        /// What is wrong with it.
        error: NameError,
    },
    /// `CNI_ARGS` cannot be read.
    #[error(transparent)]
    Args(#[from] ArgsError),
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It is longer than the kernel allows.
    #[error("{name:?} has {} bytes, the kernel takes at most {limit}", name.len())]
    TooLong {
        /// The text.
        name: String,
        /// How long it might have been.
        limit: usize,
    },
    /// A character that may not be there.
    #[error(
        "{0:?} has a character that may not be there: letters, digits, `_`, `.` and `-` may, the first one a letter or digit"
    )]
    Characters(String),
    /// `.`, `..`, or a name with a slash, a colon or a space.
    #[error(
        "{0:?} is not a name that the kernel takes for an interface: no `/`, `:` or space, and neither `.` nor `..`"
    )]
    Interface(String),
}

impl Invocation {
    /// Reads the environment by `variable`.
    ///
    /// # Errors
    /// What the verb needs is absent, or cannot be what it has to be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variable = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &'static str| variable(name).ok_or(EnvironmentError::Missing(name));
        let netns = || needed("CNI_NETNS").map(PathBuf::from);
        let attachment = || Attachment::read(&needed("CNI_CONTAINERID")?, &needed("CNI_IFNAME")?);
        Ok(match needed("CNI_COMMAND")?.parse()? {
            Verb::Add => Self::Add {
                attachment: attachment()?,
                netns: netns()?,
                args: variable("CNI_ARGS").unwrap_or_default().parse()?,
            },
            Verb::Del => Self::Del {
                attachment: attachment()?,
            },
            Verb::Check => Self::Check {
                attachment: attachment()?,
                netns: netns()?,
            },
            Verb::Gc => Self::Gc,
            Verb::Status => Self::Status,
            Verb::Version => Self::Version,
        })
    }
}

impl Attachment {
    pub(crate) fn read(container: &str, interface: &str) -> Result<Self, EnvironmentError> {
        let named = |variable| move |error| EnvironmentError::Name { variable, error };
        Ok(Self {
            container: container.parse().map_err(named("CNI_CONTAINERID"))?,
            interface: interface.parse().map_err(named("CNI_IFNAME"))?,
        })
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "interface {} of container {}",
            self.interface, self.container
        )
    }
}

impl ContainerId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        plain(text).map(Self)
    }
}

impl TryFrom<String> for ContainerId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl InterfaceName {
    /// What the kernel has room for.
    pub const LIMIT: usize = 15;

    /// A name that this crate has chosen.
    pub(crate) fn chosen(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let name = text.to_owned();
        if text.len() > Self::LIMIT {
            let limit = Self::LIMIT;
            return Err(NameError::TooLong { name, limit });
        }
        let foreign = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if text == "." || text == ".." || text.contains(foreign) {
            return Err(NameError::Interface(name));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule of container ids and of network names.
pub(super) fn plain(text: &str) -> Result<String, NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !first.is_ascii_alphanumeric() || !text.chars().all(allowed) {
        return Err(NameError::Characters(text.to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Invocation, EnvironmentError> {
        Invocation::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const ADD: &[(&str, &str)] = &[
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_NETNS", "/proc/1/ns/net"),
    ];

    fn without(name: &str) -> Vec<(&'static str, &'static str)> {
        let others = ADD.iter().filter(|(known, _)| *known != name);
        others.copied().collect()
    }

    #[test]
    fn an_add_needs_container_interface_and_namespace() {
        assert!(matches!(read(ADD), Ok(Invocation::Add { .. })));
        for (name, _) in ADD {
            assert_eq!(read(&without(name)), Err(EnvironmentError::Missing(name)));
        }
    }

    #[test]
    fn a_del_needs_no_namespace() {
        let mut variables = without("CNI_NETNS");
        variables[0].1 = "DEL";
        variables.push(("CNI_NETNS", ""));
        assert!(matches!(read(&variables), Ok(Invocation::Del { .. })));
    }

    #[test]
    fn verbs_without_a_container_need_nothing_else() {
        for verb in ["GC", "STATUS", "VERSION"] {
            assert!(read(&[("CNI_COMMAND", verb)]).is_ok(), "{verb}");
        }
        let lower = read(&[("CNI_COMMAND", "add")]);
        assert_eq!(lower, Err(EnvironmentError::Verb("add".to_owned())));
    }

    #[test]
    fn container_ids_are_of_any_length() {
        for id in ["a", "7", "a_b.c-d", &"f".repeat(64), &"f".repeat(5000)] {
            assert!(id.parse::<ContainerId>().is_ok(), "{id}");
        }
        for id in ["", "-a", ".a", "_a", "a/b", "a b", "a:b", "ä", "a\n"] {
            assert!(id.parse::<ContainerId>().is_err(), "{id:?}");
        }
    }

    #[test]
    fn interfaces_are_named_as_the_kernel_allows() {
        for name in ["e", "eth0", "eth0.12", "abcdefghijklmno"] {
            assert!(name.parse::<InterfaceName>().is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\t",
            "abcdefghijklmnop",
        ] {
            assert!(name.parse::<InterfaceName>().is_err(), "{name:?}");
        }
    }
}
