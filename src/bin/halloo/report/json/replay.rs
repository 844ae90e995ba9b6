//! A recording read back: what `listen --json` printed becomes payloads again.

use std::time::SystemTime;

use data_encoding::BASE64;
use halloo::model::{Family, Payload, TooLong};
use serde::Deserialize;
use serde_json::Value;

use crate::report::clock;

/// A datagram out of a recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Replayed {
    /// Its bytes.
    pub(crate) payload: Payload<'static>,
    /// When it came, where the line says so.
    pub(crate) stamp: Option<SystemTime>,
}

/// The keys that matter here. Of any type: what another event means by them is its own affair.
#[derive(Deserialize)]
struct Line {
    event: Option<Value>,
    ts: Option<Value>,
    truncated: Option<Value>,
    wire_len: Option<Value>,
    len: Option<Value>,
    data: Option<Value>,
    data_b64: Option<Value>,
}

/// Reads one line: the datagram of a `recv` or `reply`, or of an object without `event`; `None` for any other event and
/// for a blank line.
///
/// # Errors
/// In words, why the line does not give a datagram back as it was.
pub(crate) fn replay(line: &[u8], family: Family) -> Result<Option<Replayed>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is no JSON object".to_owned());
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| why_no_object(&error))?;
    match &line.event {
        None => {}
        Some(Value::String(event)) if event == "recv" || event == "reply" => {}
        Some(_) => return Ok(None),
    }
    refuse_truncated(&line)?;
    let stamp = stamp(line.ts.as_ref())?;
    let bytes = payload(line.data, line.data_b64)?;
    refuse_other_length(line.len.as_ref(), bytes.len())?;
    let payload = Payload::new(bytes, family).map_err(|error: TooLong| error.to_string())?;
    Ok(Some(Replayed { payload, stamp }))
}

/// The reader of JSON counts lines and columns of the one line it was given; only the column means something.
fn why_no_object(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("it is no JSON object that could be one: {what} (column {})", error.column())
}

fn refuse_truncated(line: &Line) -> Result<(), String> {
    let shown = |value: &Option<Value>| value.as_ref().map_or("?".to_owned(), Value::to_string);
    match (&line.truncated, &line.wire_len) {
        (None | Some(Value::Bool(false)), None) => Ok(()),
        (_, wire_len) => Err(format!(
            "it was truncated when it was recorded, {} of {} bytes; sent again it would be another datagram",
            shown(&line.len),
            shown(wire_len),
        )),
    }
}

fn stamp(ts: Option<&Value>) -> Result<Option<SystemTime>, String> {
    let Some(ts) = ts else { return Ok(None) };
    let time = ts.as_str().and_then(clock::parse);
    time.map(Some).ok_or_else(|| format!("its ts, {ts}, is no RFC 3339 time such as 2026-11-21T07:09:26.249421Z"))
}

fn payload(data: Option<Value>, data_b64: Option<Value>) -> Result<Vec<u8>, String> {
    match (data, data_b64) {
        (Some(Value::String(text)), None) => Ok(text.into_bytes()),
        (None, Some(Value::String(text))) => {
            BASE64.decode(text.as_bytes()).map_err(|error| format!("its data_b64 is not base64: {error}"))
        }
        (None, None) => Err("it has neither data nor data_b64".to_owned()),
        (Some(_), Some(_)) => Err("it has both data and data_b64, where only one can be the payload".to_owned()),
        (Some(_), None) => Err("its data is not a string".to_owned()),
        (None, Some(_)) => Err("its data_b64 is not a string".to_owned()),
    }
}

/// A recording that somebody edited by hand may not say one thing and hold another.
fn refuse_other_length(told: Option<&Value>, held: usize) -> Result<(), String> {
    match told {
        Some(told) if told.as_u64() != Some(held as u64) => {
            Err(format!("its len says {told}, but its payload is {held} bytes; correct or leave out len"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Vec<u8>>, String> {
        replay(line.as_bytes(), Family::V4).map(|read| read.map(|read| read.payload.bytes().to_vec()))
    }

    #[test]
    fn a_recording_and_a_plain_object_are_read() {
        let recorded =
            r#"{"event":"recv","ts":"1970-01-01T00:00:01.000000001Z","len":2,"truncated":false,"data":"hi"}"#;
        let replayed = replay(recorded.as_bytes(), Family::V4).unwrap().unwrap();
        assert_eq!(replayed.stamp, clock::parse("1970-01-01T00:00:01.000000001Z"));
        assert_eq!(replayed.payload.bytes(), b"hi");
        assert_eq!(read(r#"{"data":"ä\n"}"#), Ok(Some("ä\n".into())));
        assert_eq!(read(r#"{"data":"","note":[1,{"data":3}]}"#), Ok(Some(Vec::new())));
        assert_eq!(read(r#"{"event":"reply","data_b64":"/w=="}"#), Ok(Some(vec![0xff])));
    }

    #[test]
    fn other_events_and_blank_lines_are_passed_over() {
        for line in
            ["", "  \r", r#"{"event":"summary","truncated":3}"#, r#"{"event":"sent","data":[1]}"#, r#"{"event":7}"#]
        {
            assert_eq!(read(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_would_not_be_the_datagram_is_refused_in_words() {
        let refusals = [
            (r#"{"event":"recv"}"#, "neither"),
            (r#"{"data":"a","data_b64":"YQ=="}"#, "both"),
            (r#"{"data":7}"#, "not a string"),
            (r#"{"data_b64":"YQ"}"#, "not base64"),
            (r#"{"data_b64":"YQ=\n="}"#, "not base64"),
            (r#"{"data":"a","data":"b"}"#, "duplicate field"),
            (r#"{"data":"a","len":2}"#, "len says 2"),
            (r#"{"data":"a","len":1,"wire_len":9,"truncated":true}"#, "1 of 9 bytes"),
            (r#"{"data":"a","truncated":true}"#, "truncated"),
            (r#"{"data":"a","ts":"yesterday"}"#, "RFC 3339"),
            (r#"{"data":"\ud800"}"#, "JSON"),
            ("hello", "JSON"),
            ("[1]", "JSON"),
            (r#"{"data":"a"} {"data":"b"}"#, "JSON"),
        ];
        for (line, words) in refusals {
            let why = read(line).unwrap_err();
            assert!(why.contains(words) && !why.contains(" at line "), "{line}: {why}");
        }
    }

    #[test]
    fn the_limit_of_the_ip_version_holds() {
        let line = format!(r#"{{"data":"{}"}}"#, "x".repeat(65_508));
        assert!(read(&line).unwrap_err().contains("65507"));
        assert!(replay(line.as_bytes(), Family::V6).is_ok());
    }
}
