//! The engine: decides who gets which address and when it is free again. A synchronous state machine;
//! what it decides becomes durable elsewhere, and is settled here.

mod adopt;
mod allocate;
mod app;
mod as_if;
mod attach;
mod cap;
mod claim;
mod counts;
mod decide;
mod detach;
mod explain;
mod flaw;
mod ledger;
mod lifecycle;
mod list;
mod mark;
mod matching;
mod observe;
mod opening;
mod owed;
mod own;
mod pool;
mod release;
mod relist;
mod settle;
mod shortage;
mod space;
mod stage;
mod standing;
mod supply;
mod sweep;
mod tally;
mod usage;
mod verdict;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use adopt::{Adoption, NotAdopted};
pub use allocate::Allocation;
pub use app::{AppCursor, AppHolding, AppSlice};
pub use counts::Counts;
pub use explain::{Explanation, Marked};
#[cfg(any(test, feature = "testing"))]
pub use flaw::Flaw;
pub use lifecycle::Ending;
pub use list::{Listing, Progress, TooManyFree};
pub use mark::MarkRefusal;
pub use observe::{Observed, Seen};
pub use owed::End;
pub use pool::{PoolState, PoolStep};
pub use release::{Live, Named, NotReleased, Releasing};
pub use relist::{Relisted, WholeList};
pub use settle::Settled;
pub use sweep::Swept;
pub use tally::Tally;
pub use usage::Usage;

use crate::name::{Name, PoolName};
use crate::owner::{Owner, SlotRef};
use crate::range::RangeSet;
use crate::record::{Attachment, Mark, PlanId, PoolRecord, Record, Target, Version};
use crate::store::Snapshot;
use crate::time::Now;
use crate::topology::{Difference, Reach, SubnetId, Topology, difference};
use claim::Claims;
use ledger::{Known, Ledger};
use opening::{MarkEnds, opens};
use owed::Owed;
use space::Space;
use stage::{Held, OpenPlan};

/// How an engine behaves; the defaults are right for most.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tells this process from all others that ever wrote to the store: random, given by the adapter.
    pub incarnation: u64,
    /// Others write to the same store: changes are observed, and deletions are remembered until
    /// [`Engine::caught_up`].
    pub shared_store: bool,
    /// An address is in use as soon as it is allocated. Else its pod has to be bound first, and
    /// [`Engine::plan_bound`] says when it was.
    pub binds_at_once: bool,
    /// How long a pod that passed the filter may take to bind.
    pub claim_life: Duration,
    /// How long addresses of a pod that does not get bound are kept after its last attempt: more
    /// than any write lives.
    pub provisional_life: Duration,
    /// How long an address rests whose pod was deleted by force, or is found gone, on a node that does not
    /// report.
    pub rest: Duration,
    /// Pre-allocation leaves so many free addresses in each subnet.
    pub pool_headroom: u32,
    /// A bug for tests to find.
    #[cfg(any(test, feature = "testing"))]
    pub flaw: Option<Flaw>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            incarnation: 0,
            shared_store: false,
            binds_at_once: false,
            claim_life: Duration::from_secs(30),
            provisional_life: Duration::from_secs(120),
            rest: Duration::from_secs(300),
            pool_headroom: 0,
            #[cfg(any(test, feature = "testing"))]
            flaw: None,
        }
    }
}

/// The state of all addresses, and every decision about them.
///
/// Each change takes three steps: a `plan_*` method decides and *holds* the addresses; a
/// [`Store`](crate::Store) makes the plan durable; [`Engine::settle`] ends it, once. The engine is meant
/// to live behind one short lock that is never kept over I/O.
///
/// ```
/// use floatingip_core::config::{Config, Strictness};
/// use floatingip_core::engine::{Engine, Settings};
/// use floatingip_core::fact::UnknownWorld;
/// use floatingip_core::owner::{Pod, Slot, Tenant};
/// use floatingip_core::request::PodRequest;
/// use floatingip_core::store::Outcome;
/// use floatingip_core::record::Version;
/// use floatingip_core::{Now, ReleasePolicy};
///
/// let document = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],
///     "subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;
/// let config = Config::parse(document, Strictness::Strict)?;
/// let mut engine = Engine::new(Settings::default());
/// engine.reconfigure(config.topology().clone());
///
/// let tenant = Tenant {
///     namespace: "default".into(),
///     app: None,
///     slot: Slot::Pod("web".into()),
///     pool: None,
///     pod: None,
/// };
/// let pod = Pod { name: "web".into(), uid: "5f1c".into(), node: "node-1".into() };
/// let request = PodRequest::new(tenant, pod, ReleasePolicy::Never)?;
/// let reach = engine.topology().reach(&["10.0.1.1".parse()?]);
/// let allocation = engine.plan_allocate(&request, &reach, &UnknownWorld, Now::default())?;
/// assert_eq!(allocation.addresses, ["10.0.70.2".parse::<std::net::IpAddr>()?]);
///
/// // A store has made the write durable at version 1.
/// engine.settle(allocation.plan, vec![Outcome::Applied(Version(1))], Now::default());
/// assert!(engine.record("10.0.70.2".parse()?).is_some_and(|record| record.is_live()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    serial: u64,
    topology: Arc<Topology>,
    /// One for each subnet of the topology, in its order.
    spaces: Vec<Space>,
    ledger: Ledger,
    pools: BTreeMap<PoolName, (Version, PoolRecord)>,
    held: BTreeMap<Target, Held>,
    open: BTreeMap<PlanId, OpenPlan>,
    /// For each pod that is about to have addresses by an open plan, the first of them.
    arrivals: BTreeMap<(Name, PlanId), IpAddr>,
    /// The same for each slot with an identity.
    slot_arrivals: BTreeMap<(SlotRef, PlanId), IpAddr>,
    claims: Claims,
    /// Addresses of pods that are not known to be bound.
    provisional: BTreeMap<IpAddr, Attempt>,
    /// Ends of pods and attachments, until nothing is left of what they end.
    owed: Owed,
    /// Records that somebody deleted under a live pod: held, and to be written again.
    missing: BTreeMap<IpAddr, Missing>,
    /// Versions at which records were deleted, in a shared store.
    tombstones: BTreeMap<Target, Version>,
    /// When marks end, by elapsed time.
    mark_ends: MarkEnds,
    nodes: BTreeMap<Name, Vec<IpAddr>>,
    node_addresses: BTreeMap<IpAddr, BTreeSet<Name>>,
    /// How often a refusal may have become a success, but for ends of claims.
    opened: u64,
    /// How many records are in no configured range.
    outside: usize,
    counts: Counts,
}

impl Engine {
    /// An engine without configuration and records: it gives nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            serial: 0,
            topology: Arc::default(),
            spaces: Vec::new(),
            ledger: Ledger::new(),
            pools: BTreeMap::new(),
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            slot_arrivals: BTreeMap::new(),
            claims: Claims::default(),
            provisional: BTreeMap::new(),
            owed: Owed::default(),
            missing: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            mark_ends: MarkEnds::default(),
            nodes: BTreeMap::new(),
            node_addresses: BTreeMap::new(),
            opened: 0,
            outside: 0,
            counts: Counts::default(),
        }
    }

    /// Takes in what a store has. For the start, before anything is planned and after the first
    /// [`Engine::reconfigure`], so that every subnet goes on behind its most recently used address.
    /// O(n log n).
    pub fn load(&mut self, snapshot: Snapshot, now: Now) {
        let mut latest: BTreeMap<SubnetId, (crate::WallTime, IpAddr)> = BTreeMap::new();
        for (ip, version, record) in snapshot.addresses {
            if let Some(subnet) = self.topology.subnet_of(ip) {
                let last = latest.entry(subnet.id()).or_insert((record.updated_at, ip));
                *last = (*last).max((record.updated_at, ip));
            }
            self.set_record(
                ip,
                Some(Known {
                    version,
                    record: Arc::new(record),
                }),
                now,
            );
        }
        for (pool, version, record) in snapshot.pools {
            self.set_pool(pool, Some((version, record)));
        }
        for (subnet, (_, ip)) in latest {
            if let Some(space) = self.spaces.get_mut(subnet.index()) {
                space.passed(ip);
            }
        }
    }

    /// How it behaves.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The configuration in force.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Puts another configuration in force; says what changes. Addresses with an owner that it no
    /// longer has stay with their owners and are not given to others. Claims end: subnets have other
    /// numbers now, and a lost claim costs a retry only. O(n log n) in the records.
    pub fn reconfigure(&mut self, topology: Topology) -> Difference {
        let difference = difference(&self.topology, &topology);
        let generation = self.topology.generation() + 1;
        let cursors = self.cursors();
        self.topology = Arc::new(topology.with_generation(generation));
        self.spaces = self.topology.subnets().iter().map(Space::of).collect();
        self.opened += self.claims.opened() + 1;
        self.claims = Claims::default();
        let mut taken: Vec<IpAddr> = self.ledger.records().iter().map(|(ip, _)| *ip).collect();
        taken.extend(self.held.keys().filter_map(address_of));
        taken.extend(self.missing.keys().chain(self.node_addresses.keys()));
        for ip in taken {
            self.refresh(ip);
        }
        self.recount();
        for cursor in cursors {
            self.pass(cursor);
        }
        difference
    }

    /// The addresses after which each subnet goes on searching.
    fn cursors(&self) -> Vec<IpAddr> {
        self.spaces.iter().filter_map(Space::last_given).collect()
    }

    fn pass(&mut self, ip: IpAddr) {
        let Some(subnet) = self.topology.subnet_of(ip).map(|subnet| subnet.id()) else {
            return;
        };
        if let Some(space) = self.spaces.get_mut(subnet.index()) {
            space.passed(ip);
        }
    }

    /// The record of an address, if there is one.
    pub fn record(&self, ip: IpAddr) -> Option<&Arc<Record>> {
        self.ledger.record(ip)
    }

    /// The records of the addresses in `ranges`, ascending: who is concerned when a configuration no
    /// longer has them. O(log n) for each range and O(1) for each record.
    pub fn records_in<'a>(
        &'a self,
        ranges: &'a RangeSet,
    ) -> impl Iterator<Item = (IpAddr, &'a Arc<Record>)> {
        let records = self.ledger.records();
        ranges.ranges().iter().flat_map(move |range| {
            let from = records.iter_from(records.rank(&range.first()));
            let inside = from.take_while(move |(ip, _)| **ip <= range.last());
            inside.map(|(ip, known)| (*ip, &known.record))
        })
    }

    /// How many addresses have a record.
    pub fn len(&self) -> usize {
        self.ledger.records().len()
    }

    /// Whether no address has a record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many plans are not settled yet.
    pub fn open_plans(&self) -> usize {
        self.open.len()
    }

    /// How many pods passed the filter and are expected to bind.
    pub fn claimed(&self) -> usize {
        self.claims.len()
    }

    /// The addresses of a pod, ascending.
    pub fn addresses_of(&self, uid: &Name) -> Vec<IpAddr> {
        self.ledger.of_uid(uid)
    }

    /// The addresses of a container interface, ascending. O(log n).
    pub fn attached_to(&self, attachment: &Attachment) -> Vec<IpAddr> {
        self.ledger.of_attachment(attachment)
    }

    /// For each subnet that a node may use, how many addresses it could hand out now and are not
    /// spoken for: what nodes are ranked by.
    pub fn room(&self, reach: &Reach) -> Vec<(SubnetId, u128)> {
        let nobody = Name::default();
        let room = |id: SubnetId| {
            let claimed = u128::from(self.claims.in_subnet(id, &nobody));
            (id, self.giveable(id).saturating_sub(claimed))
        };
        reach.iter().map(room).collect()
    }

    /// How many addresses a subnet could hand out now.
    fn giveable(&self, id: SubnetId) -> u128 {
        match self.topology.subnet(id) {
            Some(subnet) if !subnet.disabled() => {
                self.spaces.get(id.index()).map_or(0, Space::free)
            }
            _ => 0,
        }
    }

    /// Says which addresses a node has itself: they are never handed out. Answers with those that
    /// have an owner already, which somebody has to be told about.
    pub fn observe_node(&mut self, node: &Name, addresses: &[IpAddr]) -> Vec<(IpAddr, Owner)> {
        let same = |known: &Vec<IpAddr>| known == addresses;
        if !self.nodes.get(node).is_some_and(same) {
            self.forget_node(node);
            self.nodes.insert(node.clone(), addresses.to_vec());
            for ip in addresses {
                let nodes = self.node_addresses.entry(*ip).or_default();
                nodes.insert(node.clone());
                self.refresh(*ip);
            }
        }
        let record = |ip: &IpAddr| Some((*ip, self.record(*ip)?.owner.clone()));
        addresses.iter().filter_map(record).collect()
    }

    /// A node is gone: its addresses may be handed out again.
    pub fn forget_node(&mut self, node: &Name) {
        for ip in self.nodes.remove(node).unwrap_or_default() {
            if let Some(nodes) = self.node_addresses.get_mut(&ip) {
                nodes.remove(node);
                if nodes.is_empty() {
                    self.node_addresses.remove(&ip);
                    self.note_opening();
                }
            }
            self.refresh(ip);
        }
    }

    /// Writes a record into the ledger and keeps everything that follows from it.
    fn set_record(&mut self, ip: IpAddr, known: Option<Known>, now: Now) {
        match known.as_ref().and_then(|known| known.record.mark.as_ref()) {
            // Its end is known already: the calendar, which may have jumped, is not asked again.
            Some(mark) if self.has_mark(ip, mark) => {}
            Some(mark) => {
                let left = mark.until.since(now.wall).min(mark.lasts);
                self.mark_ends.set(ip, now.elapsed.saturating_add(left));
            }
            None => self.mark_ends.remove(ip),
        }
        // Who attempted what was there before says nothing of what is there now.
        self.provisional.remove(&ip);
        if let Some(known) = &known
            && let Some(lost) = self.missing.remove(&ip)
            && lost.record.owner == known.record.owner
        {
            // Written again: its pod has as much time left to get bound as it had.
            self.provisional.insert(ip, lost.attempt);
        }
        let former = self.ledger.set(ip, known);
        self.count_in_subnet(ip, former.as_ref());
        if opens(
            former.as_ref(),
            self.ledger.record(ip).map(|record| &**record),
        ) {
            self.note_opening();
        }
        if self.is_held(ip)
            && let Some(record) = self.ledger.record(ip).cloned()
        {
            self.ledger.withdraw(ip, &record);
        }
        self.refresh(ip);
    }

    /// Whether the address has this very mark already.
    fn has_mark(&self, ip: IpAddr, mark: &Mark) -> bool {
        let former = self.record(ip).and_then(|record| record.mark.as_ref());
        former == Some(mark) && self.mark_ends.end_of(ip).is_some()
    }

    /// Makes a subnet's space agree with everything that takes an address.
    fn refresh(&mut self, ip: IpAddr) {
        let taken = self.ledger.known(ip).is_some()
            || self.is_held(ip)
            || self.missing.contains_key(&ip)
            || self.node_addresses.contains_key(&ip);
        let Some(subnet) = self.topology.subnet_of(ip).map(|subnet| subnet.id()) else {
            return;
        };
        let space = self.spaces.get_mut(subnet.index());
        if space.is_some_and(|space| space.set_taken(ip, taken)) {
            self.note_opening();
        }
    }

    fn is_held(&self, ip: IpAddr) -> bool {
        self.held.contains_key(&Target::Address(ip))
    }

    /// Whether a mark on the address still holds.
    fn is_marked(&self, ip: IpAddr, now: Now) -> bool {
        let end = self.mark_ends.end_of(ip);
        end.is_some_and(|end| end > now.elapsed)
    }
}

/// The last attempt of a pod to get bound with an address.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    at: Duration,
    /// Nobody had the address before the pod's first attempt: there is nothing to go back to.
    fresh: bool,
}

/// A record that somebody deleted under a live pod.
#[derive(Clone, Debug)]
struct Missing {
    record: Arc<Record>,
    /// The last attempt of its pod to get bound with it, if it is not bound yet.
    attempt: Attempt,
}

fn address_of(target: &Target) -> Option<IpAddr> {
    match target {
        Target::Address(ip) => Some(*ip),
        Target::Pool(_) => None,
    }
}

#[cfg(test)]
mod tests;
