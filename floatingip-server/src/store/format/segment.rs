//! Format 1 of what is known of a run of the journal's entries. The order of the fields is the format.

use serde::{Deserialize, Serialize};

use super::{FormatError, decode, encode};

/// What is known of entries that follow each other, without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Segment {
    /// How many of them are kept.
    pub(in crate::store) entries: u64,
    /// The earliest date on any of them, in nanoseconds since 1970.
    pub(in crate::store) earliest: u64,
    /// When the first was written, in seconds of the journal's clock.
    pub(in crate::store) begun: u64,
    /// When the last was written, in seconds of the journal's clock.
    pub(in crate::store) ended: u64,
}

pub(in crate::store) fn segment_bytes(first: u64, value: &Segment) -> Result<Vec<u8>, FormatError> {
    encode(&first.to_be_bytes(), value)
}

pub(in crate::store) fn segment_value(first: u64, bytes: &[u8]) -> Result<Segment, FormatError> {
    decode(&first.to_be_bytes(), bytes)
}
