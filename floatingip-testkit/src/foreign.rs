//! Kinds of other projects, by their names alone: the custom resources without the controllers.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::{eventually, object};

/// A kind with a scale subresource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its API group.
    pub group: &'static str,
    /// The version that is served.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The name of the resource.
    pub plural: &'static str,
}

/// TApp of tkestack, whose pods are named like a StatefulSet's.
pub const TAPP: Kind = Kind {
    group: "apps.tkestack.io",
    version: "v1",
    kind: "TApp",
    plural: "tapps",
};

/// OpenKruise's StatefulSet, which differs from the native one by its group alone.
pub const KRUISE_STATEFUL_SET: Kind = Kind {
    group: "apps.kruise.io",
    version: "v1beta1",
    kind: "StatefulSet",
    plural: "statefulsets",
};

/// Argo's Rollout, which owns ReplicaSets as a Deployment does.
pub const ROLLOUT: Kind = Kind {
    group: "argoproj.io",
    version: "v1alpha1",
    kind: "Rollout",
    plural: "rollouts",
};

impl Kind {
    /// What stands in `apiVersion`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// Its CustomResourceDefinition: any fields, a status, and a scale subresource.
    pub fn definition(&self) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{}.{}", self.plural, self.group),
            },
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"kind": self.kind, "plural": self.plural, "singular": self.kind.to_lowercase()},
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.labelSelector",
                        },
                    },
                }],
            },
        })
    }
}

/// Installs kinds, and waits until they are served.
///
/// # Errors
/// The API server refuses one, or does not serve it within the limit.
pub async fn install(client: &Client, kinds: &[Kind], limit: Duration) -> Result<()> {
    for kind in kinds {
        object::apply(client, &kind.definition()).await?;
    }
    for kind in kinds {
        served(client, kind, limit).await?;
    }
    Ok(())
}

async fn served(client: &Client, kind: &Kind, limit: Duration) -> Result<()> {
    let what = format!("{} of {}", kind.plural, kind.api_version());
    eventually(limit, &what, || async {
        let resources = client
            .list_api_group_resources(&kind.api_version())
            .await?
            .resources;
        let names: Vec<String> = resources
            .into_iter()
            .map(|resource| resource.name)
            .collect();
        ensure!(
            names.iter().any(|name| name == kind.plural),
            "served are {names:?}"
        );
        Ok(())
    })
    .await
}
