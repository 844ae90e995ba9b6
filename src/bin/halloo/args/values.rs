//! From a word to a value. Every refusal says what would have been accepted.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PathBufValueParser, TypedValueParser};
use halloo::model::service::{self, ServiceError};
use halloo::model::{Attributes, Cidr, Family, Glob, Host, Selector, ServiceName, ServiceType, Target, TargetError};

use super::refused::Mistake;

/// Bytes as they were typed. On Unix that is any bytes at all, elsewhere the UTF-8 form of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// A pace, kept as the time from one datagram to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(pub(crate) Duration);

/// How many answers a server gives one source in a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RateLimit {
    /// At most so many.
    PerSecond(NonZeroU32),
    /// As many as are asked for.
    Off,
}

/// Where datagrams come from, as far as it was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SourceAddress {
    /// The source address, or the system's choice.
    pub(crate) address: Option<IpAddr>,
    /// The source port, or the system's choice. Never 0.
    pub(crate) port: Option<u16>,
}

/// Longer than any run makes sense, and short enough that no sum of times overflows: 365.25 days.
const LONGEST: Duration = Duration::from_secs(31_557_600);

/// The largest buffer that setsockopt(2) can ask for: it takes a C int.
const LARGEST_BUFFER: u64 = i32::MAX as u64;

/// A span of time, zero included: `500ms`, `2s`, `1m30s`, or a bare number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, Mistake> {
    let seconds = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let read = if seconds {
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    } else {
        humantime::parse_duration(text).ok()
    };
    match read {
        Some(read) if read <= LONGEST => Ok(read),
        Some(_) => Err(Mistake::new(format!("{text:?} is more than a year"))),
        None => Err(no_duration(text)),
    }
}

fn no_duration(text: &str) -> Mistake {
    if text.starts_with('-') {
        return Mistake::new(format!("{text:?} is negative; a duration is 0 or more"));
    }
    let mistake = Mistake::new(format!("{text:?} is not a duration: write 500ms, 2s, 1m, or a number of seconds"));
    let point = text.replace(',', ".");
    if point != text && duration(&point).is_ok() { mistake.instead(point) } else { mistake }
}

/// A span of time that is not zero, for waits: a wait of nothing is not written down, it is left out.
pub(super) fn wait(text: &str) -> Result<Duration, Mistake> {
    match duration(text)? {
        Duration::ZERO => Err(Mistake::new(format!("{text:?} is no time at all; write more than 0, or leave it out"))),
        read => Ok(read),
    }
}

/// Longer than this, polling saves nothing more: waking up takes some microseconds, from a processor's deepest sleep some
/// hundred; and a datagram every 10 ms, which is the longest tick of a scheduler, already keeps a processor busy.
const LONGEST_POLL: Duration = Duration::from_millis(10);

/// How long it is polled before it is slept.
pub(super) fn busy_poll(text: &str) -> Result<Duration, Mistake> {
    match wait(text)? {
        read if read > LONGEST_POLL => Err(too_long_a_poll(text)),
        read => Ok(read),
    }
}

/// Who writes a number alone means microseconds, in which others count the time that is polled.
fn too_long_a_poll(text: &str) -> Mistake {
    let mistake = Mistake::new(format!("{text:?} is too long to keep a processor busy; write at most 10ms"));
    let meant = format!("{text}us");
    if duration(&meant).is_ok_and(|meant| meant <= LONGEST_POLL) {
        return mistake.hint("a number without a unit is seconds").instead(meant);
    }
    mistake.hint("50us is longer than most answers on a host or a LAN take")
}

/// A whole number in a range; `0x` and `0X` begin a hexadecimal one.
fn whole(text: &str, range: RangeInclusive<u64>) -> Result<u64, Mistake> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    // What is a number and does not fit is too large like any other.
    let read = number.then(|| u64::from_str_radix(digits, radix).unwrap_or(u64::MAX));
    let (low, high) = (*range.start(), *range.end());
    match read {
        Some(read) if read < low => Err(Mistake::new(format!("{text:?} is too small; write at least {low}"))),
        Some(read) if read > high => Err(Mistake::new(format!("{text:?} is too large; write at most {high}"))),
        Some(read) => Ok(read),
        None if high >= LARGEST_BUFFER => {
            Err(Mistake::new(format!("{text:?} is not a whole number: write at least {low}")))
        }
        None => Err(Mistake::new(format!("{text:?} is not a whole number from {low} to {high}"))),
    }
}

/// How many: at least one.
pub(super) fn count(text: &str) -> Result<NonZeroU64, Mistake> {
    // One less than the most a number holds, so that "too large" is told apart from "does not fit".
    let read = whole(text, 1..=u64::MAX - 1)?;
    NonZeroU64::new(read).ok_or_else(|| Mistake::new(format!("{text:?} is too small; write at least 1")))
}

/// How many probes: as many as their numbers reach.
pub(super) fn probes(text: &str) -> Result<u32, Mistake> {
    narrow(text, 1..=u32::MAX.into())
}

/// How many threads serve. Each has 256 KiB of buffers, and its socket 4 MiB and as much again for what the system adds: with 64 that
/// is half a gigabyte. Fewer already wait for one another, since up to a seventh of what a datagram costs is done by one at a time.
pub(super) fn threads(text: &str) -> Result<usize, Mistake> {
    narrow(text, 1..=64)
}

/// A port that can be sent to.
pub(super) fn port(text: &str) -> Result<u16, Mistake> {
    narrow(text, 1..=65_535)
}

/// A time to live.
pub(super) fn ttl(text: &str) -> Result<u8, Mistake> {
    narrow(text, 1..=255)
}

/// A type of service: DSCP and ECN in one byte.
pub(super) fn tos(text: &str) -> Result<u8, Mistake> {
    narrow(text, 0..=255)
}

fn narrow<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, Mistake> {
    let read = whole(text, range)?;
    T::try_from(read).map_err(|_| Mistake::new(format!("{text:?} is too large")))
}

/// A number of bytes, with `k`, `M` or `G` for powers of 1024.
fn bytes_number(text: &str, range: RangeInclusive<u64>) -> Result<usize, Mistake> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        _ if text.starts_with("0x") => return narrow(text, range),
        _ => return Err(no_size(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(no_size(text));
    }
    let read = digits.parse().unwrap_or(u64::MAX).saturating_mul(1024u64.pow(power));
    match read {
        _ if read < *range.start() => {
            Err(Mistake::new(format!("{text:?} is too small; write at least {}", range.start())))
        }
        _ if read > *range.end() => {
            Err(Mistake::new(format!("{text:?} is too large; write at most {} bytes", range.end())))
        }
        _ => usize::try_from(read).map_err(|_| no_size(text)),
    }
}

fn no_size(text: &str) -> Mistake {
    Mistake::new(format!("{text:?} is not a number of bytes: write 4096, 64k or 4M (powers of 1024)"))
}

/// The size of a socket's buffer.
pub(super) fn buffer(text: &str) -> Result<usize, Mistake> {
    bytes_number(text, 1..=LARGEST_BUFFER)
}

/// The size of a payload. One that is too long is a mistake of its own kind and is refused where the IP version is known.
pub(super) fn size(text: &str) -> Result<usize, Mistake> {
    bytes_number(text, 0..=LARGEST_BUFFER)
}

/// The size of a piece of a stream: no larger than a datagram can be, or no piece would ever be sent.
pub(super) fn chunk(text: &str) -> Result<usize, Mistake> {
    let (v4, v6) = (Family::V4.max_payload(), Family::V6.max_payload());
    let read = bytes_number(text, 1..=LARGEST_BUFFER)?;
    if read > v6 {
        let sentence =
            format!("{text:?} is too large: a UDP datagram carries at most {v4} bytes over IPv4, {v6} over IPv6");
        return Err(Mistake::new(sentence));
    }
    Ok(read)
}

/// The size of the buffer that `listen` reads into.
pub(super) fn max_size(text: &str) -> Result<usize, Mistake> {
    bytes_number(text, 1..=65_536)
}

/// A pace: `100/s`, `100`, `0.5/s`.
pub(super) fn rate(text: &str) -> Result<Rate, Mistake> {
    let bad = || Mistake::new(format!("{text:?} is not a rate: write how many a second, such as 100/s or 0.5/s"));
    let number = text.strip_suffix("/s").unwrap_or(text);
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(bad());
    }
    let per_second: f64 = number.parse().map_err(|_| bad())?;
    if per_second <= 0.0 {
        return Err(Mistake::new(format!("{text:?} would never send: write more than 0/s")));
    }
    let gap = Duration::try_from_secs_f64(per_second.recip()).ok().filter(|gap| *gap <= LONGEST);
    match gap {
        Some(Duration::ZERO) => Err(Mistake::new(format!("{text:?} is too much: write at most 1000000000/s"))),
        Some(gap) => Ok(Rate(gap)),
        None => Err(Mistake::new(format!("{text:?} is less than one in a year"))),
    }
}

/// The answers a server gives: `1000`, `1000/s` or `off`.
pub(super) fn rate_limit(text: &str) -> Result<RateLimit, Mistake> {
    if text == "off" {
        return Ok(RateLimit::Off);
    }
    let number = text.strip_suffix("/s").unwrap_or(text);
    let read: u32 = narrow(number, 1..=u32::MAX.into()).map_err(|mistake| mistake.hint("off: no limit"))?;
    NonZeroU32::new(read).map(RateLimit::PerSecond).ok_or_else(|| Mistake::new("0 would never answer"))
}

/// An address.
pub(super) fn target(text: &str) -> Result<Target, Mistake> {
    text.parse().map_err(|error: TargetError| address_mistake(&error))
}

fn address_mistake(error: &TargetError) -> Mistake {
    let mistake = Mistake::new(error.to_string());
    match error {
        TargetError::PortAlone { number } => mistake.instead(format!(":{number}")),
        TargetError::Url { address, .. } => mistake.instead(address),
        TargetError::Ipv6 { .. } => mistake.hint("with a port it is written [fe80::1%eth0]:1060"),
        TargetError::Zone { host } => mistake.instead(host),
        _ => mistake.hint("an address is HOST:PORT, [IPV6%ZONE]:PORT, HOST or :PORT"),
    }
}

/// The address and port to send from.
pub(super) fn from(text: &str) -> Result<SourceAddress, Mistake> {
    let target = target(text)?;
    let address = match target.host {
        None => None,
        Some(Host::Address(address)) => Some(address),
        Some(Host::Zoned(address, zone)) => {
            let sentence = format!("{text:?} has a zone, and a source address has none: {address} is enough");
            return Err(Mistake::new(sentence).hint(format!("--interface {zone} chooses the interface")));
        }
        Some(Host::Name(name)) => {
            let sentence = format!("{name:?} is not an address of this host: write it as numbers");
            return Err(Mistake::new(sentence).hint(format!("to leave by an interface: --interface {name}")));
        }
    };
    // Port 0 is how the system is asked to choose, which it does anyway.
    Ok(SourceAddress { address, port: target.port.filter(|port| *port != 0) })
}

/// An interface by name, number or address.
pub(super) fn selector(text: &str) -> Result<Selector, Mistake> {
    if let Some((address, _)) = text.split_once('/')
        && address.parse::<IpAddr>().is_ok()
    {
        let sentence = format!("{text:?} is a block of addresses; an interface is a name, a number or an address");
        return Err(Mistake::new(sentence).instead(address));
    }
    if text.contains(',') {
        let each = text.split(',').map(|name| format!("--interface {name}")).collect::<Vec<_>>().join(" ");
        return Err(Mistake::new(format!("{text:?} is a list; one --interface names one interface")).hint(each));
    }
    if ["all", "any", "*"].contains(&text) {
        let sentence = format!("{text:?} is not an interface: write a name, a number or an address");
        return Err(Mistake::new(sentence).hint("without --interface, every one that can is used"));
    }
    text.trim_start_matches('%').parse().map_err(|error: halloo::model::interface::SelectorError| {
        Mistake::new(error.to_string()).hint("halloo interfaces shows them")
    })
}

/// A block of addresses.
pub(super) fn cidr(text: &str) -> Result<Cidr, Mistake> {
    text.parse().map_err(|error: halloo::model::target::CidrError| Mistake::new(error.to_string()))
}

/// A multicast group.
pub(super) fn group(text: &str) -> Result<IpAddr, Mistake> {
    match text.parse::<IpAddr>() {
        Ok(group) if group.is_multicast() => Ok(group),
        Ok(_) => {
            let sentence = format!("{text:?} is not a multicast address: 224.0.0.0 to 239.255.255.255, or ff00::/8");
            Err(Mistake::new(sentence))
        }
        Err(_) => {
            let mistake = Mistake::new(format!("{text:?} is not a multicast address, such as 239.1.2.3 or ff02::1"));
            let alone = target(text).ok().and_then(|target| match target.host? {
                Host::Address(address) => Some(address),
                Host::Zoned(address, _) => Some(address.into()),
                Host::Name(_) => None,
            });
            Err(match alone {
                Some(address) if address.is_multicast() => {
                    mistake.hint("a group has no port and no zone: the port is ADDR's, the interface is --interface")
                }
                _ => mistake,
            })
        }
    }
}

/// The broadcast address to send to.
pub(super) fn broadcast_address(text: &str) -> Result<Ipv4Addr, Mistake> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let mistake = Mistake::new(format!("{text:?} is not an IPv4 broadcast address, such as 10.77.0.255"));
    Err(match text.parse::<Target>() {
        Ok(Target { host: Some(Host::Address(IpAddr::V4(address))), port: Some(port) }) => {
            mistake.instead_words(&[&address.to_string(), "--port", &port.to_string()])
        }
        Ok(Target { host: Some(Host::Address(IpAddr::V6(_)) | Host::Zoned(..)), .. }) => {
            mistake.hint("IPv6 has no broadcast; --ipv6 sends to ff02::1, everybody on the link")
        }
        _ => mistake.hint("halloo interfaces shows them"),
    })
}

/// What a service says, key and value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Attribute(pub(crate) String, pub(crate) String);

/// The type of a service.
pub(super) fn service_type(text: &str) -> Result<ServiceType, Mistake> {
    text.parse().map_err(|error: ServiceError| {
        let mistake = Mistake::new(error.to_string());
        let lower = text.to_ascii_lowercase();
        if lower != text && lower.parse::<ServiceType>().is_ok() { mistake.instead(lower) } else { mistake }
    })
}

/// The name of a service.
pub(super) fn service_name(text: &str) -> Result<ServiceName, Mistake> {
    text.parse().map_err(|error: ServiceError| Mistake::new(error.to_string()))
}

/// A pattern for names.
pub(super) fn glob(text: &str) -> Result<Glob, Mistake> {
    if text.is_empty() {
        return Err(Mistake::new("no service has an empty name").hint("every name: '*', or leave --name out"));
    }
    Ok(Glob::new(text))
}

/// `KEY=VALUE`
pub(super) fn attribute(text: &str) -> Result<Attribute, Mistake> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Mistake::new(format!("{text:?} is no KEY=VALUE")).hint("an empty value: KEY="));
    };
    match Attributes::new([(key, value)]) {
        Ok(_) => Ok(Attribute(key.to_owned(), value.to_owned())),
        Err(error) => Err(Mistake::new(error.to_string())),
    }
}

/// How long a service holds: whole seconds that fit into 16 bits.
pub(super) fn service_ttl(text: &str) -> Result<Duration, Mistake> {
    let read = duration(text)?;
    let whole = read.subsec_nanos() == 0 && (1..=65_535).contains(&read.as_secs());
    if whole { Ok(read) } else { Err(Mistake::new(format!("{text:?} is not from 1s to 65535s, in whole seconds"))) }
}

/// The address of one host.
pub(super) fn unicast_address(text: &str) -> Result<IpAddr, Mistake> {
    let wrong =
        || Mistake::new(format!("{text:?} is not the address of one host that others can use: 192.168.1.5, say"));
    let address: IpAddr = text.parse().map_err(|_| wrong())?;
    service::address(address).map_err(|_| wrong())
}

/// The bytes of an argument.
pub(super) fn bytes() -> impl TypedValueParser<Value = Bytes> {
    OsStringValueParser::new().try_map(bytes_of)
}

#[cfg(unix)]
fn bytes_of(text: OsString) -> Result<Bytes, Mistake> {
    Ok(Bytes(std::os::unix::ffi::OsStringExt::into_vec(text)))
}

#[cfg(not(unix))]
fn bytes_of(text: OsString) -> Result<Bytes, Mistake> {
    let refused = |text: OsString| Mistake::new(format!("{text:?} is not valid Unicode; write it with --hex"));
    text.into_string().map(|text| Bytes(text.into_bytes())).map_err(refused)
}

/// A file to read.
pub(super) fn input_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.as_os_str() == "-" {
            let mistake = Mistake::new("\"-\" is standard input elsewhere; here it is the name of a file");
            return Err(mistake
                .hint("standard input: --stdin, or --lines and the like without --file")
                .hint("that file: ./-"));
        }
        Ok(path)
    })
}

/// A file to be made, which is not there yet.
pub(super) fn new_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.as_os_str() == "-" {
            let mistake = Mistake::new("\"-\" is standard output elsewhere; this is only ever written to a new file");
            return Err(mistake.hint("a file of that name: ./-"));
        }
        Ok(path)
    })
}

/// A file to be written.
pub(super) fn output_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.as_os_str() == "-" {
            let mistake = Mistake::new("\"-\" is standard output elsewhere; here it is the name of a file");
            return Err(mistake.hint("standard output: /dev/stdout").hint("that file: ./-"));
        }
        Ok(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says<T: std::fmt::Debug>(refused: Result<T, Mistake>, part: &str) {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }

    #[test]
    fn durations() {
        let millis = |text: &str| duration(text).unwrap().as_millis();
        for (text, expected) in [
            ("500ms", 500),
            ("2s", 2000),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("5", 5000),
            ("0.5", 500),
            (".5", 500),
            ("1.5s", 1500),
            ("0", 0),
            ("0s", 0),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        for text in ["-1", "-1s", "-0.5ms"] {
            says(duration(text), "is negative");
        }
        for text in ["", "NaN", "nan", "inf", "1e3", "s", "1x", "1.2.3", ".", "1,5x", "+1"] {
            says(duration(text), "is not a duration");
        }
        for text in ["366d", "99999999999", "99999999999999999999999999999", "1000y"] {
            assert!(duration(text).is_err(), "{text}");
        }
        says(wait("0"), "no time at all");
        says(wait("0.0000000001"), "no time at all");
        assert_eq!(wait("1ms").unwrap(), Duration::from_millis(1));
        assert_eq!(busy_poll("50us").unwrap(), Duration::from_micros(50));
        assert_eq!(busy_poll("0.01").unwrap(), LONGEST_POLL);
        says(busy_poll("10001us"), "at most 10ms");
        says(busy_poll("50"), "at most 10ms");
        says(busy_poll("0"), "no time at all");
    }

    #[test]
    fn counts_ports_and_bytes_of_the_header() {
        assert_eq!(count("7").unwrap().get(), 7);
        says(count("0"), "at least 1");
        says(count("x"), "at least 1");
        says(count("-3"), "not a whole number");
        says(count("99999999999999999999999"), "too large");
        assert_eq!((port("65535").unwrap(), ttl("255").unwrap(), tos("0x10").unwrap()), (65_535, 255, 16));
        says(port("0"), "at least 1");
        assert_eq!(threads("64").unwrap(), 64);
        says(threads("0"), "at least 1");
        says(threads("65"), "at most 64");
        says(port("65536"), "at most 65535");
        says(ttl("0"), "at least 1");
        says(ttl("256"), "at most 255");
        says(tos("0x100"), "at most 255");
        says(tos("0x"), "from 0 to 255");
        assert_eq!(tos("0").unwrap(), 0);
    }

    #[test]
    fn sizes() {
        for (text, expected) in
            [("4096", 4096), ("64k", 65_536), ("64KiB", 65_536), ("4M", 4 << 20), ("1MiB", 1 << 20), ("1g", 1 << 30)]
        {
            assert_eq!(buffer(text).unwrap(), expected, "{text}");
        }
        for text in ["", "k", "1.5M", "1T", "-1", "4 M", "4µ"] {
            says(buffer(text), "number of bytes");
        }
        says(buffer("0"), "at least 1");
        says(buffer("2G"), "at most 2147483647");
        assert_eq!((size("0").unwrap(), size("65508").unwrap()), (0, 65_508));
        says(chunk("0"), "at least 1");
        assert_eq!(chunk("65527").unwrap(), 65_527);
        says(chunk("65528"), "65507 bytes over IPv4, 65527 over IPv6");
        assert_eq!(max_size("64k").unwrap(), 65_536);
        says(max_size("65537"), "at most 65536");
    }

    #[test]
    fn rates() {
        assert_eq!(rate("100/s").unwrap(), Rate(Duration::from_millis(10)));
        assert_eq!(rate("100").unwrap(), rate("100/s").unwrap());
        assert_eq!(rate("0.5/s").unwrap(), Rate(Duration::from_secs(2)));
        for text in ["", "/s", "x", "-1", "inf", "nan", "1/m", "1e9"] {
            says(rate(text), "how many a second");
        }
        says(rate("0"), "more than 0");
        says(rate("9999999999999"), "at most");
        says(rate("0.000000001"), "less than one in a year");
        assert_eq!(rate_limit("off").unwrap(), RateLimit::Off);
        assert_eq!(rate_limit("5/s").unwrap(), RateLimit::PerSecond(NonZeroU32::new(5).unwrap()));
        says(rate_limit("0"), "at least 1");
        says(rate_limit("none"), "whole number");
    }

    #[test]
    fn where_to_send_from() {
        let read = |text: &str| from(text).unwrap();
        let v4 = Some("10.0.0.1".parse().unwrap());
        assert_eq!(read(":9"), SourceAddress { address: None, port: Some(9) });
        assert_eq!(read("10.0.0.1:9"), SourceAddress { address: v4, port: Some(9) });
        assert_eq!(read("10.0.0.1"), SourceAddress { address: v4, port: None });
        assert_eq!(read("[::1]:9"), SourceAddress { address: Some("::1".parse().unwrap()), port: Some(9) });
        assert_eq!(read(":0"), SourceAddress { address: None, port: None });
        says(from("9"), "alone is not an address");
        says(from("eth0"), "as numbers");
        says(from("fe80::1%eth0"), "zone");
    }

    #[test]
    fn interfaces() {
        assert_eq!(selector("eth0").unwrap(), Selector::Name("eth0".into()));
        assert_eq!(selector("2").unwrap(), Selector::Index(2));
        assert_eq!(selector("%eth0").unwrap(), Selector::Name("eth0".into()));
        assert_eq!(selector("10.0.0.1").unwrap(), Selector::Address("10.0.0.1".parse().unwrap()));
        says(selector("10.0.0.1/24"), "block of addresses");
        says(selector("eth0,eth1"), "one interface");
        for text in ["", "eth 0", "a/b", "all"] {
            says(selector(text), "a name, a number or an address");
        }
    }

    #[test]
    fn groups_blocks_and_broadcast_addresses() {
        assert!(group("239.1.2.3").is_ok() && group("ff02::1").is_ok());
        for text in ["10.0.0.1", "::1", "x", "239.1.2.3:9"] {
            says(group(text), "not a multicast address");
        }
        assert!(cidr("10.0.0.0/8").is_ok());
        says(cidr("10.0.0.0/33"), "block of addresses");
        assert_eq!(broadcast_address("10.77.0.255").unwrap(), Ipv4Addr::new(10, 77, 0, 255));
        for text in ["10.77.0.255:9", "ff02::1", "eth0", "10.77.0"] {
            says(broadcast_address(text), "not an IPv4 broadcast address");
        }
    }

    #[test]
    fn what_a_service_says() {
        assert_eq!(attribute("a=b=c").unwrap(), Attribute("a".into(), "b=c".into()));
        assert_eq!(attribute("a=").unwrap(), Attribute("a".into(), String::new()));
        says(attribute("a"), "KEY=VALUE");
        says(attribute("=a"), "no key");
        says(attribute(&format!("a={}", "x".repeat(201))), "at most 200");
        says(service_type("Chat room"), "is no type");
        says(service_name(""), "1 to 63");
        says(glob(""), "empty name");
        assert_eq!(service_ttl("1m").unwrap().as_secs(), 60);
        for text in ["0", "1.5s", "65536s"] {
            says(service_ttl(text), "whole seconds");
        }
        assert!(unicast_address("fd00::1").is_ok());
        for text in ["x", "255.255.255.255", "ff02::1", "0.0.0.0", "10.0.0.1:1", "127.0.0.1", "::ffff:127.0.0.1"] {
            says(unicast_address(text), "of one host");
        }
    }

    #[test]
    fn targets() {
        assert_eq!(target(":9").unwrap(), Target { host: None, port: Some(9) });
        for (text, part) in [("", "empty"), ("1060", "alone"), ("h:x", "not a port"), ("udp://h:9", "URL")] {
            says(target(text), part);
        }
    }
}
