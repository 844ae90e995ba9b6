//! Waits until everybody on a switch hears everybody.
//!
//! By limited broadcasts, so that it does not matter which addresses and masks there are. Packet sockets (packet(7)) would
//! not even move the counters of UDP, but closing each takes the kernel some ten milliseconds.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::error::{Deaf, LabError};
use super::readable;
use crate::net::Deadline;

/// The port of the probes: the last but one, where nobody looks for a service.
pub(super) const PORT: u16 = 65534;

/// A LAN of four hosts is there in a few milliseconds. A machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a probe that was not heard is repeated. On a LAN of this kind one takes some ten microseconds.
const AGAIN: Duration = Duration::from_millis(1);

/// What a probe begins with.
pub(super) const MAGIC: [u8; 8] = *b"lab: hi ";

/// [`MAGIC`], and the number of who sends it.
const PROBE: usize = MAGIC.len() + size_of::<u32>();

/// An interface that sends probes and hears those of others.
#[derive(Debug)]
pub(super) struct Voice {
    name: String,
    switch: String,
    socket: Socket,
}

impl Voice {
    /// Opens it at an interface in the network of the calling thread. `name` is what to call it.
    pub(super) fn open(name: String, switch: String, interface: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())?;
        Ok(Self { name, switch, socket })
    }

    /// Tells everybody the number of this one. What is not sent is not heard, and then repeated.
    fn shout(&self, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut probe = MAGIC.to_vec();
        probe.extend(number.to_be_bytes());
        let _unheeded = self.socket.send_to(&probe, &SocketAddrV4::new(Ipv4Addr::BROADCAST, PORT).into());
    }

    /// The number of one who was heard.
    fn next(&self) -> Option<usize> {
        let mut probe = [0; PROBE];
        loop {
            // Also None when nothing is there.
            let length = (&self.socket).read(&mut probe).ok()?;
            if length == PROBE && probe.starts_with(&MAGIC) {
                let number = probe.last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                return number.and_then(|number| usize::try_from(number).ok());
            }
        }
    }
}

/// Who is still to hear whom.
type Missing = BTreeSet<(usize, usize)>;

/// Waits until each of these has heard all others at its switch.
pub(super) fn wait(voices: &[Voice]) -> Result<(), LabError> {
    let mut missing = everybody_else(voices);
    let deadline = Deadline::after(PATIENCE);
    while !missing.is_empty() {
        if deadline.is_over() {
            return Err(deaf(voices, &missing));
        }
        let silent: BTreeSet<usize> = missing.iter().map(|(_, speaker)| *speaker).collect();
        silent.iter().filter_map(|number| Some((number, voices.get(*number)?))).for_each(|(n, voice)| voice.shout(*n));
        let again = Deadline::after(AGAIN);
        while !missing.is_empty() && !again.is_over() {
            listen(voices, again.left(), &mut missing).map_err(LabError::system(format_args!("wait for probes")))?;
        }
    }
    Ok(())
}

fn everybody_else(voices: &[Voice]) -> Missing {
    let numbers = || 0..voices.len();
    let pairs = numbers().flat_map(|hearer| numbers().map(move |speaker| (hearer, speaker)));
    let together = |(a, b): &(usize, usize)| a != b && voices[*a].switch == voices[*b].switch;
    pairs.filter(together).collect()
}

/// Waits for so long, or until somebody hears something, and strikes it off.
fn listen(voices: &[Voice], patience: Duration, missing: &mut Missing) -> io::Result<()> {
    readable::wait(voices.iter().map(|voice| voice.socket.as_fd()), patience)?;
    for (hearer, voice) in voices.iter().enumerate() {
        while let Some(speaker) = voice.next() {
            missing.remove(&(hearer, speaker));
        }
    }
    Ok(())
}

fn deaf(voices: &[Voice], missing: &Missing) -> LabError {
    let name = |number: usize| voices[number].name.clone();
    let pair = |(hearer, speaker): &(usize, usize)| Deaf { hearer: name(*hearer), speaker: name(*speaker) };
    LabError::Deaf { pairs: missing.iter().map(pair).collect(), waited: PATIENCE }
}
