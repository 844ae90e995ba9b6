//! Where a datagram goes or where a socket listens, as a person writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The port halloo uses when none is given.
pub const DEFAULT_PORT: u16 = 1060;

/// The UDP port of discovery.
pub const DISCOVERY_PORT: u16 = 1061;

/// An IP version, with the size of datagram it carries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200), without jumbograms.
    V6,
}

impl Family {
    /// The most payload bytes one UDP datagram carries.
    ///
    /// IPv4: 65535 (total length, RFC 791) - 20 (IP header) - 8 (UDP header, RFC 768) = 65507.
    /// IPv6: 65535 (payload length, which leaves the IP header out, RFC 8200) - 8 = 65527.
    pub const fn max_payload(self) -> usize {
        match self {
            Self::V4 => 65_535 - 20 - 8,
            Self::V6 => 65_535 - 8,
        }
    }

    /// The bytes of the IP and UDP headers in front of a payload.
    pub const fn headers(self) -> usize {
        match self {
            Self::V4 => 20 + 8,
            Self::V6 => 40 + 8,
        }
    }

    /// The version of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The wildcard address, `0.0.0.0` or `::`.
    pub const fn wildcard(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The host part of a [`Target`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A numeric address without a zone.
    Address(IpAddr),
    /// An IPv6 address with a zone: an interface by name or number (RFC 4007 section 11).
    Zoned(Ipv6Addr, String),
    /// A name, to be looked up.
    Name(String),
}

/// An address as it is typed: `HOST:PORT`, `[v6%zone]:PORT`, `HOST` or `:PORT`.
///
/// ```
/// use halloo::model::{Host, Target};
///
/// let target: Target = "10.0.0.7:9000".parse()?;
/// assert_eq!(target.port, Some(9000));
/// let target: Target = ":9000".parse()?;
/// assert_eq!(target.host, None);
/// assert!("10.0.0.7:70000".parse::<Target>().is_err());
/// # Ok::<(), halloo::model::TargetError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// The host, or `None` for the command's own default.
    pub host: Option<Host>,
    /// The port, or `None` for the default.
    pub port: Option<u16>,
}

/// Why a text is not a [`Target`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was typed.
    #[error("the address is empty")]
    Empty,
    /// The part behind the last colon is not a port.
    #[error("{port:?} is not a port: a port is a number from 0 to 65535")]
    Port {
        /// What stood there.
        port: String,
    },
    /// A number alone: it could be a host of that name, but a port was meant.
    #[error("{number} alone is not an address")]
    PortAlone {
        /// The number.
        number: u16,
    },
    /// Digits and dots that are not four numbers from 0 to 255.
    #[error("{host:?} is not an IPv4 address: that is four numbers from 0 to 255, such as 10.0.0.7")]
    Ipv4 {
        /// What stood there.
        host: String,
    },
    /// Brackets or colons that hold no IPv6 address.
    #[error("{host:?} is not an IPv6 address")]
    Ipv6 {
        /// What stood there.
        host: String,
    },
    /// A zone behind an address that has none.
    #[error("only an IPv6 address has a zone, and {host:?} is none")]
    Zone {
        /// The address in front of the percent sign.
        host: String,
    },
    /// A name with characters that no host name has.
    #[error("{name:?} is not a host name")]
    Name {
        /// What stood there.
        name: String,
    },
    /// A URL.
    #[error("{url:?} is a URL; an address is HOST:PORT")]
    Url {
        /// What was typed.
        url: String,
        /// The part that is an address.
        address: String,
    },
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if let Some((_, rest)) = text.split_once("://") {
            let address = rest.split('/').next().unwrap_or_default().to_owned();
            return Err(TargetError::Url { url: text.to_owned(), address });
        }
        if let Ok(number) = text.parse::<u16>() {
            return Err(TargetError::PortAlone { number });
        }
        let (host, port) = split_port(text)?;
        Ok(Self { host: host.map(parse_host).transpose()?, port: port.map(parse_port).transpose()? })
    }
}

/// What stands in front of the port. Brackets are kept off: they only say where the address ends.
enum HostText<'a> {
    Bracketed(&'a str),
    Plain(&'a str),
}

fn split_port(text: &str) -> Result<(Option<HostText<'_>>, Option<&str>), TargetError> {
    if let Some(rest) = text.strip_prefix('[') {
        let bad = || TargetError::Ipv6 { host: text.to_owned() };
        let (inside, behind) = rest.split_once(']').ok_or_else(bad)?;
        let port = match behind {
            "" => None,
            _ => Some(behind.strip_prefix(':').ok_or_else(bad)?),
        };
        return Ok((Some(HostText::Bracketed(inside)), port));
    }
    match text.matches(':').count() {
        0 => Ok((Some(HostText::Plain(text)), None)),
        1 => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            Ok(((!host.is_empty()).then_some(HostText::Plain(host)), Some(port)))
        }
        // Several colons without brackets can only be an IPv6 address on its own.
        _ => Ok((Some(HostText::Bracketed(text)), None)),
    }
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| TargetError::Port { port: text.to_owned() })
}

fn parse_host(text: HostText<'_>) -> Result<Host, TargetError> {
    match text {
        HostText::Bracketed(inside) => parse_ipv6(inside),
        HostText::Plain(host) => parse_plain(host),
    }
}

fn parse_ipv6(text: &str) -> Result<Host, TargetError> {
    let bad = || TargetError::Ipv6 { host: text.to_owned() };
    match text.split_once('%') {
        None => text.parse::<Ipv6Addr>().map(|a| Host::Address(a.into())).map_err(|_| bad()),
        Some((address, zone)) if is_zone(zone) => {
            let address = address.parse().map_err(|_| bad())?;
            Ok(Host::Zoned(address, zone.to_owned()))
        }
        Some(_) => Err(bad()),
    }
}

/// The name of an interface has neither white space nor a slash (dev_valid_name() of Linux); behind a bracket the address
/// would be over. An interface with a bracket in its name has a number as well.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || "/]".contains(c))
}

fn parse_plain(host: &str) -> Result<Host, TargetError> {
    if let Some((address, _)) = host.split_once('%') {
        return Err(TargetError::Zone { host: address.to_owned() });
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(TargetError::Ipv4 { host: host.to_owned() });
    }
    // RFC 1123 names, and the underscore that real networks use.
    let name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || !b.is_ascii();
    if host.len() > 253 || !host.bytes().all(name) {
        return Err(TargetError::Name { name: host.to_owned() });
    }
    Ok(Host::Name(host.to_owned()))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(Host::Address(IpAddr::V4(address))) => write!(f, "{address}")?,
            Some(Host::Address(IpAddr::V6(address))) => write!(f, "[{address}]")?,
            Some(Host::Zoned(address, zone)) => write!(f, "[{address}%{zone}]")?,
            Some(Host::Name(name)) => f.write_str(name)?,
            None => {}
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// `address` as `addr:port` with an IPv4-mapped IPv6 address written as the IPv4 address it is.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Whether an address means nothing without an interface: link-local unicast and multicast of IPv6 (RFC 4007).
pub fn needs_zone(address: SocketAddr) -> bool {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() == 0 => {
            let ip = v6.ip();
            let link_local_group = ip.octets()[0] == 0xff && matches!(ip.octets()[1] & 0x0f, 1 | 2);
            ip.is_unicast_link_local() || link_local_group
        }
        _ => false,
    }
}

/// A block of addresses, `ADDRESS/PREFIX` (RFC 4632); an address alone is a block of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A text that is not a [`Cidr`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a block of addresses: write ADDRESS or ADDRESS/PREFIX, such as 10.0.0.0/8")]
pub struct CidrError {
    /// What was typed.
    pub text: String,
}

impl Cidr {
    /// The block of `prefix` leading bits of `address`. A prefix longer than the address means all of its bits.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix: prefix.min(bits) }
    }

    /// Whether `address` lies in the block. An address of the other IP version never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let bad = || CidrError { text: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // The standard reader of numbers takes a sign as well.
            Some(prefix) if prefix.starts_with('+') => return Err(bad()),
            Some(prefix) => prefix.parse().ok().filter(|p| *p <= bits).ok_or_else(bad)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        text.parse()
    }

    #[test]
    fn the_four_forms() {
        let v4 = Host::Address(Ipv4Addr::new(10, 0, 0, 7).into());
        assert_eq!(parse("10.0.0.7:9"), Ok(Target { host: Some(v4.clone()), port: Some(9) }));
        assert_eq!(parse("10.0.0.7"), Ok(Target { host: Some(v4), port: None }));
        assert_eq!(parse(":9"), Ok(Target { host: None, port: Some(9) }));
        let zoned = Host::Zoned("fe80::1".parse().unwrap(), "eth0".into());
        assert_eq!(parse("[fe80::1%eth0]:9"), Ok(Target { host: Some(zoned.clone()), port: Some(9) }));
        assert_eq!(parse("fe80::1%eth0"), Ok(Target { host: Some(zoned), port: None }));
        let loopback = Host::Address(Ipv6Addr::LOCALHOST.into());
        assert_eq!(parse("::1"), Ok(Target { host: Some(loopback), port: None }));
        let name = Host::Name("printer_2.lan".into());
        assert_eq!(parse("printer_2.lan:9"), Ok(Target { host: Some(name), port: Some(9) }));
    }

    #[test]
    fn what_is_refused_is_refused_for_its_own_reason() {
        assert_eq!(parse(""), Err(TargetError::Empty));
        assert_eq!(parse("1060"), Err(TargetError::PortAlone { number: 1060 }));
        for port in ["h:", "h:+1", "h:65536", "h:x", ":"] {
            assert!(matches!(parse(port), Err(TargetError::Port { .. })), "{port}");
        }
        for host in ["10.0.0", "300.0.0.1:9", "10.0.0.0.1"] {
            assert!(matches!(parse(host), Err(TargetError::Ipv4 { .. })), "{host}");
        }
        for host in ["[::1", "[::1]9", "[nope]:9", "a:b:c", "[fe80::1%]:9", "fe80::1%e]0", "fe80::1%a b", "fe80::1%a/b"]
        {
            assert!(matches!(parse(host), Err(TargetError::Ipv6 { .. })), "{host}");
        }
        assert!(matches!(parse("10.0.0.7%eth0"), Err(TargetError::Zone { .. })));
        assert!(matches!(parse("a b:9"), Err(TargetError::Name { .. })));
        let url = TargetError::Url { url: "udp://h:9/x".into(), address: "h:9".into() };
        assert_eq!(parse("udp://h:9/x"), Err(url));
    }

    #[test]
    fn a_block_contains_what_its_prefix_says() {
        let block: Cidr = "10.77.0.0/16".parse().unwrap();
        assert!(block.contains("10.77.255.1".parse().unwrap()));
        assert!(!block.contains("10.78.0.1".parse().unwrap()));
        assert!(!block.contains("::1".parse().unwrap()));
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        for bad in ["10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/+8", "10.0.0.0/", "nope", "::/129"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn link_local_addresses_need_an_interface() {
        let needs = |text: &str| needs_zone(text.parse().unwrap());
        assert!(needs("[fe80::1]:9") && needs("[ff02::1]:9"));
        assert!(!needs("[fe80::1%2]:9") && !needs("[ff05::1]:9") && !needs("[::1]:9") && !needs("10.0.0.7:9"));
    }

    #[test]
    fn a_mapped_address_is_written_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:10.77.0.2]:9".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "10.77.0.2:9");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(ip: IpAddr, port in proptest::option::of(0u16..)) {
            let target = Target { host: Some(Host::Address(ip)), port };
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _: Result<Target, _> = text.parse();
            let _: Result<Cidr, _> = text.parse();
        }
    }
}
