use std::time::Duration;

use kube::Client;
use kube::core::ApiResource;
use kube::discovery::{ApiCapabilities, ApiGroup, Discovery};
use tokio::time::timeout;

use super::failure::Failure;
use super::kinds::KindRef;

/// How long one discovery may take.
const TIME: Duration = Duration::from_secs(20);

/// A kind as the API server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Where it is served, in the version that the server prefers if it has the kind.
    pub resource: ApiResource,
    /// Whether it has a scale subresource.
    pub scales: bool,
}

/// Looks a kind up; one without a group, as old records name it, in all groups.
///
/// # Errors
/// It is not served, or no useful answer.
pub(super) async fn discover(client: &Client, kind: &KindRef) -> Result<Discovered, Failure> {
    let found = timeout(TIME, groups(client, kind)).await??;
    let mut all = found.groups_alphabetical().into_iter();
    let found = all.find_map(|group| in_group(group, &kind.kind));
    found.ok_or(Failure::NotServed)
}

/// One request for everything, or, from servers that cannot, one for each group.
async fn groups(client: &Client, kind: &KindRef) -> kube::Result<Discovery> {
    let discovery = || {
        let all = Discovery::new(client.clone());
        if kind.group.is_empty() {
            all
        } else {
            all.filter(&[kind.group.as_str()])
        }
    };
    match discovery().run_aggregated().await {
        Ok(found) => Ok(found),
        Err(_) => discovery().run().await,
    }
}

fn in_group(group: &ApiGroup, kind: &str) -> Option<Discovered> {
    let preferred = group.versioned_resources(group.preferred_version_or_latest());
    let others = group.resources_by_stability();
    let mut all = preferred.into_iter().chain(others);
    let (resource, capabilities) = all.find(|(found, _)| found.kind.eq_ignore_ascii_case(kind))?;
    Some(Discovered {
        scales: has_scale(&capabilities),
        resource,
    })
}

fn has_scale(capabilities: &ApiCapabilities) -> bool {
    let mut subresources = capabilities.subresources.iter();
    subresources.any(|(subresource, _)| subresource.plural == "scale")
}
