//! Times as text. The only file that knows chrono; it reads no clock, it is handed the time.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, Local, SecondsFormat, Timelike, Utc};

/// The local time of day, `HH:MM:SS.micros`.
pub(crate) struct TimeOfDay(pub(crate) SystemTime);

impl Display for TimeOfDay {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let time = utc(self.0).with_timezone(&Local);
        write!(f, "{:02}:{:02}:{:02}.{:06}", time.hour(), time.minute(), time.second(), time.nanosecond() / 1000)
    }
}

/// The time as RFC 3339 in UTC with nanoseconds, `2026-11-21T07:09:26.249421000Z`.
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl Display for Timestamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // By hand: chrono reads a format string anew for every line.
        let time = utc(self.0);
        write!(f, "{:04}-{:02}-{:02}T", time.year(), time.month(), time.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:09}Z", time.hour(), time.minute(), time.second(), time.nanosecond())
    }
}

/// The time as RFC 3339 where the user is, with microseconds: `2026-11-21T08:09:26.249421+01:00`.
pub(crate) fn local(time: SystemTime) -> String {
    utc(time).with_timezone(&Local).to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Reads an RFC 3339 time; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    DateTime::parse_from_rfc3339(text).ok().map(SystemTime::from)
}

/// A time that no calendar reaches comes out as 1970: better a wrong stamp than no line.
fn utc(time: SystemTime) -> DateTime<Utc> {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).ok(), since.subsec_nanos()),
        Err(before) => before_epoch(before.duration()),
    };
    seconds.and_then(|seconds| DateTime::from_timestamp(seconds, nanos)).unwrap_or_default()
}

/// Seconds rounded down, and the nanoseconds from there.
fn before_epoch(before: Duration) -> (Option<i64>, u32) {
    let seconds = i64::try_from(before.as_secs()).ok().map(|seconds| -seconds);
    match before.subsec_nanos() {
        0 => (seconds, 0),
        nanos => (seconds.map(|seconds| seconds - 1), 1_000_000_000 - nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms() {
        let time = UNIX_EPOCH + Duration::new(1_795_244_966, 249_421_007);
        assert_eq!(Timestamp(time).to_string(), "2026-11-21T07:09:26.249421007Z");
        assert!(TimeOfDay(time).to_string().ends_with(".249421"));
        assert_eq!(TimeOfDay(time).to_string().len(), "HH:MM:SS.micros".len());
        let micros = UNIX_EPOCH + Duration::new(1_795_244_966, 249_421_000);
        assert_eq!(parse(&local(time)), Some(micros));
        assert!(local(time).contains(".249421"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "now", "2026-11-21", "2026-13-21T07:09:26Z", "2026-11-21T07:09:26"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1970-01-01T01:00:00.5+01:00"), Some(UNIX_EPOCH + Duration::from_millis(500)));
    }

    #[test]
    fn before_1970_and_beyond_the_calendar() {
        assert_eq!(Timestamp(UNIX_EPOCH - Duration::from_nanos(1)).to_string(), "1969-12-31T23:59:59.999999999Z");
        if let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60)) {
            assert!(Timestamp(far).to_string().starts_with("1970"));
        }
    }

    proptest! {
        #[test]
        fn a_stamp_reads_back_to_the_nanosecond(seconds in 0u64..250_000_000_000, nanos in 0u32..1_000_000_000) {
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            prop_assert_eq!(parse(&Timestamp(time).to_string()), Some(time));
        }
    }
}
