//! What the program is told by hand.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::InstallError;
use super::conflist::Conflist;
use super::content::{self, Sort};
use super::kubeconfig::Account;
use crate::spec::{InterfaceName, NameError, UnknownVersion, Version};

/// How the program is called by hand.
pub const USAGE: &str = "\
usage: floatingip-cni install (--device DEV | --network-conf FILE) [--cni-version 1.0.0] [USER] [FOLDERS]
       floatingip-cni install --conflist FILE [USER] [FOLDERS]
       floatingip-cni uninstall [FOLDERS]

install puts this program, the plugins' names and a conflist on a node, and in a pod with a service account a kubeconfig
of that; uninstall takes them away again.

  --device DEV          the node's link to the network: each pod gets its floating IP there
  --network-conf FILE   galaxy's file on the node: each pod gets the networks that it names, or the usual ones
  --cni-version 1.0.0   the conflist's version: what the runtime takes
  --conflist FILE       this conflist instead of a built-in one

USER:
  --service-account /var/run/secrets/kubernetes.io/serviceaccount    where the pod finds its token
  --keep                                stay until SIGTERM or SIGINT, and write the kubeconfig when the token is renewed

FOLDERS:
  --bin-dir /opt/cni/bin                where the runtime looks for plugins
  --conf-dir /etc/cni/net.d             where it looks for conflists
  --conf-name 10-floatingip.conflist    what the conflist is called there

A runtime calls the plugins by their names, with CNI_COMMAND in the environment.";

const FOLDERS: [&str; 3] = ["--bin-dir", "--conf-dir", "--conf-name"];
const USERS: [&str; 2] = ["--service-account", KEEP];
/// The one without a value.
const KEEP: &str = "--keep";
const SOURCES: [&str; 4] = ["--device", "--network-conf", "--cni-version", "--conflist"];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Tell how to ask.
    Help,
    /// Put the plugins on a node.
    Install {
        /// Where.
        node: Node,
        /// With which conflist.
        source: Source,
        /// As whom the plugins ask the API server.
        user: User,
    },
    /// Take them away.
    Uninstall {
        /// Where.
        node: Node,
    },
}

/// Where a node's runtime looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The folder of plugins.
    pub bin: PathBuf,
    /// The folder of conflists.
    pub conf: PathBuf,
    /// The conflist's name in it.
    pub conf_name: String,
}

/// Where the conflist comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The built-in one for floating IPs alone.
    BuiltIn {
        /// The node's link to the network.
        device: InterfaceName,
        /// The conflist's version.
        version: Version,
    },
    /// The built-in one with networks for each pod.
    Networks {
        /// Galaxy's configuration, which need not be there yet.
        file: PathBuf,
        /// The conflist's version.
        version: Version,
    },
}

/// As whom the plugins ask the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Where the pod finds its service account; none: where a kubelet puts it, if there is one.
    pub folder: Option<PathBuf>,
    /// Stay, and write its kubeconfig again when the token is renewed.
    pub keep: bool,
}

/// Why it is not clear what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Nothing was asked for.
    #[error("install or uninstall?")]
    NoCommand,
    /// A command or an option that there is not.
    #[error("{0:?} is not known here")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} needs a value")]
    NoValue(&'static str),
    /// An option that is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// The built-in conflist without the device, which nobody can guess.
    #[error(
        "--device is missing: name the node's link to the network, galaxy's file with --network-conf, or a conflist with --conflist"
    )]
    NoDevice,
    /// Two built-in conflists.
    #[error("--device and --network-conf are for two conflists: give one of them")]
    Either,
    /// A file that other processes would look for elsewhere.
    #[error("--network-conf {0:?} does not begin with a slash")]
    Relative(PathBuf),
    /// An option of the built-in conflist beside a file.
    #[error("{0} is for the built-in conflist: write it into the file that --conflist names")]
    Both(&'static str),
    /// A device that cannot be one.
    #[error("--device {0}")]
    Device(#[from] NameError),
    /// A version that is not spoken.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// A name by which runtimes find no conflist.
    #[error("--conf-name {0:?} is not the name of a file that ends in .conflist")]
    ConfName(String),
}

impl Command {
    /// From the arguments after the program's name.
    ///
    /// # Errors
    /// They are not as [`USAGE`] has them.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let words: Vec<_> = arguments.into_iter().map(text).collect::<Result<_, _>>()?;
        if words.iter().any(|word| word == "--help" || word == "-h") {
            return Ok(Self::Help);
        }
        let (command, words) = words.split_first().ok_or(UsageError::NoCommand)?;
        match command.as_str() {
            "install" => {
                let known: Vec<_> = FOLDERS.into_iter().chain(SOURCES).chain(USERS).collect();
                Options::read(words, &known)?.install()
            }
            "uninstall" => Options::read(words, &FOLDERS)?.uninstall(),
            "help" => Ok(Self::Help),
            other => Err(UsageError::Unknown(other.to_owned())),
        }
    }
}

impl User {
    /// The service account, by this process's environment.
    ///
    /// # Errors
    /// There is none, and there has to be.
    pub fn account(&self) -> Result<Option<Account>, InstallError> {
        let found = Account::find(self.folder.as_deref(), |name| std::env::var(name).ok())?;
        match found {
            None if self.keep => Err(InstallError::NothingToKeep),
            found => Ok(found),
        }
    }
}

impl Source {
    /// The conflist, checked.
    ///
    /// # Errors
    /// It cannot be read, or the plugin would refuse it.
    pub fn conflist(&self) -> Result<Conflist, InstallError> {
        let (path, bytes) = match self {
            Self::File(path) => (path.clone(), read(path)?),
            Self::BuiltIn { device, version } => {
                let path = PathBuf::from("the built-in conflist");
                (path, Conflist::built_in(device, *version))
            }
            Self::Networks { file, version } => {
                let path = PathBuf::from("the built-in conflist");
                (path, Conflist::with_networks(file, *version))
            }
        };
        Conflist::check(bytes).map_err(|error| InstallError::Conflist { path, error })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    content::read(path, Sort::Conflist).map_err(|error| InstallError::Source {
        path: path.to_owned(),
        error,
    })
}

struct Options(BTreeMap<&'static str, String>);

impl Options {
    fn read(words: &[String], known: &[&'static str]) -> Result<Self, UsageError> {
        let mut read = BTreeMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let option = known.iter().copied().find(|option| *option == name);
            let option = option.ok_or_else(|| UsageError::Unknown(word.clone()))?;
            let value = match option {
                KEEP if value.is_some() => return Err(UsageError::Unknown(word.clone())),
                KEEP => Some(KEEP.to_owned()),
                _ => value.or_else(|| words.next().cloned()),
            };
            let value = value.filter(|value| !value.is_empty());
            let value = value.ok_or(UsageError::NoValue(option))?;
            if read.insert(option, value).is_some() {
                return Err(UsageError::Twice(option));
            }
        }
        Ok(Self(read))
    }

    fn install(mut self) -> Result<Command, UsageError> {
        let source = match self.0.remove("--conflist") {
            Some(file) => self.file(file)?,
            None => self.built_in()?,
        };
        let user = User {
            folder: self.0.remove("--service-account").map(PathBuf::from),
            keep: self.0.remove(KEEP).is_some(),
        };
        let node = self.node()?;
        Ok(Command::Install { node, source, user })
    }

    fn uninstall(self) -> Result<Command, UsageError> {
        let node = self.node()?;
        Ok(Command::Uninstall { node })
    }

    fn file(&self, file: String) -> Result<Source, UsageError> {
        let both = SOURCES.iter().find(|option| self.0.contains_key(*option));
        match both {
            Some(option) => Err(UsageError::Both(option)),
            None => Ok(Source::File(file.into())),
        }
    }

    fn built_in(&mut self) -> Result<Source, UsageError> {
        let version = self.0.remove("--cni-version");
        let version = version.map_or(Ok(Version::V1_0_0), |version| version.parse())?;
        let file = self.0.remove("--network-conf").map(PathBuf::from);
        match (self.0.remove("--device"), file) {
            (None, None) => Err(UsageError::NoDevice),
            (Some(_), Some(_)) => Err(UsageError::Either),
            (None, Some(file)) if file.is_relative() => Err(UsageError::Relative(file)),
            (None, Some(file)) => Ok(Source::Networks { file, version }),
            (Some(device), None) => {
                let device = device.parse()?;
                Ok(Source::BuiltIn { device, version })
            }
        }
    }

    fn node(mut self) -> Result<Node, UsageError> {
        let mut or = |option, usual: &str| self.0.remove(option).unwrap_or_else(|| usual.into());
        let conf_name = or("--conf-name", "10-floatingip.conflist");
        if conf_name.contains('/') || !conf_name.ends_with(".conflist") {
            return Err(UsageError::ConfName(conf_name));
        }
        Ok(Node {
            bin: or("--bin-dir", "/opt/cni/bin").into(),
            conf: or("--conf-dir", "/etc/cni/net.d").into(),
            conf_name,
        })
    }
}

fn text(word: OsString) -> Result<String, UsageError> {
    let odd = |word: OsString| UsageError::Unknown(word.to_string_lossy().into_owned());
    word.into_string().map_err(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, UsageError> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_is_not_said_is_as_runtimes_have_it() {
        let node = Node {
            bin: "/opt/cni/bin".into(),
            conf: "/etc/cni/net.d".into(),
            conf_name: "10-floatingip.conflist".to_owned(),
        };
        let source = Source::BuiltIn {
            device: "eth1".parse().unwrap(),
            version: Version::V1_0_0,
        };
        let asked = Command::Install {
            node: node.clone(),
            source: source.clone(),
            user: User::default(),
        };
        assert_eq!(parse("install --device eth1"), Ok(asked.clone()));
        assert_eq!(parse("install --device=eth1"), Ok(asked));
        let user = User {
            folder: Some("/account".into()),
            keep: true,
        };
        let kept = Command::Install {
            node: node.clone(),
            source,
            user,
        };
        let line = "install --keep --device eth1 --service-account /account";
        assert_eq!(parse(line), Ok(kept));
        let networks = Command::Install {
            node: node.clone(),
            source: Source::Networks {
                file: "/etc/galaxy/galaxy.json".into(),
                version: Version::V1_1_0,
            },
            user: User::default(),
        };
        let line = "install --network-conf /etc/galaxy/galaxy.json --cni-version 1.1.0";
        assert_eq!(parse(line), Ok(networks));
        assert_eq!(parse("uninstall"), Ok(Command::Uninstall { node }));
        assert_eq!(parse("install --help"), Ok(Command::Help));
    }

    #[test]
    fn what_is_not_clear_is_refused_and_named() {
        for (line, expected) in [
            ("", "install or uninstall"),
            ("remove", "\"remove\""),
            ("install", "--device is missing"),
            ("install --device", "--device needs a value"),
            ("install --device=", "--device needs a value"),
            ("install --device eth1 --device eth2", "twice"),
            ("install --device a/b", "--device \"a/b\""),
            ("install --device eth1 --cni-version 2.0.0", "\"2.0.0\""),
            ("install --conflist f --device eth1", "--device is for"),
            (
                "install --conflist f --network-conf /g",
                "--network-conf is for",
            ),
            (
                "install --device eth1 --network-conf /g",
                "give one of them",
            ),
            ("install --network-conf galaxy.json", "\"galaxy.json\""),
            ("install --device eth1 --bin /x", "\"--bin\""),
            ("install --device eth1 --keep=no", "\"--keep=no\""),
            ("uninstall --keep", "\"--keep\""),
            ("uninstall --device eth1", "\"--device\""),
            ("uninstall --conf-name ../x.conflist", "../x.conflist"),
            ("uninstall --conf-name 10-x.conf", "10-x.conf"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
