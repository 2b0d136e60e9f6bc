//! The wire between a runtime and a plugin, as the CNI specification has it: environment, network configuration,
//! results and errors. Pure: bytes in, values out.
//!
//! Results are kept in the form of 1.1.0 and written in the one that the configuration asks for.

mod args;
mod environment;
mod failure;
mod network;
mod result;
mod version;

pub use args::{Args, ArgsError, IpInfo, IpInfos, IpInfosError};
pub use environment::{
    Attachment, ContainerId, EnvironmentError, InterfaceName, Invocation, NameError, Verb,
};
pub use failure::{Code, Failure};
pub(crate) use network::ARGS_ANNOTATION;
pub use network::{Network, NetworkError, NetworkName, Told, ValidAttachment};
pub use result::{CniResult, Dns, Extra, Interface, Ip, ResultError, Route};
pub use version::{UnknownVersion, Version};
