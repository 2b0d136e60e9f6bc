//! Allocating, ending, releasing and filtering, with few and many addresses in use.

mod cluster;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use cluster::{Cluster, MOVES, Random};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn moves(criterion: &mut Criterion) {
    for size in cluster::sizes() {
        let mut cluster = Cluster::of(size);
        for (name, run) in MOVES {
            let mut group = criterion.benchmark_group(name);
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|count| run(&mut cluster, usize::try_from(count).unwrap_or(1)));
            });
            group.finish();
        }
    }
}

/// What the machine needs for the least that any of the moves does: one change of an ordered map.
fn calibration(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calibration");
    for size in cluster::sizes() {
        let mut random = Random::default();
        let mut keys: Vec<u128> = (0..size).map(|_| random.bits().into()).collect();
        let mut map: BTreeMap<u128, [u8; 64]> = keys.iter().map(|key| (*key, [0; 64])).collect();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let place = random.number() % size;
                if let Some(key) = keys.get_mut(place) {
                    map.remove(key);
                    *key = random.bits().into();
                    map.insert(*key, [0; 64]);
                }
            });
        });
    }
    group.finish();
}

/// Building the engine at start: per record.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load 10000 records");
    group.sample_size(10);
    group.bench_function("whole", |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            for _ in 0..count {
                black_box(Cluster::of(10_000));
            }
            start.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, calibration, moves, load);
criterion_main!(benches);
