//! Builders of owners, records and writes, short enough to read inside a test.
//!
//! ```
//! use floatingip_core::testing::fixture::{batch, create, ip, pod, record};
//!
//! let web = pod("web-0").of_statefulset("web").in_pool("blue");
//! assert_eq!(record(web.owner()).owner.app().unwrap().to_string(), "statefulset.apps default/web");
//! let batch = batch(7, [create(ip(1), record(web.reserve()))]);
//! assert_eq!(batch.id.serial, 7);
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::name::{Name, PoolName};
use crate::owner::{App, Owner, Pod, Slot, Tenant};
use crate::plan::{Batch, Entry, Event, Write};
use crate::policy::ReleasePolicy;
use crate::record::{
    Attachment, Mark, MarkKind, PlanId, PoolRecord, Record, Target, Value, Version,
};
use crate::time::WallTime;

/// A bare pod of the namespace `default` on `node-1`, its UID derived from its name.
pub fn pod(name: &str) -> PodFixture {
    PodFixture {
        tenant: Tenant {
            namespace: Name::from("default"),
            app: None,
            slot: Slot::Pod(Name::from(name)),
            pool: None,
            pod: None,
        },
        pod: Pod {
            name: Name::from(name),
            uid: Name::from(format!("uid-of-{name}")),
            node: Name::from("node-1"),
        },
    }
}

/// A pod under construction; [`pod`] starts one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFixture {
    tenant: Tenant,
    pod: Pod,
}

impl PodFixture {
    /// In a namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.tenant.namespace = Name::from(namespace);
        self
    }

    /// Of a StatefulSet; its slot is the number at the end of its name, 0 if there is none.
    #[must_use]
    pub fn of_statefulset(self, app: &str) -> Self {
        let ordinal = self.pod.name.rsplit('-').next();
        let ordinal = ordinal.and_then(|text| text.parse().ok()).unwrap_or(0);
        self.of("apps", "statefulset", app, Slot::Ordinal(ordinal))
    }

    /// Of a Deployment.
    #[must_use]
    pub fn of_deployment(self, app: &str) -> Self {
        self.of("apps", "deployment", app, Slot::Any)
    }

    /// Of a DaemonSet, its slot the node it is on at this point.
    #[must_use]
    pub fn of_daemonset(self, app: &str) -> Self {
        let node = self.pod.node.clone();
        self.of("apps", "daemonset", app, Slot::Node(node))
    }

    /// Of a Job.
    #[must_use]
    pub fn of_job(self, app: &str) -> Self {
        let once = Slot::Once(self.pod.name.clone());
        self.of("batch", "job", app, once)
    }

    /// Of any workload, in any slot of it.
    #[must_use]
    pub fn of(mut self, group: &str, kind: &str, app: &str, slot: Slot) -> Self {
        self.tenant.app = Some(App {
            group: Name::from(group),
            kind: Name::from(kind),
            name: Name::from(app),
            uid: Some(Name::from(format!("uid-of-{app}"))),
        });
        self.tenant.slot = slot;
        self
    }

    /// Of an app with this UID, for one that was deleted and made again.
    #[must_use]
    pub fn of_app_uid(mut self, uid: &str) -> Self {
        if let Some(app) = &mut self.tenant.app {
            app.uid = Some(Name::from(uid));
        }
        self
    }

    /// Counted in a pool.
    ///
    /// # Panics
    /// Where that is no pool's name.
    #[must_use]
    pub fn in_pool(mut self, name: &str) -> Self {
        self.tenant.pool = Some(pool(name));
        self
    }

    /// On a node.
    #[must_use]
    pub fn on_node(mut self, node: &str) -> Self {
        self.pod.node = Name::from(node);
        self
    }

    /// Another incarnation of the pod.
    #[must_use]
    pub fn with_uid(mut self, uid: &str) -> Self {
        self.pod.uid = Name::from(uid);
        self
    }

    /// The pod itself.
    pub fn pod(&self) -> Pod {
        self.pod.clone()
    }

    /// The owner while the pod lives.
    pub fn owner(&self) -> Owner {
        Owner::Slot(Tenant {
            pod: Some(self.pod.clone()),
            ..self.tenant.clone()
        })
    }

    /// The owner while the address is only kept for the slot.
    pub fn reserve(&self) -> Owner {
        Owner::Slot(self.tenant.clone())
    }
}

/// The pool of this name.
///
/// # Panics
/// Where that is no pool's name.
#[expect(
    clippy::expect_used,
    reason = "a test with a wrong literal has to fail"
)]
pub fn pool(name: &str) -> PoolName {
    name.parse().expect("a pool's name in a fixture")
}

/// The address 10.0.0.0 + `n`.
pub fn ip(n: u32) -> IpAddr {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    Ipv4Addr::from(first.wrapping_add(n)).into()
}

/// The address fd00:: + `n`.
pub fn ip6(n: u32) -> IpAddr {
    let first = u128::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0));
    Ipv6Addr::from(first.wrapping_add(n.into())).into()
}

/// A record of an owner, with policy `immutable`, without mark or attachment; no plan wrote it yet.
pub fn record(owner: Owner) -> Record {
    Record {
        owner,
        policy: ReleasePolicy::Immutable,
        updated_at: WallTime::from_nanos(1_700_000_000_123_456_789),
        mark: None,
        attachment: None,
        plan: None,
    }
}

/// A record of a pool that may have so many addresses; no plan wrote it yet.
pub fn pool_record(size: u32) -> PoolRecord {
    PoolRecord {
        size,
        pre_allocate: false,
        owed: false,
        plan: None,
    }
}

/// A mark for ten minutes, with a reason and a MAC address.
pub fn mark(kind: MarkKind) -> Mark {
    let lasts = Duration::from_secs(600);
    Mark {
        kind,
        reason: "seen twice on the wire".to_owned(),
        mac: Some("02:00:00:00:00:01".to_owned()),
        node: None,
        until: WallTime::from_nanos(1_700_000_000_123_456_789).plus(lasts),
        lasts,
    }
}

/// The attachment of a container's `eth0` on a node.
pub fn attachment(node: &str, container: &str) -> Attachment {
    Attachment {
        node: Name::from(node),
        network: Name::from("galaxy-k8s-vlan"),
        container: Name::from(container),
        interface: Name::from("eth0"),
    }
}

/// The plan with this number, of one process that all fixtures share.
pub fn plan(serial: u64) -> PlanId {
    PlanId {
        incarnation: 0xf1c7,
        serial,
    }
}

/// A batch of independent writes; every record in it carries the plan's id.
pub fn batch(serial: u64, writes: impl IntoIterator<Item = Write>) -> Batch {
    let id = plan(serial);
    let stamp = |mut write: Write| {
        match &mut write.put {
            Some(Value::Address(record)) => record.plan = Some(id),
            Some(Value::Pool(record)) => record.plan = Some(id),
            None => {}
        }
        write
    };
    Batch {
        id,
        writes: writes.into_iter().map(stamp).collect(),
        in_order: false,
    }
}

/// Writes a record where there must be none.
pub fn create(ip: IpAddr, record: Record) -> Write {
    let entry = entry(Event::Allocate, None, Some(record.owner.clone()));
    Write::address(ip, None, Some(record), entry)
}

/// Writes a record in place of the one at a version.
pub fn update(ip: IpAddr, expect: Version, record: Record) -> Write {
    let entry = entry(Event::Reserve, None, Some(record.owner.clone()));
    Write::address(ip, Some(expect), Some(record), entry)
}

/// Deletes the record at a version.
pub fn delete(ip: IpAddr, expect: Version) -> Write {
    Write::address(ip, Some(expect), None, entry(Event::Release, None, None))
}

/// Writes the record of a pool: a new one, or in place of the one at a version.
pub fn put_pool(name: &str, expect: Option<Version>, record: PoolRecord) -> Write {
    Write::pool(pool(name), expect, Some(record))
}

/// Deletes the record of a pool.
pub fn delete_pool(name: &str, expect: Version) -> Write {
    Write::pool(pool(name), Some(expect), None)
}

/// A line for the journal.
pub fn entry(event: Event, from: Option<Owner>, to: Option<Owner>) -> Entry {
    Entry {
        at: WallTime::from_nanos(1_700_000_000_123_456_789),
        event,
        from,
        to,
    }
}

/// The target of an address.
pub fn at(ip: IpAddr) -> Target {
    Target::Address(ip)
}
