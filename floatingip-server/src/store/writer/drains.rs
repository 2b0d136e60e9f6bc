//! Notes of draining addresses within a transaction: those with an owner that the configuration does not
//! have.

use std::ops::Bound;

use floatingip_core::plan::{Entry, Event};
use floatingip_core::range::IpRange;
use floatingip_core::record::Version;
use floatingip_core::{Owner, Topology, WallTime};
use redb::ReadableTable;
use tracing::error;

use super::super::format::{self, AddressKey, FormatError, Names};
use super::super::tables::Tables;

/// The most notes that one transaction takes down or strikes out, so that none becomes slow.
const MOST: usize = 4096;

/// What becomes of an address.
type Change = (AddressKey, Event);

/// From behind one key to before another.
struct Gap(Bound<AddressKey>, Bound<AddressKey>);

impl Gap {
    fn bounds(&self) -> (Bound<&AddressKey>, Bound<&AddressKey>) {
        (self.0.as_ref(), self.1.as_ref())
    }
}

/// Makes the notes fit the configuration, with an entry of the journal for each, dated `at`. `version` is
/// the latest one in use. Answers with how many were changed; when it is [`MOST`] there may be more to do.
///
/// In time proportional to the configured ranges and to what drains, not to all addresses.
pub(super) fn perform(
    topology: &Topology,
    at: WallTime,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<usize, redb::Error> {
    let mut changes = back(topology, tables)?;
    changes.extend(begun(topology, tables)?);
    changes.truncate(MOST);
    let found = changes.len();
    for (key, event) in changes {
        let next = Version(version.0.saturating_add(1));
        if let Some(entry) = entry(&key, event, at, tables)? {
            tables.journal.add(&key, next, at, &entry)?;
            *version = next;
        }
        match event {
            Event::Drain => drop(tables.draining.insert(&key, next.0)?),
            _ => drop(tables.draining.remove(&key)?),
        }
    }
    Ok(found)
}

/// Draining addresses that the configuration has again.
fn back(topology: &Topology, tables: &Tables<'_>) -> Result<Vec<Change>, redb::Error> {
    let mut back = Vec::new();
    for row in tables.draining.iter()? {
        let key = *row?.0.value();
        let ip = format::key_address(&key);
        if ip.is_some_and(|ip| topology.subnet_of(ip).is_some()) {
            back.push((key, Event::Undrain));
        }
        if back.len() == MOST {
            break;
        }
    }
    Ok(back)
}

/// Addresses in the gaps between the configured ranges that are not noted yet.
fn begun(topology: &Topology, tables: &Tables<'_>) -> Result<Vec<Change>, redb::Error> {
    let mut begun = Vec::new();
    for gap in gaps(topology) {
        for row in tables.addresses.range::<&AddressKey>(gap.bounds())? {
            let key = *row?.0.value();
            if tables.draining.get(&key)?.is_none() {
                begun.push((key, Event::Drain));
            }
            if begun.len() == MOST {
                return Ok(begun);
            }
        }
    }
    Ok(begun)
}

/// What is before, between and behind the configured ranges, as keys.
fn gaps(topology: &Topology) -> Vec<Gap> {
    let keys = |range: &IpRange| {
        let (first, last) = (range.first(), range.last());
        (format::address_key(first), format::address_key(last))
    };
    let ranges = topology.ranges().iter();
    let mut ranges: Vec<_> = ranges.map(|(range, _)| keys(range)).collect();
    ranges.sort_unstable();
    let ends = ranges.iter().map(|(_, last)| Bound::Excluded(*last));
    let starts = ranges.iter().map(|(first, _)| Bound::Excluded(*first));
    let after = [Bound::Unbounded].into_iter().chain(ends);
    let before = starts.chain([Bound::Unbounded]);
    after
        .zip(before)
        .map(|(after, before)| Gap(after, before))
        .collect()
}

/// The line of the journal: the owner stays. None where there is none, or where the record cannot be
/// understood, which is left as it is.
fn entry(
    key: &AddressKey,
    event: Event,
    at: WallTime,
    tables: &Tables<'_>,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let Some(bytes) = tables.addresses.get(key)? else {
        return Ok(None);
    };
    let written = owner(key, bytes.value()).and_then(|owner| {
        let owner = Some(owner).filter(|owner| *owner != Owner::Nobody);
        let line = |owner: Owner| {
            let entry = Entry {
                at,
                event,
                from: Some(owner.clone()),
                to: Some(owner),
            };
            format::entry_bytes(key, &entry)
        };
        owner.map(line).transpose()
    });
    Ok(written.unwrap_or_else(|error| {
        error!(
            error = &error as &dyn std::error::Error,
            "a draining record cannot be understood, and is left as it is"
        );
        None
    }))
}

fn owner(key: &AddressKey, bytes: &[u8]) -> Result<Owner, FormatError> {
    let record = format::address_value(key, bytes)?.record(&mut Names::default())?;
    Ok(record.owner)
}
