//! The bytes of the embedded store: keys, the envelope of every value, and its formats.
//!
//! A value is one byte of format, the body, and four bytes of CRC-32 over key, format and body. The
//! envelope is the same in every format, so that damage and a newer format can be told apart. (redb
//! verifies its pages when a file is opened, not on every read, hence a sum of our own.)
//!
//! Bodies are [postcard]: a published, stable layout, a third of the size of JSON, and read without
//! copying texts. It names no fields, so what a body looks like is settled by its format number
//! alone: whoever changes a struct in [`wire`] adds a format instead.

mod app;
mod segment;
mod wire;

use std::net::IpAddr;

use floatingip_core::plan::Entry;
use floatingip_core::record::{PoolRecord, Version};
use floatingip_core::{PoolName, PoolNameError, Record, UnknownPolicy};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(super) use app::{AppKey, app_bytes, app_key, app_row, key_app};
pub(super) use segment::{Segment, segment_bytes, segment_value};
pub(super) use wire::{AddressValue, EntryValue, Names, PoolValue};

/// The newest layout of the whole file (which tables there are, and their keys) that is understood.
pub(super) const STORE_FORMAT: u64 = 1;

/// The newest layout of a value that is understood, and the one that is written.
const VALUE_FORMAT: u8 = 1;

const SUM: usize = size_of::<u32>();

/// An address as a key: family, then the octets, IPv4 padded at the end. Sorts IPv4 before IPv6,
/// each by number.
pub(super) type AddressKey = [u8; 17];

pub(super) fn address_key(ip: IpAddr) -> AddressKey {
    let mut key = [0; 17];
    let (family, octets) = key.split_at_mut(1);
    match ip {
        IpAddr::V4(ip) => {
            family.fill(4);
            octets.split_at_mut(4).0.copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            family.fill(6);
            octets.copy_from_slice(&ip.octets());
        }
    }
    key
}

/// The address of a key; none for bytes that [`address_key`] does not make.
pub(super) fn key_address(key: &AddressKey) -> Option<IpAddr> {
    let ip = match key {
        [4, a, b, c, d, ..] => IpAddr::from([*a, *b, *c, *d]),
        [6, octets @ ..] => IpAddr::from(*octets),
        _ => return None,
    };
    (address_key(ip) == *key).then_some(ip)
}

/// Why a value cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes are not those that were written.
    #[error("its checksum is wrong: the disk or another program has altered it; put back a backup")]
    Checksum,
    /// A later version of this software wrote it.
    #[error(
        "its format is {found}, this server reads formats up to {supported}: start the version that wrote it, or a later one"
    )]
    Newer {
        /// The value's format.
        found: u8,
        /// The newest format that this server reads.
        supported: u8,
    },
    /// The bytes are those that were written, and make no sense.
    #[error("it has no meaning: report this, and put back a backup")]
    Meaningless(#[source] postcard::Error),
    /// A key that is no address or no pool name.
    #[error("its key has no meaning: put back a backup")]
    Key,
    /// No such release policy.
    #[error("it has no meaning: report this, and put back a backup")]
    Policy(#[from] UnknownPolicy),
    /// No pool can have that name.
    #[error("it has no meaning: report this, and put back a backup")]
    Pool(#[from] PoolNameError),
    /// No such event of the journal.
    #[error(
        "the journal's event `{found}` is not known: start the version that wrote it, or a later one"
    )]
    Event {
        /// What stood there.
        found: String,
    },
}

pub(super) fn address_bytes(
    key: &AddressKey,
    version: Version,
    record: &Record,
) -> Result<Vec<u8>, FormatError> {
    encode(key, &AddressValue::new(version, record))
}

pub(super) fn address_value<'a>(
    key: &AddressKey,
    bytes: &'a [u8],
) -> Result<AddressValue<'a>, FormatError> {
    decode(key, bytes)
}

pub(super) fn pool_bytes(
    name: &PoolName,
    version: Version,
    record: &PoolRecord,
) -> Result<Vec<u8>, FormatError> {
    encode(name.as_str().as_bytes(), &PoolValue::new(version, record))
}

pub(super) fn pool_value(name: &str, bytes: &[u8]) -> Result<PoolValue, FormatError> {
    decode(name.as_bytes(), bytes)
}

pub(super) fn entry_bytes(key: &AddressKey, entry: &Entry) -> Result<Vec<u8>, FormatError> {
    encode(key, &EntryValue::new(entry)?)
}

pub(super) fn entry_value<'a>(
    key: &AddressKey,
    bytes: &'a [u8],
) -> Result<EntryValue<'a>, FormatError> {
    decode(key, bytes)
}

pub(super) fn document_bytes(name: &str, text: &str) -> Result<Vec<u8>, FormatError> {
    encode(name.as_bytes(), &text)
}

pub(super) fn document_text(name: &str, bytes: &[u8]) -> Result<String, FormatError> {
    decode(name.as_bytes(), bytes)
}

fn encode(key: &[u8], body: &impl Serialize) -> Result<Vec<u8>, FormatError> {
    let mut bytes =
        postcard::to_extend(body, vec![VALUE_FORMAT]).map_err(FormatError::Meaningless)?;
    let sum = checksum(key, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

fn decode<'a, T: Deserialize<'a>>(key: &[u8], bytes: &'a [u8]) -> Result<T, FormatError> {
    let (sealed, sum) = bytes
        .split_last_chunk::<SUM>()
        .ok_or(FormatError::Checksum)?;
    if checksum(key, sealed) != u32::from_le_bytes(*sum) {
        return Err(FormatError::Checksum);
    }
    let (format, body) = sealed.split_first().ok_or(FormatError::Checksum)?;
    if *format != VALUE_FORMAT {
        return Err(FormatError::Newer {
            found: *format,
            supported: VALUE_FORMAT,
        });
    }
    postcard::from_bytes(body).map_err(FormatError::Meaningless)
}

fn checksum(key: &[u8], sealed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(sealed);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
