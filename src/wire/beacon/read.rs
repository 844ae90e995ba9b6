//! Bytes to messages.

use std::net::IpAddr;
use std::time::Duration;

use minicbor::decode::Decoder;

use super::cbor::{Broken, Key, map, whole_map};
use super::write::{ANNOUNCE, GOODBYE, KINDS, QUERY, REPLY};
use super::{
    Announce, Echo, Goodbye, HEADER, Known, MAC, MAGIC, MOST_BYTES, MUST_KNOW, Message, Nonce, Order, Places, Query,
    Reply, Secret, WITH_MAC, Window,
};
use crate::model::service::{self, About, Attributes, InstanceId, ServiceName, ServiceType};

/// Why some bytes are no message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// Nothing of this protocol, or of a later one: another magic, kind, or a flag that must be known.
    Foreign,
    /// Of this protocol, and broken: cut off, changed, or made wrong.
    Broken,
}

impl From<Broken> for Unreadable {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// What proves a message, if something does.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'b> {
    label: &'static [u8],
    bytes: &'b [u8],
    mac: Option<&'b [u8]>,
}

impl Seal<'_> {
    /// Whether there is a MAC at all.
    pub const fn is_there(&self) -> bool {
        self.mac.is_some()
    }

    /// Whether whoever wrote it had the secret. A reply needs the nonce that it answers.
    pub fn is_of(&self, secret: &Secret, nonce: Option<&Nonce>) -> bool {
        let nonce = nonce.map_or(&[][..], |nonce| &nonce.0);
        self.mac.is_some_and(|mac| secret.proves(&[self.label, nonce, self.bytes], mac))
    }
}

/// Reads a datagram.
///
/// # Errors
/// [`Unreadable`] for bytes that are no message.
pub fn read(bytes: &[u8]) -> Result<(Message, Seal<'_>), Unreadable> {
    let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(Unreadable::Foreign)?;
    let [m0, m1, m2, m3, kind, flags, len @ ..] = *head;
    if [m0, m1, m2, m3] != MAGIC || flags & MUST_KNOW != 0 {
        return Err(Unreadable::Foreign);
    }
    let kind = KINDS.iter().position(|known| known.0 == kind).ok_or(Unreadable::Foreign)?;
    let len = usize::from(u16::from_be_bytes(len));
    let mac_len = if flags & WITH_MAC == 0 { 0 } else { MAC };
    if bytes.len() > MOST_BYTES || rest.len() != len + mac_len {
        return Err(Unreadable::Broken);
    }
    let (body, mac) = rest.split_at(len);
    let message = match kind {
        QUERY => Message::Query(query(body)?),
        REPLY => Message::Reply(reply(body)?),
        ANNOUNCE => Message::Announce(announce(body)?),
        GOODBYE => Message::Goodbye(goodbye(body)?),
        _ => return Err(Unreadable::Foreign),
    };
    let seal =
        Seal { label: KINDS[kind].1, bytes: &bytes[..HEADER + len], mac: Some(mac).filter(|mac| !mac.is_empty()) };
    Ok((message, seal))
}

// ---- the bodies -----------------------------------------------------------------------------------------------------

fn query(body: &[u8]) -> Result<Query, Broken> {
    let (mut nonce, mut window, mut service_type, mut known) = (None, None, None, Known::NONE);
    let (mut lo, mut hi) = (0, u32::MAX);
    whole_map(body, |key, value| {
        match key {
            "n" => nonce = Some(Nonce(array(value)?)),
            "w" => window = Some(self::window(value)?),
            "t" => service_type = Some(value.str()?.parse().map_err(|_| Broken)?),
            "lo" => lo = value.u32()?,
            "hi" => hi = value.u32()?,
            "kn" => known = self::known(value.bytes()?)?,
            "pad" => drop(value.bytes()?),
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    })?;
    let (nonce, window) = nonce.zip(window).ok_or(Broken)?;
    let places = Places::new(lo, hi).ok_or(Broken)?;
    Ok(Query { nonce, window, service_type, places, known })
}

fn reply(body: &[u8]) -> Result<Reply, Broken> {
    let (mut echo, mut address, mut more, mut said) = (None, None, false, Said::default());
    whole_map(body, |key, value| {
        match key {
            "e" => echo = Some(array::<{ size_of::<Echo>() }>(value)?),
            "a" => address = Some(host(value)?),
            "m" => more = value.bool()?,
            _ => return said.take(key, value),
        }
        Ok(Key::Known)
    })?;
    let (order, about) = said.whole()?;
    Ok(Reply { echo: echo.ok_or(Broken)?, address, order, about, more })
}

fn announce(body: &[u8]) -> Result<Announce, Broken> {
    let mut said = Said::default();
    whole_map(body, |key, value| said.take(key, value))?;
    let (order, about) = said.whole()?;
    Ok(Announce { order, about })
}

fn goodbye(body: &[u8]) -> Result<Goodbye, Broken> {
    let mut said = Said::default();
    whole_map(body, |key, value| said.take(key, value))?;
    Ok(Goodbye { order: said.order()?, id: said.id.ok_or(Broken)? })
}

/// What a responder says, as far as it is read.
#[derive(Default)]
struct Said {
    id: Option<InstanceId>,
    boot: Option<u32>,
    seq: Option<u32>,
    name: Option<ServiceName>,
    service_type: Option<ServiceType>,
    port: Option<u16>,
    advertised: Option<IpAddr>,
    attributes: Attributes,
    ttl: Option<Duration>,
}

impl Said {
    fn take<'b>(&mut self, key: &'b str, value: &mut Decoder<'b>) -> Result<Key, Broken> {
        match key {
            "id" => self.id = Some(InstanceId(u64::from_be_bytes(array(value)?))),
            "b" => self.boot = Some(value.u32()?),
            "q" => self.seq = Some(value.u32()?),
            "nm" => self.name = Some(value.str()?.parse().map_err(|_| Broken)?),
            "t" => self.service_type = Some(value.str()?.parse().map_err(|_| Broken)?),
            "p" => self.port = Some(port(value)?),
            "ad" => self.advertised = Some(service::address(ip(value)?).map_err(|_| Broken)?),
            "at" => self.attributes = attributes(value)?,
            "ttl" => self.ttl = Some(seconds(value)?),
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn order(&self) -> Result<Order, Broken> {
        let (boot, seq) = self.boot.zip(self.seq).ok_or(Broken)?;
        Ok(Order { boot, seq })
    }

    fn whole(self) -> Result<(Order, About), Broken> {
        let order = self.order()?;
        let about = About {
            id: self.id.ok_or(Broken)?,
            name: self.name.ok_or(Broken)?,
            kind: self.service_type.ok_or(Broken)?,
            port: self.port.ok_or(Broken)?,
            advertised: self.advertised,
            attributes: self.attributes,
            ttl: self.ttl.ok_or(Broken)?,
        };
        Ok((order, about))
    }
}

// ---- the values -----------------------------------------------------------------------------------------------------

fn array<const N: usize>(value: &mut Decoder<'_>) -> Result<[u8; N], Broken> {
    value.bytes()?.try_into().map_err(|_| Broken)
}

fn window(value: &mut Decoder<'_>) -> Result<Window, Broken> {
    Window::new(Duration::from_millis(value.u32()?.into())).ok_or(Broken)
}

fn seconds(value: &mut Decoder<'_>) -> Result<Duration, Broken> {
    match value.u16()? {
        0 => Err(Broken),
        seconds => Ok(Duration::from_secs(seconds.into())),
    }
}

/// A port that somebody can be reached by.
fn port(value: &mut Decoder<'_>) -> Result<u16, Broken> {
    match value.u16()? {
        0 => Err(Broken),
        port => Ok(port),
    }
}

/// An address that somebody can answer from: over loopback, that of loopback.
fn host(value: &mut Decoder<'_>) -> Result<IpAddr, Broken> {
    let address = ip(value)?.to_canonical();
    if service::is_of_one_host(address) { Ok(address) } else { Err(Broken) }
}

fn ip(value: &mut Decoder<'_>) -> Result<IpAddr, Broken> {
    let bytes = value.bytes()?;
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).map_err(|_| Broken)
}

fn known(bytes: &[u8]) -> Result<Known, Broken> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let places = chunks.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect();
    Known::new(places).filter(|_| rest.is_empty()).ok_or(Broken)
}

fn attributes(value: &mut Decoder<'_>) -> Result<Attributes, Broken> {
    let mut pairs = Vec::new();
    map(value, |key, value| {
        pairs.push((key, value.str()?));
        Ok(())
    })?;
    Attributes::new(pairs).map_err(|_| Broken)
}
