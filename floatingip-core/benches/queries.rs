//! Listing: pages that an index answers, and the keyword, which is looked for in slices.

mod cluster;

use std::hint::black_box;

use cluster::Cluster;
use cluster::listing::{Depth, SORTS, filters};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use floatingip_core::engine::Progress;
use floatingip_core::query::{Filter, Query};

/// How many records the orchestrator looks at with the lock held, by default.
const SLICE: usize = 256;

/// How many different pages are asked for in turns.
const PAGES: usize = 1_000;

fn queries(criterion: &mut Criterion) {
    for size in cluster::sizes() {
        let cluster = Cluster::of(size);
        pages(criterion, &cluster, size);
        keyword(criterion, &cluster, size);
    }
}

fn pages(criterion: &mut Criterion, cluster: &Cluster, size: usize) {
    for (filter_name, filter) in filters() {
        for (depth_name, depth) in Depth::ALL {
            let mut group = criterion.benchmark_group(format!("{filter_name}, {depth_name}"));
            for sort in SORTS {
                let queries = cluster.queries(&filter, sort, depth, PAGES);
                let mut queries = queries.iter().cycle();
                group.bench_function(BenchmarkId::new(sort, size), |bencher| {
                    bencher.iter(|| queries.next().map(|query| cluster.list(black_box(query))));
                });
            }
            group.finish();
        }
    }
}

/// One slice is how long the lock is held; the whole is how long the caller waits.
fn keyword(criterion: &mut Criterion, cluster: &Cluster, size: usize) {
    let query = Query {
        filter: Filter {
            keyword: Some("no-such-pod".to_owned()),
            ..Filter::default()
        },
        ..Query::default()
    };
    let mut group = criterion.benchmark_group("keyword");
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("slice", size), |bencher| {
        bencher.iter(|| advance(cluster, &query, 1));
    });
    group.bench_function(BenchmarkId::new("whole", size), |bencher| {
        bencher.iter(|| advance(cluster, &query, usize::MAX));
    });
    group.finish();
}

/// Looks at this many slices, or at all there are.
fn advance(cluster: &Cluster, query: &Query, slices: usize) -> usize {
    let Ok(mut listing) = cluster.engine.listing(query.clone()) else {
        return 0;
    };
    for _ in 0..slices {
        if cluster.engine.advance(&mut listing, SLICE) == Progress::Done {
            break;
        }
    }
    listing.finish().total
}

criterion_group!(benches, queries);
criterion_main!(benches);
