//! `DEL` and `GC`: the server hears of the end, and it is forgotten.

use std::time::Duration;

use super::config::IpamConfig;
use super::lease::{Ended, Lease, Origin};
use crate::delegate::Limit;
use crate::server::{Server, ServerError};
use crate::spec::{Attachment, Code, Failure, Network, NetworkName};
use crate::state::{FolderOf, Lock, Remembered as _};

/// How long an end may take, with the wait for another call: less than whoever calls `DEL` of several plugins gives
/// each, so that the reason is heard. The server goes on with what it was told.
pub(super) const ENDING: Duration = Duration::from_secs(3);
/// How long a server may take that gave addresses and that the configuration no longer names.
const FORMER: Duration = Duration::from_millis(500);
/// How long `GC` may take in all.
const COLLECTING: Duration = Duration::from_secs(10);
/// How long it is known of an interface that it has ended: runtimes tell it twice within a minute.
const KNOWN: Duration = Duration::from_secs(3600);

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
    let within = Limit::starting_now(ENDING);
    end(config, &network.name, attachment, within)
}

/// The same by the network's name, for who has less time.
pub(crate) fn end(
    config: &IpamConfig,
    network: &NetworkName,
    attachment: &Attachment,
    within: Limit,
) -> Result<(), Failure> {
    let within = within.at_most(ENDING);
    let leases = config.leases();
    leases.make()?;
    let _alone = Lock::of(leases.path(), &attachment.container, within.left())?;
    match leases.read(network, attachment)? {
        Some(lease) => tell(config, &lease, within)?,
        None if has_ended(config, network, attachment) => return Ok(()),
        None => tell_unknown(config, network, attachment, within)?,
    }
    forget(config, network, attachment)
}

/// A mark that cannot be read is none: the server is asked then.
fn has_ended(config: &IpamConfig, network: &NetworkName, attachment: &Attachment) -> bool {
    let found = config.ended().read(network, attachment);
    found.is_ok_and(|ended| ended.is_some())
}

/// What has ended is known for a while.
pub(super) fn forget(
    config: &IpamConfig,
    network: &NetworkName,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let ended = config.ended();
    ended.make()?;
    ended.write(&Ended::new(network, attachment))?;
    ended.expire(network, KNOWN)?;
    Ok(config.leases().forget(network, attachment)?)
}

/// Tells the server that gave, by the name that it has now, and the one of then where that is another one.
pub(super) fn tell(config: &IpamConfig, lease: &Lease, within: Limit) -> Result<(), Failure> {
    let Origin::Server(grant) = &lease.origin else {
        return Ok(());
    };
    let (network, attachment) = lease.of();
    let attempt = grant.attempt.as_deref();
    let told =
        |server: &Server, within| server.detach(&grant.node, network, &attachment, attempt, within);
    told(&grant.server(config), within)?;
    let Some(former) = grant.former_server(config) else {
        return Ok(());
    };
    match told(&former, within.at_most(FORMER)) {
        // Nobody is there any more: the same server is at another place now.
        Err(ServerError::Unreachable { .. }) => Ok(()),
        told => Ok(told?),
    }
}

/// Without a record, as after a restart of the node, the server is told where there is one: what it does not know
/// changes nothing. A node without a name of its own was never given anything.
fn tell_unknown(
    config: &IpamConfig,
    network: &NetworkName,
    attachment: &Attachment,
    within: Limit,
) -> Result<(), Failure> {
    match (config.server(), config.node()) {
        (Some(server), Ok(node)) => Ok(server.detach(&node, network, attachment, None, within)?),
        _ => Ok(()),
    }
}

/// `GC`: as `DEL` for every interface of this network that is not listed, and the server hears which are left. Goes on
/// after a failure, and leaves to the next one what there is no time for. Without a list there is nothing to do.
///
/// # Errors
/// An end could not be told, or a record not be read; the first one is told.
pub(crate) fn gc(config: &IpamConfig, network: &Network) -> Result<(), Failure> {
    let Some(valid) = network.valid() else {
        return Ok(());
    };
    let within = Limit::starting_now(COLLECTING);
    let name = &network.name;
    let leases = config.leases();
    let mut failed: Vec<Failure> = Vec::new();
    failed.extend(tell_left(config, name, &valid, within.at_most(ENDING)).err());
    for lease in leases.all(name)? {
        let ended = match lease.map(|lease| lease.of().1) {
            Ok(attachment) if valid.contains(&attachment) => continue,
            Ok(_) if within.left().is_zero() => Err(no_time()),
            Ok(attachment) => end(config, name, &attachment, within.at_most(ENDING)),
            Err(error) => Err(error.into()),
        };
        failed.extend(ended.err());
    }
    failed.extend(tidy(&leases, name, within).err());
    failed.extend(config.ended().expire(name, KNOWN).err().map(Failure::from));
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) if others == 0 => Err(first),
        Some(first) => Err(first.with_details(format!("and {others} more could not be ended"))),
    }
}

fn no_time() -> Failure {
    let limit = COLLECTING.as_secs();
    Failure::new(
        Code::TryAgain,
        format!("GC has {limit} s, which are over: the next one goes on"),
    )
}

/// What was given to interfaces of which this node knows nothing any more.
fn tell_left(
    config: &IpamConfig,
    network: &NetworkName,
    valid: &[Attachment],
    within: Limit,
) -> Result<(), Failure> {
    match (config.server(), config.node()) {
        (Some(server), Ok(node)) => Ok(server.collect(&node, network, valid, within)?),
        _ => Ok(()),
    }
}

/// Removes the beginnings of records, whose writers were killed.
fn tidy(leases: &FolderOf<Lease>, network: &NetworkName, within: Limit) -> Result<(), Failure> {
    if leases.is_untidy(network)? {
        let _lock = Lock::take(leases.path(), within.left())?;
        leases.tidy(network)?;
    }
    Ok(())
}
