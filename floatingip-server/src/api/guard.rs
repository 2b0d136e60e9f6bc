//! What keeps one client from harming the others: bounds on number and time, and writes that end
//! although their client has gone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::app::Api;

/// The right to be worked on. Who keeps a clone keeps the place.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    _place: Arc<OwnedSemaphorePermit>,
}

/// Waits for a place, then for the answer, both together no longer than the time limit.
pub(crate) async fn limit<B: Send + Sync + 'static>(
    State(api): State<Arc<Api<B>>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let answered = async {
        let permit = place(&api.permits).await?;
        request.extensions_mut().insert(permit.clone());
        let response = next.run(request).await;
        drop(permit);
        Ok(response)
    };
    tokio::time::timeout(api.settings.timeout, answered)
        .await
        .unwrap_or(Err(ApiError::TimedOut))
}

async fn place(permits: &Arc<Semaphore>) -> Result<Permit, ApiError> {
    let place = Arc::clone(permits).acquire_owned().await;
    let place = place.map_err(|_| ApiError::Unavailable)?;
    Ok(Permit {
        _place: Arc::new(place),
    })
}

/// Runs `write` to its end, also when the client goes away or the time is up: a plan that is
/// dropped half-way would hold its addresses for ever. It keeps its place until then.
pub(crate) async fn to_the_end<T: Send + 'static>(
    permit: Permit,
    write: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let task = tokio::spawn(async move {
        let done = write.await;
        drop(permit);
        done
    });
    task.await.map_err(|error| {
        tracing::error!(%error, "a write did not come to its end");
        ApiError::Internal
    })
}
