//! Reads past the index: the source of truth itself, bounded in time.

use std::time::Duration;

use floatingip_core::owner::AppRef;
use kube::core::ApiResource;
use kube::{Api, Client};
use tokio::time::timeout;

use super::failure::Failure;
use super::kinds::KindRef;
use super::{PodEntry, SharedIndex};
use crate::object::{DaemonSetObject, ReplicaSetObject, StatefulSetObject};
use crate::object::{DeploymentObject, Malformed, MetaObject, PodObject};
use thiserror::Error;

/// Why a pod could not be read live.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PodReadError {
    /// No useful answer.
    #[error("pod cannot be read: {0}")]
    Failed(#[from] Failure),
    /// An answer that is no pod.
    #[error("pod cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

/// The pod as the API server has it at this moment, none if it has none. It is put into the index, so
/// that facts are no older than this read.
///
/// # Errors
/// No useful answer in `limit`.
pub async fn read_pod(
    client: &Client,
    index: &SharedIndex,
    (namespace, name): (&str, &str),
    limit: Duration,
) -> Result<Option<PodEntry>, PodReadError> {
    let pods: Api<PodObject> = Api::namespaced(client.clone(), namespace);
    let read = timeout(limit, pods.get(name))
        .await
        .map_err(Failure::from)?;
    match read {
        Ok(pod) => {
            let entry = PodEntry::try_from(&pod)?;
            index.write().expect_pod(entry.clone());
            Ok(Some(entry))
        }
        Err(error) if names_object(&error, name) => Ok(None),
        Err(error) => Err(Failure::from(error).into()),
    }
}

/// What a live read of an app has shown.
#[derive(Debug)]
pub enum AppRead {
    /// It is not there, while its kind is served. The index has noted it.
    Gone,
    /// It is there.
    Present,
    /// Nobody can tell: why.
    Unknown(Failure),
}

/// Reads whether an app is there, and notes in the index if it is not.
///
/// Forbidden, not served, late, or of a kind that discovery has not found: all `Unknown`, never `Gone`.
pub async fn read_app(
    client: &Client,
    index: &SharedIndex,
    app: &AppRef,
    limit: Duration,
) -> AppRead {
    let Some(resource) = resource_of(index, app) else {
        index.write().demand(KindRef::of(app));
        return AppRead::Unknown(Failure::NotServed);
    };
    let objects: Api<MetaObject> = Api::namespaced_with(client.clone(), &app.namespace, &resource);
    match timeout(limit, objects.get(&app.name)).await {
        Ok(Ok(_)) => AppRead::Present,
        Ok(Err(error)) if names_object(&error, &app.name) => {
            index.write().confirm_gone(app);
            AppRead::Gone
        }
        Ok(Err(error)) => AppRead::Unknown(error.into()),
        Err(late) => AppRead::Unknown(late.into()),
    }
}

fn resource_of(index: &SharedIndex, app: &AppRef) -> Option<ApiResource> {
    let erased = match (app.group.as_str(), app.kind.as_str()) {
        ("apps", "deployment") => ApiResource::erase::<DeploymentObject>(&()),
        ("apps", "replicaset") => ApiResource::erase::<ReplicaSetObject>(&()),
        ("apps", "statefulset") => ApiResource::erase::<StatefulSetObject>(&()),
        ("apps", "daemonset") => ApiResource::erase::<DaemonSetObject>(&()),
        _ => return index.read().resource(app),
    };
    Some(erased)
}

/// Whether a 404 is about the object: one about its kind has no details that name it.
pub(crate) fn names_object(error: &kube::Error, name: &str) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let named = |details: &kube::core::response::StatusDetails| details.name == name;
    status.is_not_found() && status.details.as_ref().is_some_and(named)
}
