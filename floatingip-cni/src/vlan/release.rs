//! Undoing an `ADD`, from what was written down of it.

use super::config::VlanConfig;
use crate::link::{Change, Kernel, KernelError, Link, Mac, Netns, View};
use crate::spec::{Attachment, Failure, Network};
use crate::state::{End, Endpoint, Lock, Record};

/// `DEL`: what was made for this attachment is no longer there, and nothing else is touched. Needs neither namespace
/// nor device, and may be called as often as one likes.
///
/// # Errors
/// The kernel refuses to remove a link, or the record cannot be read.
pub fn del(config: &VlanConfig, network: &Network, attachment: &Attachment) -> Result<(), Failure> {
    let records = config.records();
    if records.read(&network.name, attachment)?.is_none() {
        return Ok(());
    }
    let _lock = Lock::take(&config.state_folder, Lock::PATIENCE)?;
    if let Some(record) = records.read(&network.name, attachment)? {
        release(&record, &mut Kernel::here()?)?;
        records.forget(&network.name, attachment)?;
    }
    Ok(())
}

/// `GC`: as `DEL` for every attachment of this network that is not listed. Goes on after a failure. Without a list
/// there is nothing to do: cnitool sends none, and has called `DEL` for what is stale before.
///
/// # Errors
/// An attachment could not be undone, or its record not be read; the first one is told.
pub fn gc(config: &VlanConfig, network: &Network) -> Result<(), Failure> {
    let Some(valid) = network.valid() else {
        return Ok(());
    };
    let is_valid = |record: &Record| valid.iter().any(|attachment| record.is_of(attachment));
    let mut failed: Vec<Failure> = Vec::new();
    for record in config.records().all(&network.name)? {
        let undone = match record {
            Ok(record) if is_valid(&record) => continue,
            Ok(record) => del(config, network, &record.attachment()),
            Err(error) => Err(error.into()),
        };
        failed.extend(undone.err());
    }
    failed.extend(tidy(config, network).err());
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) if others == 0 => Err(first),
        Some(first) => Err(first.with_details(format!("and {others} more could not be removed"))),
    }
}

/// Removes the beginnings of records, whose writers were killed.
fn tidy(config: &VlanConfig, network: &Network) -> Result<(), Failure> {
    let records = config.records();
    if records.is_untidy(&network.name)? {
        let _lock = Lock::take(&config.state_folder, Lock::PATIENCE)?;
        records.tidy(&network.name)?;
    }
    Ok(())
}

/// Removes the links of a record, those that are there and are its own. The caller has the node's lock.
///
/// # Errors
/// The kernel refuses.
pub(super) fn release(record: &Record, host: &mut Kernel) -> Result<(), KernelError> {
    let view = host.view()?;
    let mut container = namespace(record).map(Kernel::inside).transpose()?;
    for endpoint in record.endpoints.iter().rev() {
        if let Some(end) = endpoint.host.as_ref().map(|host| &host.end) {
            remove(host, end, own(&view, endpoint, end))?;
        }
        if let Some(container) = &mut container {
            let view = container.view()?;
            for end in [Some(endpoint.inside.clone()), unnamed(endpoint)]
                .into_iter()
                .flatten()
            {
                remove(container, &end, own(&view, endpoint, &end))?;
            }
        }
    }
    Ok(())
}

/// Without its namespace an interface is gone. The path may have gone to another container's, as that of a process does.
fn namespace(record: &Record) -> Option<Netns> {
    let found = Netns::open(&record.netns).ok()?;
    let is_it = record.space.is_none_or(|space| space == found.identity());
    is_it.then_some(found)
}

/// The interface as it was made, before it got its name.
fn unnamed(endpoint: &Endpoint) -> Option<End> {
    let name = endpoint.first_name.clone()?;
    let inside = endpoint.inside.clone();
    Some(End { name, ..inside })
}

fn own<'a>(view: &'a View, endpoint: &Endpoint, end: &End) -> Option<&'a Link> {
    let link = view.link(end.name.as_str())?;
    is_own(link, end, endpoint.first_mac).then_some(link)
}

/// A name may have gone to somebody else's link; the hardware address was chosen for this one.
pub(super) fn is_own(link: &Link, end: &End, first: Mac) -> bool {
    let addressed = match end.mac {
        Some(mac) => link.mac == Some(mac) || link.mac == Some(first),
        None => true,
    };
    link.kind == end.kind && addressed
}

fn remove(kernel: &mut Kernel, end: &End, found: Option<&Link>) -> Result<(), KernelError> {
    if found.is_none() {
        return Ok(());
    }
    let name = end.name.clone();
    match kernel.apply(&Change::Delete { name }, None) {
        Err(KernelError::Refused { errno, .. }) if errno == rustix::io::Errno::NODEV => Ok(()),
        other => other,
    }
}

/// What a runtime is told where an `ADD` failed and could not be undone either.
pub(super) fn left_over(error: &KernelError) -> String {
    format!("what was made could not be removed: {error}; the next DEL tries again")
}
