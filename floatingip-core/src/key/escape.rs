//! The parts of a key: names that cannot be mistaken for its structure.

use std::fmt::Write as _;

use super::{BARE, DEPLOYMENT, STATEFUL_SET};
use crate::name::Name;

const STS: &str = "sts";
const DP: &str = "dp";

/// The prefix of a kind; a kind that is called like another's prefix is escaped.
pub(super) fn escape_kind(kind: &str) -> String {
    match kind {
        STATEFUL_SET => STS.to_owned(),
        DEPLOYMENT => DP.to_owned(),
        STS => "%73ts".to_owned(),
        DP => "%64p".to_owned(),
        BARE => "%4EULL".to_owned(),
        _ => escape(kind),
    }
}

pub(super) fn unescape_kind(prefix: &str) -> Option<Name> {
    match prefix {
        STS => Some(Name::from(STATEFUL_SET)),
        DP => Some(Name::from(DEPLOYMENT)),
        _ => unescape(prefix),
    }
}

/// The text without what has a meaning in keys; a name of Kubernetes stays as it is.
pub(super) fn escape(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '_' | '%' => drop(write!(escaped, "%{:02X}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// What [`escape`] was given; none for what it does not make, an empty part among them.
pub(super) fn unescape(part: &str) -> Option<Name> {
    if part == "%" {
        return Some(Name::default());
    }
    let mut pieces = part.split('%');
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        let byte = u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?;
        text.push(char::from(byte));
        text.push_str(rest);
    }
    (!text.is_empty()).then(|| Name::from(text))
}
