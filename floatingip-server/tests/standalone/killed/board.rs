//! What all clients share: who says that an address is its own, and the pools they quarrel about.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::found::Found;
use super::operation::Operation;
use super::register::Register;
use super::{Broken, End};

/// The pools that everybody changes.
pub(super) const SHARED: [&str; 3] = ["shared-0", "shared-1", "shared-2"];
/// The largest size that anybody asks for one of these.
pub(super) const LARGEST_SHARED: u32 = 8;

/// How often what was acknowledged.
pub(super) type Kinds = BTreeMap<&'static str, u64>;

/// One life of the server, as all clients see it together.
#[derive(Debug)]
pub(super) struct Board {
    acknowledged: AtomicU64,
    kinds: Mutex<Kinds>,
    clock: AtomicU64,
    killed: AtomicBool,
    broken: Mutex<Option<Broken>>,
    claims: Mutex<Claims>,
    sizes: Mutex<[Register<Option<u32>>; SHARED.len()]>,
}

#[derive(Debug, Default)]
struct Claims {
    owners: BTreeMap<IpAddr, usize>,
    seen: BTreeSet<IpAddr>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            acknowledged: AtomicU64::new(0),
            kinds: Mutex::default(),
            clock: AtomicU64::new(1),
            killed: AtomicBool::new(false),
            broken: Mutex::new(None),
            claims: Mutex::default(),
            sizes: Mutex::new(SHARED.map(|_| Register::of(None))),
        }
    }
}

impl Board {
    /// An operation was acknowledged.
    pub(super) fn acknowledge(&self, operation: &Operation) {
        let changes = u64::from(operation.is_change());
        self.acknowledged.fetch_add(changes, Ordering::Relaxed);
        self.count(operation.kind(), 1);
    }

    /// What goes by that name was done so often, beside what clients change.
    pub(super) fn count(&self, kind: &'static str, times: u64) {
        if times > 0 {
            *lock(&self.kinds).entry(kind).or_default() += times;
        }
    }

    pub(super) fn kinds(&self) -> Kinds {
        lock(&self.kinds).clone()
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// From now on a connection may break.
    pub(super) fn is_killed_now(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    /// Somebody stops asking.
    pub(super) fn ends(&self, told: Result<(), End>) {
        let broken = match told {
            Ok(()) => return,
            Err(End::Gone) if self.killed.load(Ordering::SeqCst) => return,
            Err(End::Gone) => "a connection broke before the kill".to_owned(),
            Err(End::Broken(broken)) => broken,
        };
        lock(&self.broken).get_or_insert(broken);
    }

    /// Whether somebody has found a promise broken.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.broken).is_some()
    }

    pub(super) fn verdict(&self) -> Result<(), Broken> {
        lock(&self.broken).take().map_or(Ok(()), Err)
    }

    /// A client was told that these are its own: ONE-OWNER, among those who are sure of theirs.
    pub(super) fn claim(&self, client: usize, ips: &BTreeSet<IpAddr>) -> Result<(), Broken> {
        let mut claims = lock(&self.claims);
        claims.seen.extend(ips);
        for ip in ips {
            let other = *claims.owners.entry(*ip).or_insert(client);
            if other != client {
                return Err(format!(
                    "ONE-OWNER: {ip} is of client {client} and of {other}"
                ));
            }
        }
        Ok(())
    }

    /// A client is about to ask for what may take these from it.
    pub(super) fn disclaim(&self, ips: &BTreeSet<IpAddr>) {
        let mut claims = lock(&self.claims);
        for ip in ips {
            claims.owners.remove(ip);
        }
    }

    /// Addresses that were ever somebody's.
    pub(super) fn seen(&self) -> BTreeSet<IpAddr> {
        lock(&self.claims).seen.clone()
    }

    /// Somebody is about to set the size of a pool that all share; none deletes it.
    pub(super) fn begin(&self, pool: usize, size: Option<u32>) -> usize {
        let mut sizes = lock(&self.sizes);
        sizes[pool].begin(size, self.clock.fetch_add(1, Ordering::SeqCst))
    }

    pub(super) fn end(&self, pool: usize, write: usize) {
        let mut sizes = lock(&self.sizes);
        sizes[pool].end(write, self.clock.fetch_add(1, Ordering::SeqCst));
    }

    /// The board of the next life, after a look at what all share.
    pub(super) fn after(self, found: &mut Found) -> Result<Self, Broken> {
        let next = Self::default();
        lock(&next.claims).seen = self.seen();
        for (number, name) in SHARED.iter().enumerate() {
            let size = found.pool(name).map(|pool| pool.size);
            let register = &mut lock(&next.sizes)[number];
            let was = &lock(&self.sizes)[number];
            *register = Register::of(size);
            if !was.may_hold(&size) {
                return Err(format!("{name} cannot have the size {size:?}: {was:?}"));
            }
            let has = found.take_pool(name);
            let most = size.map_or(0, |_| LARGEST_SHARED);
            if has.len() > most as usize {
                return Err(format!("{name} of size {size:?} has {has:?}"));
            }
            lock(&next.claims).seen.extend(has);
        }
        Ok(next)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
