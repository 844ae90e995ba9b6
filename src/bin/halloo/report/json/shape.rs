//! The objects, key by key in the order they are written. Their meaning is in the table of [`super`].

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use halloo::model::event::{
    Failed, Ignored, Listening, Planned, Received, Refusal, Reply, Responder, Sent, Skipped, Unreachable,
};
use halloo::model::interface::BroadcastFrom;
use halloo::model::latency::Figures;
use halloo::model::lesson::{Fact, LessonRun, Observed, Value};
use halloo::model::service::Change;
use halloo::model::target::canonical;
use halloo::model::{
    Attributes, Datagram, Error, Event, InstanceId, Interface, Link, Now, RecordError, Service, StampSource,
};
use serde::{Serialize, Serializer};

use super::summary::Summary;
use crate::report::clock::Timestamp;
use crate::report::services::Host;
use crate::report::words::{self, WhatIcmpSays, WhyUnusable};
use crate::report::{failure, notice};

/// A value by its text form, without a string in between.
pub(super) struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A time.
pub(super) struct Ts(SystemTime);

impl Serialize for Ts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp(self.0))
    }
}

fn address(address: SocketAddr) -> Text<SocketAddr> {
    Text(canonical(address))
}

fn ip(address: IpAddr) -> Text<IpAddr> {
    Text(address.to_canonical())
}

/// One object.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Shape<'a> {
    Listening {
        ts: Ts,
        role: &'static str,
        local: Text<SocketAddr>,
        receive_buffer: usize,
        receive_buffer_granted: Option<usize>,
        groups: Vec<Group<'a>>,
    },
    Planned {
        ts: Ts,
        addr: Option<Text<IpAddr>>,
        dst: Text<SocketAddr>,
        #[serde(flatten)]
        link: By<'a>,
        cast: &'static str,
    },
    Sent {
        ts: Ts,
        seq: u64,
        src: Option<Text<SocketAddr>>,
        dst: Text<SocketAddr>,
        #[serde(flatten)]
        link: By<'a>,
        cast: &'static str,
        len: usize,
    },
    #[serde(rename = "error")]
    Failed {
        ts: Ts,
        dst: Text<SocketAddr>,
        #[serde(flatten)]
        link: By<'a>,
        len: usize,
        reason: &'static str,
        why: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        errno: Option<i32>,
        #[serde(skip_serializing_if = "is_none")]
        more: u64,
    },
    #[serde(rename = "error")]
    Broken {
        ts: Ts,
        reason: &'static str,
        why: Text<&'a Error>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errno: Option<i32>,
        exit: u8,
    },
    #[serde(rename = "error")]
    BadRecord {
        ts: Ts,
        reason: &'static str,
        why: Text<&'a RecordError>,
    },
    Skipped {
        ts: Ts,
        #[serde(flatten)]
        link: By<'a>,
        addr: Option<Text<IpAddr>>,
        reason: &'static str,
        why: Text<WhyUnusable>,
    },
    Recv {
        #[serde(flatten)]
        way: Way<'a>,
        seq: u64,
        #[serde(flatten)]
        content: Content<'a>,
    },
    Reply {
        #[serde(flatten)]
        way: Way<'a>,
        rtt_us: Option<f64>,
        seq: Option<u32>,
        from_another: bool,
        duplicate: bool,
        late: bool,
        #[serde(flatten)]
        content: Content<'a>,
    },
    Responder {
        ts: Ts,
        responder: Text<SocketAddr>,
        #[serde(flatten)]
        link: By<'a>,
        #[serde(rename = "self")]
        own: bool,
        from_another: bool,
        sent: u64,
        received: u64,
        lost: u64,
        duplicates: u64,
        reordered: u64,
        late: u64,
        corrupt: u64,
        in_flight: u64,
        since_seq: u32,
        rtt_us: Option<RoundTrips>,
    },
    Service {
        ts: Ts,
        change: &'static str,
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        id: Text<InstanceId>,
        addr: Option<Text<Host>>,
        port: u16,
        #[serde(flatten)]
        link: By<'a>,
        trust: &'static str,
        attrs: Attrs<'a>,
        more: bool,
        ttl_s: u64,
        age_ms: f64,
        paths: Vec<Heard<'a>>,
    },
    Refused {
        ts: Ts,
        dst: Text<SocketAddr>,
        by: Option<Text<IpAddr>>,
        reason: &'static str,
        why: Text<WhatIcmpSays>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mtu: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_type: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_code: Option<u8>,
        #[serde(skip_serializing_if = "is_none")]
        more: u64,
    },
    Ignored {
        #[serde(flatten)]
        way: Way<'a>,
        reason: &'static str,
        why: &'static str,
        len: usize,
    },
    Notice {
        ts: Ts,
        notice: &'static str,
        text: String,
    },
    Interface {
        ts: Ts,
        #[serde(flatten)]
        link: By<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        addr: Option<IpAddr>,
        prefix: Option<u8>,
        broadcast: Option<Ipv4Addr>,
        broadcast_from: Option<&'static str>,
        usable: bool,
        reason: Option<&'static str>,
        why: Option<Text<WhyUnusable>>,
        mtu: Option<u32>,
    },
    Lesson {
        ts: Ts,
        lesson: &'static str,
        status: &'static str,
        why: Option<&'a str>,
        facts: Vec<FactShape<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        observed: Option<Record<'a>>,
        took_ms: f64,
    },
    Summary(Summary),
}

/// A claim of a lesson.
#[derive(Serialize)]
pub(super) struct FactShape<'a> {
    fact: &'static str,
    claim: &'a str,
    expected: Option<&'a str>,
    observed: Option<ValueShape<'a>>,
    ok: Option<bool>,
}

/// A value in its own type.
pub(super) struct ValueShape<'a>(&'a Value);

impl Serialize for ValueShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(values) => serializer.collect_seq(values.iter().map(ValueShape)),
        }
    }
}

/// Everything that was observed, by name.
pub(super) struct Record<'a>(&'a Observed);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values().map(|(name, value)| (name, ValueShape(value))))
    }
}

/// What a service says, by key.
pub(super) struct Attrs<'a>(&'a Attributes);

impl Serialize for Attrs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.pairs())
    }
}

/// One path that a service was heard by.
#[derive(Serialize)]
pub(super) struct Heard<'a> {
    addr: Text<Host>,
    src: Text<SocketAddr>,
    #[serde(flatten)]
    link: By<'a>,
    claimed: Option<Text<IpAddr>>,
    on_link: bool,
}

#[derive(Serialize)]
pub(super) struct Group<'a> {
    group: IpAddr,
    #[serde(flatten)]
    link: By<'a>,
}

/// What round-trip times add up to, in microseconds.
#[derive(Serialize)]
pub(super) struct RoundTrips {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
    jitter: f64,
}

impl RoundTrips {
    fn of(figures: &Figures) -> Self {
        let Figures { min, mean, p50, p90, p99, max, jitter } = figures;
        Self {
            min: microseconds(*min),
            mean: microseconds(*mean),
            p50: microseconds(*p50),
            p90: microseconds(*p90),
            p99: microseconds(*p99),
            max: microseconds(*max),
            jitter: microseconds(*jitter),
        }
    }
}

/// Nanoseconds of any round trip are exact in a double, so this prints three decimals at most.
fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// An interface by its two names.
#[derive(Serialize)]
pub(super) struct By<'a> {
    iface: Option<&'a str>,
    ifindex: Option<u32>,
}

impl<'a> By<'a> {
    fn link(link: Option<&'a Link>) -> Self {
        Self { iface: link.map(|link| &*link.name), ifindex: link.map(|link| link.index) }
    }
}

/// When, whence and where a datagram came.
#[derive(Serialize)]
pub(super) struct Way<'a> {
    ts: Ts,
    ts_src: &'static str,
    src: Text<SocketAddr>,
    dst: Option<Text<SocketAddr>>,
    #[serde(flatten)]
    link: By<'a>,
    cast: Option<&'static str>,
}

impl<'a> Way<'a> {
    fn of(datagram: &'a Datagram<'a>) -> Self {
        Self {
            ts: Ts(datagram.stamp.wall),
            ts_src: match datagram.stamp.source {
                StampSource::Kernel => "kernel",
                StampSource::User => "user",
            },
            src: address(datagram.source),
            dst: datagram.destination.map(address),
            link: By::link(datagram.link.as_ref()),
            cast: datagram.cast.map(|cast| cast.name()),
        }
    }
}

/// What a datagram holds.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(rename = "self")]
    own: bool,
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    wire_len: Option<usize>,
    truncated: bool,
    ttl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_b64: Option<Base64<'a>>,
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&BASE64.encode_display(self.0))
    }
}

impl<'a> Content<'a> {
    fn of(datagram: &'a Datagram<'a>) -> Self {
        let payload = datagram.payload;
        let data = std::str::from_utf8(payload).ok();
        Self {
            own: datagram.is_self(),
            len: payload.len(),
            wire_len: datagram.is_truncated().then_some(datagram.wire_len),
            truncated: datagram.is_truncated(),
            ttl: datagram.ttl,
            data,
            data_b64: data.is_none().then_some(Base64(payload)),
        }
    }
}

/// The object of an event.
pub(super) fn of_event<'a>(now: Now, event: &'a Event<'a>) -> Option<Shape<'a>> {
    let ts = Ts(now.wall);
    Some(match event {
        Event::Listening(told) => listening(ts, told),
        Event::Planned(told) => planned(ts, told),
        Event::Sent(told) => sent(ts, told),
        Event::Failed(told) => failed(ts, told),
        Event::BadRecord(error) => bad_record(ts, error),
        Event::Broken(error) => broken(ts, error),
        Event::Skipped(told) => skipped(ts, told),
        Event::Received(told) => received(told),
        Event::Reply(told) => reply(told),
        Event::Responder(told) => responder(ts, told),
        Event::Service(change, told) => service(now, *change, told),
        Event::Refused(told, more) => refused(ts, told, *more),
        Event::Ignored(why, datagram) => ignored(*why, datagram),
        Event::Notice(told) => Shape::Notice { ts, notice: notice::word(told), text: notice::text(told) },
        Event::Interface(row) => interface(ts, row),
        Event::Lesson(run) => lesson(ts, run),
        Event::Summary(stats) => Shape::Summary(Summary::of(ts, stats)),
        // New events of the library, until they get their own shape here.
        _ => return None,
    })
}

fn listening(ts: Ts, told: &Listening) -> Shape<'_> {
    let group = |(group, link)| Group { group, link: By::link(Some(link)) };
    Shape::Listening {
        ts,
        role: words::role(told.role),
        local: address(told.local),
        receive_buffer: told.receive_buffer.0,
        receive_buffer_granted: told.receive_buffer.1,
        groups: told.groups.iter().map(|(ip, link)| group((*ip, link))).collect(),
    }
}

fn planned(ts: Ts, told: &Planned) -> Shape<'_> {
    Shape::Planned {
        ts,
        addr: told.source.map(ip),
        dst: address(told.destination),
        link: By::link(Some(&told.link)),
        cast: told.cast.name(),
    }
}

fn sent(ts: Ts, told: &Sent) -> Shape<'_> {
    Shape::Sent {
        ts,
        seq: told.seq,
        src: told.source.map(address),
        dst: address(told.destination),
        link: By::link(told.link.as_ref()),
        cast: told.cast.name(),
        len: told.len,
    }
}

fn failed(ts: Ts, told: &Failed) -> Shape<'_> {
    Shape::Failed {
        ts,
        dst: address(told.destination),
        link: By::link(told.link.as_ref()),
        len: told.len,
        reason: words::fault(told.fault.kind),
        why: failure::fault(&told.fault, told.destination),
        errno: told.fault.code,
        more: told.more,
    }
}

/// Whether there is nothing to count.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

fn bad_record(ts: Ts, error: &RecordError) -> Shape<'_> {
    Shape::BadRecord { ts, reason: failure::record_reason(error), why: Text(error) }
}

fn skipped(ts: Ts, told: &Skipped) -> Shape<'_> {
    Shape::Skipped {
        ts,
        link: By::link(Some(&told.link)),
        addr: told.address.map(ip),
        reason: words::unusable(told.why),
        why: Text(WhyUnusable(told.why)),
    }
}

fn received<'a>(told: &'a Received<'a>) -> Shape<'a> {
    let datagram = told.datagram;
    Shape::Recv { way: Way::of(datagram), seq: told.seq, content: Content::of(datagram) }
}

fn reply<'a>(told: &'a Reply<'a>) -> Shape<'a> {
    Shape::Reply {
        way: Way::of(told.datagram),
        rtt_us: told.round_trip.map(microseconds),
        seq: told.seq,
        from_another: told.from_another,
        duplicate: told.duplicate,
        late: told.late,
        content: Content::of(told.datagram),
    }
}

fn responder<'a>(ts: Ts, told: &'a Responder<'a>) -> Shape<'a> {
    Shape::Responder {
        ts,
        responder: address(told.address),
        link: By::link(told.link.as_ref()),
        own: told.own,
        from_another: told.from_another,
        sent: told.sent,
        received: told.received,
        lost: told.lost,
        duplicates: told.duplicates,
        reordered: told.reordered,
        late: told.late,
        corrupt: told.corrupt,
        in_flight: told.in_flight,
        since_seq: told.since_seq,
        rtt_us: told.latency.figures().as_ref().map(RoundTrips::of),
    }
}

fn service(now: Now, change: Change, told: &Service) -> Shape<'_> {
    let heard = |path| Heard {
        addr: Text(Host(told.address(path))),
        src: address(path.source),
        link: By::link(path.link.as_ref()),
        claimed: path.claimed.map(ip),
        on_link: path.on_link,
    };
    let first = told.path();
    Shape::Service {
        ts: Ts(now.wall),
        change: change.name(),
        kind: told.about.kind.text(),
        name: told.about.name.text(),
        id: Text(told.about.id),
        addr: first.map(|path| Text(Host(told.address(path)))),
        port: told.about.port,
        link: By::link(first.and_then(|path| path.link.as_ref())),
        trust: told.trust.name(),
        attrs: Attrs(&told.about.attributes),
        more: told.more,
        ttl_s: told.about.ttl.as_secs(),
        age_ms: told.age(now).as_micros() as f64 / 1000.0,
        paths: told.paths.iter().map(heard).collect(),
    }
}

fn refused(ts: Ts, told: &Refusal, more: u64) -> Shape<'_> {
    let mtu = if let Unreachable::TooLong(mtu) = told.what { mtu } else { None };
    let icmp = if let Unreachable::Other(kind, code) = told.what { Some((kind, code)) } else { None };
    Shape::Refused {
        ts,
        dst: address(told.destination),
        by: told.by.map(ip),
        reason: words::unreachable(told.what),
        why: Text(WhatIcmpSays(told.what)),
        mtu,
        icmp_type: icmp.map(|(kind, _)| kind),
        icmp_code: icmp.map(|(_, code)| code),
        more,
    }
}

fn ignored<'a>(why: Ignored, datagram: &'a Datagram<'a>) -> Shape<'a> {
    Shape::Ignored { way: Way::of(datagram), reason: why.name(), why: words::ignored(why), len: datagram.payload.len() }
}

fn interface(ts: Ts, row: &Interface) -> Shape<'_> {
    let facts = &row.facts;
    Shape::Interface {
        ts,
        link: By::link(Some(&facts.link)),
        label: facts.label.as_deref(),
        addr: facts.address.map(|(address, _)| address),
        prefix: facts.address.map(|(_, prefix)| prefix),
        broadcast: row.broadcast.map(|(address, _)| address),
        broadcast_from: row.broadcast.map(|(_, from)| match from {
            BroadcastFrom::System => "system",
            BroadcastFrom::Computed => "computed",
        }),
        usable: row.unusable.is_none(),
        reason: row.unusable.map(words::unusable),
        why: row.unusable.map(|why| Text(WhyUnusable(why))),
        mtu: facts.mtu,
    }
}

/// The object of the error that ends a run.
fn broken(ts: Ts, error: &Error) -> Shape<'_> {
    let errno = match error {
        Error::System { fault, .. } => fault.code,
        _ => None,
    };
    let (reason, exit) = (failure::reason(error), error.verdict().code());
    Shape::Broken { ts, reason, why: Text(error), errno, exit }
}

fn lesson(ts: Ts, run: &LessonRun) -> Shape<'_> {
    Shape::Lesson {
        ts,
        lesson: run.lesson,
        status: words::status(run.status),
        why: run.why.as_deref(),
        facts: run.facts.iter().map(fact).collect(),
        observed: run.observed.as_ref().map(Record),
        took_ms: run.took.as_micros() as f64 / 1000.0,
    }
}

fn fact(fact: &Fact) -> FactShape<'_> {
    FactShape {
        fact: fact.name,
        claim: &fact.claim,
        expected: fact.expected.as_deref(),
        observed: fact.observed.as_ref().map(ValueShape),
        ok: fact.ok,
    }
}
