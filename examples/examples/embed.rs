//! Embeds the engine: one process with a store of its own choice gives a pod an address, keeps it
//! when the pod ends, and gives it to the pod's successor.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant, SystemTime};

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Ending, Settings};
use floatingip_core::fact::UnknownWorld;
use floatingip_core::key::encode;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::{Limits, Orchestrator, Place, Timer};
use floatingip_core::owner::{Pod, Slot, Tenant};
use floatingip_core::query::Query;
use floatingip_core::request::{PodRequest, RequestError};
use floatingip_core::{Name, Now, ReleasePolicy, WallTime};

const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],
    "subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let topology = Config::parse(CONFIG, Strictness::Strict)?.into_topology();
    let (store, clock) = (MemoryStore::atomic(), Clock(Instant::now()));
    let (settings, limits) = (Settings::default(), Limits::default());
    let ipam = Orchestrator::start(settings, topology, store, clock, UnknownWorld, limits).await?;
    let node = Place::Node(vec!["10.0.1.1".parse()?]);

    let first = ipam.allocate(&bare_pod("web", "5f1c")?, &node).await?;
    ipam.bound(&Name::from("5f1c"), &first).await?;
    println!("web got {first:?}");

    ipam.ended(&Name::from("5f1c"), &Ending::Certain).await?;
    for row in ipam.list(&Query::default())?.content {
        let owner = row.record.as_ref().map(|record| encode(&record.owner).key);
        println!("{row} is kept for {}", owner.unwrap_or_default());
    }

    let second = ipam.allocate(&bare_pod("web", "9b20")?, &node).await?;
    assert_eq!(
        first, second,
        "the pod that comes back has its address again"
    );
    println!("web is back with {second:?}");
    Ok(())
}

/// What a pod without a workload asks for: an address that stays until somebody releases it.
fn bare_pod(name: &str, uid: &str) -> Result<PodRequest, RequestError> {
    let tenant = Tenant {
        namespace: "default".into(),
        app: None,
        slot: Slot::Pod(name.into()),
        pool: None,
        pod: None,
    };
    let pod = Pod {
        name: name.into(),
        uid: uid.into(),
        node: "node-1".into(),
    };
    PodRequest::new(tenant, pod, ReleasePolicy::Never)
}

/// The only time that the engine knows.
struct Clock(Instant);

impl Timer for Clock {
    fn now(&self) -> Now {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Now {
            wall: WallTime::default().plus(since_epoch),
            elapsed: self.0.elapsed(),
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }
}
