//! halloo's own senders.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::broadcast::{self, Choice, Form};
use halloo::engine::send::{Answers, CountBy, Plan, Sender};
use halloo::model::{Cast, Destination, Family, Payload, Record};
use halloo::net::{Batch, Fanout, Options, batch, interfaces};

use super::diary::{Diary, Told};
use crate::lesson::stage::{Doing, PATIENCE, Place, Trouble};

/// What a sender of halloo's should do besides sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sends {
    /// The address to send from; port 0 takes a free one.
    pub(crate) from: SocketAddr,
    /// Fixes the peer.
    pub(crate) connected: bool,
    /// Asks for SO_BROADCAST, as the commands do for the address of a broadcast.
    pub(crate) broadcasts: bool,
    /// So many answers end it early.
    pub(crate) expect: Option<u64>,
    /// How long to wait for answers.
    pub(crate) wait: Option<Duration>,
}

impl Sends {
    /// Sends and goes, from whichever address the system takes.
    pub(crate) const fn anyhow() -> Self {
        Self::from(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
    }

    /// Sends and goes.
    pub(crate) const fn from(from: SocketAddr) -> Self {
        Self { from, connected: false, broadcasts: false, expect: None, wait: None }
    }

    /// Waits for so many answers, no longer than the usual patience.
    pub(crate) const fn expecting(self, answers: u64) -> Self {
        Self { expect: Some(answers), wait: Some(PATIENCE), ..self }
    }

    const fn answers(self, count_by: CountBy) -> Answers {
        Answers { wait: self.wait, expect: self.expect, count_by, ..Answers::NONE }
    }
}

/// Sends payloads to one destination as `halloo send` does, and says what was told.
pub(crate) fn send(place: &Place, to: SocketAddr, payloads: &[&[u8]], sends: Sends) -> Result<Vec<Told>, Trouble> {
    place.within(|| {
        let table = interfaces::list().doing("list the interfaces")?;
        let options =
            Options { connect: sends.connected.then_some(to), broadcast: sends.broadcasts, ..Options::new(sends.from) };
        let cast = if sends.broadcasts { Cast::Broadcast } else { Cast::Unicast };
        let destination = Destination { address: to, source: None, link: None, mtu: None, cast };
        let plan = Plan { answers: sends.answers(CountBy::Answer), ..Plan::to(vec![destination]) };
        let network = Fanout::open(&options, &[], table).doing("open a sender")?;
        drive_sender(plan, payloads, Family::of(to.ip()), network)
    })?
}

/// Broadcasts payloads as `halloo broadcast` does, on every interface that can or in the form asked for, and says what was
/// told.
pub(crate) fn broadcast(
    place: &Place,
    port: u16,
    form: Form,
    payloads: &[&[u8]],
    sends: Sends,
) -> Result<Vec<Told>, Trouble> {
    place.within(|| {
        let table = interfaces::list().doing("list the interfaces")?;
        let choice = Choice { interfaces: Vec::new(), form, mask_derived: false, port };
        let broadcast::Plan { destinations, skipped, notices } =
            broadcast::plan(&table, &choice).doing("choose interfaces")?;
        let sources: Vec<IpAddr> = destinations.iter().filter_map(|destination| destination.source).collect();
        let options = Options { broadcast: true, ..Options::new(sends.from) };
        let network = Fanout::open(&options, &sources, table).doing("open a sender")?;
        let answers = sends.answers(CountBy::Responder);
        let plan = Plan { answers, skipped, notices, ..Plan::to(destinations) };
        drive_sender(plan, payloads, Family::V4, network)
    })?
}

fn drive_sender(plan: Plan, payloads: &[&[u8]], family: Family, mut network: Fanout) -> Result<Vec<Told>, Trouble> {
    let record = |payload: &&[u8]| Payload::new(payload.to_vec(), family).map(Record::new);
    let records: Vec<Record> = payloads.iter().map(record).collect::<Result<_, _>>().doing("make a payload")?;
    let (mut sender, mut diary) = (Sender::new(plan, records.into_iter()), Diary::default());
    let mut clock = SystemClock::start();
    let ran = drive::run(&mut sender, &mut network, Batch::new(batch::SLOT), &mut diary, &mut clock, &Stop::default());
    ran.doing("send")?;
    Ok(diary.lines())
}
