//! `DEL` and `GC`: undoing what was written down.

use super::plan::Connects;
use crate::link::Kernel;
use crate::spec::{Attachment, Failure, Network};
use crate::state::{Lock, Record};

/// `DEL`: what was made for this attachment is no longer there, and nothing else is touched. Needs neither namespace
/// nor device, and may be called as often as one likes.
///
/// # Errors
/// The kernel refuses to remove a link, or the record cannot be read.
pub fn del<C: Connects>(
    config: &C,
    network: &Network,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let records = config.records();
    if records.read(&network.name, attachment)?.is_none() {
        return Ok(());
    }
    let _lock = Lock::take(config.state_folder(), Lock::PATIENCE)?;
    if let Some(record) = records.read(&network.name, attachment)? {
        config.release(&record, &mut Kernel::here()?)?;
        records.forget(&network.name, attachment)?;
    }
    Ok(())
}

/// `GC`: as `DEL` for every attachment of this network that is not listed. Goes on after a failure.
///
/// # Errors
/// There is no list, or an attachment could not be undone; the first one that was not is told.
pub fn gc<C: Connects>(config: &C, network: &Network) -> Result<(), Failure> {
    let valid = network.valid()?;
    let records = config.records().all(&network.name)?;
    let is_valid = |record: &Record| valid.iter().any(|attachment| record.is_of(attachment));
    let stale = records.iter().filter(|record| !is_valid(record));
    let undone = stale.map(|record| del(config, network, &record.attachment()));
    let failed: Vec<Failure> = undone.filter_map(Result::err).collect();
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) if others == 0 => Err(first),
        Some(first) => Err(first.with_details(format!("and {others} more could not be removed"))),
    }
}

/// What a runtime is told where an `ADD` failed and could not be undone either.
pub(super) fn left_over(error: &Failure) -> String {
    format!("what was made could not be removed: {error}; the next DEL tries again")
}
