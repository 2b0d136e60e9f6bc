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

/// The most rows that one round looks at, so that no transaction becomes slow.
const MOST: usize = 4096;

const FIRST: AddressKey = [0; size_of::<AddressKey>()];

/// Where a round begins: at which key of the notes, with all records behind them, or at which of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Place {
    Notes(AddressKey),
    Records(AddressKey),
}

impl Place {
    pub(in crate::store) const START: Self = Self::Notes(FIRST);
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Round {
    /// How many notes it changed.
    pub(in crate::store) changes: usize,
    /// The version of the latest write before it.
    pub(in crate::store) version: Version,
    /// Where the next one begins; none where everything was looked at.
    pub(in crate::store) next: Option<Place>,
}

/// What becomes of an address.
type Change = (AddressKey, Event);

/// Makes the notes of some rows fit the configuration, with an entry of the journal for each, dated `at`.
/// `version` is the latest one in use.
pub(super) fn perform(
    topology: &Topology,
    at: WallTime,
    from: Place,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<Round, redb::Error> {
    let mut look = Look {
        topology,
        left: MOST,
        found: Vec::new(),
    };
    let next = look.from(from, tables)?;
    let round = Round {
        changes: look.found.len(),
        version: *version,
        next,
    };
    for change in look.found {
        note(change, at, tables, version)?;
    }
    Ok(round)
}

fn note(
    (key, event): Change,
    at: WallTime,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<(), redb::Error> {
    let next = Version(version.0.saturating_add(1));
    if let Some(entry) = entry(&key, event, at, tables)? {
        tables.journal.add(&key, next, at, &entry)?;
        *version = next;
    }
    match event {
        Event::Drain => drop(tables.draining.insert(&key, next.0)?),
        _ => drop(tables.draining.remove(&key)?),
    }
    Ok(())
}

/// A look at notes and records, for as many rows as are left.
struct Look<'a> {
    topology: &'a Topology,
    left: usize,
    found: Vec<Change>,
}

impl Look<'_> {
    /// Where it stopped, if not at the end.
    fn from(&mut self, place: Place, tables: &Tables<'_>) -> Result<Option<Place>, redb::Error> {
        let records = match place {
            Place::Records(from) => from,
            Place::Notes(from) => match self.back(from, tables)? {
                None => FIRST,
                stopped => return Ok(stopped.map(Place::Notes)),
            },
        };
        Ok(self.begun(records, tables)?.map(Place::Records))
    }

    /// Draining addresses that the configuration has again.
    fn back(
        &mut self,
        from: AddressKey,
        tables: &Tables<'_>,
    ) -> Result<Option<AddressKey>, redb::Error> {
        for row in tables.draining.range::<&AddressKey>(&from..)? {
            let key = *row?.0.value();
            if !self.takes_one() {
                return Ok(Some(key));
            }
            let ip = format::key_address(&key);
            if ip.is_some_and(|ip| self.topology.subnet_of(ip).is_some()) {
                self.found.push((key, Event::Undrain));
            }
        }
        Ok(None)
    }

    /// Addresses in the gaps between the configured ranges that are not noted yet.
    fn begun(
        &mut self,
        from: AddressKey,
        tables: &Tables<'_>,
    ) -> Result<Option<AddressKey>, redb::Error> {
        for gap in gaps(self.topology)
            .into_iter()
            .filter_map(|gap| gap.from(from))
        {
            for row in tables.addresses.range::<&AddressKey>(gap.bounds())? {
                let key = *row?.0.value();
                if !self.takes_one() {
                    return Ok(Some(key));
                }
                if tables.draining.get(&key)?.is_none() {
                    self.found.push((key, Event::Drain));
                }
            }
        }
        Ok(None)
    }

    fn takes_one(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// From behind one key, or from it on, to before another.
struct Gap(Bound<AddressKey>, Bound<AddressKey>);

impl Gap {
    fn bounds(&self) -> (Bound<&AddressKey>, Bound<&AddressKey>) {
        (self.0.as_ref(), self.1.as_ref())
    }

    /// What of it is not before a key.
    fn from(self, key: AddressKey) -> Option<Self> {
        match self {
            Self(_, Bound::Excluded(end)) if end <= key => None,
            Self(Bound::Excluded(last), _) if last >= key => Some(self),
            Self(_, end) => Some(Self(Bound::Included(key), end)),
        }
    }
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
