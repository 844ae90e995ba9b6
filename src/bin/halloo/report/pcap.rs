//! A capture file of what was received, for Wireshark and tcpdump.
//!
//! A socket hands over payloads without headers, so the headers are made up again from what the kernel tells: addresses,
//! ports and time to live are the real ones, the rest is what a sender would have written. The file is pcapng, since only
//! that names the interface of each packet. Link type: raw IP (LINKTYPE_RAW, 101).

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::mem::take;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use halloo::model::event::Sink;
use halloo::model::target::canonical;
use halloo::model::{Cast, Datagram, Event, Family, Link, Now};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{Block, PcapNgWriter};
use pcap_file::{DataLink, PcapError};

use super::headers;
use super::human::BUFFER;
use super::raw::datagram;

/// `if_tsresol`: times in units of ten to the minus nine seconds.
const NANOSECONDS: u8 = 9;
/// More than the longest packet, 40 + 65535 bytes over IPv6.
const LONGEST: u32 = 0x0004_0000;
/// `epb_flags`: the packet came in.
const INBOUND: u32 = 1;

/// Writes every datagram received, answers included, as a packet.
pub(crate) struct Pcap<W: Write> {
    writer: PcapNgWriter<BufWriter<W>>,
    /// The interfaces described so far, by their number in the file.
    interfaces: Vec<Option<Link>>,
    /// Where the socket listens, for systems that do not tell a datagram's destination.
    local: Option<SocketAddr>,
    packet: Vec<u8>,
    options: Vec<EnhancedPacketOption<'static>>,
}

impl<W: Write> Pcap<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn new(writer: W) -> io::Result<Self> {
        let writer = PcapNgWriter::new(BufWriter::with_capacity(BUFFER, writer)).map_err(as_io)?;
        Ok(Self { writer, interfaces: Vec::new(), local: None, packet: Vec::new(), options: Vec::new() })
    }

    fn write(&mut self, datagram: &Datagram<'_>) -> io::Result<()> {
        let interface_id = self.interface(datagram.link.as_ref())?;
        let source = canonical(datagram.source);
        let original_len = headers::packet(
            &headers::Fields {
                source,
                destination: destination(datagram, source, self.local),
                ttl: datagram.ttl.unwrap_or(headers::USUAL_TTL),
                wire_len: datagram.wire_len,
            },
            datagram.payload,
            &mut self.packet,
        );
        let since_1970 = datagram.stamp.wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.options.clear();
        self.options.push(EnhancedPacketOption::Flags(INBOUND | reception(datagram.cast)));
        // A block owns what it holds. It is lent that, and gives it back: nothing is allocated for a packet.
        let block = Block::EnhancedPacket(EnhancedPacketBlock {
            interface_id,
            timestamp: since_1970,
            original_len,
            data: Cow::Owned(take(&mut self.packet)),
            options: take(&mut self.options),
        });
        let written = self.writer.write_block(&block);
        if let Block::EnhancedPacket(block) = block {
            (self.packet, self.options) = (block.data.into_owned(), block.options);
        }
        written.map(drop).map_err(as_io)
    }

    /// The file's number of an interface, which is described when it is met first.
    fn interface(&mut self, link: Option<&Link>) -> io::Result<u32> {
        let known = self.interfaces.iter().position(|known| known.as_ref() == link);
        let number = match known {
            Some(number) => number,
            None => self.describe(link)?,
        };
        u32::try_from(number).map_err(io::Error::other)
    }

    fn describe(&mut self, link: Option<&Link>) -> io::Result<usize> {
        let mut block = InterfaceDescriptionBlock::new(DataLink::RAW, LONGEST);
        if let Some(link) = link {
            block.options.push(InterfaceDescriptionOption::IfName(Cow::Owned(link.name.to_string())));
        }
        block.options.push(InterfaceDescriptionOption::IfTsResol(NANOSECONDS));
        self.writer.write_pcapng_block(block).map_err(as_io)?;
        self.interfaces.push(link.cloned());
        Ok(self.interfaces.len() - 1)
    }
}

impl<W: Write> Sink for Pcap<W> {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        if let Event::Listening(listening) = event {
            self.local = Some(canonical(listening.local));
        }
        match datagram(event) {
            Some(datagram) => self.write(datagram),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }
}

/// The destination as told, else our own address as far as it is known; always of the source's IP version.
fn destination(datagram: &Datagram<'_>, source: SocketAddr, listening: Option<SocketAddr>) -> SocketAddr {
    let family = Family::of(source.ip());
    let port = listening.map_or(0, |local| local.port());
    let own = |ip: IpAddr| SocketAddr::new(ip.to_canonical(), port);
    let told = [datagram.destination.map(canonical), datagram.local.map(own), listening];
    told.into_iter()
        .flatten()
        .find(|address| Family::of(address.ip()) == family)
        .unwrap_or(SocketAddr::new(family.wildcard(), port))
}

/// `epb_flags`, bits 2 to 4: how it was addressed.
const fn reception(cast: Option<Cast>) -> u32 {
    let kind = match cast {
        None => 0,
        Some(Cast::Unicast) => 1,
        Some(Cast::Multicast) => 2,
        Some(Cast::Broadcast | Cast::Limited) => 3,
    };
    kind << 2
}

fn as_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
