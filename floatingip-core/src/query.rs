//! Queries: which addresses to list, in which order, which part of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::name::Name;
use crate::record::Record;

/// A question about addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Which addresses.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Which part of them.
    pub page: PageRequest,
    /// Also addresses that nobody has.
    pub include_free: bool,
}

/// Which addresses: those to which everything that is given applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A part of the address, or of the namespace, app, pod or pool name.
    pub keyword: Option<String>,
    /// A part of the owner's key as it is stored (`dp_default_web_`, `pool__blue_`), as galaxy-ipam
    /// searches; never of the address.
    pub stored_key: Option<String>,
    /// The pool they are counted in.
    pub pool: Option<Name>,
    /// The namespace.
    pub namespace: Option<Name>,
    /// The app's name.
    pub app: Option<Name>,
    /// The pod's name, or the name of the pod the slot is kept for.
    pub pod: Option<Name>,
    /// The app's kind in lower case.
    pub kind: Option<Name>,
}

impl Filter {
    /// Whether it lets every address pass.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An order of addresses. Equals in any order stand by ascending address, so that pages are stable.
///
/// ```
/// use floatingip_core::query::{Sort, SortBy};
///
/// let sort: Sort = "PodName DESC".parse()?;
/// assert_eq!((sort.by, sort.descending), (SortBy::PodName, true));
/// assert_eq!("ip".parse(), Ok(Sort::default()));
/// # Ok::<(), floatingip_core::query::UnknownSort>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sort {
    /// What is compared.
    pub by: SortBy,
    /// From the greatest to the least.
    pub descending: bool,
}

/// What an order compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// The address as a number, IPv4 before IPv6.
    #[default]
    Ip,
    /// The address as text, as galaxy-ipam has it: `10.0.70.142` before `10.0.70.33`.
    IpText,
    /// The namespace.
    Namespace,
    /// The pod's name.
    PodName,
    /// The release policy's number.
    Policy,
}

impl SortBy {
    /// Every order by its name in the API.
    const NAMES: [(&'static str, Self); 4] = [
        ("ip", Self::Ip),
        ("namespace", Self::Namespace),
        ("podname", Self::PodName),
        ("policy", Self::Policy),
    ];
}

impl FromStr for Sort {
    type Err = UnknownSort;

    /// A field and optionally `asc` or `desc`, case ignored.
    fn from_str(text: &str) -> Result<Self, UnknownSort> {
        let unknown = || UnknownSort {
            found: text.to_owned(),
        };
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_whitespace();
        let field = words.next().ok_or_else(unknown)?;
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(unknown()),
        };
        let known = SortBy::NAMES.into_iter().find(|(name, _)| *name == field);
        match (known, words.next()) {
            (Some((_, by)), None) => Ok(Self { by, descending }),
            _ => Err(unknown()),
        }
    }
}

/// An order that does not exist; the caller has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown sort `{found}`: use ip, namespace, podname or policy, then optionally asc or desc"
)]
pub struct UnknownSort {
    /// What stood there.
    pub found: String,
}

/// Which page, and how long pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    page: u32,
    size: u32,
}

impl PageRequest {
    /// The last page that may be asked for; the first is 0.
    pub const MAX_PAGE: u32 = 99_999;
    /// The longest page; the shortest is 1.
    pub const MAX_SIZE: u32 = 9_999;

    /// A page by its number from 0 and its length.
    ///
    /// # Errors
    /// A number or length out of range.
    pub fn new(page: u32, size: u32) -> Result<Self, PageError> {
        if page > Self::MAX_PAGE {
            return Err(PageError::Page { found: page.into() });
        }
        if size == 0 || size > Self::MAX_SIZE {
            return Err(PageError::Size { found: size.into() });
        }
        Ok(Self { page, size })
    }

    /// The page's number, from 0.
    pub const fn page(self) -> u32 {
        self.page
    }

    /// How long pages are.
    pub const fn size(self) -> u32 {
        self.size
    }

    /// How many elements stand before this page. At most 999 890 001, on every platform a `usize`.
    pub const fn offset(self) -> usize {
        self.page as usize * self.size as usize
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { page: 0, size: 10 }
    }
}

/// A page that may not be asked for; the caller has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PageError {
    /// The number is too great.
    #[error("page {found} is outside the valid range [0,99999]")]
    Page {
        /// What was asked for.
        found: i128,
    },
    /// The length is zero or too great.
    #[error("size {found} is outside the valid range (0,9999]")]
    Size {
        /// What was asked for.
        found: i128,
    },
}

/// A part of a sorted whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The elements of this page.
    pub content: Vec<T>,
    /// How many elements the whole has.
    pub total: usize,
    /// Which page this is.
    pub request: PageRequest,
}

impl<T> Page<T> {
    /// How many pages the whole has.
    pub fn pages(&self) -> usize {
        self.total.div_ceil(self.request.size() as usize)
    }

    /// Whether this is the first page; a page beyond the end is not.
    pub fn is_first(&self) -> bool {
        self.request.page() == 0
    }

    /// Whether nothing stands behind this page.
    pub fn is_last(&self) -> bool {
        self.request.offset() + self.request.size() as usize >= self.total
    }

    /// The same page of other elements.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            content: self.content.into_iter().map(f).collect(),
            total: self.total,
            request: self.request,
        }
    }
}

/// One address in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The address.
    pub ip: IpAddr,
    /// Its record; none for an address that nobody has.
    pub record: Option<Arc<Record>>,
    /// The configuration no longer has it: it stays with its owner and is not given to others.
    pub draining: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_ignore_case_and_may_leave_out_the_direction() {
        for (text, by, descending) in [
            ("ip", SortBy::Ip, false),
            ("IP Asc", SortBy::Ip, false),
            ("namespace desc", SortBy::Namespace, true),
            (" policy  DESC ", SortBy::Policy, true),
        ] {
            assert_eq!(text.parse(), Ok(Sort { by, descending }), "{text}");
        }
        for bad in ["", "asc", "ip up", "ip asc asc", "status", "iptext"] {
            assert!(bad.parse::<Sort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_have_bounds() {
        assert!(PageRequest::new(99_999, 9_999).is_ok());
        assert_eq!(
            PageRequest::new(100_000, 1),
            Err(PageError::Page { found: 100_000 })
        );
        assert_eq!(PageRequest::new(0, 0), Err(PageError::Size { found: 0 }));
        assert_eq!(
            PageRequest::new(0, 10_000),
            Err(PageError::Size { found: 10_000 })
        );
    }

    #[test]
    fn a_page_beyond_the_end_is_last_and_not_first() {
        let request = PageRequest::new(3, 10).unwrap();
        let page: Page<u8> = Page {
            content: vec![],
            total: 5,
            request,
        };
        assert!(page.is_last() && !page.is_first());
        assert_eq!(page.pages(), 1);
    }

    #[test]
    fn an_empty_whole_is_first_and_last_with_no_pages() {
        let page: Page<u8> = Page {
            content: vec![],
            total: 0,
            request: PageRequest::default(),
        };
        assert!(page.is_last() && page.is_first());
        assert_eq!(page.pages(), 0);
    }
}
