//! halloo's own servers and senders, as they are, with everything they tell written down; and a pair of streams beside them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::broadcast::{self, Choice, Form};
use halloo::engine::guard::{Guard, Rules};
use halloo::engine::send::{Answers, CountBy, Plan, Sender};
use halloo::engine::serve::{Answer, Base, Ends, Filter, Server as Engine};
use halloo::model::event::{Listening, Role};
use halloo::model::{Cast, Datagram, Destination, Event, Family, Fault, Now, Payload, Record, Sink, Stats};
use halloo::net::bare::Bare;
use halloo::net::stream::{Listener, Stream};
use halloo::net::{Batch, Fanout, Options, Waker, batch, error_name, interfaces};

use super::stage::{Doing, LOOPBACK, PATIENCE, Place, Trouble};

/// A datagram that came, with everything that halloo says of it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The bytes that were read.
    pub(crate) payload: Vec<u8>,
    /// The bytes that came.
    pub(crate) wire_len: usize,
    /// Whether the two differ.
    pub(crate) truncated: bool,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// How it was addressed.
    pub(crate) cast: Option<Cast>,
}

/// Something that halloo told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// A datagram left.
    Sent {
        /// From where.
        source: Option<SocketAddr>,
        /// To where.
        destination: SocketAddr,
    },
    /// A datagram did not leave: the name of the error.
    Failed(String),
    /// A datagram came.
    Heard(Heard),
    /// An answer came.
    Reply(Heard),
    /// The network says that a datagram to this address was not delivered.
    Refused(SocketAddr),
}

impl Told {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Sent(sent) => Self::Sent { source: sent.source, destination: sent.destination },
            Event::Failed(failed) => Self::Failed(error_name(failed.fault)),
            Event::Received(received) => Self::Heard(heard(received.datagram)),
            Event::Reply(reply) => Self::Reply(heard(reply.datagram)),
            Event::Refused(refusal) => Self::Refused(refusal.destination),
            _ => return None,
        })
    }
}

fn heard(datagram: &Datagram<'_>) -> Heard {
    Heard {
        payload: datagram.payload.to_vec(),
        wire_len: datagram.wire_len,
        truncated: datagram.payload.len() < datagram.wire_len,
        source: datagram.source,
        cast: datagram.cast,
    }
}

/// Writes down what is told; others may read along.
#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<Told>>>);

impl Diary {
    fn lines(&self) -> Vec<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Diary {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(Told::of(event));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a server of halloo's should be like.
#[derive(Clone, Debug)]
pub(crate) struct Serves {
    /// `listen`, `echo` or `length`.
    pub(crate) role: Role,
    /// Answers in upper case.
    pub(crate) upper: bool,
    /// Answers broadcasts.
    pub(crate) answers_broadcast: bool,
    /// Bytes of its buffers: fewer than a datagram has truncate it.
    pub(crate) cup: usize,
    /// Bytes of the kernel's receive buffer to ask for.
    pub(crate) receive_buffer: usize,
    /// Shares its port (SO_REUSEPORT).
    pub(crate) share: bool,
}

impl Serves {
    /// A server of this kind, as the command starts it.
    pub(crate) const fn a(role: Role) -> Self {
        Self {
            role,
            upper: false,
            answers_broadcast: false,
            cup: batch::SLOT,
            receive_buffer: halloo::net::options::RECEIVE_BUFFER,
            share: false,
        }
    }
}

/// One of halloo's servers, at work in a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    diary: Diary,
    stop: Stop,
    waker: Option<WakerOf>,
    thread: Option<JoinHandle<Result<Stats, Trouble>>>,
}

struct WakerOf(Waker);

impl std::fmt::Debug for WakerOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl Server {
    /// Starts a server at a place, on an address; port 0 takes a free one. It is bound when this returns.
    pub(crate) fn start(place: &Place, local: SocketAddr, serves: &Serves) -> Result<Self, Trouble> {
        let (diary, stop) = (Diary::default(), Stop::default());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (place, serves) = (place.clone(), serves.clone());
        let (sink, asked) = (diary.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            // Inside for as long as it runs: what it looks up about its host, it must look up there.
            place.within(|| {
                let (network, engine, waker, address) = match open(local, &serves) {
                    Ok(opened) => opened,
                    Err(trouble) => {
                        let _nobody_waits = ready.send(Err(trouble));
                        return Ok(Stats::default());
                    }
                };
                let _nobody_waits = ready.send(Ok((address, WakerOf(waker))));
                run(engine, network, serves.cup, sink, &asked)
            })?
        });
        match is_ready.recv_timeout(PATIENCE) {
            Ok(Ok((address, waker))) => Ok(Self { address, diary, stop, waker: Some(waker), thread: Some(thread) }),
            Ok(Err(trouble)) => Err(trouble),
            // The thread ended without a word: it could not get to its place, and its result says why.
            Err(why) => Err(match thread.join() {
                Ok(Err(trouble)) => trouble,
                _ => Trouble::Failed(format!("start a server on {local}: {why}")),
            }),
        }
    }

    /// The address that it is bound to.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.diary.lines()
    }

    /// The datagrams that it has heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        heard_in(&self.told())
    }

    /// Waits until it has heard so many datagrams; says whether it has, within the usual patience.
    pub(crate) fn has_heard(&self, wanted: usize) -> bool {
        until(|| self.heard().len() >= wanted)
    }

    /// Ends it, and says what its run added up to.
    pub(crate) fn finish(mut self) -> Result<Stats, Trouble> {
        self.ask_to_end();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(Trouble::Failed("end a server: its thread is gone".to_owned())),
        }
    }

    fn ask_to_end(&self) {
        self.stop.request();
        if let Some(WakerOf(waker)) = &self.waker {
            waker.wake();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask_to_end();
        if let Some(thread) = self.thread.take() {
            let _its_own_affair = thread.join();
        }
    }
}

/// The two ends of a TCP connection over loopback: who connected, and who took it.
pub(crate) fn stream_pair() -> Result<(Stream, Stream), Trouble> {
    let listener = Listener::bind(LOOPBACK, 1).doing("listen over TCP")?;
    let address = listener.local().doing("listen over TCP")?;
    let alice = Stream::connect(address, PATIENCE).doing("connect")?;
    let bob = listener.accept().doing("accept")?;
    Ok((alice, bob))
}

/// An address of this host where nobody listens: one that the system gave a moment ago, given back.
pub(crate) fn nobody() -> Result<SocketAddr, Trouble> {
    Bare::bind(LOOPBACK).and_then(|bare| bare.local()).doing("find a free port")
}

/// What a call said: `ok`, or the name of its error.
pub(crate) fn said<T>(result: &Result<T, Fault>) -> String {
    result.as_ref().map_or_else(|fault| error_name(*fault), |_| "ok".to_owned())
}

/// A payload as text.
pub(crate) fn as_text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

/// Waits until something is so, within the usual patience. Says whether it came to be.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) -> bool {
    // How often to look: seldom enough to leave the processor to those who are looked at.
    const STEP: Duration = Duration::from_micros(200);
    let deadline = later(PATIENCE);
    loop {
        if is_so() {
            return true;
        }
        if later(Duration::ZERO) >= deadline {
            return false;
        }
        std::thread::sleep(STEP);
    }
}

#[expect(clippy::disallowed_methods, reason = "a lesson is not an engine: it waits for facts of this moment")]
fn later(by: Duration) -> Instant {
    Instant::now() + by
}

type Opened = (Fanout, Engine, Waker, SocketAddr);

fn open(local: SocketAddr, serves: &Serves) -> Result<Opened, Trouble> {
    let options =
        Options { patient: false, receive_buffer: serves.receive_buffer, share: serves.share, ..Options::new(local) };
    let endpoint = options.open().doing("open a server")?;
    let address = endpoint.local();
    let table = interfaces::list().doing("list the interfaces")?;
    let mut network = Fanout::new(vec![endpoint], table);
    let waker = network.waker().doing("prepare to wait")?;
    let rules = Rules { any_port: false, answer_broadcast: serves.answers_broadcast, rate: None };
    let base = if serves.role == Role::Length { Base::Length } else { Base::Same };
    let answer = Answer { base, upper: serves.upper, prefix: Vec::new() };
    let engine = Engine::new(halloo::engine::serve::Plan {
        listening: Listening {
            role: serves.role,
            local: address,
            groups: Vec::new(),
            receive_buffer: (serves.receive_buffer, None),
        },
        notices: Vec::new(),
        answer: (serves.role != Role::Listen).then(|| (answer, Guard::new(rules, address.port()))),
        filter: Filter::default(),
        ends: Ends::default(),
    });
    Ok((network, engine, waker, address))
}

fn run(mut engine: Engine, mut network: Fanout, cup: usize, mut sink: Diary, stop: &Stop) -> Result<Stats, Trouble> {
    let mut clock = SystemClock::start();
    let ran = drive::run(&mut engine, &mut network, Batch::new(cup), &mut sink, &mut clock, stop);
    ran.map_err(|why| Trouble::Failed(format!("run a server: {why:?}")))?;
    Ok(engine.stats().clone())
}

/// The datagrams in a diary.
pub(crate) fn heard_in(told: &[Told]) -> Vec<Heard> {
    told.iter().filter_map(|told| if let Told::Heard(heard) = told { Some(heard.clone()) } else { None }).collect()
}

/// The answers in a diary.
pub(crate) fn replies_in(told: &[Told]) -> Vec<Heard> {
    told.iter().filter_map(|told| if let Told::Reply(heard) = told { Some(heard.clone()) } else { None }).collect()
}

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
    ran.map_err(|why| Trouble::Failed(format!("send: {why:?}")))?;
    Ok(diary.lines())
}
