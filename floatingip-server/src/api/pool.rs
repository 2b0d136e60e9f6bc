//! `/v1/pool`: pools with a size.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use floatingip_core::record::PoolRecord;
use floatingip_core::{PoolName, PoolNameError};

use super::dto::{
    Answered, Pool, PoolAnswer, PoolRequest, PoolStatus, PutPoolAnswer, done, pretty,
};
use super::error::ApiError;
use super::extract::{Json, PoolPath};
use super::guard::{Permit, to_the_end};
use crate::app::{Api, Mode};
use crate::backend::{Backend, PoolReport, PoolSpec};

/// `GET /v1/pool/{name}`.
pub(crate) async fn show<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    PoolPath(name): PoolPath,
) -> Answered {
    let found = api.backend.pool(&name).await?;
    let pool = found.ok_or_else(|| not_found(&name, api.settings.mode))?;
    let answer = PoolAnswer {
        code: 200,
        message: String::new(),
        pool: Pool {
            name: name.to_string(),
            size: pool.size,
            pre_allocate: pool.pre_allocate,
        },
        status: (api.settings.mode == Mode::Standard).then_some(PoolStatus {
            addresses: pool.addresses,
            in_use: pool.in_use,
            owed: pool.owed,
        }),
    };
    Ok(pretty(StatusCode::OK, &answer))
}

/// `DELETE /v1/pool/{name}`.
pub(crate) async fn delete<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    PoolPath(name): PoolPath,
) -> Answered {
    let (backend, pool) = (Arc::clone(&api.backend), name.clone());
    let existed = to_the_end(permit, async move { backend.delete_pool(&pool).await }).await??;
    if !existed {
        return Err(not_found(&name, api.settings.mode));
    }
    Ok(done())
}

/// `POST /v1/pool`.
pub(crate) async fn put<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    body: Json,
) -> Answered {
    let body = match api.settings.mode {
        Mode::Standard => body,
        Mode::Galaxy => body.leniently(&["name", "size", "preAllocateIP"])?,
    };
    let pool = spec(&body.read()?)?;
    let backend = Arc::clone(&api.backend);
    let report = to_the_end(permit, async move { backend.put_pool(pool).await }).await??;
    Ok(written(report))
}

/// `GET` and `DELETE` of a pool without a name.
pub(crate) async fn unnamed() -> ApiError {
    PoolNameError::Empty.into()
}

fn spec(request: &PoolRequest) -> Result<PoolSpec, ApiError> {
    let name: PoolName = request.name.parse()?;
    if !name.is_dns_label() {
        return Err(ApiError::PoolLabel(name.to_string()));
    }
    let found = request.size;
    let size = u32::try_from(found)
        .ok()
        .filter(|size| *size <= PoolRecord::MAX_SIZE);
    Ok(PoolSpec {
        name,
        size: size.ok_or(ApiError::PoolSize { found })?,
        pre_allocate: request.pre_allocate,
    })
}

fn written(report: PoolReport) -> Response {
    let (status, message) = if report.complete {
        (StatusCode::OK, "")
    } else {
        (StatusCode::ACCEPTED, "No enough IPs")
    };
    let answer = PutPoolAnswer {
        code: status.as_u16(),
        message: message.to_owned(),
        real_pool_size: report.real_size,
    };
    pretty(status, &answer)
}

fn not_found(name: &PoolName, mode: Mode) -> ApiError {
    match mode {
        Mode::Standard => ApiError::PoolNotFound,
        Mode::Galaxy => ApiError::GalaxyPoolNotFound(name.to_string()),
    }
}
