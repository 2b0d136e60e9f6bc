//! One change of an app within a transaction.

use floatingip_core::owner::AppRef;
use floatingip_core::record::Version;
use redb::{ReadableTable, ReadableTableMetadata};
use tracing::error;

use super::super::apps::{AppChange, AppRow, MOST_APPS, Told};
use super::super::format::{FormatError, app_bytes, app_key, app_row};
use super::super::tables::Tables;
use super::work::Verdict;

/// A row that is to be shown once the transaction is committed; none where it goes.
pub(super) type Shown = (AppRef, Option<AppRow>);

/// Makes the change, if it is still due. `version` is the latest one in use.
pub(super) fn perform(
    change: &AppChange,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<(Verdict, Option<Shown>), redb::Error> {
    let nothing = (Verdict::Answers(Vec::new()), None);
    let (app, put) = match change {
        AppChange::Tell(app, told) => (app, Some(told)),
        AppChange::End(app) => (app, Some(&Told::Gone)),
        AppChange::Revive(app) | AppChange::Forget(app, _) => (app, None),
    };
    let there = match stored(app, tables)? {
        Ok(there) => there,
        Err(error) => return Ok((spoilt(app, &error), None)),
    };
    if !is_due(change, there.as_ref()) {
        return Ok(nothing);
    }
    if there.is_none() && tables.apps.len()? >= MOST_APPS {
        return Ok((Verdict::Full, None));
    }
    let next = Version(version.0.saturating_add(1));
    let row = put.map(|told| AppRow {
        version: next,
        told: told.clone(),
    });
    match &row {
        Some(row) => match app_bytes(app_key(app), row) {
            Ok(bytes) => drop(tables.apps.insert(app_key(app), bytes.as_slice())?),
            Err(error) => return Ok((spoilt(app, &error), None)),
        },
        None => drop(tables.apps.remove(app_key(app))?),
    }
    *version = next;
    Ok((Verdict::Answers(Vec::new()), Some((app.clone(), row))))
}

/// Whether the change makes a difference to what is there.
fn is_due(change: &AppChange, there: Option<&AppRow>) -> bool {
    let gone = there.is_some_and(|row| row.told == Told::Gone);
    match change {
        AppChange::Tell(_, told) => there.is_none_or(|row| row.told != *told),
        AppChange::End(_) => there.is_some() && !gone,
        AppChange::Revive(_) => gone,
        AppChange::Forget(_, version) => gone && there.is_some_and(|row| row.version == *version),
    }
}

fn stored(
    app: &AppRef,
    tables: &Tables<'_>,
) -> Result<Result<Option<AppRow>, FormatError>, redb::Error> {
    let key = app_key(app);
    let bytes = tables.apps.get(key)?;
    Ok(bytes.map(|bytes| app_row(key, bytes.value())).transpose())
}

fn spoilt(app: &AppRef, error: &FormatError) -> Verdict {
    error!(
        %app,
        error = error as &dyn std::error::Error,
        "what is kept of an app cannot be understood, and is left as it is"
    );
    Verdict::Unavailable
}
