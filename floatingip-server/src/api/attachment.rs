//! `/v1/attachment`: container interfaces and their addresses.

mod request;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use floatingip_core::annotation::IpInfo;
use floatingip_core::record::Attachment;
use serde::{Deserialize, Serialize};

use self::request::AttachRequest;
use super::apps::Served;
use super::dto::{Answered, done, pretty};
use super::error::ApiError;
use super::extract::{Json, Segments};
use super::field::{FieldFault, Object, attachment, name, optional};
use super::guard::{Permit, to_the_end};
use super::params::Params;
use crate::app::Api;
use crate::backend::Backend;
use crate::native::{Left, Native};

/// What a container interface has.
#[derive(Debug, Serialize)]
struct AttachAnswer {
    code: u16,
    message: String,
    ipinfos: Vec<IpInfo>,
}

/// `POST /v1/attachment`.
pub(crate) async fn attach<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    body: Json,
) -> Answered {
    let wanted = body.read::<AttachRequest>()?.wanted()?;
    let backend = Arc::clone(&api.backend);
    let attached = to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.attach(wanted).await?)
    });
    let answer = AttachAnswer {
        code: StatusCode::OK.as_u16(),
        message: String::new(),
        ipinfos: attached.await??.iter().map(IpInfo::from).collect(),
    };
    Ok(pretty(StatusCode::OK, &answer))
}

/// `DELETE /v1/attachment/{nodeName}/{network}/{containerID}/{interface}`.
pub(crate) async fn detach<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    Segments(segments): Segments<4>,
    params: Params,
) -> Answered {
    let attachment = attachment(segments.each_ref().map(String::as_str))?;
    params.check(&["attempt"])?;
    let attempt = optional("attempt", params.first("attempt").unwrap_or_default())?;
    let backend = Arc::clone(&api.backend);
    to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.detach(attachment, attempt).await?)
    })
    .await??;
    Ok(done())
}

/// `POST /v1/attachment/gc`.
pub(crate) async fn collect<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    body: Json,
) -> Answered {
    let left = body.read::<GcRequest>()?.left()?;
    let backend = Arc::clone(&api.backend);
    to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.collect(left).await?)
    })
    .await??;
    Ok(done())
}

/// What is left of a node's network.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GcRequest {
    node_name: String,
    network: String,
    valid: Vec<Object<Valid>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Valid {
    #[serde(rename = "containerID")]
    container_id: String,
    interface: String,
}

impl GcRequest {
    fn left(&self) -> Result<Left, FieldFault> {
        let (node, network) = (&self.node_name, &self.network);
        let valid = self.valid.iter();
        let valid: Result<BTreeSet<Attachment>, _> = valid
            .map(|Object(valid)| attachment([node, network, &valid.container_id, &valid.interface]))
            .collect();
        Ok(Left {
            node: name("nodeName", node)?,
            network: name("network", network)?,
            valid: valid?,
        })
    }
}
