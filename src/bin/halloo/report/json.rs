//! One JSON object per event, each on a line of its own (NDJSON), the last one a `summary`.
//!
//! Keys are only ever added; a reader must ignore those it does not know. A key whose value is unknown is `null`, never 0;
//! only keys marked `?` may be absent. Every object has `event` and `ts`.
//!
//! | key | type | meaning |
//! |---|---|---|
//! | `event` | string | which of the events below |
//! | `ts` | string | RFC 3339, UTC, nanoseconds, `Z`: when the datagram came, or when the event was told |
//! | `ts_src` | `kernel` or `user` | who took `ts`; only where a datagram came |
//! | `src`, `dst` | string | `10.0.0.7:1060`, `[fe80::1%2]:1060` (the zone as a number); never IPv4-mapped |
//! | `iface`, `ifindex` | string, number | the interface by name and by number |
//! | `cast` | `unicast`, `broadcast`, `limited`, `multicast` | to whom |
//! | `self` | bool | this host sent it |
//! | `len` | number | payload bytes: those that are in this object, or those that were sent |
//! | `wire_len` ? | number | payload bytes that came, only where the buffer was too small for them |
//! | `truncated` | bool | whether it was |
//! | `ttl` | number | time to live or hop limit that it came with |
//! | `seq` | number | from 0 |
//! | `rtt_us` | number | microseconds, up to three decimals |
//! | `data` ?, `data_b64` ? | string | the payload, one of the two: as text if it is valid UTF-8, else as base64 (RFC 4648, padded) |
//! | `errno` ? | number | the system's number for an error, where it gave one |
//!
//! | event | further keys |
//! |---|---|
//! | `listening` | `role` (`listen`, `echo`, `length`, `announce`), `local`, `receive_buffer`, `receive_buffer_granted` (as the kernel counts), `groups` (`group`, `iface`, `ifindex`) |
//! | `sent` | `seq`, `src`, `dst`, `iface`, `ifindex`, `cast`, `len` |
//! | `planned` (a dry run) | `addr` (of this host), `dst`, `iface`, `ifindex`, `cast` |
//! | `error`, of one send; told first and then once a minute for each `reason` and interface | `dst`, `iface`, `ifindex`, `len`, `reason` (a stable word), `why` (a text), `errno` ?, `more` ? (so many since the last one told) |
//! | `error`, of the run | `reason`, `why`, `exit`, `errno` ? |
//! | `error`, of a record | `reason`, `why`; no record behind it is sent |
//! | `skipped` | `iface`, `ifindex`, `addr`, `reason`, `why` |
//! | `recv` | `ts_src`, `seq`, `src`, `dst`, `iface`, `ifindex`, `cast`, `self`, `len`, `wire_len` ?, `truncated`, `ttl`, `data` or `data_b64` |
//! | `reply` | as `recv`; `seq` is the number of the probe that it answers, `null` where datagrams are not numbered; `rtt_us`, `from_another`, `duplicate`, `late` |
//! | `responder` (of `ping`, at the end) | `responder` (its address and port), `iface`, `ifindex`, `self`, `from_another`, `sent` (probes of its time; `sent` = `received` + `late` + `lost`), `received` (in time), `lost`, `duplicates`, `reordered`, `late`, `corrupt`, `in_flight` (probes beside `sent` that could still have been answered in time), `since_seq` (the first probe of its time), `rtt_us`: `null`, or `min`, `mean`, `p50`, `p90`, `p99`, `max`, `jitter` |
//! | `service` (of `discover`; once for each that is there at the end, `change` = `listed`; with `--watch` for each change) | `change` (`found`, `path`: heard by another path too, `updated`, `stale`, `gone`, `listed`), `type`, `name`, `id` (the same for ever, however it is heard), `addr` and `port` (to connect to), `iface`, `ifindex`, `trust` (`verified`, `unverified`, `mismatch`), `attrs` (an object of strings), `more` (attributes are left out; `--full` gets as many as fit), `ttl_s`, `age_ms` (since it was last heard), `paths` (of each: `addr`, `src` it answered from, `iface`, `ifindex`, `claimed`: the address that it says it answered from where that is another, else `null`, `on_link`: that is this host or in one of its networks) |
//! | `refused`; by who answers or looks for services told first and then once a minute | `dst`, `by`, `reason`, `why`, `mtu` ?, `icmp_type` ?, `icmp_code` ?, `more` ? (so many since the last one told) |
//! | `ignored` | `ts_src`, `reason`, `why`, `src`, `dst`, `iface`, `ifindex`, `cast`, `len`; the datagram itself is in the `recv` before, where there is one |
//! | `notice` | `notice` (a stable word), `text` |
//! | `interface` | `iface`, `ifindex`, `label` ?, `addr`, `prefix`, `broadcast`, `broadcast_from` (`system`, `computed`), `usable`, `reason`, `why`, `mtu` |
//! | `lesson` (of `learn`) | `lesson` (its name), `status` (`ok`, `surprise`, `skip`), `why` (of a surprise or a skip, else `null`), `facts` (each with its name as `fact`, `claim` (in the language of the course), `expected`, `observed`, `ok`; `null` where it is not known or could not be seen), `observed` ? (with `--events`: everything that was observed, by name), `took_ms` |
//! | `summary` | `sent`, `sent_bytes`, `answered` (`announce`: of the answers, how many were `sent` and how many `failed`), `attempted` (`= sent + failed` + all of `unsent`; `null` where nothing is sent by a schedule), `failed`, `failed_by` (reason to count), `unsent` (what was not sent, which is no failure: reason to count), `skipped`, `received`, `bytes`, `peers`, `peers_at_least` ? (`true` if there were more), `truncated`, `filtered`, `unread` (were in the queue when the run ended, and not looked at), `ignored` (reason to count), `kernel_drops`, `kernel_drops_at_least` ? (`true` if there may have been more: with `--offload` a train that is dropped counts as one), `output_drops` (datagrams whose lines were not written because the reader was too slow), `duplicates`, `late`, `lost`, `in_flight` (summed over the responders), `reordered`, `replies`, `responders`, `merged` (of `discover`: changes of services that have no line of their own, because one of the same service waited), `refused`, `lessons` ? (of `learn`: how many were `ok`, `surprise`, `skip`), `elapsed_s`, `exit` |
//!
//! The words of `reason` are those of [`super::words`], of [`super::failure::reason`] and of `Ignored::name` in the library.

mod replay;
mod shape;
mod summary;

use std::io::{self, BufWriter, Write};

use halloo::model::event::Sink;
use halloo::model::{Event, Now};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::escape::is_harmful;
use super::failure;
use super::human::BUFFER;

pub(crate) use replay::replay;

/// Writes the objects to `data` (standard output) and, for people, what could not be sent to `notes` (standard error).
pub(crate) struct Json<D: Write, N: Write> {
    data: BufWriter<D>,
    notes: BufWriter<N>,
}

impl<D: Write, N: Write> Json<D, N> {
    /// Objects to `data`, sentences about errors to `notes`.
    pub(crate) fn new(data: D, notes: N) -> Self {
        Self { data: BufWriter::with_capacity(BUFFER, data), notes: BufWriter::new(notes) }
    }
}

impl<D: Write, N: Write> Sink for Json<D, N> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Failed(failed) => writeln!(self.notes, "halloo: {}", failure::failed(failed))?,
            Event::BadRecord(error) => writeln!(self.notes, "{}", failure::record(error))?,
            Event::Broken(error) => writeln!(self.notes, "{}", failure::describe(error))?,
            _ => {}
        }
        match shape::of_event(now, event) {
            Some(shape) => line(&shape, &mut self.data),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // The one that fails does not keep the other back.
        let data = self.data.flush();
        self.notes.flush().and(data)
    }
}

fn line(shape: &shape::Shape<'_>, out: &mut impl Write) -> io::Result<()> {
    shape.serialize(&mut Serializer::with_formatter(&mut *out, Harmless))?;
    out.write_all(b"\n")
}

/// JSON that a terminal may see. The format itself escapes only what is below a space; a control character above, or
/// one that turns the direction of text, is a `\u` escape here, which every reader turns back into the same character.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
