//! Sees at once that the lease is given back, which a look each second would see later.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Error;
use kube::api::{Api, WatchEvent, WatchParams};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use super::Holder;
use crate::causes::Causes;

/// How long one watch lasts; the API server ends it then.
const LASTS: u32 = 290;
/// The pause before it is watched again.
const AGAIN: Duration = Duration::from_secs(1);
/// The same after a failure. Where it cannot be watched, those who look each second find out too.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// A watch of the lease, until this is dropped.
pub(super) struct Release {
    free: Arc<Notify>,
    _watching: JoinSet<()>,
}

impl Release {
    /// Watches the lease of that name.
    pub(super) fn watch(leases: Api<Lease>, name: &str) -> Self {
        let free = Arc::new(Notify::new());
        let params = WatchParams::default()
            .fields(&format!("metadata.name={name}"))
            .timeout(LASTS);
        let told = Arc::clone(&free);
        let mut watching = JoinSet::new();
        watching.spawn(async move {
            loop {
                let followed = follow(&leases, &params, &told).await;
                sleep(if followed.is_ok() {
                    AGAIN
                } else {
                    AFTER_FAILURE
                })
                .await;
            }
        });
        Self {
            free,
            _watching: watching,
        }
    }

    /// Waits until it was seen that nobody holds the lease any more.
    pub(super) async fn seen(&self) {
        self.free.notified().await;
    }
}

async fn follow(leases: &Api<Lease>, params: &WatchParams, free: &Notify) -> Result<(), Error> {
    let followed = follow_once(leases, params, free).await;
    followed.inspect_err(|error| debug!("the lease is not watched: {}", Causes(error)))
}

async fn follow_once(
    leases: &Api<Lease>,
    params: &WatchParams,
    free: &Notify,
) -> Result<(), Error> {
    let events = leases.watch(params, "0").await?;
    let mut events = pin!(events);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(lease) | WatchEvent::Modified(lease)
                if Holder::of(&lease).is_none() =>
            {
                free.notify_one();
            }
            WatchEvent::Deleted(_) => free.notify_one(),
            WatchEvent::Error(status) => return Err(Error::Api(status)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::timeout;

    use super::*;

    fn event(kind: &str, holder: &str) -> Value {
        json!({ "type": kind, "object": {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "floatingip", "resourceVersion": "7" },
            "spec": { "holderIdentity": holder },
        }})
    }

    /// Leases of an API server that answers each watch with these events.
    fn leases(events: &[Value]) -> Api<Lease> {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let service = tower::service_fn(move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            assert!(
                query.contains("fieldSelector=metadata.name%3Dfloatingip"),
                "{query}"
            );
            let body = Body::from(lines.clone().into_bytes());
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        Api::namespaced(Client::new(service, "default"), "kube-system")
    }

    async fn is_seen(events: &[Value]) -> bool {
        let release = Release::watch(leases(events), "floatingip");
        let limit = Duration::from_secs(60);
        timeout(limit, release.seen()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_given_back_is_seen_and_one_that_is_renewed_is_nothing_new() {
        let held = event("MODIFIED", "a");
        assert!(is_seen(&[held.clone(), event("MODIFIED", "")]).await);
        assert!(is_seen(&[event("ADDED", "")]).await);
        assert!(is_seen(&[event("DELETED", "a")]).await);
        assert!(!is_seen(&[event("ADDED", "a"), held]).await);
    }
}
