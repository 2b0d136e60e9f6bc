//! Listings: indexes and scans agree with a naive reading of the records.

use std::cmp::Ordering;
use std::net::IpAddr;

use proptest::prelude::*;

use super::scene::{Asker, Scene, a, bare, entry, ordinal, record_of, replica, subnet_a};
use crate::engine::Progress;
use crate::name::Name;
use crate::owner::Owner;
use crate::query::{Filter, Page, PageRequest, Query, Row, Sort, SortBy};
use crate::testing::fixture::pool;

const ORDERS: [SortBy; 5] = [
    SortBy::Ip,
    SortBy::IpText,
    SortBy::Namespace,
    SortBy::PodName,
    SortBy::Policy,
];

/// The page as a listing finds it, looking at `slice` records at a time.
fn scan(scene: &Scene, query: &Query, slice: usize) -> Page<Row> {
    let mut listing = scene.engine.listing(query.clone()).unwrap();
    while scene.engine.advance(&mut listing, slice) == Progress::More {}
    listing.finish()
}

fn ips(page: &Page<Row>) -> Vec<IpAddr> {
    page.content.iter().map(|row| row.ip).collect()
}

fn query(filter: Filter, sort: Sort, page: u32, size: u32) -> Query {
    let page = PageRequest::new(page, size).unwrap();
    Query {
        filter,
        sort,
        page,
        include_free: false,
    }
}

fn compare(by: SortBy, left: &Row, right: &Row) -> Ordering {
    let owner = |row: &Row| row.record.as_ref().unwrap().owner.clone();
    let namespace = |row: &Row| owner(row).namespace().cloned().unwrap_or_default();
    let policy = |row: &Row| row.record.as_ref().unwrap().policy.code();
    match by {
        SortBy::Ip => left.ip.cmp(&right.ip),
        SortBy::IpText => left.ip.to_string().cmp(&right.ip.to_string()),
        SortBy::Namespace => namespace(left).cmp(&namespace(right)),
        SortBy::PodName => owner(left).pod_name().cmp(&owner(right).pod_name()),
        SortBy::Policy => policy(left).cmp(&policy(right)),
    }
}

/// All rows that pass, in order: equals by ascending address.
fn naive(scene: &Scene, filter: &Filter, sort: Sort) -> Vec<IpAddr> {
    let is =
        |wanted: &Option<Name>, found: Option<&Name>| wanted.is_none() || wanted.as_ref() == found;
    let mut rows: Vec<Row> = Vec::new();
    for (ip, known) in scene.engine.ledger.records().iter() {
        let owner = &known.record.owner;
        let app = owner.tenant().and_then(|tenant| tenant.app.as_ref());
        let passes = is(&filter.pool, owner.pool().map(|pool| pool.name()))
            && is(&filter.namespace, owner.namespace())
            && is(&filter.app, app.map(|app| &app.name))
            && is(&filter.kind, app.map(|app| &app.kind))
            && is(&filter.pod, Some(&owner.pod_name()));
        if passes {
            let record = Some(known.record.clone());
            rows.push(Row {
                ip: *ip,
                record,
                draining: false,
            });
        }
    }
    rows.sort_by(|left, right| {
        let order = compare(sort.by, left, right);
        let order = if sort.descending {
            order.reverse()
        } else {
            order
        };
        order.then(left.ip.cmp(&right.ip))
    });
    rows.into_iter().map(|row| row.ip).collect()
}

fn any_owner() -> impl Strategy<Value = Asker> {
    let app = prop::sample::select(vec!["web", "db", "web-1"]);
    let pool = prop::option::of(prop::sample::select(vec!["blue", "green"]));
    let namespace = prop::sample::select(vec!["default", "other"]);
    (0u8..4, 0u64..3, app, pool, namespace, 0usize..3).prop_map(
        |(kind, n, app, pool, namespace, policy)| {
            let asker = match kind {
                0 => ordinal(&format!("{app}-{n}")),
                1 => replica(&format!("{app}-{n}")),
                _ => bare(&format!("{app}-{n}")),
            };
            let asker = asker
                .policy(crate::ReleasePolicy::ALL[policy])
                .in_namespace(namespace);
            match pool {
                Some(pool) => asker.in_pool(pool),
                None => asker,
            }
        },
    )
}

fn any_name(names: &'static [&'static str]) -> impl Strategy<Value = Option<Name>> {
    prop::option::weighted(0.3, prop::sample::select(names).prop_map(Name::from))
}

fn any_filter() -> impl Strategy<Value = Filter> {
    (
        any_name(&["blue", "green", "none"]),
        any_name(&["default", "other", "none"]),
        any_name(&["web", "db", "none"]),
        any_name(&["web-1", "db-0", "", "none"]),
        any_name(&["statefulset", "deployment"]),
    )
        .prop_map(|(pool, namespace, app, pod, kind)| Filter {
            stored_key: None,
            keyword: None,
            pool,
            namespace,
            app,
            pod,
            kind,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_partition_the_sorted_whole_however_they_are_found(
        owners in prop::collection::vec((any_owner(), 0u8..4), 0..40),
        filter in any_filter(),
        by in prop::sample::select(&ORDERS),
        descending: bool,
        size in 1u32..9,
        slice in 1usize..9,
    ) {
        let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.60")]);
        for (n, (asker, kept)) in (1..).zip(&owners) {
            let mut record = record_of(asker);
            match (kept, &asker.tenant().pool) {
                (0, Some(pool)) => record.owner = Owner::Pool(pool.clone()),
                (0 | 1, _) => record.owner = Owner::Slot(asker.tenant()),
                _ => {}
            }
            scene.others_write(a(n), Some(record));
        }
        let sort = Sort { by, descending };
        let whole = naive(&scene, &filter, sort);
        let (mut scanned, mut indexed) = (Vec::new(), Vec::new());
        for page in 0..=u32::try_from(whole.len()).unwrap() / size {
            let query = query(filter.clone(), sort, page, size);
            let found = scan(&scene, &query, slice);
            prop_assert_eq!(found.total, whole.len());
            scanned.extend(ips(&found));
            if let Some(found) = scene.engine.page(&query) {
                prop_assert_eq!(found.total, whole.len());
                indexed.extend(ips(&found));
            }
        }
        prop_assert_eq!(&scanned, &whole);
        prop_assert!(indexed == whole || scene.engine.page(&query(filter, sort, 0, 1)).is_none());
    }
}

fn some_pods() -> Scene {
    let mut scene = Scene::of(&[subnet_a("10.0.0.8~10.0.0.12")]);
    scene.allocate(&ordinal("db-0"));
    scene.allocate(&replica("web-x").in_pool("blue"));
    scene.allocate(&bare("solo"));
    scene
}

fn keyword(text: &str) -> Query {
    let filter = Filter {
        keyword: Some(text.to_owned()),
        ..Filter::default()
    };
    query(filter, Sort::default(), 0, 10)
}

#[test]
fn a_keyword_is_a_part_of_the_address_or_of_any_name() {
    let scene = some_pods();
    for (text, expected) in [
        ("0.0.1", vec![a(10)]),
        ("efaul", vec![a(8), a(9), a(10)]),
        ("db", vec![a(8)]),
        ("lue", vec![a(9)]),
        ("ol", vec![a(10)]),
        ("nowhere", vec![]),
    ] {
        let query = keyword(text);
        assert_eq!(scene.engine.page(&query), None, "no index has it");
        assert_eq!(ips(&scan(&scene, &query, 2)), expected, "{text}");
    }
}

#[test]
fn an_index_answers_where_there_is_one_for_filter_and_order() {
    let scene = some_pods();
    let named = |filter: Filter| scene.engine.page(&query(filter, Sort::default(), 0, 10));
    let default = Some(Name::from("default"));
    let by_app = Filter {
        namespace: default.clone(),
        app: Some(Name::from("db")),
        ..Filter::default()
    };
    let by_pool = Filter {
        pool: Some(pool("blue").name().clone()),
        ..Filter::default()
    };
    let by_namespace = Filter {
        namespace: default,
        ..Filter::default()
    };
    assert_eq!(
        named(Filter::default()).map(|page| ips(&page).len()),
        Some(3)
    );
    assert_eq!(named(by_namespace).map(|page| ips(&page).len()), Some(3));
    assert_eq!(named(by_app).map(|page| ips(&page)), Some(vec![a(8)]));
    assert_eq!(named(by_pool).map(|page| ips(&page)), Some(vec![a(9)]));
}

#[test]
fn free_addresses_are_listed_where_that_is_asked_for() {
    let scene = some_pods();
    let all = Query {
        include_free: true,
        ..Query::default()
    };
    let page = scan(&scene, &all, 1);
    assert_eq!(ips(&page), [8, 9, 10, 11, 12].map(a));
    let owned: Vec<bool> = page
        .content
        .iter()
        .map(|row| row.record.is_some())
        .collect();
    assert_eq!(owned, [true, true, true, false, false]);
    let filtered = Query {
        filter: Filter {
            app: Some(Name::from("db")),
            ..Filter::default()
        },
        ..all
    };
    assert_eq!(
        ips(&scan(&scene, &filtered, 1)),
        [a(8)],
        "nobody's address has no app"
    );
}

#[test]
fn too_many_free_addresses_are_not_listed() {
    let wide = entry(r#"["10.1.0.0/16"]"#, "fd00::1:0~fd00::11:0", "fd00::/64");
    let scene = Scene::of(&[wide]);
    let all = Query {
        include_free: true,
        ..Query::default()
    };
    let refused = scene.engine.listing(all).unwrap_err();
    assert_eq!(refused.found, (1 << 20) + 1);
}

#[test]
fn an_address_that_is_no_longer_configured_is_listed_as_draining() {
    let mut scene = some_pods();
    scene.configure(&[subnet_a("10.0.0.9~10.0.0.12")]);
    let page = scene.engine.page(&Query::default()).unwrap();
    let draining: Vec<bool> = page.content.iter().map(|row| row.draining).collect();
    assert_eq!(draining, [true, false, false]);
}

#[test]
fn a_page_beyond_the_end_is_empty_and_knows_the_total() {
    let scene = some_pods();
    let beyond = query(Filter::default(), Sort::default(), 7, 2);
    let page = scene.engine.page(&beyond).unwrap();
    assert_eq!(
        (page.content.len(), page.total, page.is_last()),
        (0, 3, true)
    );
}

#[test]
fn a_stored_key_is_searched_as_it_is_written_and_no_address_with_it() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4")]);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    scene.allocate(&replica("web-x"));
    let found = |part: &str| {
        let filter = Filter {
            stored_key: Some(part.to_owned()),
            ..Filter::default()
        };
        let query = Query {
            filter,
            ..Query::default()
        };
        assert_eq!(scene.engine.page(&query), None, "no index has keys");
        let mut listing = scene.engine.listing(query).unwrap();
        while scene.engine.advance(&mut listing, 1) == Progress::More {}
        let page = listing.finish();
        page.content.iter().map(|row| row.ip).collect::<Vec<_>>()
    };
    assert_eq!(found("sts_default_db_db-0"), [ip]);
    assert!(found("10.0.0").is_empty());
}
