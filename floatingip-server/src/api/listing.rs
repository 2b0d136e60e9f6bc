//! What a listing's parameters mean, in either mode.

use floatingip_core::Name;
use floatingip_core::query::{Filter, PageRequest, Query, Sort, SortBy};

use super::params::{ParamError, Params};
use crate::app::Mode;

/// Every parameter of a listing.
const KNOWN: &[&str] = &[
    "keyword",
    "poolName",
    "appName",
    "podName",
    "namespace",
    "isDeployment",
    "appType",
    "page",
    "size",
    "sort",
    "includeFree",
];

/// The query that `params` ask for.
///
/// galaxy-ipam ignores parameters that it does not know and all but the first of several; the
/// standard mode refuses both, because a misspelt filter would list, and let release, too much.
pub(crate) fn query(params: &Params, mode: Mode) -> Result<Query, ParamError> {
    let flagged = boolean(params, "isDeployment")?.map(kind_flagged);
    let kind = params.first("appType").map(kind_named).or(flagged);
    match mode {
        Mode::Standard => standard(params, kind),
        Mode::Galaxy => Ok(galaxy(params, kind)),
    }
}

/// The kind that an `appType` names: in lower case and singular.
pub(crate) fn kind_named(app_type: &str) -> Name {
    let kind = app_type.to_lowercase();
    Name::from(match kind.as_str() {
        "deployments" => "deployment",
        "statefulsets" => "statefulset",
        other => other,
    })
}

/// The kind that the deprecated flag stands for.
fn kind_flagged(is_deployment: bool) -> Name {
    Name::from(match is_deployment {
        true => "deployment",
        false => "statefulset",
    })
}

fn standard(params: &Params, kind: Option<Name>) -> Result<Query, ParamError> {
    params.check(KNOWN)?;
    Ok(Query {
        filter: filter(params, kind),
        sort: match params.first("sort") {
            Some(text) => text.parse()?,
            None => Sort::default(),
        },
        page: page(
            number(params, "page", 0, PageRequest::MAX_PAGE, "[0,99999]")?,
            number(params, "size", 1, PageRequest::MAX_SIZE, "(0,9999]")?,
        ),
        include_free: boolean(params, "includeFree")?.unwrap_or(false),
    })
}

fn galaxy(params: &Params, kind: Option<Name>) -> Query {
    let filter = galaxy_filter(params, kind);
    Query {
        include_free: filter.is_empty(),
        filter,
        sort: galaxy_sort(params.first("sort").unwrap_or_default()),
        page: page(
            clamped(params.first("page"), 0, PageRequest::MAX_PAGE),
            clamped(params.first("size"), 1, PageRequest::MAX_SIZE),
        ),
    }
}

/// All that is given.
fn filter(params: &Params, kind: Option<Name>) -> Filter {
    let name = |param| params.first(param).map(Name::from);
    Filter {
        stored_key: None,
        keyword: params.first("keyword").map(str::to_owned),
        pool: name("poolName"),
        namespace: name("namespace"),
        app: name("appName"),
        pod: name("podName"),
        kind,
    }
}

/// A keyword beats all else; whoever asks for anything but a whole pool means a statefulset unless
/// the type is given.
fn galaxy_filter(params: &Params, kind: Option<Name>) -> Filter {
    let given = filter(params, kind);
    if given.keyword.is_some() {
        return Filter {
            stored_key: given.keyword,
            ..Filter::default()
        };
    }
    let names_a_workload = given.namespace.is_some() || given.app.is_some() || given.pod.is_some();
    let default = names_a_workload.then(|| Name::from("statefulset"));
    Filter {
        kind: given.kind.or(default),
        ..given
    }
}

/// An unknown order is the default one; addresses are compared as text.
fn galaxy_sort(text: &str) -> Sort {
    let sort: Sort = text.parse().unwrap_or_default();
    match sort.by {
        SortBy::Ip => Sort {
            by: SortBy::IpText,
            ..sort
        },
        _ => sort,
    }
}

/// Both are in range: what was not given has its default.
fn page(page: Option<u32>, size: Option<u32>) -> PageRequest {
    let default = PageRequest::default();
    let page = page.unwrap_or_else(|| default.page());
    let size = size.unwrap_or_else(|| default.size());
    PageRequest::new(page, size).unwrap_or(default)
}

pub(super) fn number(
    params: &Params,
    name: &'static str,
    min: u32,
    max: u32,
    range: &'static str,
) -> Result<Option<u32>, ParamError> {
    let Some(text) = params.first(name) else {
        return Ok(None);
    };
    let found = digits(text).filter(|number| (min..=max).contains(number));
    found.map(Some).ok_or_else(|| ParamError::Range {
        name,
        found: text.to_owned(),
        range,
    })
}

/// What is too large is the maximum, what is no number or too small the default.
fn clamped(text: Option<&str>, min: u32, max: u32) -> Option<u32> {
    let number = digits(text?)?;
    (number >= min).then_some(number.min(max))
}

/// A number of digits alone; one that is too long for 32 bits is the greatest of them.
fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u32::MAX))
}

fn boolean(params: &Params, name: &'static str) -> Result<Option<bool>, ParamError> {
    let Some(text) = params.first(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| ParamError::Boolean {
        name,
        found: text.to_owned(),
    })
}

#[cfg(test)]
mod tests;
