use floatingip_core::annotation;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::ObjectMeta;
use serde::Deserialize;

use super::{metadata, nullable, resource};

/// Declares a trimmed workload: they differ by name alone.
macro_rules! workload {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $plural:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct $type {
            /// The trimmed metadata.
            #[serde(deserialize_with = "metadata::trimmed")]
            pub metadata: ObjectMeta,
            /// How many pods of which make.
            #[serde(deserialize_with = "nullable")]
            pub spec: AppSpec,
        }

        resource!($type, NamespaceResourceScope, "apps", $kind, $plural);
    };
}

workload!(
    /// A Deployment.
    DeploymentObject,
    "Deployment",
    "deployments"
);
workload!(
    /// A ReplicaSet.
    ReplicaSetObject,
    "ReplicaSet",
    "replicasets"
);
workload!(
    /// A StatefulSet.
    StatefulSetObject,
    "StatefulSet",
    "statefulsets"
);
workload!(
    /// A DaemonSet.
    DaemonSetObject,
    "DaemonSet",
    "daemonsets"
);

/// Of a workload's specification.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AppSpec {
    replicas: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    ordinals: Ordinals,
    #[serde(deserialize_with = "nullable")]
    strategy: Strategy,
    #[serde(deserialize_with = "nullable")]
    template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strategy {
    r#type: Option<String>,
    #[serde(deserialize_with = "nullable")]
    rolling_update: RollingUpdate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RollingUpdate {
    max_surge: Option<IntOrString>,
    max_unavailable: Option<IntOrString>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    #[serde(deserialize_with = "metadata::trimmed")]
    metadata: ObjectMeta,
}

impl AppSpec {
    /// How many pods it wants; 1 where it does not say, as the API server has it.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        clamped(self.replicas.unwrap_or(1))
    }

    /// The first ordinal of a StatefulSet.
    #[must_use]
    pub fn first_ordinal(&self) -> u64 {
        u64::try_from(self.ordinals.start).unwrap_or(0)
    }

    /// How many addresses above its replicas a Deployment may have: its `maxSurge`, rounded up, where
    /// its pods say `surge: allow`. A mistyped annotation allows nothing; its pods are told of it.
    #[must_use]
    pub fn surge(&self) -> u32 {
        let annotations = self.template.metadata.annotations.as_ref();
        let value = annotations.and_then(|all| all.get(annotation::SURGE));
        let allowed = annotation::surge(value.map(String::as_str)).unwrap_or(false);
        if allowed { self.max_surge() } else { 0 }
    }

    /// A Deployment's `maxSurge`, rounded up as its controller does; 0 unless it updates by rolling.
    #[must_use]
    pub fn max_surge(&self) -> u32 {
        let surge = self.strategy.rolling_update.max_surge.as_ref();
        self.rolling_share(surge, Round::Up)
    }

    /// How many of a Deployment's pods may be missing while it updates by rolling: `maxUnavailable`,
    /// rounded down, and 1 where neither that nor `maxSurge` leaves anything, as its controller does.
    #[must_use]
    pub fn max_unavailable(&self) -> u32 {
        let unavailable = self.strategy.rolling_update.max_unavailable.as_ref();
        let share = self.rolling_share(unavailable, Round::Down);
        if share == 0 && self.max_surge() == 0 {
            1
        } else {
            share
        }
    }

    fn rolling_share(&self, share: Option<&IntOrString>, round: Round) -> u32 {
        if self.strategy.r#type.as_deref() == Some("Recreate") {
            return 0;
        }
        match share {
            None => round.percent(25, self.replicas()),
            Some(IntOrString::Int(count)) => clamped(i64::from(*count)),
            Some(IntOrString::String(text)) => {
                percentage(text).map_or(0, |percent| round.percent(percent, self.replicas()))
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

impl Round {
    fn percent(self, percent: u32, of: u32) -> u32 {
        let hundredths = u64::from(percent) * u64::from(of);
        let share = match self {
            Self::Up => hundredths.div_ceil(100),
            Self::Down => hundredths / 100,
        };
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

fn percentage(text: &str) -> Option<u32> {
    text.strip_suffix('%')?.parse().ok()
}

fn clamped(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}
