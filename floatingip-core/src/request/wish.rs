//! Wishes: which addresses follow from the families and ranges that somebody names.

use thiserror::Error;

use super::Want;
use crate::range::{Family, RangeSet};

/// One address for each list of ranges; without lists, one of each family; without either, one.
///
/// Where both are given, the lists say how many addresses, the families which.
///
/// # Errors
/// A list without any address of a named family, or a named family without a list.
///
/// ```
/// use floatingip_core::range::Family;
/// use floatingip_core::request::wants;
///
/// let both = wants(Some(&[Family::V6, Family::V4]), Vec::new())?;
/// assert_eq!(both[0].family, Some(Family::V6));
/// assert_eq!(wants(None, Vec::new())?.len(), 1);
/// # Ok::<(), floatingip_core::request::WishError>(())
/// ```
pub fn wants(families: Option<&[Family]>, ranges: Vec<RangeSet>) -> Result<Vec<Want>, WishError> {
    match families {
        None if ranges.is_empty() => Ok(vec![Want::default()]),
        None => Ok(ranges.into_iter().map(|list| want(None, list)).collect()),
        Some(families) if ranges.is_empty() => {
            let of = |family: &Family| Want {
                family: Some(*family),
                within: None,
            };
            Ok(families.iter().map(of).collect())
        }
        Some(families) => ranges_of_families(families, ranges),
    }
}

fn want(family: Option<Family>, list: RangeSet) -> Want {
    Want {
        family,
        within: Some(list),
    }
}

/// Every list has to have some of a named family, and every named family has to have a list.
fn ranges_of_families(families: &[Family], ranges: Vec<RangeSet>) -> Result<Vec<Want>, WishError> {
    let mut missing = families.to_vec();
    let mut wants = Vec::new();
    for (place, list) in ranges.into_iter().enumerate() {
        let has = |family: Family| list.ranges().iter().any(|range| range.family() == family);
        let named: Vec<Family> = families.iter().copied().filter(|f| has(*f)).collect();
        let Some(first) = named.first() else {
            return Err(WishError::ListOfOtherFamily { list: place });
        };
        missing.retain(|family| !named.contains(family));
        let only = (named.len() == 1).then_some(*first);
        wants.push(want(only, list));
    }
    match missing.first() {
        Some(family) => Err(WishError::FamilyWithoutList { family: *family }),
        None => Ok(wants),
    }
}

/// Families and ranges that cannot both be meant; whoever wrote them has to mend one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WishError {
    /// A list of ranges has no address of the families that are named.
    #[error(
        "list {list} of the ranges has no address of the families named: change the ranges, or \
         name their family"
    )]
    ListOfOtherFamily {
        /// Which list, from 0.
        list: usize,
    },
    /// A family that is named is in no list of ranges.
    #[error(
        "{family} is named, but no list of ranges has such addresses: add a list, or remove the \
         family"
    )]
    FamilyWithoutList {
        /// The family.
        family: Family,
    },
}
