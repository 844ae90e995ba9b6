//! Interfaces, addresses and routes by rtnetlink(7): what `ip` does, without `ip`.

use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::plan::Address;

/// More than any answer about one interface: the largest here is below 2 KiB.
const ANSWER: usize = 1 << 15;

/// The loopback interface is the first in every network.
pub(super) const LO: u32 = 1;

/// A way to the interfaces of the network namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Netlink(Mutex<Socket>);

/// One cable: the port at the switch, and the interface in another namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cable<'a> {
    pub(super) port: u32,
    pub(super) port_name: &'a str,
    /// The switch.
    pub(super) bridge: u32,
    pub(super) interface: u32,
    pub(super) interface_name: &'a str,
    /// The namespace of the interface.
    pub(super) namespace: RawFd,
    pub(super) plugged: bool,
}

impl Netlink {
    /// Opens it in the network of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        // Without it an error brings the whole request back.
        socket.set_cap_ack(true)?;
        Ok(Self(Mutex::new(socket)))
    }

    /// Adds a switch. Without snooping a multicast goes to everybody, as over a plain switch (RFC 4541).
    pub(super) fn add_bridge(&self, index: u32, name: &str) -> io::Result<()> {
        let mut link = link(index);
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        set_up(&mut link, true);
        self.add(RouteNetlinkMessage::NewLink(link))
    }

    /// Adds a cable, of which one end is born in another namespace.
    pub(super) fn add_cable(&self, cable: &Cable<'_>) -> io::Result<()> {
        let mut peer = link(cable.interface);
        peer.attributes =
            vec![LinkAttribute::IfName(cable.interface_name.to_owned()), LinkAttribute::NetNsFd(cable.namespace)];
        let mut port = link(cable.port);
        port.attributes = vec![
            LinkAttribute::IfName(cable.port_name.to_owned()),
            LinkAttribute::Controller(cable.bridge),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        set_up(&mut port, cable.plugged);
        self.add(RouteNetlinkMessage::NewLink(port))
    }

    /// Keeps the kernel from making an IPv6 address of its own for an interface that is still down.
    pub(super) fn make_no_address(&self, index: u32) -> io::Result<()> {
        let mut link = link(index);
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        link.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])])];
        self.change(RouteNetlinkMessage::SetLink(link))
    }

    /// Sets an interface up or down.
    pub(super) fn set_up(&self, index: u32, up: bool) -> io::Result<()> {
        let mut link = link(index);
        set_up(&mut link, up);
        self.change(RouteNetlinkMessage::SetLink(link))
    }

    /// Sets the largest IP packet of an interface, in bytes.
    pub(super) fn set_mtu(&self, index: u32, mtu: u32) -> io::Result<()> {
        let mut link = link(index);
        link.attributes = vec![LinkAttribute::Mtu(mtu)];
        self.change(RouteNetlinkMessage::SetLink(link))
    }

    /// Whether an interface is up and something answers at the other end of its cable.
    pub(super) fn is_connected(&self, index: u32) -> io::Result<bool> {
        let answer = self.exchange(RouteNetlinkMessage::GetLink(link(index)), 0)?;
        let Some(RouteNetlinkMessage::NewLink(found)) = answer else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        Ok(found.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp))
    }

    /// Adds an address, which is there at once.
    pub(super) fn add_address(&self, index: u32, address: &Address) -> io::Result<()> {
        self.add(RouteNetlinkMessage::NewAddress(address_message(index, address)))
    }

    /// Removes an address.
    pub(super) fn remove_address(&self, index: u32, address: &Address) -> io::Result<()> {
        self.change(RouteNetlinkMessage::DelAddress(address_message(index, address)))
    }

    /// Sends what no other route takes to `gateway`.
    pub(super) fn add_default_route(&self, gateway: IpAddr) -> io::Result<()> {
        let mut route = RouteMessage::default();
        let (address_family, gateway) = match gateway {
            IpAddr::V4(v4) => (AddressFamily::Inet, RouteAddress::Inet(v4)),
            IpAddr::V6(v6) => (AddressFamily::Inet6, RouteAddress::Inet6(v6)),
        };
        route.header = RouteHeader {
            address_family,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        route.attributes = vec![RouteAttribute::Gateway(gateway)];
        self.add(RouteNetlinkMessage::NewRoute(route))
    }

    /// Comes back when whatever the kernel is changing at interfaces just now is done: this takes the same lock.
    pub(super) fn wait_for_changes(&self) -> io::Result<()> {
        self.set_up(LO, true)
    }

    fn add(&self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.exchange(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(|_| ())
    }

    fn change(&self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.exchange(message, NLM_F_ACK).map(|_| ())
    }

    /// Sends one request, and waits for its one answer. The kernel has it ready when the request is sent (netlink(7)).
    fn exchange(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Option<RouteNetlinkMessage>> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        // The kernel is port 0.
        socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        let mut answer = Vec::with_capacity(ANSWER);
        socket.recv(&mut answer, 0)?;
        read(&answer)
    }
}

/// An acknowledgement is an error without a number.
fn read(answer: &[u8]) -> io::Result<Option<RouteNetlinkMessage>> {
    let parsed = NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer);
    match parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        _ => Ok(None),
    }
}

fn link(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link
}

fn set_up(link: &mut LinkMessage, up: bool) {
    link.header.change_mask = LinkFlags::Up;
    link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
}

fn address_message(index: u32, address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    let (family, scope) = match address.address {
        IpAddr::V4(_) => (AddressFamily::Inet, AddressScope::Universe),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => (AddressFamily::Inet6, AddressScope::Link),
        IpAddr::V6(_) => (AddressFamily::Inet6, AddressScope::Universe),
    };
    message.header.family = family;
    message.header.scope = scope;
    message.header.prefix_len = address.prefix;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address.address), AddressAttribute::Address(address.address)];
    message.attributes.extend(address.broadcast_address().map(AddressAttribute::Broadcast));
    message.attributes.extend(address.label.clone().map(AddressAttribute::Label));
    if address.address.is_ipv6() {
        // Not tried out first, and so there at once.
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    message
}
