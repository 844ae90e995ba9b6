//! What passes on the wire: a tap below the sockets of a host (packet(7)).
//!
//! It sees what an interface receives, whoever it is for, and what leaves by it, behind all queues. It sees what the kernel
//! sees: segments that the kernel has put together, or not yet cut up, are one frame (GSO), and may be 64 KiB long.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket,
};
use nix::sys::time::TimeSpec;

use super::error::LabError;
use super::lan::Host;
use super::packet::Packet;
use super::{readable, warm_up};
use crate::net::Deadline;

/// More than the longest IP packet, 65535 bytes and, with IPv6, its header (RFC 8200 section 3).
const LONGEST: usize = 1 << 17;

/// What the kernel keeps for a tap that is not read: some thousand full frames, with what it adds to each.
const QUEUE: usize = 1 << 23;

/// ARPHRD_LOOPBACK of if_arp.h.
const LOOPBACK: u16 = 772;

/// A frame that passed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The number of the interface.
    pub interface: u32,
    /// Whether it came or left.
    pub way: Way,
    /// When it passed.
    pub time: SystemTime,
    /// The hardware address of who sent it, where there is one.
    pub hardware: Option<[u8; 6]>,
    /// Its Ethernet protocol.
    pub protocol: u16,
    /// What it carries, from the header of IP or ARP on.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub packet: Packet,
}

/// Which way a frame passed, and whom the hardware took it to be for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// It came, for this host.
    ToUs,
    /// It came, for everybody.
    Broadcast,
    /// It came, for a group.
    Multicast,
    /// It came, for somebody else. A switch that does not know where somebody is sends his frames to everybody.
    ToOthers,
    /// It left.
    Out,
}

impl Way {
    /// The numbers of if_packet.h.
    fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::ToUs),
            1 => Some(Self::Broadcast),
            2 => Some(Self::Multicast),
            3 => Some(Self::ToOthers),
            4 => Some(Self::Out),
            _ => None,
        }
    }
}

/// A tap. Opening it, and closing it, takes the kernel some ten milliseconds.
#[derive(Debug)]
pub struct Tap {
    socket: OwnedFd,
    /// The only interface to be told of.
    interface: Option<u32>,
    /// What passed and was not yet taken.
    queue: VecDeque<Frame>,
    buffer: Vec<u8>,
    missed: u32,
}

impl Tap {
    /// Opens a tap in a host: at one interface, `lo` included, or at all.
    ///
    /// On `lo` each packet passes twice, out and in again. It is told once, as it comes in.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn open(host: &Host, interface: Option<&str>) -> Result<Self, LabError> {
        let index = interface.map(|name| host.index(name)).transpose()?;
        host.within(|| Self::here(index))?
    }

    /// The same in the network of the calling thread; the interface has this number. It needs the rights of root there
    /// (CAP_NET_RAW), which everybody has within an enclosure.
    ///
    /// # Errors
    /// [`LabError::System`].
    pub fn here(interface: Option<u32>) -> Result<Self, LabError> {
        let opened = open().map_err(LabError::system(format_args!("open a tap")));
        let buffer = vec![0; LONGEST];
        Ok(Self { socket: opened?, interface, queue: VecDeque::new(), buffer, missed: 0 })
    }

    /// All that passed since this was last asked.
    ///
    /// # Errors
    /// [`LabError::System`].
    pub fn take(&mut self) -> Result<Vec<Frame>, LabError> {
        self.drain().map_err(LabError::system(format_args!("read a tap")))?;
        Ok(self.queue.drain(..).collect())
    }

    /// Waits for a frame, and takes it with all that passed before. What passed behind it is left.
    ///
    /// # Errors
    /// [`LabError::NotSeen`] when there was none for so long; then all is left. [`LabError::System`].
    pub fn wait_for(
        &mut self,
        patience: Duration,
        mut wanted: impl FnMut(&Frame) -> bool,
    ) -> Result<Vec<Frame>, LabError> {
        let deadline = Deadline::after(patience);
        let mut asked = 0;
        loop {
            self.drain().map_err(LabError::system(format_args!("read a tap")))?;
            let found = self.queue.iter().skip(asked).position(&mut wanted);
            if let Some(found) = found {
                return Ok(self.queue.drain(..=asked + found).collect());
            }
            asked = self.queue.len();
            if deadline.is_over() {
                return Err(LabError::NotSeen { frames: asked, waited: patience });
            }
            let waited = readable::wait([self.socket.as_fd()], deadline.left());
            waited.map_err(LabError::system(format_args!("wait at a tap")))?;
        }
    }

    /// How many frames passed that the tap had no room for, as far as later frames told: then it was read too seldom.
    #[must_use]
    pub fn missed(&self) -> u32 {
        self.missed
    }

    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.next() {
                Ok(Some(frame)) => self.queue.push_back(frame),
                Ok(None) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                // An interface that goes down is told once, and nothing else is wrong with it.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next frame in the socket; `None` for one that is not told of.
    fn next(&mut self) -> nix::Result<Option<Frame>> {
        let mut control = cmsg_space!(TimeSpec, u32);
        let mut pieces = [IoSliceMut::new(&mut self.buffer)];
        let received =
            recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let (length, address) = (received.bytes, received.address);
        let mut time = Duration::ZERO;
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::ScmTimestampns(stamp) => time = Duration::from(stamp),
                ControlMessageOwned::RxqOvfl(missed) => self.missed = missed,
                _ => {}
            }
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let frame = address.and_then(|address| frame(&address, UNIX_EPOCH + time, bytes));
        Ok(frame.filter(|frame| self.interface.is_none_or(|only| only == frame.interface)))
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    // Beyond the limit of the machine where that is allowed, else up to it.
    if setsockopt(&socket, RcvBufForce, &QUEUE).is_err() {
        setsockopt(&socket, RcvBuf, &QUEUE)?;
    }
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    setsockopt(&socket, RxqOvfl, &1)?;
    Ok(socket)
}

fn frame(address: &LinkAddr, time: SystemTime, bytes: &[u8]) -> Option<Frame> {
    let way = Way::of(address.pkttype())?;
    if address.hatype() == LOOPBACK && way == Way::Out {
        return None;
    }
    let protocol = u16::from_be(address.protocol());
    let packet = Packet::read(protocol, bytes);
    let frame = Frame {
        interface: u32::try_from(address.ifindex()).ok()?,
        way,
        time,
        hardware: address.addr().filter(|_| address.halen() == 6),
        protocol,
        bytes: bytes.to_vec(),
        packet,
    };
    Some(frame).filter(|frame| !is_probe(frame))
}

/// Whether it only served to see that the LAN is ready.
fn is_probe(frame: &Frame) -> bool {
    let is_ours =
        |udp: &super::packet::Udp| udp.destination == warm_up::PORT && udp.payload.starts_with(&warm_up::MAGIC);
    frame.packet.udp().is_some_and(is_ours)
}
