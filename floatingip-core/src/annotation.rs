//! The annotations of a pod: their names, and what their values mean.
//!
//! A value that cannot be read is an error which the pod's author sees, never a default.

mod ipinfo;

use serde::Deserialize;
use thiserror::Error;

pub use self::ipinfo::IpInfo;
use crate::name::{PoolName, PoolNameError};
use crate::policy::{ReleasePolicy, UnknownPolicy};
use crate::range::{Family, IpRange, RangeError, RangeSet};

/// How long the address stays with the pod's slot: read by [`release_policy`].
pub const RELEASE_POLICY: &str = "k8s.v1.cni.galaxy.io/release-policy";
/// The pool that the address is taken from and returns to: read by [`pool`].
pub const POOL: &str = "tke.cloud.tencent.com/eni-ip-pool";
/// Which families the pod gets an address of: read by [`ip_families`].
pub const IP_FAMILIES: &str = "k8s.v1.cni.galaxy.io/ip-families";
/// Whether a rollout may use addresses above the app's slots: read by [`surge`].
pub const SURGE: &str = "k8s.v1.cni.galaxy.io/surge";
/// What the pod asks for (`request_ip_range`, read by [`request_ip_range`]) and what the binding
/// answers (`common.ipinfos`), in one JSON object.
pub const ARGS: &str = "k8s.v1.cni.galaxy.io/args";

/// The most addresses that a pod may ask for by ranges.
pub const MAX_ADDRESSES: usize = 16;
/// The longest value of [`ARGS`], in bytes.
pub const MAX_ARGS: usize = 64 << 10;

/// The value of [`RELEASE_POLICY`]; without the annotation, freed when the pod ends.
///
/// # Errors
///
/// [`AnnotationError::Policy`] for any text that is no policy.
pub fn release_policy(value: Option<&str>) -> Result<ReleasePolicy, AnnotationError> {
    Ok(value.unwrap_or_default().parse()?)
}

/// The value of [`POOL`]; an empty one names no pool, as no annotation does.
///
/// # Errors
///
/// [`AnnotationError::Pool`] for a text that is too long or has invisible characters.
pub fn pool(value: Option<&str>) -> Result<Option<PoolName>, AnnotationError> {
    value
        .filter(|text| !text.is_empty())
        .map(|text| Ok(text.parse()?))
        .transpose()
}

/// The value of [`IP_FAMILIES`], in its order: names joined by commas, in any case, with or without
/// spaces.
///
/// Without the annotation `None`: one IPv4 address, or IPv6 where no IPv4 subnet fits.
///
/// # Errors
///
/// [`AnnotationError::Family`] for an unknown or missing name, [`AnnotationError::FamilyTwice`] for
/// a repeated one.
///
/// ```
/// use floatingip_core::annotation::ip_families;
/// use floatingip_core::range::Family;
///
/// assert_eq!(ip_families(Some("IPv4, ipv6")), Ok(Some(vec![Family::V4, Family::V6])));
/// assert_eq!(ip_families(None), Ok(None));
/// assert!(ip_families(Some("")).is_err());
/// ```
pub fn ip_families(value: Option<&str>) -> Result<Option<Vec<Family>>, AnnotationError> {
    value.map(families).transpose()
}

fn families(text: &str) -> Result<Vec<Family>, AnnotationError> {
    let mut families = Vec::new();
    for name in text.split(',') {
        let family = name.parse()?;
        if families.contains(&family) {
            return Err(AnnotationError::FamilyTwice { family });
        }
        families.push(family);
    }
    Ok(families)
}

/// The value of [`SURGE`]: `allow`, or nothing.
///
/// # Errors
///
/// [`AnnotationError::Surge`] for any other text.
pub fn surge(value: Option<&str>) -> Result<bool, AnnotationError> {
    match value.unwrap_or_default() {
        "" => Ok(false),
        "allow" => Ok(true),
        found => Err(AnnotationError::Surge {
            found: found.to_owned(),
        }),
    }
}

/// The `request_ip_range` in the value of [`ARGS`]: one address for each inner list, out of the
/// ranges in it. Without the annotation or the field there is no such wish, and no list.
///
/// # Errors
///
/// The value is longer than [`MAX_ARGS`], is not such JSON, has more than [`MAX_ADDRESSES`] lists,
/// an empty list, or something in a list that is no range.
///
/// ```
/// use floatingip_core::annotation::request_ip_range;
///
/// let args = r#"{"request_ip_range":[["10.0.0.2~10.0.0.30"],["10.0.1.7", "10.0.1.9"]]}"#;
/// let lists = request_ip_range(Some(args))?;
/// assert_eq!(lists.len(), 2);
/// assert!(lists[1].contains("10.0.1.9".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn request_ip_range(value: Option<&str>) -> Result<Vec<RangeSet>, AnnotationError> {
    let Some(text) = value.filter(|text| !text.trim().is_empty()) else {
        return Ok(Vec::new());
    };
    if text.len() > MAX_ARGS {
        return Err(AnnotationError::TooLong { length: text.len() });
    }
    let args: Args = serde_json::from_str(text).map_err(|error| AnnotationError::Args {
        detail: error.to_string(),
    })?;
    let lists = args.request_ip_range.unwrap_or_default();
    if lists.len() > MAX_ADDRESSES {
        return Err(AnnotationError::TooMany { count: lists.len() });
    }
    lists.iter().enumerate().map(range_set).collect()
}

/// The part of the JSON that a pod asks with; the rest is the binding's.
#[derive(Deserialize)]
struct Args {
    request_ip_range: Option<Vec<Vec<String>>>,
}

fn range_set((list, texts): (usize, &Vec<String>)) -> Result<RangeSet, AnnotationError> {
    if texts.is_empty() {
        return Err(AnnotationError::EmptyList { list });
    }
    let range = |(entry, text): (usize, &String)| {
        text.parse::<IpRange>()
            .map_err(|source| AnnotationError::Range {
                list,
                entry,
                source,
            })
    };
    texts.iter().enumerate().map(range).collect()
}

/// A value that cannot be read; the pod's author has to mend the annotation that the text names.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// No policy.
    #[error("annotation {RELEASE_POLICY}: {0}")]
    Policy(#[from] UnknownPolicy),
    /// No pool name.
    #[error("annotation {POOL}: {0}")]
    Pool(#[from] PoolNameError),
    /// No address family.
    #[error("annotation {IP_FAMILIES}: {0}, both joined by a comma, or no annotation")]
    Family(#[from] RangeError),
    /// The same family again: a pod gets one address of each.
    #[error("annotation {IP_FAMILIES}: `{family}` stands there twice, name each family once")]
    FamilyTwice {
        /// The repeated family.
        family: Family,
    },
    /// Something else than `allow`.
    #[error("annotation {SURGE}: {found:?} is not known, write `allow` or remove the annotation")]
    Surge {
        /// What stood there.
        found: String,
    },
    /// More than [`MAX_ARGS`] bytes.
    #[error("annotation {ARGS} has {length} bytes, use at most {MAX_ARGS}: join adjacent ranges")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// No JSON, or JSON of another shape.
    #[error(
        "annotation {ARGS} cannot be read ({detail}), write \
         `{{\"request_ip_range\":[[\"10.0.0.2~10.0.0.30\"]]}}`, one inner list for each address"
    )]
    Args {
        /// What the JSON reader found, with line and column.
        detail: String,
    },
    /// More than [`MAX_ADDRESSES`] lists.
    #[error(
        "annotation {ARGS}: request_ip_range asks for {count} addresses, \
         a pod gets at most {MAX_ADDRESSES}"
    )]
    TooMany {
        /// How many lists there are.
        count: usize,
    },
    /// A list without a range, which no address can satisfy.
    #[error(
        "annotation {ARGS}: request_ip_range[{list}] is empty, name a range \
         or remove the list to ask for one address less"
    )]
    EmptyList {
        /// Which list, from 0.
        list: usize,
    },
    /// Not a range.
    #[error("annotation {ARGS}: request_ip_range[{list}][{entry}]: {source}")]
    Range {
        /// Which list, from 0.
        list: usize,
        /// Which text in it, from 0.
        entry: usize,
        /// What is wrong with it.
        source: RangeError,
    },
}

#[cfg(test)]
mod tests;
