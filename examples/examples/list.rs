//! Lists addresses: filters, orders and pages, without a store in between.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Engine, Settings};
use floatingip_core::owner::Owner;
use floatingip_core::query::{Filter, PageRequest, Query};
use floatingip_core::record::Version;
use floatingip_core::store::Snapshot;
use floatingip_core::testing::fixture::{ip, pod, record};
use floatingip_core::{Now, Record};

const CONFIG: &str = r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.0.0/24"],
    "subnet":"10.0.0.0/16","gateway":"10.0.255.254"}]"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = Engine::new(Settings::default());
    let topology = Config::parse(CONFIG, Strictness::Strict)?.into_topology();
    engine.reconfigure(topology);
    let addresses = (1..=25).map(|n| (ip(n), Version(n.into()), record(owner(n))));
    let snapshot = Snapshot {
        addresses: addresses.collect(),
        version: Version(25),
        ..Snapshot::default()
    };
    engine.load(snapshot, Now::default());

    let shop = Filter {
        namespace: Some("shop".into()),
        ..Filter::default()
    };
    for number in 0..2 {
        let query = Query {
            filter: shop.clone(),
            sort: "podname desc".parse()?,
            page: PageRequest::new(number, 10)?,
            include_free: false,
        };
        // From an index: no filter, a namespace, an app of it, or a pool.
        let page = engine.page(&query).ok_or("a namespace has an index")?;
        println!("page {number} of {}, {} in all", page.pages(), page.total);
        for row in &page.content {
            println!("  {row} {}", row.record.as_deref().map_or("", pod_name));
        }
        assert_eq!(page.content.len(), [10, 3][number as usize]);
        assert_eq!(page.is_last(), number == 1);
    }
    Ok(())
}

/// Every other pod is in the namespace `shop`.
fn owner(n: u32) -> Owner {
    let namespace = if n % 2 == 1 { "shop" } else { "default" };
    pod(&format!("web-{n}"))
        .in_namespace(namespace)
        .of_statefulset("web")
        .owner()
}

fn pod_name(record: &Record) -> &str {
    record.owner.pod().map_or("", |pod| pod.name.as_str())
}
