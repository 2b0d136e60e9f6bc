//! `/v1/app` and `/v1/pod`: what people say of apps and pods where no cluster does.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use floatingip_core::Name;
use floatingip_core::fact::{AppState, Slots};
use floatingip_core::owner::{App, AppRef};
use floatingip_core::workload::{Workload, usual_group};
use serde::{Deserialize, Serialize};

use super::dto::{Answered, done, integer, pretty};
use super::error::ApiError;
use super::extract::{Json, Segments};
use super::field::{Fault, FieldFault, given, name, optional, whole};
use super::guard::{Permit, to_the_end};
use super::listing::kind_named;
use super::params::Params;
use crate::app::Api;
use crate::backend::Backend;
use crate::native::{AppView, Native};

/// The namespace of those who have none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// The most nodes that an app may name: as many as a large cluster has.
const MOST_NODES: usize = 5000;

/// Only where nobody else tells of pods: in a cluster the request is refused before it is read.
#[derive(Debug)]
pub(crate) struct Served;

impl<B: Backend> FromRequestParts<Arc<Api<B>>> for Served {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, api: &Arc<Api<B>>) -> Result<Self, ApiError> {
        let native = api.backend.native();
        native.map(|_| Self).ok_or(ApiError::FromCluster)
    }
}

/// `DELETE /v1/pod/{podUID}`.
pub(crate) async fn end_pod<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    Segments([uid]): Segments<1>,
) -> Answered {
    let uid = name("podUID", &uid)?;
    let backend = Arc::clone(&api.backend);
    to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.end_pod(uid).await?)
    })
    .await??;
    Ok(done())
}

/// `POST /v1/app`.
pub(crate) async fn tell<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    body: Json,
) -> Answered {
    let (app, state) = body.read::<AppRequest>()?.told()?;
    let backend = Arc::clone(&api.backend);
    let freed = to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.tell_app(app, state).await?)
    });
    Ok(freed_answer(freed.await??))
}

/// `DELETE /v1/app/{namespace}/{appType}/{appName}`.
pub(crate) async fn delete<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    AppPath(app): AppPath,
) -> Answered {
    let backend = Arc::clone(&api.backend);
    let freed = to_the_end(permit, async move {
        let native = backend.native().ok_or(ApiError::FromCluster)?;
        Ok::<_, ApiError>(native.delete_app(app).await?)
    });
    Ok(freed_answer(freed.await??))
}

/// `GET /v1/app/{namespace}/{appType}/{appName}`.
pub(crate) async fn show<B: Backend>(
    _: Served,
    State(api): State<Arc<Api<B>>>,
    AppPath(app): AppPath,
) -> Answered {
    let native = api.backend.native().ok_or(ApiError::FromCluster)?;
    let found = native.app(&app);
    let view = found.ok_or_else(|| ApiError::AppNotFound(app.to_string()))?;
    Ok(pretty(StatusCode::OK, &AppAnswer::new(&app, &view)))
}

/// How many addresses became free.
#[derive(Debug, Serialize)]
struct FreedAnswer {
    code: u16,
    message: String,
    freed: usize,
}

fn freed_answer(freed: usize) -> Response {
    let answer = FreedAnswer {
        code: StatusCode::OK.as_u16(),
        message: String::new(),
        freed,
    };
    pretty(StatusCode::OK, &answer)
}

/// The fields that name an app.
#[derive(Clone, Copy, Debug)]
pub(super) struct AppFields<'a> {
    pub(super) kind: &'a str,
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

impl AppFields<'_> {
    /// The app; none where nothing names one.
    pub(super) fn app(self) -> Result<Option<App>, FieldFault> {
        let absent = self.name.is_empty();
        let stray = [
            ("appType", self.kind),
            ("appGroup", self.group),
            ("appUID", self.uid),
        ];
        if let Some((field, _)) = stray
            .into_iter()
            .find(|(_, text)| absent && !text.is_empty())
        {
            let text = "belongs to an app: give appName too".to_owned();
            return Err(Fault::Text(text).at(field));
        }
        if absent {
            return Ok(None);
        }
        let kind = kind_named(&name("appType", self.kind)?);
        let group = optional("appGroup", self.group)?;
        Ok(Some(App {
            group: group.unwrap_or_else(|| Name::from(usual_group(&kind))),
            kind,
            name: name("appName", self.name)?,
            uid: optional("appUID", self.uid)?,
        }))
    }
}

/// The app that the last three segments of the path name, and the parameter `appGroup`.
#[derive(Debug)]
pub(crate) struct AppPath(AppRef);

impl<S: Send + Sync> FromRequestParts<S> for AppPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = Params::from_request_parts(parts, state).await?;
        params.check(&["appGroup"])?;
        let Segments([namespace, kind, app]) = Segments::from_request_parts(parts, state).await?;
        let fields = AppFields {
            kind: &kind,
            group: params.first("appGroup").unwrap_or_default(),
            name: &app,
            uid: "",
        };
        let app = fields.app()?.ok_or_else(|| Fault::Empty.at("appName"))?;
        Ok(Self(app_ref(name("namespace", &namespace)?, app)))
    }
}

fn app_ref(namespace: Name, app: App) -> AppRef {
    AppRef {
        namespace,
        group: app.group,
        kind: app.kind,
        name: app.name,
    }
}

/// An app as somebody tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AppRequest {
    #[serde(default)]
    namespace: String,
    app_type: String,
    #[serde(default)]
    app_group: String,
    app_name: String,
    #[serde(default, rename = "appUID")]
    app_uid: String,
    #[serde(default, deserialize_with = "whole")]
    replicas: Option<u32>,
    #[serde(default, deserialize_with = "whole")]
    start: Option<u32>,
    #[serde(default, deserialize_with = "integer")]
    surge: u32,
    #[serde(default, deserialize_with = "given")]
    nodes: Option<Vec<String>>,
}

impl AppRequest {
    fn told(&self) -> Result<(AppRef, AppState), FieldFault> {
        let fields = AppFields {
            kind: &self.app_type,
            group: &self.app_group,
            name: &self.app_name,
            uid: &self.app_uid,
        };
        let app = fields.app()?.ok_or_else(|| Fault::Empty.at("appName"))?;
        let slots = self.slots(&Workload::of_app(app.clone()))?;
        let state = AppState::new(slots).with_surge(self.surge);
        let state = match &app.uid {
            Some(uid) => state.with_uid(uid.clone()),
            None => state,
        };
        let namespace = optional("namespace", &self.namespace)?;
        let namespace = namespace.unwrap_or_else(|| Name::from(DEFAULT_NAMESPACE));
        Ok((app_ref(namespace, app), state))
    }

    fn slots(&self, workload: &Workload) -> Result<Slots, FieldFault> {
        if let Workload::DaemonSet(_) = workload {
            return self.node_slots();
        }
        self.only_for(self.nodes.is_none(), "nodes", "daemonsets")?;
        let replicas = self.replicas.ok_or_else(|| {
            let text = "is missing: say how many pods the app has".to_owned();
            Fault::Text(text).at("replicas")
        })?;
        match workload {
            Workload::StatefulSet(_) | Workload::Scalable(_) => Ok(Slots::Ordinals {
                start: self.start.unwrap_or_default().into(),
                count: replicas,
            }),
            _ => {
                self.only_for(
                    self.start.is_none(),
                    "start",
                    "apps whose pods have ordinals",
                )?;
                Ok(Slots::Count(replicas))
            }
        }
    }

    /// The nodes that are named, or every one.
    fn node_slots(&self) -> Result<Slots, FieldFault> {
        self.only_for(self.replicas.is_none(), "replicas", "apps that scale")?;
        self.only_for(
            self.start.is_none(),
            "start",
            "apps whose pods have ordinals",
        )?;
        let Some(nodes) = &self.nodes else {
            return Ok(Slots::EveryNode);
        };
        if nodes.len() > MOST_NODES {
            let found = nodes.len();
            let text = format!(
                "has {found} names: give at most {MOST_NODES}, or leave it out for every node"
            );
            return Err(Fault::Text(text).at("nodes"));
        }
        let nodes: Result<BTreeSet<Name>, _> =
            nodes.iter().map(|node| name("nodes", node)).collect();
        Ok(Slots::Nodes(nodes?))
    }

    fn only_for(&self, fits: bool, field: &'static str, whom: &str) -> Result<(), FieldFault> {
        match fits {
            true => Ok(()),
            false => Err(Fault::Text(format!("is for {whom}: leave it out")).at(field)),
        }
    }
}

/// An app as it is shown.
#[derive(Debug, Serialize)]
struct AppAnswer {
    code: u16,
    message: String,
    app: Shown,
    status: AppStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    namespace: Name,
    app_type: Name,
    app_group: Name,
    app_name: Name,
    #[serde(rename = "appUID", skip_serializing_if = "Option::is_none")]
    app_uid: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    surge: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<Name>>,
}

/// How it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppStatus {
    told: bool,
    deleted: bool,
    addresses: usize,
    in_use: u64,
}

impl AppAnswer {
    fn new(app: &AppRef, view: &AppView) -> Self {
        let state = view.state.as_ref();
        let slots = state.map(|state| &state.slots);
        let (replicas, start, nodes) = match slots {
            Some(Slots::Count(count)) => (Some(*count), None, None),
            Some(Slots::Ordinals { start, count }) => (Some(*count), Some(*start), None),
            Some(Slots::Nodes(nodes)) => (None, None, Some(nodes.iter().cloned().collect())),
            Some(Slots::EveryNode) | None => (None, None, None),
        };
        Self {
            code: StatusCode::OK.as_u16(),
            message: String::new(),
            app: Shown {
                namespace: app.namespace.clone(),
                app_type: app.kind.clone(),
                app_group: app.group.clone(),
                app_name: app.name.clone(),
                app_uid: state.and_then(|state| state.uid.clone()),
                replicas,
                start,
                surge: state.map(|state| state.surge),
                nodes,
            },
            status: AppStatus {
                told: state.is_some(),
                deleted: view.deleted,
                addresses: view.addresses,
                in_use: view.pods,
            },
        }
    }
}
