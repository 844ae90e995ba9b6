//! Addresses, interfaces, blocks and patterns as they are typed: what is accepted is written down as what it means.

use std::net::IpAddr;

use arbitrary::Arbitrary;
use halloo::model::target::needs_zone;
use halloo::model::{Cidr, Glob, Host, Selector, Target};

#[derive(Arbitrary, Debug)]
struct Input<'b> {
    address: IpAddr,
    prefix: u8,
    pattern: &'b str,
    text: &'b str,
}

/// Runs it.
pub fn run(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        target(text);
        selector(text);
        typed_block(text);
    }
    let Some(Input { address, prefix, pattern, text }) = crate::made_of(input) else { return };
    block(address, prefix);
    // The naive one takes ages over long ones.
    if pattern.len() <= 12 && text.len() <= 24 {
        let chars: Vec<char> = text.chars().collect();
        let naive = fits(&pattern.chars().collect::<Vec<_>>(), &chars);
        assert_eq!(Glob::new(pattern).fits(text), naive, "{pattern:?} {text:?}");
    }
}

fn target(text: &str) {
    let Ok(target) = text.parse::<Target>() else { return };
    let written = target.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&target), "{text:?} was written {written:?}");
    if let (Some(Host::Address(address)), Some(port)) = (target.host, target.port) {
        let _ = needs_zone((address, port).into());
    }
}

fn selector(text: &str) {
    let Ok(selector) = text.parse::<Selector>() else { return };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    assert!(digits || !matches!(selector, Selector::Index(_)), "{text:?}");
    assert_eq!(selector.to_string().parse(), Ok(selector), "{text:?}");
}

fn typed_block(text: &str) {
    let Ok(block) = text.parse::<Cidr>() else { return };
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    assert!(prefix.bytes().all(|b| b.is_ascii_digit()), "{text:?}");
    assert!(block.contains(address.parse().expect("the address of a block")));
}

/// A block holds what begins with the same bits, and nothing else.
fn block(address: IpAddr, prefix: u8) {
    let block = Cidr::new(address, prefix);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    for bit in 0..bits {
        assert_eq!(block.contains(flipped(address, bit)), bit >= u32::from(prefix), "{address}/{prefix}, bit {bit}");
    }
}

/// The address with one bit changed, counted from the front.
fn flipped(address: IpAddr, bit: u32) -> IpAddr {
    match address {
        IpAddr::V4(a) => IpAddr::V4((a.to_bits() ^ (1 << (31 - bit))).into()),
        IpAddr::V6(a) => IpAddr::V6((a.to_bits() ^ (1 << (127 - bit))).into()),
    }
}

/// Whether a text fits a pattern, by trying everything.
fn fits(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((&'*', rest)), _) => (0..=text.len()).any(|from| fits(rest, &text[from..])),
        (Some((p, rest)), Some((t, behind))) => (*p == '?' || p == t) && fits(rest, behind),
        (Some(_), None) => false,
    }
}
