//! Putting the definitions of both kinds into a cluster, and looking whether they are there.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition,
};
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::definitions;

/// Who the fields of the definitions belong to.
const MANAGER: &str = "floatingip";
/// The pause between two looks at a definition that is not ready yet.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the custom resources cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The API server does not take the definition.
    #[error(
        "the definition {name} cannot be applied: allow it to this identity, or apply deploy/crds/{name}.yaml by hand"
    )]
    Apply {
        /// The definition.
        name: String,
        /// What the API server says.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not serve it in time.
    #[error("the definition {name} is not served after {waited:?}: {reason}")]
    NotServed {
        /// The definition.
        name: String,
        /// How long it was waited for.
        waited: Duration,
        /// What its conditions say.
        reason: String,
    },
    /// It cannot be read.
    #[error("the definition {name} cannot be read")]
    Read {
        /// The definition.
        name: String,
        /// What the API server says.
        #[source]
        source: Box<kube::Error>,
    },
    /// It is there, but would drop what has to be kept.
    #[error(
        "the definition {name} is missing or an older one, which would drop fields: apply deploy/crds/{name}.yaml, or start with --install-crds"
    )]
    Outdated {
        /// The definition.
        name: String,
    },
}

/// Applies the definitions of both kinds, also over those of galaxy, and waits until both are served,
/// altogether at most so long.
///
/// # Errors
/// What the API server does not take, or does not serve in time.
pub async fn install_crds(client: &Client, wait: Duration) -> Result<(), InstallError> {
    let deadline = Instant::now() + wait;
    for definition in definitions() {
        apply(client, &definition).await?;
    }
    for definition in definitions() {
        served(client, &definition, wait, deadline).await?;
    }
    Ok(())
}

/// Looks whether the definitions that are there keep all that has to be kept.
///
/// # Errors
/// Which does not.
pub async fn check_crds(client: &Client) -> Result<(), InstallError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for wanted in definitions() {
        let name = wanted.name_any();
        let found = api
            .get_opt(&name)
            .await
            .map_err(|source| InstallError::Read {
                name: name.clone(),
                source: Box::new(source),
            })?;
        if !found.is_some_and(|found| keeps_the_same(&found, &wanted)) {
            return Err(InstallError::Outdated { name });
        }
    }
    Ok(())
}

/// Whether what is there has the schema that we have. Its texts may differ.
fn keeps_the_same(found: &CustomResourceDefinition, wanted: &CustomResourceDefinition) -> bool {
    let fields = |definition: &CustomResourceDefinition| -> Option<serde_json::Value> {
        let version = definition
            .spec
            .versions
            .iter()
            .find(|version| version.served)?;
        let schema = version.schema.as_ref()?.open_api_v3_schema.as_ref()?;
        serde_json::to_value(&schema.properties).ok()
    };
    match (fields(found), fields(wanted)) {
        (Some(found), Some(wanted)) => has_fields(&found, &wanted),
        _ => false,
    }
}

/// Whether `found` has every property of `wanted`, at every depth.
fn has_fields(found: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    let Some(wanted) = wanted.as_object() else {
        return true;
    };
    wanted.iter().all(|(name, wanted)| {
        found
            .get(name)
            .is_some_and(|found| match wanted.get("properties") {
                Some(inner) => has_fields(found.get("properties").unwrap_or(&json!({})), inner),
                None => true,
            })
    })
}

async fn apply(client: &Client, definition: &CustomResourceDefinition) -> Result<(), InstallError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let name = definition.name_any();
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&name, &params, &Patch::Apply(definition)).await;
    applied.map(drop).map_err(|source| InstallError::Apply {
        name,
        source: Box::new(source),
    })
}

/// Waits until objects of the kind can be listed: an API server says that a definition is established
/// a little before it serves it.
async fn served(
    client: &Client,
    definition: &CustomResourceDefinition,
    wait: Duration,
    deadline: Instant,
) -> Result<(), InstallError> {
    loop {
        let Some(reason) = not_served(client, definition).await else {
            return Ok(());
        };
        if Instant::now() + PAUSE > deadline {
            return Err(InstallError::NotServed {
                name: definition.name_any(),
                waited: wait,
                reason,
            });
        }
        sleep(PAUSE).await;
    }
}

/// Why the kind is not served; none where it is.
async fn not_served(client: &Client, definition: &CustomResourceDefinition) -> Option<String> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let found = match api.get(&definition.name_any()).await {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    let conditions = found
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    if let Some(reason) = hindrance(&conditions) {
        return Some(reason);
    }
    let objects = Api::<DynamicObject>::all_with(client.clone(), &kind_of(definition));
    let listed = objects.list_metadata(&ListParams::default().limit(1)).await;
    listed.err().map(|error| error.to_string())
}

/// What keeps a definition from being served, as its conditions have it.
fn hindrance(conditions: &[CustomResourceDefinitionCondition]) -> Option<String> {
    let is = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let told = |condition: &CustomResourceDefinitionCondition| {
        let message = condition.message.clone().unwrap_or_default();
        format!("{} is {}: {message}", condition.type_, condition.status)
    };
    match is("Established") {
        Some(established) if established.status == "True" => None,
        established => is("NamesAccepted")
            .filter(|accepted| accepted.status == "False")
            .or(established)
            .map_or_else(
                || Some("it is not established yet".to_owned()),
                |found| Some(told(found)),
            ),
    }
}

fn kind_of(definition: &CustomResourceDefinition) -> ApiResource {
    ApiResource {
        group: definition.spec.group.clone(),
        version: super::VERSION.to_owned(),
        api_version: format!("{}/{}", super::GROUP, super::VERSION),
        kind: definition.spec.names.kind.clone(),
        plural: definition.spec.names.plural.clone(),
    }
}
