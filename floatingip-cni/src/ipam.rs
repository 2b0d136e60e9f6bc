//! `floatingip-ipam`: the addresses of a pod, for other main plugins, as their IPAM plugin.
//!
//! They are those that the pod was bound with, where the runtime or galaxy's daemon tells them; else the standalone
//! server gives them. What was given is written down before it is asked for, so that `DEL`, `GC` and `CHECK` know
//! whether there is a server to be told.

mod answer;
mod check;
mod config;
mod lease;
mod release;
mod request;

pub(crate) use check::check;
pub use config::{IpamConfig, Section};
pub use lease::{Grant, Lease, Origin};
pub(crate) use lease::{Taker, obtain};
pub(crate) use release::{end, gc};

use std::time::Duration;

use crate::delegate::Limit;
use crate::plugin::Plugin;
use crate::spec::{Args, Attachment, CniResult, Code, Failure, Invocation, Network};

/// How long `ADD` may take as a program of its own: the main plugin's part has to fit beside it.
const ADDING: Duration = Duration::from_secs(20);

/// Does what a runtime, or a main plugin for it, asks for. Answers with the text for standard output.
///
/// # Errors
/// It could not be done; what was begun is undone, or remembered for the next `DEL`.
pub fn carry_out(
    config: &IpamConfig,
    network: &Network,
    invocation: &Invocation,
) -> Result<String, Failure> {
    match invocation {
        Invocation::Add {
            attachment, args, ..
        } => {
            let result = add(config, network, attachment, args)?;
            return Ok(result.to_json(network.version).to_string());
        }
        Invocation::Del { attachment } => release::del(config, network, attachment)?,
        Invocation::Check { attachment, .. } => check(config, network, attachment)?,
        Invocation::Gc => gc(config, network)?,
        Invocation::Status => status(config)?,
        Invocation::Version => {}
    }
    Ok(String::new())
}

/// Could addresses be given? A server that is down is no lasting fault of this node.
pub(crate) fn status(config: &IpamConfig) -> Result<(), Failure> {
    let lasting = |error: String| Failure::new(Code::NotAvailable, error);
    let tried = config.leases().try_out();
    tried.map_err(|error| lasting(error.to_string()))?;
    match config.server() {
        Some(_) => config
            .node()
            .map(drop)
            .map_err(|error| lasting(error.message)),
        None => Ok(()),
    }
}

fn add(
    config: &IpamConfig,
    network: &Network,
    attachment: &Attachment,
    args: &Args,
) -> Result<CniResult, Failure> {
    let taker = Taker {
        network,
        attachment,
        args,
    };
    let infos = obtain(config, &taker, Limit::starting_now(ADDING))?;
    match config.check_vlans(infos.as_slice()) {
        Ok(()) => Ok(answer::result(config, network, infos.as_slice())),
        Err(failure) => Err(taken_back(config, network, attachment, failure)),
    }
}

/// Gives back what nobody can use.
fn taken_back(
    config: &IpamConfig,
    network: &Network,
    attachment: &Attachment,
    failure: Failure,
) -> Failure {
    match release::del(config, network, attachment) {
        Ok(()) => failure,
        Err(error) => failure.with_details(format!(
            "the address could not be given back: {error}; the next DEL of {} tries again",
            Plugin::Ipam.name()
        )),
    }
}
