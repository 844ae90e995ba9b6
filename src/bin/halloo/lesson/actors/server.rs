//! halloo's own servers, at work in threads of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};

use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::guard::{Guard, Rules};
use halloo::engine::serve::{Answer, Base, Ends, Filter, Server as Engine};
use halloo::model::Stats;
use halloo::model::event::{Listening, Role};
use halloo::net::{Batch, Fanout, Options, Waker, batch, interfaces};

use super::diary::{Diary, Heard, Told, heard_in};
use super::waiting::until;
use crate::lesson::stage::{Doing, PATIENCE, Place, Trouble};

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
        let (ready, is_ready) = channel();
        let (place, serves) = (place.clone(), serves.clone());
        let (sink, asked) = (diary.clone(), stop.clone());
        let thread = Builder::new().spawn(move || {
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
        let thread = thread.doing("start a thread")?;
        match is_ready.recv_timeout(PATIENCE) {
            Ok(Ok((address, waker))) => Ok(Self { address, diary, stop, waker: Some(waker), thread: Some(thread) }),
            Ok(Err(trouble)) => Err(trouble),
            // The thread ended without a word: it could not get to its place, and its result says why.
            Err(why @ RecvTimeoutError::Disconnected) => Err(match thread.join() {
                Ok(Err(trouble)) => trouble,
                _ => Trouble::Failed(format!("start a server on {local}: {why}")),
            }),
            // It is only late, and would serve for ever: nobody waits for it.
            Err(why @ RecvTimeoutError::Timeout) => {
                stop.request();
                Err(Trouble::Failed(format!("start a server on {local}: {why}")))
            }
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

    /// Whether it has heard this so far.
    pub(crate) fn knows(&self, payload: &[u8]) -> bool {
        self.heard().iter().any(|heard| heard.payload == payload)
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

/// A server at each of these places, on every address and on one port: the first takes a free one, and the others follow.
pub(crate) fn servers(places: &[Place], serves: &Serves) -> Result<Vec<Server>, Trouble> {
    let mut servers: Vec<Server> = Vec::new();
    for place in places {
        let local = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port_of(&servers)));
        servers.push(Server::start(place, local, serves)?);
    }
    Ok(servers)
}

/// The port of servers that share one; 0 if there is none yet.
pub(crate) fn port_of(servers: &[Server]) -> u16 {
    servers.first().map_or(0, |first| first.address().port())
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
    let rules = Rules::of_server(false, serves.answers_broadcast, None);
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
        fail_on_loss: false,
        offload: false,
    });
    Ok((network, engine, waker, address))
}

fn run(mut engine: Engine, mut network: Fanout, cup: usize, mut sink: Diary, stop: &Stop) -> Result<Stats, Trouble> {
    let mut clock = SystemClock::start();
    let ran = drive::run(&mut engine, &mut network, Batch::new(cup), &mut sink, &mut clock, stop);
    ran.doing("run a server")?;
    Ok(engine.stats().clone())
}
