//! Questions: they change nothing, and answer as a naive reader would.

use std::net::IpAddr;

use floatingip_core::engine::{Listing, Progress};
use floatingip_core::query::{Filter, PageRequest, Query, Sort, SortBy};
use floatingip_core::record::Record;
use floatingip_core::store::Outcome;

use super::allocation::reach_of;
use super::world::Lagging;
use super::{Model, ensure, network, started};

impl Model {
    /// PURE-READ.
    pub(super) fn read(&self, who: usize, pod: u8, node: u8, lag: u8) -> Result<bool, String> {
        let Some((pod, node)) = self.pick_request(pod, node) else {
            return Ok(false);
        };
        let engine = &self.leaders[who].engine;
        let before = (format!("{engine:?}"), self.base.version());
        let world = Lagging {
            truth: &self.truth,
            lag,
        };
        let request = pod.request(node);
        let reaches: Vec<_> = (0..network::NODES.len())
            .map(|node| reach_of(engine, node))
            .collect();
        let feasible = engine.feasible(&request, &reaches, &world, self.now);
        for (reach, answer) in reaches.iter().zip(&feasible) {
            let explained = engine.explain(&request, reach, &world, self.now).verdict;
            let again = engine.explain(&request, reach, &world, self.now).verdict;
            ensure!(
                explained == again,
                "the same request: {explained:?}, then {again:?}"
            );
            ensure!(
                explained.as_ref().err() == answer.as_ref().err(),
                "feasible {answer:?}, explained {explained:?}"
            );
        }
        let victims = [request.pod().uid.clone()];
        engine.feasible_without(&request, &reaches, &victims, &world, self.now);
        let rooms: Vec<_> = reaches.iter().map(|reach| engine.room(reach)).collect();
        ensure!(rooms.len() == reaches.len(), "a room for each reach");
        ensure!(
            before == (format!("{engine:?}"), self.base.version()),
            "PURE-READ: a question changed something"
        );
        self.check_without(who, &pod, node)?;
        Ok(true)
    }

    /// PAGES.
    pub(super) fn page(&self, who: usize, n: u8, size: u8) -> Result<bool, String> {
        let by = [
            SortBy::Ip,
            SortBy::IpText,
            SortBy::Namespace,
            SortBy::PodName,
            SortBy::Policy,
        ];
        let sort = Sort {
            by: by[usize::from(n) % by.len()],
            descending: n & 64 > 0,
        };
        let filter = filter(n / 5);
        let whole = self.naive(who, &filter, sort);
        for request in 0..=(whole.len() / usize::from(size) + 1) {
            let request = u32::try_from(request).map_err(|error| error.to_string())?;
            let page = PageRequest::new(request, size.into()).map_err(|error| error.to_string())?;
            let query = Query {
                filter: filter.clone(),
                sort,
                page,
                include_free: false,
            };
            let part: Vec<IpAddr> = whole
                .iter()
                .skip(page.offset())
                .take(size.into())
                .copied()
                .collect();
            let engine = &self.leaders[who].engine;
            let mut listing: Listing = engine
                .listing(query.clone())
                .map_err(|error| error.to_string())?;
            while engine.advance(&mut listing, usize::from(size)) == Progress::More {}
            for found in engine.page(&query).into_iter().chain([listing.finish()]) {
                let ips: Vec<IpAddr> = found.content.iter().map(|row| row.ip).collect();
                ensure!(
                    ips == part && found.total == whole.len(),
                    "PAGES: {query:?} gives {ips:?}, not {part:?}"
                );
            }
        }
        Ok(!whole.is_empty())
    }

    fn naive(&self, who: usize, filter: &Filter, sort: Sort) -> Vec<IpAddr> {
        let mut rows: Vec<(IpAddr, Record)> = self.records_of(who);
        rows.retain(|(_, record)| {
            let owner = &record.owner;
            let pool = filter
                .pool
                .as_ref()
                .is_none_or(|pool| owner.pool().map(|pool| pool.name()) == Some(pool));
            let namespace = filter
                .namespace
                .as_ref()
                .is_none_or(|wanted| owner.namespace() == Some(wanted));
            let app = filter
                .app
                .as_ref()
                .is_none_or(|wanted| owner.app().is_some_and(|app| app.name == *wanted));
            pool && namespace && app
        });
        let key = |(ip, record): &(IpAddr, Record)| match sort.by {
            SortBy::Ip => String::new(),
            SortBy::IpText => ip.to_string(),
            SortBy::Namespace => record
                .owner
                .namespace()
                .map(ToString::to_string)
                .unwrap_or_default(),
            SortBy::PodName => pod_name(record),
            SortBy::Policy => record.policy.code().to_string(),
        };
        match (sort.by, sort.descending) {
            (SortBy::Ip, true) => rows.reverse(),
            (_, true) => rows.sort_by_key(|row| std::cmp::Reverse(key(row))),
            (_, false) => rows.sort_by_key(key),
        }
        rows.into_iter().map(|(ip, _)| ip).collect()
    }

    /// Same state, same request, same choice: two processes that read the same store agree.
    pub(super) fn reload(&self, who: usize, pod: u8, node: u8) -> Result<bool, String> {
        let Some((pod, node)) = self.pick_request(pod, node) else {
            return Ok(false);
        };
        let config = self.leaders[who].config;
        let choice = |incarnation| {
            let mut twin = started(
                &self.base,
                None,
                config,
                self.node_joined,
                incarnation,
                self.now,
            );
            let world = Lagging {
                truth: &self.truth,
                lag: 0,
            };
            let reach = reach_of(&twin.engine, node);
            let told = twin
                .engine
                .explain(&pod.request(node), &reach, &world, self.now)
                .verdict;
            let chosen = twin
                .engine
                .plan_allocate(&pod.request(node), &reach, &world, self.now);
            let chosen = chosen.map(|allocation| {
                let none = vec![Outcome::Unavailable; allocation.plan.batch().writes.len()];
                twin.engine.settle(allocation.plan, none, self.now);
                allocation.addresses
            });
            (told, chosen, twin.engine.open_plans())
        };
        let (told, chosen, open) = choice(u64::MAX - 1);
        ensure!(told == chosen, "explained {told:?}, chosen {chosen:?}");
        ensure!(open == 0, "{open} plans left open");
        ensure!(
            (told, chosen, open) == choice(u64::MAX - 2),
            "another choice in the same state"
        );
        Ok(true)
    }
}

fn filter(n: u8) -> Filter {
    let some = |name: &str| Some(name.into());
    match n % 6 {
        0 => Filter {
            namespace: some("default"),
            ..Filter::default()
        },
        1 => Filter {
            namespace: some("default"),
            app: some("db"),
            ..Filter::default()
        },
        2 => Filter {
            pool: some("blue"),
            ..Filter::default()
        },
        3 => Filter {
            app: some("api"),
            ..Filter::default()
        },
        _ => Filter::default(),
    }
}

fn pod_name(record: &Record) -> String {
    use floatingip_core::owner::Slot;
    let Some(tenant) = record.owner.tenant() else {
        return String::new();
    };
    match (&tenant.pod, &tenant.slot, &tenant.app) {
        (Some(pod), _, _) => pod.name.to_string(),
        (None, Slot::Ordinal(n), Some(app)) => format!("{}-{n}", app.name),
        (None, Slot::Pod(name) | Slot::Once(name), _) => name.to_string(),
        _ => String::new(),
    }
}
