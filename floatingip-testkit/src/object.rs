//! Objects of any kind, written and read as JSON.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::eventually;

/// How many requests are under way at a time when many objects are created.
const AT_A_TIME: usize = 32;

/// The resource of a manifest, by its apiVersion and kind; the plural is the regular one.
///
/// # Errors
/// It has none.
pub fn resource(manifest: &Value) -> Result<ApiResource> {
    let text = |name: &str| manifest.get(name).and_then(Value::as_str);
    let version = text("apiVersion").context("a manifest without apiVersion")?;
    let kind = text("kind").context("a manifest without kind")?;
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    Ok(ApiResource::from_gvk(&GroupVersionKind::gvk(
        group, version, kind,
    )))
}

/// The API for the kind of a manifest: in the namespace that it names, or for objects without one.
///
/// # Errors
/// The manifest has no apiVersion or kind.
pub fn api(client: &Client, manifest: &Value) -> Result<Api<DynamicObject>> {
    let resource = resource(manifest)?;
    let namespace = manifest
        .pointer("/metadata/namespace")
        .and_then(Value::as_str);
    Ok(match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

/// Creates an object.
///
/// # Errors
/// The API server refuses it.
pub async fn create(client: &Client, manifest: &Value) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(manifest.clone())?;
    let created = api(client, manifest)?
        .create(&PostParams::default(), &object)
        .await;
    created.with_context(|| format!("cannot create {}", described(manifest)))
}

/// Creates objects, many at a time.
///
/// # Errors
/// The API server refuses one of them.
pub async fn create_all(client: &Client, manifests: &[Value]) -> Result<()> {
    // Collected first: a closure that borrows would keep the whole from being sent between threads.
    let creations: Vec<_> = manifests
        .iter()
        .map(|manifest| create(client, manifest))
        .collect();
    let mut created = futures::stream::iter(creations).buffer_unordered(AT_A_TIME);
    while let Some(object) = created.next().await {
        object?;
    }
    Ok(())
}

/// Creates an object, or changes what is there to what the manifest says.
///
/// # Errors
/// The API server refuses it.
pub async fn apply(client: &Client, manifest: &Value) -> Result<DynamicObject> {
    let how = PatchParams::apply("floatingip-testkit").force();
    let patched = api(client, manifest)?
        .patch(&name(manifest)?, &how, &Patch::Apply(manifest))
        .await;
    patched.with_context(|| format!("cannot apply {}", described(manifest)))
}

/// Merges `change` into an object; `null` removes a field.
///
/// # Errors
/// The API server refuses it.
pub async fn merge(client: &Client, manifest: &Value, change: &Value) -> Result<DynamicObject> {
    let how = PatchParams::default();
    let patched = api(client, manifest)?
        .patch(&name(manifest)?, &how, &Patch::Merge(change))
        .await;
    patched.with_context(|| format!("cannot change {}", described(manifest)))
}

/// Sets the number of replicas by the scale subresource, as kubectl does.
///
/// # Errors
/// The API server refuses it.
pub async fn scale(client: &Client, manifest: &Value, replicas: u32) -> Result<()> {
    let change = json!({"spec": {"replicas": replicas}});
    let api = api(client, manifest)?;
    let scaled = api
        .patch_scale(
            &name(manifest)?,
            &PatchParams::default(),
            &Patch::Merge(&change),
        )
        .await;
    scaled.with_context(|| format!("cannot scale {}", described(manifest)))?;
    Ok(())
}

/// Deletes an object, and what it owns behind it.
///
/// # Errors
/// The API server refuses it.
pub async fn delete(client: &Client, manifest: &Value) -> Result<()> {
    let deleted = api(client, manifest)?
        .delete(&name(manifest)?, &DeleteParams::background())
        .await;
    deleted.with_context(|| format!("cannot delete {}", described(manifest)))?;
    Ok(())
}

/// Waits until an object is gone.
///
/// # Errors
/// It is still there after the limit.
pub async fn gone(client: &Client, manifest: &Value, limit: Duration) -> Result<()> {
    let (api, name) = (api(client, manifest)?, name(manifest)?);
    eventually(
        limit,
        &format!("end of {}", described(manifest)),
        || async {
            let found = api.get_opt(&name).await?;
            ensure!(found.is_none(), "it is still there");
            Ok(())
        },
    )
    .await
}

/// The pods of a namespace that a label selector picks, by name.
///
/// # Errors
/// The API server refuses.
pub async fn pods(client: &Client, namespace: &str, labels: &str) -> Result<Vec<Pod>> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut pods = api.list(&ListParams::default().labels(labels)).await?.items;
    pods.sort_by_key(|pod| pod.name_any());
    Ok(pods)
}

fn name(manifest: &Value) -> Result<String> {
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
    Ok(name.context("a manifest without name")?.to_owned())
}

/// `Deployment default/web`, for messages.
fn described(manifest: &Value) -> String {
    let text = |pointer| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!(
        "{} {}/{}",
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}
