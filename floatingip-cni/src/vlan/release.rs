//! Undoing an `ADD`, from what was written down of it.

use crate::connect::namespace;
use crate::link::{Change, Kernel, KernelError, Link, Mac, View};
use crate::state::{End, Endpoint, Record};

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
