//! One of each event, for the tests of this room.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use halloo::model::error::{Fault, FaultKind};
use halloo::model::event::{
    Ambiguity, Failed, Fragments, Ignored, Listening, Missing, Notice, Planned, Received, Refusal, Reply, Responder,
    Role, Sent, Skipped, Unreachable, Unsent,
};
use halloo::model::interface::{Facts, Standing};
use halloo::model::lesson::{Fact, LessonRun, Observed, Status};
use halloo::model::service::{Change, Path};
use halloo::model::stats::Verdict;
use halloo::model::{
    About, Attributes, Cast, Datagram, Event, InstanceId, Interface, Latency, Link, Now, Origin, RecordError, Service,
    Stamp, StampSource, Stats, Trust, Unusable,
};

/// Two writers whose text can be looked at while a sink holds them.
#[derive(Default)]
pub(super) struct Pages {
    data: Page,
    notes: Page,
}

/// A writer into shared memory.
#[derive(Clone, Default)]
pub(super) struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pages {
    pub(super) fn data(&self) -> Page {
        self.data.clone()
    }

    pub(super) fn notes(&self) -> Page {
        self.notes.clone()
    }

    pub(super) fn data_bytes(&self) -> Vec<u8> {
        self.data.0.lock().unwrap().clone()
    }

    pub(super) fn data_text(&self) -> String {
        String::from_utf8(self.data_bytes()).unwrap()
    }

    pub(super) fn notes_text(&self) -> String {
        String::from_utf8(self.notes.0.lock().unwrap().clone()).unwrap()
    }
}

pub(super) fn now() -> Now {
    Now { run: Duration::from_millis(7), wall: UNIX_EPOCH + Duration::new(1_795_244_966, 249_421_007) }
}

pub(super) fn eth0() -> Link {
    Link { index: 2, name: "eth0".into() }
}

pub(super) fn datagram(payload: &[u8]) -> Datagram<'_> {
    Datagram {
        payload,
        wire_len: payload.len(),
        source: "10.77.0.2:35280".parse().unwrap(),
        destination: Some("10.77.0.255:1060".parse().unwrap()),
        local: Some(Ipv4Addr::new(10, 77, 0, 1).into()),
        link: Some(eth0()),
        cast: Some(Cast::Broadcast),
        origin: Origin::Foreign,
        on_link: true,
        other_link: false,
        ttl: Some(64),
        stamp: Stamp { wall: now().wall, source: StampSource::Kernel },
    }
}

pub(super) fn sent() -> Event<'static> {
    Event::Sent(Sent {
        seq: 0,
        len: 13,
        source: Some("10.77.0.1:40000".parse().unwrap()),
        destination: "10.77.0.255:1060".parse().unwrap(),
        link: Some(eth0()),
        cast: Cast::Broadcast,
    })
}

pub(super) fn sent_by_loopback() -> Event<'static> {
    Event::Sent(Sent {
        seq: 0,
        len: 38,
        source: Some("127.0.0.1:51822".parse().unwrap()),
        destination: "127.0.0.1:1060".parse().unwrap(),
        link: Some(Link { index: 1, name: "lo".into() }),
        cast: Cast::Unicast,
    })
}

pub(super) fn fault() -> Fault {
    Fault { kind: FaultKind::NotPermitted, code: Some(13) }
}

pub(super) fn failed() -> Event<'static> {
    let destination = "10.77.0.255:1060".parse().unwrap();
    Event::Failed(Failed { len: 13, destination, link: Some(eth0()), fault: fault(), more: 0 })
}

pub(super) fn group() -> IpAddr {
    Ipv4Addr::new(239, 1, 2, 3).into()
}

pub(super) fn notices() -> Vec<Notice> {
    let anywhere = "0.0.0.0:1060".parse().unwrap();
    let everybody = Ipv4Addr::new(10, 77, 0, 255);
    vec![
        Notice::LanCanReach(anywhere),
        Notice::PortAsPayload(9000),
        Notice::AddressAsPayload(everybody.into()),
        Notice::InputUnread,
        Notice::HearsNoBroadcast(Ipv4Addr::new(10, 77, 0, 1).into()),
        Notice::Ipv6Only("[::]:1060".parse().unwrap()),
        Notice::SmallReceiveBuffer(4_194_304, 425_984),
        Notice::Broadcasting(everybody, Some(eth0())),
        Notice::OddBroadcast(eth0(), Ipv4Addr::new(10, 77, 0, 0), everybody),
        Notice::Fragments(Fragments { link: eth0(), mtu: 1500, len: 20_000, pieces: 14 }),
        Notice::Resolved("print\u{1b}er".into(), anywhere),
        Notice::BroadcastSilence { port: 40_000, probe: false },
        Notice::HeldUp { interval: Duration::from_millis(1), round_trip: Duration::from_micros(1_712) },
        Notice::TooFew { expected: 3, answered: 1, late: 0, elsewhere: 0 },
        Notice::TooFewAnswers(2, 1),
        Notice::NoEcho { answers: 2 },
        Notice::SlowedDown { unanswered: 3, most: Duration::from_secs(3) },
        Notice::IdClash(InstanceId(7), anywhere, "10.77.0.3:1061".parse().unwrap()),
        Notice::ClockJumped,
        Notice::InterfaceCame(eth0()),
        Notice::InterfaceWent(eth0()),
        Notice::NoInterfaceYet,
        Notice::SecretWritten("lan\u{1b}.key".into()),
        Notice::SecretOfAnother("lan\u{1b}.key".into(), 1000),
        Notice::WayLost { destination: anywhere, link: Some(eth0()), why: Unsent::NoCarrier },
        Notice::WayBack { destination: anywhere, link: None },
        Notice::SendsSlowed { failures: 64, most: Duration::from_secs(3) },
        Notice::CutShort { after: Duration::from_secs(15), secret: false },
        Notice::ManyOfOne { address: Ipv4Addr::new(10, 77, 0, 66).into(), kept: 256 },
        Notice::ServicesMissing(missing(0)),
        Notice::AttributesLeftOut { told: 4, of: 16, most: 1_392 },
        Notice::HearsNoAnnouncements(1061, Fault { kind: FaultKind::AddressInUse, code: None }),
        Notice::ServicesMissing(missing(2)),
        Notice::GroupNotJoined(group(), eth0(), Fault { kind: FaultKind::NoDevice, code: None }),
        Notice::Announcing(Box::new(service().about)),
        Notice::Ambiguous(Box::new(Ambiguity {
            name: "print\u{1b}er".parse().unwrap(),
            addresses: [anywhere, "10.77.0.3:80".parse().unwrap()],
            by_type: true,
            by_interface: false,
            by_secret: true,
        })),
        Notice::KernelDrops { new: 12, total: 4700, at_least: false },
        Notice::OutputDrops(4711),
    ]
}

/// Three services were wanted.
pub(super) fn missing(found: u64) -> Box<Missing> {
    Box::new(Missing { found, expected: 3, asked: 1061, port: 40_000, ..Missing::default() })
}

/// A service that was heard by two paths, and says that it is elsewhere.
pub(super) fn service() -> Service {
    let path = |source: &str, index, name: &str| Path {
        link: Some(Link { index, name: name.into() }),
        source: source.parse().unwrap(),
        claimed: Some(Ipv4Addr::new(172, 17, 0, 2).into()),
        on_link: true,
    };
    Service {
        about: About {
            id: InstanceId(0xab),
            name: "pi".parse().unwrap(),
            kind: "chat".parse().unwrap(),
            port: 7000,
            advertised: None,
            attributes: Attributes::new([("room", "blue"), ("os", "linux")]).unwrap(),
            ttl: Duration::from_secs(30),
        },
        more: false,
        full: false,
        trust: Trust::Mismatch,
        paths: vec![path("10.77.0.2:1061", 2, "eth0"), path("[fe80::77:2%3]:1061", 3, "wlan0")],
        heard: Now { run: Duration::from_millis(2), ..now() },
    }
}

/// Two round trips.
pub(super) fn latency() -> Latency {
    let mut latency = Latency::default();
    latency.add(Duration::from_micros(400));
    latency.add(Duration::from_micros(600));
    latency
}

pub(super) fn responder(latency: &Latency) -> Responder<'_> {
    Responder {
        address: "10.77.0.2:1060".parse().unwrap(),
        link: Some(eth0()),
        own: true,
        from_another: false,
        since_seq: 7,
        sent: 4,
        received: 2,
        lost: 1,
        in_flight: 0,
        duplicates: 3,
        reordered: 5,
        late: 1,
        corrupt: 6,
        latency,
    }
}

pub(super) fn stats() -> Stats {
    let mut stats = Stats {
        sent: 2,
        sent_bytes: 26,
        attempted: Some(5),
        failed: 1,
        skipped: 1,
        received: 3,
        bytes: 20_003,
        truncated: 1,
        filtered: 4,
        refused: 1,
        kernel_drops: None,
        drops_at_least: false,
        elapsed: Duration::from_millis(1500),
        verdict: Verdict::Partly,
        ..Stats::default()
    };
    stats.failed_by.insert(fault().kind, 1);
    stats.unsent.insert(Unsent::NoCarrier, 2);
    stats.ignored.insert(Ignored::OwnPort, 3);
    stats.peers.see("10.77.0.2:1".parse().unwrap());
    stats
}

pub(super) fn interfaces() -> Vec<Interface> {
    let row = |name: &str, prefix| {
        Interface::judge(Facts {
            link: Link { index: 2, name: name.into() },
            label: None,
            address: Some((Ipv4Addr::new(10, 77, 0, 1).into(), prefix)),
            reported: None,
            up: true,
            running: true,
            loopback: false,
            point_to_point: false,
            can_broadcast: true,
            can_multicast: true,
            mtu: Some(1500),
            standing: Standing::Lasting,
        })
    };
    vec![row("eth0", 24), row("p2p", 31), row("bad\u{1b}", 16)]
}

pub(super) fn interface_events(rows: &[Interface]) -> Vec<Event<'_>> {
    rows.iter().map(Event::Interface).collect()
}

/// A lesson with a surprise.
pub(super) fn lesson() -> LessonRun {
    let mut observed = Observed::default();
    observed.put("sizes", vec![5u64]);
    observed.put("late", false);
    let fact = Fact {
        name: "sizes",
        claim: "each read gives one datagram".into(),
        expected: Some("5, 3".into()),
        observed: observed.get("sizes").cloned(),
        ok: Some(false),
    };
    LessonRun {
        lesson: "boundaries",
        status: Status::Surprise,
        why: Some("each read gives one datagram [5, 3 != 5]".into()),
        facts: vec![fact],
        observed: Some(observed),
        took: Duration::from_millis(12),
    }
}

/// Every kind of event once, every notice included, in an order that a run could have.
pub(super) fn with_all(look: impl FnOnce(&[Event<'_>])) {
    let bad = RecordError::Hex { number: 2, why: "3 digits are no whole number of bytes".into() };
    let (rows, stats, lesson, service) = (interfaces(), stats(), lesson(), service());
    let (whole, cut) = (datagram(b"hi"), Datagram { wire_len: 20_001, ..datagram(b"\xff\xfe") });
    let reply = Reply {
        datagram: &whole,
        round_trip: Some(Duration::from_nanos(412_345)),
        from_another: true,
        duplicate: true,
        seq: Some(3),
        late: false,
    };
    let (latency, silence) = (latency(), Latency::default());
    let (responder, silent) = (responder(&latency), responder(&silence));
    let mut events = vec![Event::Listening(Listening {
        role: Role::Echo,
        local: "0.0.0.0:1060".parse().unwrap(),
        groups: vec![(group(), eth0())],
        receive_buffer: (4_194_304, Some(425_984)),
    })];
    events.extend(notices().into_iter().map(Event::Notice));
    events.extend(interface_events(&rows));
    events.extend([
        sent(),
        failed(),
        Event::Planned(Planned {
            link: eth0(),
            source: Some(Ipv4Addr::new(10, 77, 0, 1).into()),
            destination: "10.77.0.255:1060".parse().unwrap(),
            cast: Cast::Broadcast,
        }),
        Event::BadRecord(&bad),
        Event::Skipped(Skipped { link: eth0(), address: None, why: Unusable::TooSmall(31) }),
        Event::Received(Received { seq: 0, datagram: &whole }),
        Event::Received(Received { seq: 1, datagram: &cut }),
        Event::Reply(reply),
        Event::Responder(&responder),
        Event::Responder(&silent),
        Event::Service(Change::Found, &service),
        Event::Refused(
            Refusal {
                destination: "10.0.0.7:1060".parse().unwrap(),
                by: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
                what: Unreachable::Port,
            },
            0,
        ),
        Event::Refused(
            Refusal { destination: "10.0.0.7:1060".parse().unwrap(), by: None, what: Unreachable::TooLong(Some(1400)) },
            3,
        ),
        Event::Ignored(Ignored::OwnPort, &whole),
        Event::Lesson(&lesson),
        Event::Summary(&stats),
    ]);
    look(&events);
}
