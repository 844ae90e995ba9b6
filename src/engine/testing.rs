//! What the tests of every engine share: a time, a datagram, and an ear for what is said.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::engine::guard::{Guard, Rules};
use crate::engine::{Out, announce};
use crate::model::event::{Ignored, Listening, Notice, Role};
use crate::model::{About, Cast, Datagram, Event, Link, Now, Origin, RecordError, Stamp, StampSource, Transmit};
use crate::wire::beacon::Draws;

/// A moment so many milliseconds into the run.
pub(crate) fn at(ms: u64) -> Now {
    let run = Duration::from_millis(ms);
    Now { run, wall: SystemTime::UNIX_EPOCH + run }
}

/// A unicast datagram from a neighbour.
pub(crate) fn reply_from<'a>(source: &str, payload: &'a [u8]) -> Datagram<'a> {
    Datagram {
        payload,
        wire_len: payload.len(),
        source: source.parse().unwrap(),
        destination: Some("10.0.0.1:1060".parse().unwrap()),
        local: Some("10.0.0.1".parse().unwrap()),
        link: None,
        cast: Some(Cast::Unicast),
        origin: Origin::Foreign,
        on_link: true,
        other_link: false,
        ttl: Some(64),
        stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::Kernel },
    }
}

/// How a service is announced at the port of discovery, to nobody yet.
pub(crate) fn announcing(about: About, draws: [u8; 32]) -> announce::Plan {
    let local = "0.0.0.0:1061".parse().unwrap();
    let listening = Listening { role: Role::Announce, local, groups: Vec::new(), receive_buffer: (1, None) };
    let guard = Guard::new(Rules::of_discovery(Some(1000)), 1061);
    announce::Plan::of(about, listening, guard, Draws::new(draws))
}

/// What a reply was shown with.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) round_trip: Option<Duration>,
    pub(crate) from_another: bool,
    pub(crate) duplicate: bool,
}

/// Everything an engine said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) sends: Vec<(u64, SocketAddr, Vec<u8>)>,
    pub(crate) replies: Vec<Shown>,
    pub(crate) ignored: Vec<Ignored>,
    pub(crate) failed: usize,
    pub(crate) refused: usize,
    pub(crate) bad: Vec<RecordError>,
    pub(crate) notices: Vec<Notice>,
    /// What was noted of a series: a word, and the interface where it is about one.
    pub(crate) ways: Vec<String>,
    /// The time so far, in milliseconds, where a test keeps it here.
    pub(crate) now: u64,
}

impl Out for Said {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.sends.push((transmit.ticket, transmit.destination, transmit.payload.bytes().to_vec()));
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Reply(reply) => self.replies.push(Shown {
                round_trip: reply.round_trip,
                from_another: reply.from_another,
                duplicate: reply.duplicate,
            }),
            Event::Ignored(reason, _) => self.ignored.push(*reason),
            Event::Failed(_) => self.failed += 1,
            Event::Refused(..) => self.refused += 1,
            Event::Notice(notice) => {
                self.ways.extend(word(notice));
                self.notices.push(notice.clone());
            }
            Event::BadRecord(error) => self.bad.push((*error).clone()),
            _ => {}
        }
    }
}

fn word(notice: &Notice) -> Option<String> {
    let name = |link: &Option<Link>| link.as_ref().map_or("the route".to_owned(), |link| link.name.to_string());
    match notice {
        Notice::WayLost { link, why, .. } => Some(format!("{} lost: {}", name(link), why.name())),
        Notice::WayBack { link, .. } => Some(format!("{} back", name(link))),
        Notice::InterfaceCame(link) => Some(format!("{} came", link.name)),
        Notice::SendsSlowed { .. } => Some("slowed".to_owned()),
        _ => None,
    }
}
