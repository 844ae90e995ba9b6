//! What the standard calls give on every system: source and length. Destination, interface, kernel times and
//! drop counts are not among it, and stay unknown.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use socket2::{MaybeUninitSlice, SockAddr, Socket};

use crate::model::error::FaultKind;
use crate::model::event::{Refusal, Unreachable};
use crate::model::target::canonical;
use crate::model::{Family, Fault, Origin, Segments, Stamp, StampSource};
use crate::net::batch::{self, Head, Item};
use crate::net::crowd::{Acquaintance, Queue};
use crate::net::sys::room::Room;
use crate::net::sys::soft::{self, Failure};
use crate::net::sys::{Bound, Waiter, fault};
use crate::net::{Batch, Outbox};

/// A buffer's size reads back as it was granted, except on Linux, where this runs in tests (socket(7), SO_RCVBUF).
pub(crate) const BUFFER_FACTOR: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

/// A socket sends from the address it is bound to.
pub(crate) const CHOOSES_SOURCE: bool = false;

/// Reads and sends never block; waiting is the poller's.
pub(crate) fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)
}

/// As the system does it.
pub(crate) const fn give_page_by_page(_: &mut [u8]) {}

/// Every datagram leaves alone.
#[derive(Debug)]
pub(crate) struct Joins;

impl Joins {
    pub(crate) const fn of(_: &Socket, _: bool) -> Self {
        Self
    }
}

/// Nothing is told beside the bytes.
#[derive(Debug, Default)]
pub(crate) struct Tray {}

/// Not told here; a datagram's destination stays unknown.
pub(crate) fn want_destination(_: &Socket, _: Family) -> io::Result<()> {
    Ok(())
}

/// Not told here.
pub(crate) fn want_details(_: &Socket, _: Family) {}

/// Datagrams come one by one here.
pub(crate) fn want_trains(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// An interface is not chosen by its name here.
pub(crate) fn bind_device(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Changes are not told here: they are seen when the table of interfaces is read again.
pub(crate) struct News;

impl News {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) const fn socket(&self) -> Option<std::sync::Arc<Socket>> {
        None
    }

    pub(crate) const fn found_by(&self, _: &Waiter) -> bool {
        false
    }

    pub(crate) const fn take(&self) -> bool {
        false
    }
}

/// What is known of neighbours is not told here.
#[derive(Debug)]
pub(crate) struct Neighbours;

impl Neighbours {
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) const fn ask(&self, _: IpAddr, _: u32) -> Option<Acquaintance> {
        None
    }
}

/// Not told here.
pub(crate) fn drops(_: &Socket) -> Option<u32> {
    None
}

/// Not told here.
pub(crate) fn send_queue(_: &Socket) -> Option<Queue> {
    None
}

/// Not told here.
pub(crate) fn segments(_: &Socket) -> Option<Segments> {
    None
}

/// Not told here.
pub(crate) fn has_ended(_: &Socket) -> bool {
    false
}

/// Not told here.
pub(crate) fn next_len(_: &Socket) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Not done here: each system has its own way.
pub(crate) fn disconnect(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not told here: refusals come as errors of the next receive.
pub(crate) fn take_refusals(_: &Bound, _: &mut Vec<Refusal>) {}

/// Soft errors taken at a time: datagrams wait behind them, and behind those the end of the run.
const MOST_SOFT: u32 = 64;

/// An error that no receive takes away must not keep a processor busy: with this, it is looked at 100 times a second.
const SOFT_PAUSE: Duration = Duration::from_millis(10);

/// Adds what is in the socket's queue to the batch, as far as there is room.
pub(crate) fn receive(bound: &Bound, batch: &mut Batch) -> io::Result<()> {
    let mut soft = 0;
    while batch.room() > 0 {
        let error = match receive_one(bound, batch) {
            Ok(head) => {
                batch.push(head);
                continue;
            }
            Err(error) => error,
        };
        match soft::judge(&error) {
            Failure::Empty => return Ok(()),
            Failure::Ours => return Err(error),
            Failure::Interrupted => {}
            Failure::Refused => {
                batch.refusals_mut().extend(bound.peer.map(refused));
                return Ok(());
            }
            Failure::Soft if soft < MOST_SOFT => soft += 1,
            Failure::Soft => {
                std::thread::sleep(SOFT_PAUSE);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whose port is closed is known only where there is one peer.
fn refused(destination: SocketAddr) -> Refusal {
    Refusal { destination: canonical(destination), by: None, what: Unreachable::Port }
}

/// Not told here.
pub(crate) fn name_of(_: u32) -> Option<String> {
    None
}

/// What does not fit is read all the same, and thrown away: how long a datagram was is told only where there was room for it.
fn receive_one(bound: &Bound, batch: &mut Batch) -> io::Result<Head> {
    let (start, size) = (batch.start(), batch.slot());
    let free = batch.free().0.next().ok_or(io::ErrorKind::OutOfMemory)?;
    let mut rest = vec![0; batch::SLOT - size];
    let mut pieces = [MaybeUninitSlice::new(as_room(free)), MaybeUninitSlice::new(as_room(&mut rest))];
    let (len, _, source) = bound.socket.recv_from_vectored(&mut pieces)?;
    let source = source.as_socket().ok_or_else(|| io::Error::other("a datagram without a source"))?;
    batch.take(len);
    Ok(Head {
        bytes: start..start + len.min(size),
        wire_len: len,
        source: canonical(source),
        destination: None,
        local: None,
        index: None,
        link: None,
        cast: None,
        origin: Origin::Foreign,
        on_link: false,
        other_link: false,
        ttl: None,
        // Filled in by whoever owns the clock.
        stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::User },
    })
}

fn as_room(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: initialised bytes may be seen as maybe-initialised ones; the system only writes whole bytes into them.
    unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
}

/// Sends everything in the outbox and adds one result for each datagram, in order.
pub(crate) fn send<'b>(
    outbox: &Outbox,
    bound_for: impl Fn(&Item) -> Option<&'b Bound>,
    results: &mut Vec<Result<(), Fault>>,
) {
    let mut room = Room::default();
    for item in outbox.items() {
        results.extend((0..item.count).map(|number| match bound_for(item) {
            Some(bound) => send_one(bound, item, outbox.bytes(item.nth(number)), &mut room),
            None => Err(Fault { kind: FaultKind::Unsupported, code: None }),
        }));
    }
}

/// A full queue is waited for as long as the flush may, and a refusal of an earlier datagram tried again once.
fn send_one(bound: &Bound, item: &Item, payload: &[u8], room: &mut Room) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        let sent = match bound.peer {
            Some(_) => bound.socket.send(payload),
            None => bound.socket.send_to(payload, &SockAddr::from(item.destination)),
        };
        let Err(error) = sent else { return Ok(()) };
        tries += 1;
        let fault = fault(&error);
        match fault.kind {
            FaultKind::QueueFull if bound.patient && room.rest(tries) => {}
            FaultKind::Refused if tries == 1 => {}
            _ => return Err(fault),
        }
    }
}
