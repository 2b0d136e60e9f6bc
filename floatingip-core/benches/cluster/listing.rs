//! The listings to measure: every filter that an index answers, in every order, near and far.

use floatingip_core::Name;
use floatingip_core::query::{Filter, PageRequest, Query, Sort};

use super::{Cluster, Random};

/// The filters that have an index, by name.
pub(crate) fn filters() -> [(&'static str, Filter); 4] {
    let of = |namespace: Option<Name>, app: Option<Name>, pool: Option<Name>| Filter {
        namespace,
        app,
        pool,
        ..Filter::default()
    };
    // The number of a pod in a pool.
    let number = 9;
    [
        ("all", Filter::default()),
        ("namespace", of(Some(super::namespace(number)), None, None)),
        (
            "app",
            of(
                Some(super::namespace(number)),
                Some(super::app(number)),
                None,
            ),
        ),
        (
            "pool",
            of(None, None, Some(Name::from(super::pool(number)))),
        ),
    ]
}

/// The orders that have an index, by name.
pub(crate) const SORTS: [&str; 8] = [
    "ip asc",
    "ip desc",
    "namespace asc",
    "namespace desc",
    "podname asc",
    "podname desc",
    "policy asc",
    "policy desc",
];

/// Which pages of ten.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth {
    /// The first one.
    First,
    /// The last one that may be asked for.
    Last,
    /// Any, another one each time: none of its records is in a cache.
    Any,
}

impl Depth {
    /// All, by name.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("first page", Self::First),
        ("last page", Self::Last),
        ("any page", Self::Any),
    ];
}

impl Cluster {
    /// Questions for `count` pages of ten.
    pub(crate) fn queries(
        &self,
        filter: &Filter,
        sort: &str,
        depth: Depth,
        count: usize,
    ) -> Vec<Query> {
        let query = Query {
            filter: filter.clone(),
            sort: sort.parse::<Sort>().unwrap_or_default(),
            ..Query::default()
        };
        let pages = self
            .engine
            .page(&query)
            .map_or(1, |page| page.pages())
            .max(1);
        let mut random = Random::default();
        let mut page = || match depth {
            Depth::First => PageRequest::default(),
            Depth::Last => numbered(pages - 1),
            Depth::Any => numbered(random.number() % pages),
        };
        let at = |page| Query {
            page,
            ..query.clone()
        };
        (0..count).map(|_| at(page())).collect()
    }

    /// Answers a question from an index; says how many rows there are on the page.
    pub(crate) fn list(&self, query: &Query) -> usize {
        let page = self.engine.page(query).map(|page| page.content.len());
        assert!(page.is_some_and(|rows| rows > 0), "no index for {query:?}");
        page.unwrap_or(0)
    }
}

fn numbered(page: usize) -> PageRequest {
    let page = u32::try_from(page).unwrap_or(0);
    PageRequest::new(page, 10).unwrap_or_default()
}
