//! Query parameters: sorts and pages. Whatever is accepted, the pages are the whole, in its order.

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Engine, Progress, Settings};
use floatingip_core::query::{Filter, Page, PageRequest, Query, Row, Sort};
use floatingip_core::record::Version;
use floatingip_core::store::Snapshot;
use floatingip_core::testing::fixture::{ip, pod, record};
use floatingip_core::{Name, Now};

const CONFIG: &str = r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.0.1~10.0.0.30"],
    "subnet":"10.0.0.0/24","gateway":"10.0.0.254"}]"#;

/// Takes a line `SORT`, a line `PAGE SIZE` and a line each for namespace, app, pool and keyword, `-`
/// where there is none. The further bytes are pods, one each.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(7, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok());
    let sort = line().unwrap_or_default();
    let page = line()
        .and_then(|line| line.split_once(' '))
        .and_then(numbers);
    let mut name = || line().filter(|text| *text != "-").map(Name::from);
    let filter = Filter {
        namespace: name(),
        app: name(),
        pool: name(),
        keyword: name().map(|name| name.to_string()),
        ..Filter::default()
    };
    if let (Ok(sort), Some(page)) = (check_sort(sort), page) {
        let query = Query {
            filter,
            sort,
            page,
            include_free: false,
        };
        check_pages(&engine(parts.next().unwrap_or_default()), &query);
    }
}

fn check_sort(text: &str) -> Result<Sort, impl std::error::Error> {
    let sort = text.parse::<Sort>();
    assert_eq!(
        text.to_ascii_uppercase().parse::<Sort>().ok(),
        sort.clone().ok()
    );
    sort
}

fn numbers((page, size): (&str, &str)) -> Option<PageRequest> {
    let (page, size) = (page.parse().ok()?, size.parse().ok()?);
    let request = PageRequest::new(page, size);
    let allowed = page <= PageRequest::MAX_PAGE && (1..=PageRequest::MAX_SIZE).contains(&size);
    assert_eq!(request.is_ok(), allowed);
    request.ok()
}

/// An engine in which each byte gave some pod the next address.
fn engine(pods: &[u8]) -> Engine {
    let mut engine = Engine::new(Settings::default());
    if let Ok(config) = Config::parse(CONFIG, Strictness::Strict) {
        engine.reconfigure(config.into_topology());
    }
    let owner = |byte: u8| {
        let fixture =
            pod(&format!("web-{}", byte % 4)).in_namespace(["a", "b"][usize::from(byte >> 7)]);
        match byte >> 4 & 3 {
            0 => fixture.owner(),
            1 => fixture.of_statefulset("web").reserve(),
            2 => fixture.of_deployment("front").owner(),
            _ => fixture.of_deployment("front").in_pool("blue").owner(),
        }
    };
    // Some lie outside the ranges: draining addresses are listed too.
    let numbered = (1..=40).zip(pods);
    let snapshot = Snapshot {
        addresses: numbered
            .map(|(n, byte)| (ip(n), Version(n.into()), record(owner(*byte))))
            .collect(),
        version: Version(40),
        ..Snapshot::default()
    };
    engine.load(snapshot, Now::default());
    engine
}

/// The page as an index gives it is the page as a scan gives it, and all pages together are the whole.
fn check_pages(engine: &Engine, query: &Query) {
    let scanned = scan(engine, query);
    if let Some(indexed) = engine.page(query) {
        assert_eq!(indexed, scanned, "{query:?}");
    }
    assert_eq!(
        scanned.is_last(),
        scanned.request.page() as usize + 1 >= scanned.pages()
    );
    let whole = scan(engine, &at(query, 0, PageRequest::MAX_SIZE));
    let size = query.page.size();
    let pages = u32::try_from(whole.total).unwrap_or(0).div_ceil(size);
    let together = (0..pages).flat_map(|page| scan(engine, &at(query, page, size)).content);
    assert_eq!(together.collect::<Vec<Row>>(), whole.content, "{query:?}");
}

fn at(query: &Query, page: u32, size: u32) -> Query {
    Query {
        page: PageRequest::new(page, size).unwrap_or_default(),
        ..query.clone()
    }
}

fn scan(engine: &Engine, query: &Query) -> Page<Row> {
    let Ok(mut listing) = engine.listing(query.clone()) else {
        return Page {
            content: Vec::new(),
            total: 0,
            request: query.page,
        };
    };
    while engine.advance(&mut listing, 3) == Progress::More {}
    listing.finish()
}
