//! Times and durations as objects have them.

use std::time::Duration;

use floatingip_core::WallTime;
use jiff::Timestamp;

/// A time in RFC 3339, in UTC, with as many digits of a second as it needs.
pub(super) fn time_text(time: WallTime) -> String {
    // Every wall time is long before the end of the calendar.
    Timestamp::from_nanosecond(i128::from(time.as_nanos()))
        .unwrap_or_default()
        .to_string()
}

/// The time that a text names; times before 1970 and after 2554 are taken for those ends.
pub(super) fn parse_time(text: &str) -> Option<WallTime> {
    let nanos = text.parse::<Timestamp>().ok()?.as_nanosecond();
    let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
    Some(WallTime::from_nanos(nanos))
}

/// A duration in seconds: `600s`, `0.5s`.
pub(super) fn duration_text(duration: Duration) -> String {
    let whole = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    let shortest = whole.trim_end_matches('0').trim_end_matches('.');
    format!("{shortest}s")
}

/// The duration that such a text names.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?;
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    Some(Duration::new(
        whole.parse().ok()?,
        format!("{part:0<9}").parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_their_text_at_both_ends() {
        for nanos in [0, 1, 1_700_000_000_123_456_789, u64::MAX] {
            let time = WallTime::from_nanos(nanos);
            assert_eq!(parse_time(&time_text(time)), Some(time));
        }
        let whole = WallTime::from_nanos(1_700_000_000_000_000_000);
        assert_eq!(time_text(whole), "2023-11-14T22:13:20Z");
        assert_eq!(parse_time("2023-11-15T06:13:20+08:00"), Some(whole));
        assert_eq!(
            parse_time("1969-01-01T00:00:00Z"),
            Some(WallTime::default())
        );
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn durations_survive_their_text_at_both_ends() {
        let some = [
            Duration::ZERO,
            Duration::new(0, 1),
            Duration::from_secs(600),
            Duration::from_millis(10_500),
            Duration::MAX,
        ];
        for duration in some {
            assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
        assert_eq!(duration_text(Duration::from_secs(600)), "600s");
        for bad in [
            "",
            "s",
            "600",
            "-1s",
            "1.s",
            ".5s",
            "1.0000000001s",
            "1e3s",
            "+1s",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
