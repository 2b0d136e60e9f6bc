//! How much longer everything takes with 100 times as many addresses in use.
//!
//! Prints the median time of each operation at every size and the ratio of the largest to the
//! smallest. The sizes take turns within each round, so that a busy machine slows all of them down.
//! `calibration` is what an ordered map of the same size costs on the same machine: about as much
//! longer as caches alone make everything.

#![expect(clippy::print_stdout, reason = "the table is what it is run for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod cluster;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cluster::listing::{Depth, SORTS, filters};
use cluster::{Cluster, MOVES, Random};
use floatingip_core::engine::Progress;
use floatingip_core::query::{Filter, Query};

/// An operation: does it so many times and says how long that took.
type Run = Box<dyn Fn(&mut Subject, usize) -> Duration>;

/// What is measured at one size.
struct Subject {
    cluster: Cluster,
    map: BTreeMap<u128, [u8; 64]>,
    keys: Vec<u128>,
    random: Random,
}

/// A line of the table: for each size, the time of one operation in each round, in nanoseconds.
struct Row {
    /// Of a group only the row with the greatest ratio is printed.
    group: String,
    name: String,
    run: Run,
    times: Vec<Vec<f64>>,
}

fn main() {
    let (rounds, repeats) = if cluster::is_short() {
        (2, 4)
    } else {
        (31, 100)
    };
    let sizes = cluster::sizes();
    let mut subjects: Vec<Subject> = sizes.iter().map(|size| Subject::of(*size)).collect();
    let mut rows = rows(sizes.len());
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure(&mut subjects, repeats);
        }
    }
    println!(
        "{:<26}{:>12}{:>12}{:>12}{:>8}",
        "ns", sizes[0], sizes[1], sizes[2], "ratio"
    );
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        if let Some(worst) = group.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio())) {
            worst.print();
        }
    }
    for (size, subject) in sizes.iter().zip(&subjects) {
        print_keyword(*size, &subject.cluster);
    }
}

impl Subject {
    fn of(size: usize) -> Self {
        let mut random = Random::default();
        let keys: Vec<u128> = (0..size).map(|_| random.bits().into()).collect();
        Self {
            cluster: Cluster::of(size),
            map: keys.iter().map(|key| (*key, [0; 64])).collect(),
            keys,
            random,
        }
    }

    /// Puts new entries in the place of others.
    fn calibrate(&mut self, count: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            let place = self.random.number() % self.keys.len();
            if let Some(key) = self.keys.get_mut(place) {
                self.map.remove(key);
                *key = self.random.bits().into();
                self.map.insert(*key, [0; 64]);
            }
        }
        start.elapsed()
    }

    fn list(&self, queries: &[Query]) -> Duration {
        let start = Instant::now();
        for query in queries {
            black_box(self.cluster.list(query));
        }
        start.elapsed()
    }
}

fn rows(sizes: usize) -> Vec<Row> {
    let row = |group: &str, name: &str, run: Run| Row {
        group: group.to_owned(),
        name: name.to_owned(),
        run,
        times: vec![Vec::new(); sizes],
    };
    let mut rows = vec![row("calibration", "", Box::new(Subject::calibrate))];
    for (name, run) in MOVES {
        let run = move |subject: &mut Subject, count| run(&mut subject.cluster, count);
        rows.push(row(name, "", Box::new(run)));
    }
    for (filter_name, filter) in filters() {
        for (depth_name, depth) in Depth::ALL {
            for sort in SORTS {
                let group = format!("{filter_name}, {depth_name}");
                rows.push(row(&group, sort, of_page(filter.clone(), sort, depth)));
            }
        }
    }
    rows
}

fn of_page(filter: Filter, sort: &'static str, depth: Depth) -> Run {
    Box::new(move |subject, count| {
        let queries = subject.cluster.queries(&filter, sort, depth, count);
        subject.list(&queries)
    })
}

impl Row {
    fn measure(&mut self, subjects: &mut [Subject], repeats: usize) {
        for (subject, times) in subjects.iter_mut().zip(&mut self.times) {
            let took = (self.run)(subject, repeats);
            times.push(took.as_secs_f64() * 1e9 / repeats as f64);
        }
    }

    fn print(&self) {
        let medians = self.times.iter().map(|times| median(times));
        let columns: Vec<String> = medians.map(|time| format!("{time:>12.0}")).collect();
        let (columns, ratio) = (columns.concat(), self.ratio());
        println!("{:<26}{columns}{ratio:>8.2}  {}", self.group, self.name);
    }

    /// How many times longer it takes at the largest size than at the smallest.
    fn ratio(&self) -> f64 {
        match self.times.as_slice() {
            [least, .., most] => median(most) / median(least),
            _ => f64::NAN,
        }
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A keyword that nothing has: all records are looked at, the lock is held for one slice at a time.
fn print_keyword(size: usize, cluster: &Cluster) {
    let filter = Filter {
        keyword: Some("no-such-pod".to_owned()),
        ..Filter::default()
    };
    let query = Query {
        filter,
        ..Query::default()
    };
    let Ok(mut listing) = cluster.engine.listing(query) else {
        return;
    };
    let mut slices = Vec::new();
    loop {
        let start = Instant::now();
        let progress = cluster.engine.advance(&mut listing, 256);
        slices.push(start.elapsed().as_secs_f64() * 1e6);
        if progress == Progress::Done {
            break;
        }
    }
    let longest = slices.iter().copied().fold(0.0, f64::max);
    let total = slices.iter().sum::<f64>() / 1e3;
    println!(
        "keyword among {size}: {total:.1} ms in {} slices, median {:.0} us, longest {longest:.0} us",
        slices.len(),
        median(&slices)
    );
}
