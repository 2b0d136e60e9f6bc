//! Format 1 of what people told of an app. Order and type of every field and variant are the format.

use floatingip_core::Name;
use floatingip_core::fact::{AppState, Slots};
use floatingip_core::owner::AppRef;
use floatingip_core::record::Version;
use serde::{Deserialize, Serialize};

use super::super::apps::{AppRow, Told};
use super::{FormatError, decode, encode};

/// An app as a key: namespace, API group, kind, name.
pub(in crate::store) type AppKey<'a> = (&'a str, &'a str, &'a str, &'a str);

pub(in crate::store) fn app_key(app: &AppRef) -> AppKey<'_> {
    (&app.namespace, &app.group, &app.kind, &app.name)
}

pub(in crate::store) fn key_app((namespace, group, kind, name): AppKey<'_>) -> AppRef {
    AppRef {
        namespace: Name::from(namespace),
        group: Name::from(group),
        kind: Name::from(kind),
        name: Name::from(name),
    }
}

#[derive(Serialize, Deserialize)]
struct AppValue<'a> {
    version: u64,
    /// None: it is gone.
    #[serde(borrow)]
    there: Option<StateValue<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StateValue<'a> {
    uid: Option<&'a str>,
    #[serde(borrow)]
    slots: SlotsValue<'a>,
    surge: u32,
}

#[derive(Serialize, Deserialize)]
enum SlotsValue<'a> {
    Count(u32),
    Ordinals {
        start: u64,
        count: u32,
    },
    #[serde(borrow)]
    Nodes(Vec<&'a str>),
    EveryNode,
}

pub(in crate::store) fn app_bytes(key: AppKey<'_>, row: &AppRow) -> Result<Vec<u8>, FormatError> {
    let value = AppValue {
        version: row.version.0,
        there: match &row.told {
            Told::There(state) => Some(StateValue::from(state)),
            Told::Gone => None,
        },
    };
    encode(&sum_key(key), &value)
}

pub(in crate::store) fn app_row(key: AppKey<'_>, bytes: &[u8]) -> Result<AppRow, FormatError> {
    let value: AppValue<'_> = decode(&sum_key(key), bytes)?;
    Ok(AppRow {
        version: Version(value.version),
        told: value
            .there
            .map_or(Told::Gone, |state| Told::There(state.state())),
    })
}

/// The key as the checksum takes it: names have no byte of value 0.
fn sum_key((namespace, group, kind, name): AppKey<'_>) -> Vec<u8> {
    [namespace, group, kind, name].join("\0").into_bytes()
}

impl<'a> From<&'a AppState> for StateValue<'a> {
    fn from(state: &'a AppState) -> Self {
        Self {
            uid: state.uid.as_deref(),
            slots: match &state.slots {
                Slots::Count(count) => SlotsValue::Count(*count),
                Slots::Ordinals { start, count } => SlotsValue::Ordinals {
                    start: *start,
                    count: *count,
                },
                Slots::Nodes(nodes) => {
                    SlotsValue::Nodes(nodes.iter().map(|node| &**node).collect())
                }
                Slots::EveryNode => SlotsValue::EveryNode,
            },
            surge: state.surge,
        }
    }
}

impl StateValue<'_> {
    fn state(self) -> AppState {
        let slots = match self.slots {
            SlotsValue::Count(count) => Slots::Count(count),
            SlotsValue::Ordinals { start, count } => Slots::Ordinals { start, count },
            SlotsValue::Nodes(nodes) => Slots::Nodes(nodes.into_iter().map(Name::from).collect()),
            SlotsValue::EveryNode => Slots::EveryNode,
        };
        let state = AppState::new(slots).with_surge(self.surge);
        match self.uid {
            Some(uid) => state.with_uid(uid),
            None => state,
        }
    }
}
