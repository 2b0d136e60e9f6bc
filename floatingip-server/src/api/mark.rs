//! `/v1/ip/{ip}/quarantine`: keeping everybody from an address for a while.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;
use thiserror::Error;

use super::dto::{Answered, done, integer};
use super::error::ApiError;
use super::extract::{IpPath, Json};
use super::guard::{Permit, to_the_end};
use crate::app::{Api, Mode};
use crate::backend::{Backend, Quarantine};

/// How long a quarantine lasts unless the request says so, in seconds.
const SECONDS: u64 = 600;
/// The longest one, in seconds: a week. Who wants more takes the address out of the configuration.
const MOST_SECONDS: u64 = 604_800;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuarantineRequest {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    mac: String,
    #[serde(default = "default_seconds", deserialize_with = "integer")]
    seconds: u64,
}

const fn default_seconds() -> u64 {
    SECONDS
}

/// Why an address is not quarantined as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum QuarantineFault {
    #[error("seconds: `{0}` is outside the valid range [1,{MOST_SECONDS}]")]
    Seconds(u64),
    #[error("reason: it has more than {LONGEST_REASON} characters, or one that cannot be printed")]
    Reason,
    #[error("mac: `{0}` is no MAC address: write six octets such as 02:00:5e:10:00:01")]
    Mac(String),
}

/// `POST /v1/ip/{ip}/quarantine`.
pub(crate) async fn quarantine<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    IpPath(ip): IpPath,
    body: Json,
) -> Answered {
    let body = match api.settings.mode {
        Mode::Standard => body,
        Mode::Galaxy => body.leniently(&["reason", "mac", "seconds"])?,
    };
    let request: QuarantineRequest = body.read()?;
    let quarantine = Quarantine {
        ip,
        reason: reason(request.reason)?,
        mac: mac(&request.mac)?,
        lasts: lasts(request.seconds)?,
    };
    let backend = Arc::clone(&api.backend);
    to_the_end(permit, async move { backend.quarantine(quarantine).await }).await??;
    Ok(done())
}

/// `DELETE /v1/ip/{ip}/quarantine`.
pub(crate) async fn lift<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    IpPath(ip): IpPath,
) -> Answered {
    let backend = Arc::clone(&api.backend);
    to_the_end(permit, async move { backend.lift(ip).await }).await??;
    Ok(done())
}

fn lasts(seconds: u64) -> Result<Duration, ApiError> {
    match (1..=MOST_SECONDS).contains(&seconds) {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(QuarantineFault::Seconds(seconds).into()),
    }
}

/// Printable and short: it stands in listings, logs and events.
fn reason(text: String) -> Result<String, ApiError> {
    if text.chars().count() > LONGEST_REASON || text.chars().any(char::is_control) {
        return Err(QuarantineFault::Reason.into());
    }
    match text.is_empty() {
        true => Ok("set by an administrator".to_owned()),
        false => Ok(text),
    }
}

/// In the form in which it is shown: lower case, with colons.
fn mac(text: &str) -> Result<Option<String>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let separator = if text.contains('-') { '-' } else { ':' };
    let octets: Vec<&str> = text.split(separator).collect();
    let octet = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match octets.len() == 6 && octets.iter().all(octet) {
        true => Ok(Some(octets.join(":").to_ascii_lowercase())),
        false => Err(QuarantineFault::Mac(text.to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_one_form() {
        let shown = Ok(Some("02:00:5e:10:00:ab".to_owned()));
        for good in ["02:00:5e:10:00:ab", "02-00-5E-10-00-AB"] {
            assert_eq!(mac(good), shown);
        }
        assert_eq!(mac(""), Ok(None));
        for bad in [
            "02:00:5e:10:00",
            "02:00:5e:10:00:0g",
            "02:00:5e:10:00-ab",
            "+2:00:5e:10:00:ab",
            "x",
        ] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_quarantine_has_an_end_and_a_short_reason() {
        for good in [1, MOST_SECONDS] {
            assert_eq!(lasts(good), Ok(Duration::from_secs(good)));
        }
        assert!(lasts(0).is_err() && lasts(MOST_SECONDS + 1).is_err());
        assert!(reason("x".repeat(LONGEST_REASON)).is_ok());
        assert!(reason("x".repeat(LONGEST_REASON + 1)).is_err());
        assert!(reason("a\nb".to_owned()).is_err());
    }
}
