//! A small cluster: twelve pods of four kinds on two nodes.

use std::net::IpAddr;

use floatingip_core::config::{Config, Strictness};
use floatingip_core::fact::{AppState, Fact, NodeState, PodState, Slots, World};
use floatingip_core::owner::{App, AppRef, Pod, Slot, Tenant};
use floatingip_core::request::{PodRequest, Want};
use floatingip_core::testing::fixture;
use floatingip_core::{Family, Name, PoolName, ReleasePolicy, Topology};

pub(super) const NAMESPACE: &str = "default";
/// A StatefulSet and a Deployment.
pub(super) const APPS: [&str; 2] = ["web", "front"];

/// The variants of the configuration: two IPv4 subnets, one of them shrunk, moved or with IPv6 beside it.
const VARIANTS: [&str; 4] = [
    r#"[{"nodeSubnets":["192.168.0.0/24"],"ips":["10.0.0.1~10.0.0.5"],"subnet":"10.0.0.0/24","gateway":"10.0.0.254"},
        {"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.1.1~10.0.1.3"],"subnet":"10.0.1.0/24","gateway":"10.0.1.254"}]"#,
    r#"[{"nodeSubnets":["192.168.0.0/24"],"ips":["10.0.0.2~10.0.0.3"],"subnet":"10.0.0.0/24","gateway":"10.0.0.254"}]"#,
    r#"[{"nodeSubnets":["192.168.1.0/24"],"ips":["10.0.0.1~10.0.0.5"],"subnet":"10.0.0.0/24","gateway":"10.0.0.254","disabled":true},
        {"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.1.2~10.0.1.9"],"subnet":"10.0.1.0/24","gateway":"10.0.1.254"}]"#,
    r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.0.1~10.0.0.5"],"subnet":"10.0.0.0/24","gateway":"10.0.0.254"},
        {"nodeSubnets":["192.168.0.0/16"],"ips":["fd00::1~fd00::9"],"subnet":"fd00::/64","gateway":"fd00::ffff"}]"#,
];

/// A variant of the configuration.
pub(super) fn topology(variant: u8) -> Topology {
    let document = VARIANTS[usize::from(variant) % VARIANTS.len()];
    Config::parse(document, Strictness::Strict)
        .map(Config::into_topology)
        .unwrap_or_default()
}

/// The address of a node.
pub(super) fn node(number: u8) -> IpAddr {
    IpAddr::from([192, 168, number % 2, 1])
}

/// An address that one of the configurations may have.
pub(super) fn address(number: u8) -> IpAddr {
    match number % 3 {
        0 => IpAddr::from([10, 0, 0, number / 3 % 6]),
        1 => IpAddr::from([10, 0, 1, number / 3 % 6]),
        _ => fixture::ip6(u32::from(number / 3 % 6)),
    }
}

pub(super) fn pool() -> PoolName {
    fixture::pool("blue")
}

/// The app with this number.
pub(super) fn app_ref(number: usize) -> AppRef {
    let app = app(number);
    AppRef {
        namespace: NAMESPACE.into(),
        group: app.group,
        kind: app.kind,
        name: app.name,
    }
}

fn app(number: usize) -> App {
    App {
        group: "apps".into(),
        kind: ["statefulset", "deployment"][number].into(),
        name: APPS[number].into(),
        uid: None,
    }
}

/// What the world looks like.
#[derive(Debug)]
pub(super) struct Cluster {
    pods: [PodOfCluster; Self::PODS],
    /// The size of each app: 6 is gone, 7 unknown.
    sizes: [u8; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct PodOfCluster {
    incarnation: u32,
    running: bool,
    bound: bool,
}

impl Cluster {
    pub(super) const PODS: usize = 12;

    pub(super) fn new() -> Self {
        Self {
            pods: [PodOfCluster::default(); Self::PODS],
            sizes: [3, 3],
        }
    }

    /// The request of the pod with this number, which is created if there is none.
    pub(super) fn request(&mut self, number: usize) -> PodRequest {
        let state = &mut self.pods[number];
        if !state.running {
            *state = PodOfCluster {
                incarnation: state.incarnation + 1,
                running: true,
                bound: false,
            };
        }
        request(number, self.pod(number))
    }

    pub(super) fn uid(&self, number: usize) -> Name {
        self.pod(number).uid
    }

    pub(super) fn is_running(&self, number: usize) -> bool {
        self.pods[number].running
    }

    pub(super) fn bind(&mut self, number: usize) {
        self.pods[number].bound = true;
    }

    pub(super) fn end(&mut self, number: usize) {
        self.pods[number].running = false;
    }

    pub(super) fn scale(&mut self, app: usize, size: u8) {
        self.sizes[app] = size;
    }

    /// Pods of a Deployment get another name each time.
    fn pod(&self, number: usize) -> Pod {
        let incarnation = self.pods[number].incarnation;
        let name = match number % 4 {
            0 => format!("web-{}", number / 4),
            1 | 2 => format!("front-{number}-{incarnation}"),
            _ => format!("bare-{number}"),
        };
        Pod {
            name: name.into(),
            uid: format!("{number}-{incarnation}").into(),
            node: "node".into(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a target that asks wrongly has to fail")]
fn request(number: usize, pod: Pod) -> PodRequest {
    let (app, slot, policy) = match number % 4 {
        0 => (
            Some(app(0)),
            Slot::Ordinal(number as u64 / 4),
            ReleasePolicy::Immutable,
        ),
        1 => (Some(app(1)), Slot::Any, ReleasePolicy::Immutable),
        2 => (Some(app(1)), Slot::Any, ReleasePolicy::PodDelete),
        _ => (None, Slot::Pod(pod.name.clone()), ReleasePolicy::Never),
    };
    let tenant = Tenant {
        namespace: NAMESPACE.into(),
        app,
        slot,
        pool: (number % 4 == 2).then(pool),
        pod: None,
    };
    let wants = match number {
        11 => vec![Want::default(), Want::default()],
        7 => [Family::V4, Family::V6].map(of_family).into(),
        _ => vec![Want::default()],
    };
    PodRequest::new(tenant, pod, policy)
        .and_then(|request| request.with_wants(wants))
        .expect("each kind has a slot to keep an address for")
}

fn of_family(family: Family) -> Want {
    Want {
        family: Some(family),
        within: None,
    }
}

impl World for Cluster {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        let number = usize::from(*app == app_ref(1));
        match (self.sizes[number], number) {
            (7, _) => Fact::Unknown,
            (6, _) => Fact::Gone,
            (size, 0) => Fact::Known(AppState::new(Slots::Ordinals {
                start: 0,
                count: size.into(),
            })),
            (size, _) => Fact::Known(AppState::new(Slots::Count(size.into()))),
        }
    }

    fn pod(&self, _: &str, name: &str) -> Fact<PodState> {
        let named = (0..Self::PODS).find(|number| self.pod(*number).name == name);
        let Some(number) = named.filter(|number| self.pods[*number].running) else {
            return Fact::Gone;
        };
        Fact::Known(PodState::new(self.uid(number)).with_bound(self.pods[number].bound))
    }

    fn node(&self, _: &str) -> Fact<NodeState> {
        Fact::Known(NodeState::new(true))
    }
}
