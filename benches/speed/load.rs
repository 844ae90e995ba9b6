//! The one client that measures all servers of `scripts/bench speed` alike.
//!
//! - `bench-load echo SERVER SIZE DEPTH MILLIS TRAIN SOURCES` keeps so many datagrams on their way and counts what comes back. What is
//!   lost stays counted as on its way until nothing has come for [`SILENCE`], so who loses is asked less: its loss is in the figures.
//! - `bench-load flood SERVER SIZE PACE MILLIS TRAIN SOURCES` sends so many a second, or as fast as it can (0), and waits until the
//!   server has emptied its queue. What the server's socket had no room for is told by the kernel.
//!
//! TRAIN above 1 hands so many datagrams to the kernel at once (UDP_SEGMENT). With SOURCES above 1 they come from so many
//! addresses of 127/8 in turn. It connects its socket where there is one source, and looks at a number and the length
//! of each answer rather than at all of its bytes: so it costs less than a server that does the least.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a helper of the bench, which measures times and fails aloud"
)]

use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

/// So long without an answer means that what was on its way is lost.
const SILENCE: Duration = Duration::from_millis(100);
/// So many silences from the beginning: there is no echo. Later ones may be those of a busy machine.
const PATIENCE: u32 = 3;
/// Before anything is measured: round trips one at a time, which start what a server starts for a new client.
const WARM_UP: u32 = 20;
/// The receive buffer to ask for, that of halloo.
const BUFFER: usize = 4 << 20;
/// The longest that the kernel takes at once, in bytes and in datagrams.
const LONGEST: usize = 65507;
const LONGEST_TRAIN: usize = 64;
/// Paced datagrams leave so many at once.
const BURST: usize = 16;
/// No run sends more.
const MOST: u64 = 20_000_000;
/// How long a server may take to empty its queue.
const DRAIN: Duration = Duration::from_secs(3);
/// The first of many sources; the others follow it.
const FIRST_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 0);

struct Client {
    socket: UdpSocket,
    server: SocketAddrV4,
    size: usize,
    train: usize,
    sources: u64,
    /// A train of payloads.
    bytes: Vec<u8>,
    sent: u64,
}

impl Client {
    fn open(server: SocketAddrV4, size: usize, train: usize, sources: u64) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.set_send_buffer_size(BUFFER)?;
        socket.set_read_timeout(Some(SILENCE))?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into())?;
        let train = train.clamp(1, LONGEST_TRAIN).min((LONGEST / size.max(1)).max(1));
        let socket = UdpSocket::from(socket);
        if sources == 1 {
            socket.connect(server)?;
        }
        if train > 1 {
            system::cut_into(&socket, size)?;
        }
        Ok(Self { socket, server, size, train, sources, bytes: vec![b'h'; size * train], sent: 0 })
    }

    /// Sends so many, at most a train.
    fn send(&mut self, count: usize) -> io::Result<()> {
        for number in 0..count {
            self.stamp(number);
        }
        let bytes = &self.bytes[..count * self.size];
        let sent = if self.sources > 1 {
            let host = u32::try_from(self.sent % self.sources).unwrap();
            system::send_from(&self.socket, self.server, Ipv4Addr::from(u32::from(FIRST_SOURCE) + host), bytes)
        } else {
            self.socket.send(bytes)
        };
        self.sent += count as u64;
        // That a server is gone, or that there is no room just now, is a loss.
        match sent {
            Err(error) if !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::WouldBlock) => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes its number into a datagram that has room for it.
    fn stamp(&mut self, number: usize) {
        let at = number * self.size;
        if self.size >= 8 {
            self.bytes[at..at + 8].copy_from_slice(&(self.sent + number as u64).to_be_bytes());
        }
    }

    /// The next answer: how many datagrams it stands for, and whether it is right. Nothing after a silence.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(u64, bool)>> {
        loop {
            match self.socket.recv(buffer) {
                Ok(length) => return Ok(Some(self.judge(&buffer[..length]))),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn judge(&self, answer: &[u8]) -> (u64, bool) {
        let numbered = answer.first_chunk().is_none_or(|number| u64::from_be_bytes(*number) < self.sent);
        if answer.len() == self.size {
            return (1, self.size < 8 || numbered);
        }
        // Some servers merge.
        ((answer.len() / self.size.max(1)).max(1) as u64, false)
    }
}

#[derive(Default)]
struct Count {
    echoed: u64,
    wrong: u64,
    lost: u64,
    on_their_way: u64,
}

impl Count {
    fn came(&mut self, (datagrams, right): (u64, bool)) {
        self.echoed += u64::from(right);
        self.wrong += u64::from(!right);
        // What had been given up may still come.
        self.lost -= datagrams.saturating_sub(self.on_their_way).min(self.lost);
        self.on_their_way = self.on_their_way.saturating_sub(datagrams);
    }

    fn answered(&self) -> bool {
        self.echoed + self.wrong > 0
    }

    fn give_up(&mut self) {
        self.lost += self.on_their_way;
        self.on_their_way = 0;
    }
}

fn warm_up(client: &mut Client, buffer: &mut [u8]) -> io::Result<()> {
    for _ in 0..WARM_UP {
        client.send(1)?;
        if client.receive(buffer)?.is_none() {
            break;
        }
    }
    Ok(())
}

fn echo(client: &mut Client, depth: u64, time: Duration) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    warm_up(client, &mut buffer)?;
    let before = client.sent;
    let (mut count, mut times, mut silences) = (Count::default(), Vec::with_capacity(1 << 18), 0);
    let busy_before = processor_time()?;
    let begun = Instant::now();
    let mut now = begun;
    while now - begun < time && client.sent < MOST && (silences < PATIENCE || count.answered()) {
        while depth - count.on_their_way >= (client.train as u64).min(depth) {
            let train = client.train.min(usize::try_from(depth).unwrap());
            client.send(train)?;
            count.on_their_way += train as u64;
        }
        let came = client.receive(&mut buffer)?;
        let left = now;
        now = Instant::now();
        match came {
            Some(answer) => {
                count.came(answer);
                // From the end of one round trip to the end of the next: that is a round trip only if there is one at a time.
                if depth == 1 {
                    times.push(u64::try_from((now - left).as_nanos()).unwrap());
                }
            }
            None => {
                count.give_up();
                silences += 1;
            }
        }
    }
    let seconds = (now - begun).as_secs_f64();
    let busy = 100.0 * (processor_time()? - busy_before).as_secs_f64() / seconds;
    let (in_time, sent) = (count.echoed, client.sent - before);
    // What was given up may only have been late.
    while count.on_their_way + count.lost > 0
        && let Some(answer) = client.receive(&mut buffer)?
    {
        count.came(answer);
    }
    count.give_up();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).map_or(0.0, |nanos| *nanos as f64 / 1e3);
    println!(
        "rate={:.0} sent={sent} echoed={} wrong={} lost={} p50={:.2} p99={:.2} busy={busy:.1}",
        in_time as f64 / seconds,
        count.echoed,
        count.wrong,
        count.lost,
        at(50),
        at(99)
    );
    Ok(())
}

fn flood(client: &mut Client, pace: f64, time: Duration) -> io::Result<()> {
    let burst = client.train.max(if pace > 0.0 { BURST } else { 1 });
    let gap = if pace > 0.0 { Duration::from_secs_f64(burst as f64 / pace) } else { Duration::ZERO };
    let (_, dropped_before) = queue(client.server.port())?;
    let begun = Instant::now();
    let mut due = begun;
    while due - begun < time && client.sent < MOST {
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        for _ in 0..burst / client.train {
            client.send(client.train)?;
        }
        due = if pace > 0.0 { due + gap } else { Instant::now() };
    }
    let sending = begun.elapsed();
    let (mut waiting, mut dropped) = queue(client.server.port())?;
    while waiting > 0 && begun.elapsed() < sending + DRAIN {
        (waiting, dropped) = queue(client.server.port())?;
    }
    let (lost, took) = (dropped - dropped_before, begun.elapsed());
    println!(
        "rate={:.0} sent={} lost={lost} pace={:.0} left={waiting}",
        client.sent.saturating_sub(lost) as f64 / took.as_secs_f64(),
        client.sent,
        client.sent as f64 / sending.as_secs_f64(),
    );
    Ok(())
}

/// How long this program has had a processor.
fn processor_time() -> io::Result<Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap()))
}

/// Bytes that wait in the sockets of a port, and the datagrams dropped there, as the kernel counts them.
fn queue(port: u16) -> io::Result<(u64, u64)> {
    let (mut waiting, mut dropped) = (0, 0);
    for line in std::fs::read_to_string("/proc/net/udp")?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if !fields[1].ends_with(&format!(":{port:04X}")) {
            continue;
        }
        let (_, received) = fields[4].split_once(':').unwrap();
        waiting += u64::from_str_radix(received, 16).unwrap();
        dropped += fields.last().unwrap().parse::<u64>().unwrap();
    }
    Ok((waiting, dropped))
}

#[cfg(target_os = "linux")]
mod system {
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt, sockopt};
    use std::io::{self, IoSlice};
    use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
    use std::os::fd::AsRawFd;

    pub(crate) fn cut_into(socket: &UdpSocket, size: usize) -> io::Result<()> {
        Ok(setsockopt(socket, sockopt::UdpGsoSegment, &i32::try_from(size).unwrap())?)
    }

    pub(crate) fn send_from(socket: &UdpSocket, to: SocketAddrV4, from: Ipv4Addr, bytes: &[u8]) -> io::Result<usize> {
        let nowhere = libc::in_addr { s_addr: 0 };
        let source = libc::in_addr { s_addr: u32::from(from).to_be() };
        let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: nowhere };
        let extra = [ControlMessage::Ipv4PacketInfo(&info)];
        let to = SockaddrIn::from(to);
        Ok(sendmsg(socket.as_raw_fd(), &[IoSlice::new(bytes)], &extra, MsgFlags::empty(), Some(&to))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io::{Error, ErrorKind, Result};
    use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

    pub(crate) fn cut_into(_: &UdpSocket, _: usize) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    pub(crate) fn send_from(_: &UdpSocket, _: SocketAddrV4, _: Ipv4Addr, _: &[u8]) -> Result<usize> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, server, size, many, millis, train, sources] = &args[..] else {
        panic!("echo|flood SERVER SIZE DEPTH|PACE MILLIS TRAIN SOURCES")
    };
    let (size, train) = (size.parse().unwrap(), train.parse().unwrap());
    let time = Duration::from_millis(millis.parse().unwrap());
    let mut client = Client::open(server.parse().unwrap(), size, train, sources.parse().unwrap())?;
    match what.as_str() {
        "echo" => echo(&mut client, many.parse().unwrap(), time),
        "flood" => flood(&mut client, many.parse().unwrap(), time),
        _ => panic!("echo or flood"),
    }
}
