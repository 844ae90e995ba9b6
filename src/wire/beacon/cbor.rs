//! The strict part of CBOR (RFC 8949) that the bodies are made of.
//!
//! Reading is minicbor's, which neither allocates nor recurses; the limits are kept here. Writing is a head and bytes, and
//! cannot fail.

use minicbor::data::Type;
use minicbor::decode::Decoder;

/// Levels of maps and arrays.
const MOST_DEPTH: u32 = 3;

/// Keys of one map.
const MOST_KEYS: usize = 24;

/// These bytes break a limit, or are no CBOR.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken;

impl From<minicbor::decode::Error> for Broken {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

// ---- reading --------------------------------------------------------------------------------------------------------

/// Walks the one map that `bytes` are, and hands each key to `take`, which reads the value behind it, or says that it does
/// not know the key.
pub(super) fn whole_map<'b>(
    bytes: &'b [u8],
    mut take: impl FnMut(&'b str, &mut Decoder<'b>) -> Result<Key, Broken>,
) -> Result<(), Broken> {
    let mut decoder = Decoder::new(bytes);
    map(&mut decoder, |key, decoder| match take(key, decoder)? {
        Key::Known => Ok(()),
        Key::Unknown => skip(decoder, 1),
    })?;
    if decoder.position() == bytes.len() { Ok(()) } else { Err(Broken) }
}

/// Whether a key was known, and so its value read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Known,
    Unknown,
}

/// Walks a map of definite length whose keys are texts, each once.
pub(super) fn map<'b>(
    decoder: &mut Decoder<'b>,
    mut take: impl FnMut(&'b str, &mut Decoder<'b>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let len = decoder.map()?.and_then(|len| usize::try_from(len).ok()).ok_or(Broken)?;
    let mut seen = [""; MOST_KEYS];
    for at in 0..len {
        let key = decoder.str()?;
        if seen.get(..at).ok_or(Broken)?.contains(&key) {
            return Err(Broken);
        }
        *seen.get_mut(at).ok_or(Broken)? = key;
        take(key, decoder)?;
    }
    Ok(())
}

/// Skips a value that nobody asked for, so many levels down; the limits hold for it as well.
fn skip(decoder: &mut Decoder<'_>, depth: u32) -> Result<(), Broken> {
    match decoder.datatype()? {
        Type::Map | Type::Array if depth >= MOST_DEPTH => Err(Broken),
        Type::Map => map(decoder, |_, decoder| skip(decoder, depth + 1)),
        Type::Array => {
            let len = decoder.array()?.ok_or(Broken)?;
            // Each item takes a byte at least: it ends with the bytes, whatever length is claimed.
            (0..len).try_for_each(|_| skip(decoder, depth + 1))
        }
        Type::Bytes => Ok(decoder.bytes().map(drop)?),
        Type::String => Ok(decoder.str().map(drop)?),
        Type::Bool | Type::Null | Type::Undefined | Type::Simple | Type::F16 | Type::F32 | Type::F64 => {
            Ok(decoder.skip()?)
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(decoder.u64().map(drop)?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => Ok(decoder.int().map(drop)?),
        // Tags, indefinite lengths, breaks, and what nobody knows yet.
        _ => Err(Broken),
    }
}

// ---- writing --------------------------------------------------------------------------------------------------------

/// The head of an item: its major type and its number, in as few bytes as can be (RFC 8949 section 3).
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..24 => out.push(major | number as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    head(out, 0, number);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, 2, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_map(out: &mut Vec<u8>, len: usize) {
    head(out, 5, len as u64);
}

pub(super) fn put_true(out: &mut Vec<u8>) {
    out.push(0xf5);
}
