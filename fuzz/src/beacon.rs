//! Messages of discovery: any bytes are read as one or refused, what is written reads back, and only who has the secret
//! seals it.

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use halloo::model::service;
use halloo::model::{About, Attributes, InstanceId, ServiceName, ServiceType};
use halloo::wire::beacon::{
    Announce, Goodbye, Known, MOST_BYTES, Message, Nonce, Order, Places, Query, Reply, Secret, Window, read,
};

// The tests of the library say the same of it.
#[path = "../../src/wire/beacon/tests/fits.rs"]
mod fits;

use fits::as_far_as_it_fits;

#[derive(Arbitrary, Debug)]
struct Input<'b> {
    message: Typed<'b>,
    nonce: [u8; 32],
    secret: Option<[u8; 16]>,
    room: u16,
    flip: u16,
}

/// A message before its texts and numbers are looked at.
#[derive(Arbitrary, Debug)]
enum Typed<'b> {
    Query { window: u16, kind: Option<&'b [u8]>, places: (u32, u32), known: Vec<u32> },
    Reply { about: Said<'b>, address: Option<IpAddr>, more: bool },
    Announce { about: Said<'b> },
    Goodbye { order: (u32, u32), id: u64 },
}

#[derive(Arbitrary, Debug)]
struct Said<'b> {
    order: (u32, u32),
    id: u64,
    name: &'b str,
    kind: &'b [u8],
    port: u16,
    advertised: Option<IpAddr>,
    attributes: Vec<(&'b [u8], &'b str)>,
    ttl: u16,
}

/// Runs it.
pub fn run(input: &[u8]) {
    any_bytes(input);
    let Some(input) = crate::made_of::<Input<'_>>(input) else { return };
    let Some(message) = message(&input) else { return };
    sealed(&message, &input);
}

/// What is read from any bytes is written in no more of them, and reads back.
fn any_bytes(bytes: &[u8]) {
    let Ok((message, seal)) = read(bytes) else { return };
    let secret = secret([7; 16]);
    assert!(!seal.is_of(&secret, None) && !seal.is_of(&secret, Some(&NONCE)), "nobody has this secret");
    let written = write(&message, &NONCE, 0, None);
    assert_eq!(read(&written).map(|(message, _)| message), Ok(message));
}

fn sealed(message: &Message, input: &Input<'_>) {
    let nonce = Nonce(input.nonce);
    let own = input.secret.map(secret);
    let mut written = write(message, &nonce, input.room.into(), own.as_ref());
    assert!(written.len() <= MOST_BYTES);
    let (read_back, seal) = read(&written).expect("what was written is a message");
    assert_eq!(read_back, as_far_as_it_fits(message.clone(), &read_back));
    assert_eq!(seal.is_there(), own.is_some());
    let Some(own) = own else { return };
    let [right, wrong] = if matches!(message, Message::Reply(_)) { [Some(&nonce), None] } else { [None, Some(&nonce)] };
    assert!(seal.is_of(&own, right) && !seal.is_of(&own, wrong));
    assert!(!seal.is_of(&other_than(input.secret), right), "another secret is none");
    let bit = usize::from(input.flip) % (written.len() * 8);
    written[bit / 8] ^= 1 << (bit % 8);
    assert!(!read(&written).is_ok_and(|(_, seal)| seal.is_of(&own, right)), "bit {bit} changed and nobody saw it");
}

/// Some nonce, where none matters.
const NONCE: Nonce = Nonce([0x5a; 32]);

fn secret(mut bytes: [u8; 16]) -> Secret {
    // Nothing but zeros is none.
    bytes[0] |= 1;
    Secret::new(&bytes).expect("16 bytes are enough")
}

fn other_than(bytes: Option<[u8; 16]>) -> Secret {
    secret(bytes.unwrap_or_default().map(|byte| byte ^ 0x80))
}

fn write(message: &Message, nonce: &Nonce, room: usize, secret: Option<&Secret>) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Query(query) => query.write(room, secret, &mut out),
        Message::Reply(reply) => within(reply, room, nonce, secret, &mut out),
        Message::Announce(announce) => announce.write(secret, &mut out),
        Message::Goodbye(goodbye) => goodbye.write(secret, &mut out),
    }
    out
}

/// A reply, whole; and once more in little room, where it may lose attributes and nothing else.
fn within(reply: &Reply, room: usize, nonce: &Nonce, secret: Option<&Secret>, out: &mut Vec<u8>) {
    let mut shorter = reply.clone();
    let fits = shorter.write_within(room, nonce, secret, out);
    assert_eq!(fits, out.len() <= room);
    assert!(fits || shorter.about.attributes.is_empty());
    assert!(shorter.more || shorter == *reply);
    reply.write(nonce, secret, out);
}

/// The message, if its texts are such as it can have.
fn message(input: &Input<'_>) -> Option<Message> {
    Some(match &input.message {
        Typed::Query { window, kind, places: (a, b), known } => Message::Query(Query {
            nonce: Nonce(input.nonce),
            window: Window::nearest(Duration::from_millis(u64::from(*window) % 10_000 + 1)),
            service_type: kind.and_then(service_type),
            places: Places::new(*a.min(b), *a.max(b))?,
            known: Known::first_of(known.iter().copied()),
        }),
        Typed::Reply { about, address, more } => Message::Reply(Reply {
            echo: Nonce(input.nonce).echo(),
            address: address.map(|ip| ip.to_canonical()).filter(|ip| is_of_one_host(*ip)),
            order: order(about.order),
            about: about.whole()?,
            more: *more,
        }),
        Typed::Announce { about } => Message::Announce(Announce { order: order(about.order), about: about.whole()? }),
        Typed::Goodbye { order: numbers, id } => {
            Message::Goodbye(Goodbye { order: order(*numbers), id: InstanceId(*id) })
        }
    })
}

impl Said<'_> {
    fn whole(&self) -> Option<About> {
        let keys: Vec<String> = self.attributes.iter().map(|(key, _)| text(key)).collect();
        let pairs = keys.iter().zip(&self.attributes).map(|(key, (_, value))| (&**key, *value));
        Some(About {
            id: InstanceId(self.id),
            name: self.name.parse::<ServiceName>().ok()?,
            kind: service_type(self.kind)?,
            port: self.port.max(1),
            advertised: self.advertised.and_then(|ip| service::address(ip).ok()),
            attributes: Attributes::new(pairs).unwrap_or_default(),
            ttl: Duration::from_secs(u64::from(self.ttl.max(1))),
        })
    }
}

/// Whether a host can have it.
fn is_of_one_host(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255; 4]))
}

const fn order((boot, seq): (u32, u32)) -> Order {
    Order { boot, seq }
}

fn service_type(bytes: &[u8]) -> Option<ServiceType> {
    text(bytes).parse().ok()
}

/// Bytes as the letters that types and keys are made of.
fn text(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789._-";
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
