//! The ledger: every record there is, with all indexes kept in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use super::claim::Pot;
use super::standing::{AppStanding, PerFamily, PoolStanding};
use super::tally::Tally;
use super::view::{Face, View};
use crate::counted::{CountedMap, CountedSet};
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Slot, Tenant};
use crate::policy::ReleasePolicy;
use crate::range::Family;
use crate::record::{Attachment, MarkKind, Record, Version};
use crate::time::WallTime;

/// A durable record as it is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) record: Arc<Record>,
}

/// Every record and every index over them. Only [`Ledger::set`] changes records.
#[derive(Debug)]
pub(super) struct Ledger {
    records: CountedMap<IpAddr, Known>,
    by_uid: CountedSet<(Name, IpAddr)>,
    by_attachment: BTreeSet<(Attachment, IpAddr)>,
    apps: BTreeMap<AppRef, AppStanding>,
    pools: BTreeMap<PoolName, PoolStanding>,
    all: View,
    namespaces: BTreeMap<Name, View>,
    app_views: BTreeMap<(Name, Name), View>,
    app_namespaces: BTreeSet<(Name, Name)>,
    pool_views: BTreeMap<Name, View>,
    /// Addresses that rest until this node is back.
    rests: BTreeSet<(Name, IpAddr)>,
    /// Apps with a cap that was never known.
    unlearnt: BTreeSet<AppRef>,
    tally: Tally,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            records: CountedMap::new(),
            by_uid: CountedSet::new(),
            by_attachment: BTreeSet::new(),
            apps: BTreeMap::new(),
            pools: BTreeMap::new(),
            all: View::of_all_namespaces(),
            namespaces: BTreeMap::new(),
            app_views: BTreeMap::new(),
            app_namespaces: BTreeSet::new(),
            pool_views: BTreeMap::new(),
            rests: BTreeSet::new(),
            unlearnt: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// Puts a record in the place of what is there, or nothing; answers with what was there. O(log n).
    pub(super) fn set(&mut self, ip: IpAddr, known: Option<Known>) -> Option<Known> {
        let record = known.as_ref().map(|known| Arc::clone(&known.record));
        let former = match known {
            Some(known) => self.records.insert(ip, known),
            None => self.records.remove(&ip),
        };
        if let Some(former) = &former {
            self.unindex(ip, &former.record);
        }
        if let Some(record) = record {
            self.index(ip, &record);
        }
        // Last, so that what is known of an app outlives a change of its only record.
        if let Some(former) = &former {
            self.tidy(&former.record);
        }
        former
    }

    fn tidy(&mut self, former: &Record) {
        if let Some(tenant) = former.owner.tenant() {
            self.tidy_app(&standing_key(tenant));
        }
        if let Some(pool) = former.owner.pool() {
            self.tidy_pool(pool);
        }
    }

    pub(super) fn known(&self, ip: IpAddr) -> Option<&Known> {
        self.records.get(&ip)
    }

    pub(super) fn record(&self, ip: IpAddr) -> Option<&Arc<Record>> {
        self.known(ip).map(|known| &known.record)
    }

    pub(super) fn records(&self) -> &CountedMap<IpAddr, Known> {
        &self.records
    }

    /// The addresses of a pod, ascending.
    pub(super) fn of_uid(&self, uid: &Name) -> Vec<IpAddr> {
        if uid.is_empty() {
            return Vec::new();
        }
        let start = self.by_uid.rank_by(|(other, _)| other.cmp(uid));
        let ours = self.by_uid.iter_from(start);
        ours.take_while(|(other, _)| other == uid)
            .map(|(_, ip)| *ip)
            .collect()
    }

    /// The attachments of a node's network, with their addresses.
    pub(super) fn attachments_of(
        &self,
        node: &Name,
        network: &Name,
    ) -> impl Iterator<Item = &(Attachment, IpAddr)> {
        let from = Attachment {
            node: node.clone(),
            network: network.clone(),
            container: Name::default(),
            interface: Name::default(),
        };
        self.by_attachment
            .range((from, LOWEST)..)
            .take_while(move |(other, _)| other.node == *node && other.network == *network)
    }

    /// The addresses of an attachment.
    pub(super) fn of_attachment(&self, attachment: &Attachment) -> Vec<IpAddr> {
        let from = (attachment.clone(), LOWEST);
        let ours = self
            .by_attachment
            .range(from..)
            .take_while(|(other, _)| other == attachment);
        ours.map(|(_, ip)| *ip).collect()
    }

    pub(super) fn app(&self, app: &AppRef) -> Option<&AppStanding> {
        self.apps.get(app)
    }

    pub(super) fn app_mut(&mut self, app: &AppRef) -> &mut AppStanding {
        self.apps.entry(app.clone()).or_default()
    }

    /// Forgets an app that has nothing and awaits nothing.
    pub(super) fn tidy_app(&mut self, app: &AppRef) {
        if self.apps.get(app).is_some_and(AppStanding::is_empty) {
            self.apps.remove(app);
            self.unlearnt.remove(app);
        }
    }

    /// The apps behind `after`, in order, and for each namespace its bare pods as one.
    pub(super) fn apps_after(
        &self,
        after: Option<&AppRef>,
    ) -> impl Iterator<Item = (&AppRef, &AppStanding)> {
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.apps.range((behind, Bound::Unbounded))
    }

    /// Remembers how many pods the app may have, if it has anything; says whether it may have more
    /// than before.
    pub(super) fn learn(&mut self, app: &AppRef, limit: Option<u64>) -> bool {
        let Some(standing) = self.apps.get_mut(app) else {
            return false;
        };
        let former = standing.limit.filter(|_| standing.learnt);
        standing.limit = limit;
        standing.learnt = true;
        self.unlearnt.remove(app);
        former.is_some_and(|former| limit.is_none_or(|limit| limit > former))
    }

    /// How many apps have a cap that was never known.
    pub(super) fn unlearnt(&self) -> usize {
        self.unlearnt.len()
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The addresses that rest until this node is back, ascending.
    pub(super) fn rests_of(&self, node: &Name) -> impl Iterator<Item = IpAddr> {
        let resting = self.rests.range((node.clone(), LOWEST)..);
        let resting = resting.take_while(move |(other, _)| other == node);
        resting.map(|(_, ip)| *ip)
    }

    pub(super) fn pool(&self, pool: &PoolName) -> Option<&PoolStanding> {
        self.pools.get(pool)
    }

    pub(super) fn pool_mut(&mut self, pool: &PoolName) -> &mut PoolStanding {
        self.pools.entry(pool.clone()).or_default()
    }

    /// Forgets a pool that has nothing and awaits nothing.
    pub(super) fn tidy_pool(&mut self, pool: &PoolName) {
        if self.pools.get(pool).is_some_and(PoolStanding::is_empty) {
            self.pools.remove(pool);
        }
    }

    pub(super) fn view_all(&self) -> &View {
        &self.all
    }

    pub(super) fn view_of_namespace(&self, namespace: &Name) -> Option<&View> {
        self.namespaces.get(namespace)
    }

    pub(super) fn view_of_app(&self, namespace: &Name, app: &Name) -> Option<&View> {
        self.app_views.get(&(namespace.clone(), app.clone()))
    }

    pub(super) fn view_of_pool(&self, pool: &Name) -> Option<&View> {
        self.pool_views.get(pool)
    }

    /// The namespaces that have an app of this name.
    pub(super) fn namespaces_of_app(&self, app: &Name) -> Vec<Name> {
        let from = (app.clone(), Name::default());
        let named = self
            .app_namespaces
            .range(from..)
            .take_while(|(other, _)| other == app);
        named.map(|(_, namespace)| namespace.clone()).collect()
    }

    fn index(&mut self, ip: IpAddr, record: &Record) {
        if let Some(tenant) = record.owner.tenant() {
            self.index_tenant(ip, tenant, record);
        }
        if let Some(node) = rests_for(record) {
            self.rests.insert((node.clone(), ip));
        }
        self.tally.count(record, true);
        if let Some(pool) = record.owner.pool() {
            let standing = self.pool_mut(pool);
            standing.total += 1;
            standing.live += u64::from(record.is_live());
        }
        if let Some(attachment) = &record.attachment {
            self.by_attachment.insert((attachment.clone(), ip));
        }
        self.offer(ip, record);
        self.show(ip, &Face::of(record));
    }

    fn unindex(&mut self, ip: IpAddr, record: &Record) {
        self.withdraw(ip, record);
        if let Some(tenant) = record.owner.tenant() {
            self.unindex_tenant(ip, tenant, record);
        }
        if let Some(node) = rests_for(record) {
            self.rests.remove(&(node.clone(), ip));
        }
        self.tally.count(record, false);
        if let Some(pool) = record.owner.pool() {
            let standing = self.pool_mut(pool);
            standing.total = standing.total.saturating_sub(1);
            standing.live = standing.live.saturating_sub(u64::from(record.is_live()));
        }
        if let Some(attachment) = &record.attachment {
            self.by_attachment.remove(&(attachment.clone(), ip));
        }
        self.hide(ip, &Face::of(record));
    }

    fn index_tenant(&mut self, ip: IpAddr, tenant: &Tenant, record: &Record) {
        let key = standing_key(tenant);
        if let Some(pod) = &tenant.pod {
            let others = self.of_uid(&pod.uid);
            self.by_uid.insert((pod.uid.clone(), ip));
            self.app_mut(&key).pods += u64::from(others.is_empty());
            self.see_together(ip, &key, others, record.updated_at);
        }
        let standing = self.app_mut(&key);
        standing.slots.insert((tenant.slot.clone(), ip));
        if tenant.slot == Slot::Any && tenant.pool.is_none() {
            standing.any.change(Family::of(ip), true);
        }
        standing.capped += u64::from(is_capped(tenant, record.policy));
        standing.immutable += u64::from(ends_with_app(tenant, record.policy));
        self.note_unlearnt(&key);
    }

    fn note_unlearnt(&mut self, app: &AppRef) {
        let standing = self.apps.get(app);
        match standing.is_some_and(|standing| standing.capped > 0 && !standing.learnt) {
            true => _ = self.unlearnt.insert(app.clone()),
            false => _ = self.unlearnt.remove(app),
        }
    }

    /// Notes how many addresses the pod got together: in one plan, so with one time. What its former
    /// attempts left behind does not make its slot worth more.
    fn see_together(&mut self, ip: IpAddr, app: &AppRef, others: Vec<IpAddr>, since: WallTime) {
        let mut together = others;
        together.retain(|other| {
            let record = self.record(*other);
            record.is_some_and(|record| record.updated_at == since)
        });
        together.push(ip);
        let family = Family::of(ip);
        let count = PerFamily::count(&together).of(family);
        let seen = self.app_mut(app).seen.of_mut(family);
        *seen = count.max(*seen);
    }

    fn unindex_tenant(&mut self, ip: IpAddr, tenant: &Tenant, record: &Record) {
        let key = standing_key(tenant);
        if let Some(pod) = &tenant.pod {
            self.by_uid.remove(&(pod.uid.clone(), ip));
            let last = self.of_uid(&pod.uid).is_empty();
            let standing = self.app_mut(&key);
            standing.pods = standing.pods.saturating_sub(u64::from(last));
        }
        let standing = self.app_mut(&key);
        standing.slots.remove(&(tenant.slot.clone(), ip));
        if tenant.slot == Slot::Any && tenant.pool.is_none() {
            standing.any.change(Family::of(ip), false);
        }
        let (capped, ends) = (
            is_capped(tenant, record.policy),
            ends_with_app(tenant, record.policy),
        );
        standing.capped = standing.capped.saturating_sub(u64::from(capped));
        standing.immutable = standing.immutable.saturating_sub(u64::from(ends));
        self.note_unlearnt(&key);
    }

    /// Lets pods take the address from its reserve, if it is in one that several may take from.
    pub(super) fn offer(&mut self, ip: IpAddr, record: &Record) {
        match Pot::of(&record.owner) {
            Some(Pot::App(app)) => _ = self.app_mut(&app).reserve.insert(ip),
            Some(Pot::Pool(pool)) => _ = self.pool_mut(&pool).reserve.insert(ip),
            None => {}
        }
    }

    /// Keeps pods from taking the address from its reserve.
    pub(super) fn withdraw(&mut self, ip: IpAddr, record: &Record) {
        match Pot::of(&record.owner) {
            Some(Pot::App(app)) => _ = self.app_mut(&app).reserve.remove(&ip),
            Some(Pot::Pool(pool)) => _ = self.pool_mut(&pool).reserve.remove(&ip),
            None => {}
        }
    }

    fn show(&mut self, ip: IpAddr, face: &Face) {
        self.all.insert(ip, face);
        if !face.namespace.is_empty() {
            let namespace = self.namespaces.entry(face.namespace.clone());
            namespace
                .or_insert_with(View::of_one_namespace)
                .insert(ip, face);
        }
        if let Some(app) = &face.app {
            let view = self.app_views.entry((face.namespace.clone(), app.clone()));
            view.or_insert_with(View::of_one_namespace).insert(ip, face);
            self.app_namespaces
                .insert((app.clone(), face.namespace.clone()));
        }
        if let Some(pool) = &face.pool {
            let view = self.pool_views.entry(pool.clone());
            view.or_insert_with(View::of_all_namespaces)
                .insert(ip, face);
        }
    }

    fn hide(&mut self, ip: IpAddr, face: &Face) {
        self.all.remove(ip, face);
        hide_from(&mut self.namespaces, &face.namespace, ip, face);
        if let Some(app) = &face.app {
            let key = (face.namespace.clone(), app.clone());
            if hide_from(&mut self.app_views, &key, ip, face) {
                self.app_namespaces
                    .remove(&(app.clone(), face.namespace.clone()));
            }
        }
        if let Some(pool) = &face.pool {
            hide_from(&mut self.pool_views, pool, ip, face);
        }
    }
}

/// The node whose return ends the record's rest.
fn rests_for(record: &Record) -> Option<&Name> {
    let mark = record.mark.as_ref()?;
    mark.node.as_ref().filter(|_| mark.kind == MarkKind::Rest)
}

/// Whether the address is kept when its pod ends, and the pod counts for its app's cap.
fn is_capped(tenant: &Tenant, policy: ReleasePolicy) -> bool {
    let counted = matches!(tenant.slot, Slot::Any | Slot::Ordinal(_));
    counted && policy.is_sticky() && tenant.app.is_some()
}

/// Whether the address is freed when its app ends.
fn ends_with_app(tenant: &Tenant, policy: ReleasePolicy) -> bool {
    policy == ReleasePolicy::Immutable && tenant.pool.is_none() && tenant.app.is_some()
}

/// Below every address.
const LOWEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Takes an address out of a view and the view out of the map once it is empty; says whether.
fn hide_from<K: Ord>(views: &mut BTreeMap<K, View>, key: &K, ip: IpAddr, face: &Face) -> bool {
    let Some(view) = views.get_mut(key) else {
        return false;
    };
    view.remove(ip, face);
    let empty = view.is_empty();
    if empty {
        views.remove(key);
    }
    empty
}

/// Under which key a tenant's addresses are counted: its app, or for bare pods one key for all of
/// the namespace, with nothing but the namespace in it.
pub(super) fn standing_key(tenant: &Tenant) -> AppRef {
    tenant.app_ref().unwrap_or_else(|| AppRef {
        namespace: tenant.namespace.clone(),
        group: Name::default(),
        kind: Name::default(),
        name: Name::default(),
    })
}
