//! `DEL` and `GC`: the server hears of the end, and it is forgotten.

use std::time::Duration;

use super::config::IpamConfig;
use super::lease::{Lease, Origin};
use crate::delegate::Limit;
use crate::spec::{Attachment, Failure, Network, NetworkName};
use crate::state::{FolderOf, Lock, Remembered as _};

/// How long the server may take over an end: it answers after at most 10 s itself.
const ENDING: Duration = Duration::from_secs(12);

/// `DEL`: the addresses of an interface are no longer its own. May be called as often as one likes. Fails while the
/// server cannot be told, as the address would be lost otherwise: runtimes try again.
///
/// # Errors
/// The server does not hear, or the record cannot be read or removed.
pub(super) fn del(
    config: &IpamConfig,
    network: &Network,
    attachment: &Attachment,
) -> Result<(), Failure> {
    end(config, &network.name, attachment)
}

/// The same by the network's name.
pub(crate) fn end(
    config: &IpamConfig,
    network: &NetworkName,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let leases = config.leases();
    let lease = leases.read(network, attachment)?;
    tell(config, network, attachment, lease.as_ref())?;
    Ok(leases.forget(network, attachment)?)
}

/// Without a record, as after a restart of the node, the server is told where there is one: what it does not know
/// changes nothing.
fn tell(
    config: &IpamConfig,
    network: &NetworkName,
    attachment: &Attachment,
    lease: Option<&Lease>,
) -> Result<(), Failure> {
    let within = Limit::starting_now(ENDING);
    let (server, node) = match lease.map(|lease| &lease.origin) {
        Some(Origin::Binding) => return Ok(()),
        Some(Origin::Server(grant)) => (Some(grant.server(config)), grant.node.clone()),
        None => (config.server(), config.node()),
    };
    match server {
        Some(server) => Ok(server.detach(&node, network, attachment, within)?),
        None => Ok(()),
    }
}

/// `GC`: as `DEL` for every interface of this network that is not listed, and the server hears which are left. Goes on
/// after a failure. Without a list there is nothing to do.
///
/// # Errors
/// An end could not be told, or a record not be read; the first one is told.
pub(crate) fn gc(config: &IpamConfig, network: &Network) -> Result<(), Failure> {
    let Some(valid) = network.valid() else {
        return Ok(());
    };
    let leases = config.leases();
    let mut failed: Vec<Failure> = Vec::new();
    for lease in leases.all(&network.name)? {
        let ended = match lease.map(|lease| lease.of().1) {
            Ok(attachment) if valid.contains(&attachment) => continue,
            Ok(attachment) => del(config, network, &attachment),
            Err(error) => Err(error.into()),
        };
        failed.extend(ended.err());
    }
    failed.extend(tell_left(config, &network.name, &valid).err());
    failed.extend(tidy(&leases, &network.name).err());
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) if others == 0 => Err(first),
        Some(first) => Err(first.with_details(format!("and {others} more could not be ended"))),
    }
}

/// What was given to interfaces of which this node knows nothing any more.
fn tell_left(
    config: &IpamConfig,
    network: &NetworkName,
    valid: &[Attachment],
) -> Result<(), Failure> {
    let Some(server) = config.server() else {
        return Ok(());
    };
    let within = Limit::starting_now(ENDING);
    Ok(server.collect(&config.node(), network, valid, within)?)
}

/// Removes the beginnings of records, whose writers were killed.
fn tidy(leases: &FolderOf<Lease>, network: &NetworkName) -> Result<(), Failure> {
    if leases.is_untidy(network)? {
        let _lock = Lock::take(leases.path(), Lock::PATIENCE)?;
        leases.tidy(network)?;
    }
    Ok(())
}
