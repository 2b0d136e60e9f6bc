//! `DEL` and `GC`: undoing what was written down.

use std::time::Duration;

use super::lender::Lender;
use super::plan::Connects;
use crate::delegate::Limit;
use crate::link::{Kernel, Netns};
use crate::spec::{Attachment, Failure, Network, NetworkName};
use crate::state::{Lock, Record};

/// How long it may take to undo an `ADD`, by an IPAM plugin too.
const LONGEST: Duration = Duration::from_secs(20);

/// `DEL`: what was made for this attachment is no longer there, and nothing else is touched. Needs neither namespace
/// nor device, and may be called as often as one likes.
///
/// # Errors
/// The kernel refuses to remove a link, the record cannot be read, or the IPAM plugin does not take addresses back.
pub fn del<C: Connects>(
    config: &C,
    network: &Network,
    attachment: &Attachment,
    lender: &Lender,
) -> Result<(), Failure> {
    match config.records().read(&network.name, attachment)? {
        None => lender.take_back_unknown(&network.name, attachment, config.state_folder()),
        Some(_) => {
            let within = Limit::starting_now(LONGEST);
            undo(config, &network.name, attachment, lender, within)
        }
    }
}

/// The links under the node's lock; then, without it, as an IPAM plugin may take long, the addresses; then it is
/// forgotten.
pub(super) fn undo<C: Connects>(
    config: &C,
    network: &NetworkName,
    attachment: &Attachment,
    lender: &Lender,
    within: Limit,
) -> Result<(), Failure> {
    let records = config.records();
    let lock = Lock::take(config.state_folder(), Lock::PATIENCE.min(within.left()))?;
    let Some(record) = records.read(network, attachment)? else {
        return Ok(());
    };
    let mut host = Kernel::here()?;
    host.end_after(within.left());
    config.release(&record, &mut host)?;
    if record.lent.is_none() {
        return Ok(records.forget(network, attachment)?);
    }
    drop(lock);
    lender.take_back(&record, config.state_folder(), within)?;
    let _lock = Lock::take(config.state_folder(), Lock::PATIENCE.min(within.left()))?;
    Ok(records.forget(network, attachment)?)
}

/// `GC`: as `DEL` for every attachment of this network that is not listed. Goes on after a failure. Without a list
/// there is nothing to do: cnitool sends none, and has called `DEL` for what is stale before.
///
/// # Errors
/// An attachment could not be undone, or its record not be read; the first one is told.
pub fn gc<C: Connects>(config: &C, network: &Network, lender: &Lender) -> Result<(), Failure> {
    let Some(valid) = network.valid() else {
        return Ok(());
    };
    let is_valid = |record: &Record| valid.iter().any(|attachment| record.is_of(attachment));
    let mut failed: Vec<Failure> = Vec::new();
    for record in config.records().all(&network.name)? {
        let undone = match record {
            Ok(record) if is_valid(&record) => continue,
            Ok(record) => {
                let within = Limit::starting_now(LONGEST);
                undo(config, &network.name, &record.attachment(), lender, within)
            }
            Err(error) => Err(error.into()),
        };
        failed.extend(undone.err());
    }
    failed.extend(tidy(config, network).err());
    failed.extend(lender.collect(network, config.state_folder()).err());
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) if others == 0 => Err(first),
        Some(first) => Err(first.with_details(format!("and {others} more could not be removed"))),
    }
}

/// Removes the beginnings of records, whose writers were killed.
fn tidy<C: Connects>(config: &C, network: &Network) -> Result<(), Failure> {
    let records = config.records();
    if records.is_untidy(&network.name)? {
        let _lock = Lock::take(config.state_folder(), Lock::PATIENCE)?;
        records.tidy(&network.name)?;
    }
    Ok(())
}

/// Without its namespace an interface is gone. The path may have gone to another container's, as that of a process does.
pub(crate) fn namespace(record: &Record) -> Option<Netns> {
    let found = Netns::open(&record.netns).ok()?;
    record.is_in(found.identity()).then_some(found)
}

/// What a runtime is told where an `ADD` failed and could not be undone either.
pub(super) fn left_over(error: &Failure) -> String {
    format!("what was made could not be removed: {error}; the next DEL tries again")
}
