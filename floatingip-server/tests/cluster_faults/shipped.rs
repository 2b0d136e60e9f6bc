//! What is shipped in `deploy/`, applied to a real API server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use floatingip_k8s::crd::install_crds;
use floatingip_testkit::{ControlPlane, object};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::LIMIT;

const NAMESPACE: &str = "kube-system";
const ACCOUNT: &str = "floatingip-server";

/// The objects of a folder, in the order and in the namespace that its kustomization says.
pub(crate) fn objects(folder: &str) -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(folder);
    let kustomization = documents(&folder.join("kustomization.yaml"))?;
    let kustomization = kustomization.first().context("an empty kustomization")?;
    let files = kustomization["resources"].as_array();
    let mut objects = Vec::new();
    for file in files.context("a kustomization without resources")? {
        let file = file.as_str().context("a resource that is no text")?;
        objects.extend(documents(&folder.join(file))?);
    }
    ensure!(!objects.is_empty(), "{} has no objects", folder.display());
    if let Some(namespace) = kustomization.get("namespace") {
        for object in &mut objects {
            put_into(object, namespace);
        }
    }
    Ok(objects)
}

fn put_into(object: &mut Value, namespace: &Value) {
    let kind = object["kind"].as_str().unwrap_or_default();
    if !kind.starts_with("Cluster") {
        object["metadata"]["namespace"] = namespace.clone();
    }
}

fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let documents = serde_saphyr::from_multiple(&text);
    documents.with_context(|| path.display().to_string())
}

/// Applies all objects of a folder; a field that the API server does not know is a fault.
pub(crate) async fn apply(client: &Client, folder: &str) -> Result<()> {
    let how = PatchParams::apply("floatingip").validation_strict();
    for object in objects(folder)? {
        let name = object["metadata"]["name"].as_str().context("no name")?;
        let applied = object::api(client, &object)?
            .patch(name, &how, &Patch::Apply(&object))
            .await;
        applied.with_context(|| format!("{folder}: {name}"))?;
    }
    Ok(())
}

/// Installs what a server needs to be deployed, and returns a kubeconfig with the rights of its ServiceAccount and no
/// others.
pub(crate) async fn account(plane: &ControlPlane) -> Result<PathBuf> {
    let client = plane.client();
    install_crds(&client, LIMIT).await?;
    apply(&client, "base").await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec::default()),
        ..TokenRequest::default()
    };
    let how = PostParams::default();
    let granted = accounts
        .create_token_request(ACCOUNT, &how, &request)
        .await?;
    let token = granted.status.context("no token was granted")?.token;
    let mut config = serde_json::to_value(Kubeconfig::read_from(plane.kubeconfig())?)?;
    config["users"][0]["user"] = json!({"token": token});
    let path = plane.folder().join("account.kubeconfig");
    fs::write(&path, config.to_string())?;
    Ok(path)
}
