//! Messages to bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cbor::{put_bytes, put_map, put_number, put_text, put_true};
use super::{
    Announce, Echo, Goodbye, HEADER, LEAST_QUERY, MAC, MAGIC, MOST_BYTES, MOST_ROOM, Nonce, Order, Query, Reply,
    Secret, WITH_MAC,
};
use crate::model::Family;
use crate::model::service::{About, ServiceError};

/// The number of a kind of message, and the label that its MAC begins with.
pub(super) const KINDS: [(u8, &[u8]); 4] =
    [(1, b"halloo1 query"), (2, b"halloo1 reply"), (3, b"halloo1 announce"), (4, b"halloo1 goodbye")];
pub(super) const QUERY: usize = 0;
pub(super) const REPLY: usize = 1;
pub(super) const ANNOUNCE: usize = 2;
pub(super) const GOODBYE: usize = 3;

impl Query {
    /// Writes it into `out`, with at least `room` bytes, from [`LEAST_QUERY`] to a little less than
    /// [`super::MOST_BYTES`]: a reply may be as long.
    pub fn write(&self, room: usize, secret: Option<&Secret>, out: &mut Vec<u8>) {
        let sealed = secret.map_or(0, |_| MAC);
        self.write_padded(0, out);
        let bare = out.len() + sealed;
        let missing = room.clamp(LEAST_QUERY, MOST_ROOM).saturating_sub(bare);
        if missing > 0 {
            self.write_padded(missing, out);
        }
        seal(out, QUERY, secret, &[]);
    }

    /// Writes it with so many more bytes, or as few more than that as a byte string can have.
    fn write_padded(&self, missing: usize, out: &mut Vec<u8>) {
        let Self { nonce, window, service_type, places, known } = self;
        let (lo, hi, known) = (places.first(), places.last(), known.places());
        let there = [service_type.is_some(), lo > 0, hi < u32::MAX, !known.is_empty(), missing > 0];
        begin(out, QUERY);
        put_map(out, 2 + there.into_iter().filter(|there| *there).count());
        put_key_bytes(out, "n", &nonce.0);
        put_key_number(out, "w", window.time().as_millis() as u64);
        if let Some(service_type) = service_type {
            put_key_text(out, "t", service_type.text());
        }
        if lo > 0 {
            put_key_number(out, "lo", lo.into());
        }
        if hi < u32::MAX {
            put_key_number(out, "hi", hi.into());
        }
        if !known.is_empty() {
            let bytes: Vec<u8> = known.iter().flat_map(|place| place.to_be_bytes()).collect();
            put_key_bytes(out, "kn", &bytes);
        }
        if missing > 0 {
            put_key_bytes(out, "pad", &vec![0; pad(missing)]);
        }
    }
}

/// The length of the byte string that, with its key and head, takes so many bytes: the key takes 4, the head 1, 2 from a
/// length of 24 on, 3 from 256 on. Where a head has no such length, one byte more.
const fn pad(missing: usize) -> usize {
    match missing {
        ..=5 => 0,
        6..=28 => missing - 5,
        29..=30 => 24,
        31..=261 => missing - 6,
        262 => 256,
        _ => missing - 7,
    }
}

impl Reply {
    /// Writes it into `out`, sealed for whoever asked with `nonce`; where it would be longer than [`MOST_BYTES`], without the
    /// attributes that do not fit.
    pub fn write(&self, nonce: &Nonce, secret: Option<&Secret>, out: &mut Vec<u8>) {
        self.write_whole(nonce, secret, out);
        if out.len() > MOST_BYTES {
            self.clone().write_within(MOST_BYTES, nonce, secret, out);
        }
    }

    fn write_whole(&self, nonce: &Nonce, secret: Option<&Secret>, out: &mut Vec<u8>) {
        begin(out, REPLY);
        put_map(out, 1 + usize::from(self.address.is_some()) + usize::from(self.more) + about_keys(&self.about));
        put_key_bytes(out, "e", &self.echo);
        if let Some(address) = self.address {
            put_key_address(out, "a", address);
        }
        if self.more {
            put_text(out, "m");
            put_true(out);
        }
        put_about(out, self.order, &self.about);
        seal(out, REPLY, secret, &nonce.0);
    }

    /// The same, in at most `most` bytes: attributes are left out from the last one on until it fits. Says whether it
    /// does; otherwise `out` holds the shortest.
    pub fn write_within(&mut self, most: usize, nonce: &Nonce, secret: Option<&Secret>, out: &mut Vec<u8>) -> bool {
        self.write_whole(nonce, secret, out);
        while out.len() > most && self.about.attributes.drop_last() {
            self.more = true;
            self.write_whole(nonce, secret, out);
        }
        out.len() <= most
    }

    /// The longest answer about a service: over IPv6 unless it answers over IPv4 alone, and with the largest numbers.
    fn longest(about: &About, family: Option<Family>) -> Self {
        let address = match family {
            Some(Family::V4) => Ipv4Addr::LOCALHOST.into(),
            Some(Family::V6) | None => Ipv6Addr::LOCALHOST.into(),
        };
        let order = Order { boot: u32::MAX, seq: u32::MAX };
        Self { echo: Echo::default(), address: Some(address), order, about: about.clone(), more: false }
    }
}

/// Whether every question makes room for an answer about this service, which may leave out all attributes.
///
/// # Errors
/// [`ServiceError::Long`]: who asks as usual would never find it, because an answer is not longer than its question.
pub fn check_findable(about: &About, family: Option<Family>, secret: Option<&Secret>) -> Result<(), ServiceError> {
    let mut bytes = Vec::new();
    if Reply::longest(about, family).write_within(LEAST_QUERY, &Nonce([0; 32]), secret, &mut bytes) {
        return Ok(());
    }
    let (advertised, sealed) = (about.advertised.is_some(), secret.is_some());
    Err(ServiceError::Long { answer: bytes.len(), question: LEAST_QUERY, advertised, sealed })
}

/// How many of its attributes, in their order, fit into an answer to the longest question: nobody hears of the others.
pub fn attributes_told(about: &About, family: Option<Family>, secret: Option<&Secret>) -> usize {
    let mut longest = Reply::longest(about, family);
    longest.write_within(MOST_ROOM, &Nonce([0; 32]), secret, &mut Vec::new());
    longest.about.attributes.len()
}

impl Announce {
    /// Writes it into `out`. Where it would be longer than [`MOST_BYTES`], attributes are left out from the last one on: whoever
    /// hears it asks anyway.
    pub fn write(&self, secret: Option<&Secret>, out: &mut Vec<u8>) {
        write_announce(self.order, &self.about, secret, out);
        let mut shorter = self.about.clone();
        while out.len() > MOST_BYTES && shorter.attributes.drop_last() {
            write_announce(self.order, &shorter, secret, out);
        }
    }
}

fn write_announce(order: Order, about: &About, secret: Option<&Secret>, out: &mut Vec<u8>) {
    begin(out, ANNOUNCE);
    put_map(out, about_keys(about));
    put_about(out, order, about);
    seal(out, ANNOUNCE, secret, &[]);
}

impl Goodbye {
    /// Writes it into `out`.
    pub fn write(&self, secret: Option<&Secret>, out: &mut Vec<u8>) {
        begin(out, GOODBYE);
        put_map(out, 3);
        put_key_bytes(out, "id", &self.id.0.to_be_bytes());
        put_order(out, self.order);
        seal(out, GOODBYE, secret, &[]);
    }
}

// ---- the frame ------------------------------------------------------------------------------------------------------

fn begin(out: &mut Vec<u8>, kind: usize) {
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[KINDS[kind].0, 0, 0, 0]);
}

/// Writes the length and the flags, and the MAC behind the body.
fn seal(out: &mut Vec<u8>, kind: usize, secret: Option<&Secret>, nonce: &[u8]) {
    // Nothing is longer than a query with 300 places, or an answer with all attributes, of some 4,000 bytes.
    let len = (out.len() - HEADER) as u16;
    out[6..HEADER].copy_from_slice(&len.to_be_bytes());
    if let Some(secret) = secret {
        out[5] |= WITH_MAC;
        let mac = secret.seal(&[KINDS[kind].1, nonce, out]);
        out.extend_from_slice(&mac);
    }
}

// ---- the body -------------------------------------------------------------------------------------------------------

/// The keys that [`put_about`] writes.
fn about_keys(about: &About) -> usize {
    7 + usize::from(about.advertised.is_some()) + usize::from(!about.attributes.is_empty())
}

fn put_about(out: &mut Vec<u8>, order: Order, about: &About) {
    put_key_bytes(out, "id", &about.id.0.to_be_bytes());
    put_order(out, order);
    put_key_text(out, "nm", about.name.text());
    put_key_text(out, "t", about.kind.text());
    put_key_number(out, "p", about.port.into());
    if let Some(address) = about.advertised {
        put_key_address(out, "ad", address);
    }
    if !about.attributes.is_empty() {
        put_text(out, "at");
        put_map(out, about.attributes.len());
        for (key, value) in about.attributes.pairs() {
            put_key_text(out, key, value);
        }
    }
    put_key_number(out, "ttl", about.ttl.as_secs().clamp(1, u16::MAX.into()));
}

fn put_order(out: &mut Vec<u8>, order: Order) {
    put_key_number(out, "b", order.boot.into());
    put_key_number(out, "q", order.seq.into());
}

fn put_key_number(out: &mut Vec<u8>, key: &str, number: u64) {
    put_text(out, key);
    put_number(out, number);
}

fn put_key_bytes(out: &mut Vec<u8>, key: &str, bytes: &[u8]) {
    put_text(out, key);
    put_bytes(out, bytes);
}

fn put_key_text(out: &mut Vec<u8>, key: &str, text: &str) {
    put_text(out, key);
    put_text(out, text);
}

fn put_key_address(out: &mut Vec<u8>, key: &str, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put_key_bytes(out, key, &address.octets()),
        IpAddr::V6(address) => put_key_bytes(out, key, &address.octets()),
    }
}
