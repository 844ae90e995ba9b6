//! A service on the LAN: what it says of itself, and what is known of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::model::{Link, Now};

// ---- what a service says of itself ----------------------------------------------------------------------------------

/// Which service it is, wherever it is heard: drawn once at random and kept, so that a service heard by three interfaces,
/// or again after a restart, is still one. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that a service cannot have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServiceError {
    /// Not a name: bytes there were.
    #[error("a name has 1 to {} bytes, not {_0}", ServiceName::MOST)]
    Name(usize),
    /// Not a type.
    #[error("{_0:?} is no type: 1 to {} of a-z 0-9 . _ -, a letter or digit first", ServiceType::MOST)]
    Type(String),
    /// Not the key of an attribute.
    #[error("{_0:?} is no key: 1 to {} printable ASCII characters without space and =", Attributes::MOST_KEY)]
    Key(String),
    /// A value that is too long: its key, and the bytes there were.
    #[error("the value of {_0:?} has {_1} bytes; at most {} go", Attributes::MOST_VALUE)]
    Value(String, usize),
    /// The same key twice.
    #[error("the key {_0:?} is there twice")]
    Twice(String),
    /// Port 0.
    #[error("a service is used by a port from 1 to 65535, not 0")]
    Port,
    /// Not an address to use a service by.
    #[error("{_0} is not the address of one host that others can use")]
    Address(IpAddr),
    /// Too many attributes.
    #[error("{_0} attributes; at most {} go", Attributes::MOST)]
    TooMany(usize),
    /// Not a time that a service can hold for.
    #[error("a service holds for whole seconds from 1 to 65535, not for {_0:?}")]
    Ttl(Duration),
    /// Nobody would find it: bytes of its shortest answer, and of the question, which is never shorter than its answer.
    #[error("{}", too_long(*answer, *question, *advertised, *sealed))]
    Long {
        /// Bytes of the shortest answer that says all it must.
        answer: usize,
        /// Bytes of a question.
        question: usize,
        /// It advertises an address.
        advertised: bool,
        /// It has a secret, whose seal is a part of the answer.
        sealed: bool,
    },
}

/// What makes the answer so long, and how much shorter it has to be.
fn too_long(answer: usize, question: usize, advertised: bool, sealed: bool) -> String {
    let parts = match (advertised, sealed) {
        (true, true) => "its name, its type, the address it advertises and the seal of the secret",
        (true, false) => "its name, its type and the address it advertises",
        (false, true) => "its name, its type and the seal of the secret",
        (false, false) => "its name and its type",
    };
    let surplus = answer.saturating_sub(question);
    let bytes = if surplus == 1 { "byte" } else { "bytes" };
    format!(
        "nobody would find it: {parts} make an answer of {answer} bytes, and none is longer than its question of {question}; \
         the name or the type has to be {surplus} {bytes} shorter"
    )
}

/// The name that people know a service by. It names nothing to a program: two services may have the same.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceName(Box<str>);

impl ServiceName {
    /// The most bytes of one: those of a DNS label (RFC 1035 2.3.4), which is also what fits beside a MAC into a short
    /// reply.
    pub const MOST: usize = 63;

    /// The text. It may hold any character: whoever prints it escapes it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let fits = (1..=Self::MOST).contains(&text.len());
        if fits { Ok(Self(text.into())) } else { Err(ServiceError::Name(text.len())) }
    }
}

/// What kind of service it is, such as `chat` or `print.v2`: what askers ask for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceType(Box<str>);

impl ServiceType {
    /// The most bytes of one.
    pub const MOST: usize = 32;

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceType {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let allowed = text.bytes().all(|b| plain(b) || b"._-".contains(&b));
        let fits = (1..=Self::MOST).contains(&text.len()) && text.bytes().next().is_some_and(plain);
        if allowed && fits { Ok(Self(text.into())) } else { Err(ServiceError::Type(text.to_owned())) }
    }
}

/// What else a service says: keys with values, by key, each key once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes(Vec<(Box<str>, Box<str>)>);

impl Attributes {
    /// The most of them.
    pub const MOST: usize = 16;
    /// The most bytes of a key.
    pub const MOST_KEY: usize = 32;
    /// The most bytes of a value.
    pub const MOST_VALUE: usize = 200;

    /// Takes pairs in any order.
    ///
    /// # Errors
    /// The first pair that is too long, not allowed, or there twice; or that there are too many.
    pub fn new<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, ServiceError> {
        let mut sorted: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (key, value) in pairs {
            check(key, value)?;
            sorted.push((Box::from(key), Box::from(value)));
        }
        if sorted.len() > Self::MOST {
            return Err(ServiceError::TooMany(sorted.len()));
        }
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(ServiceError::Twice(pair[0].0.to_string())),
            None => Ok(Self(sorted)),
        }
    }

    /// The pairs, by key.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves the last one out. Says whether there was one.
    pub fn drop_last(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

fn check(key: &str, value: &str) -> Result<(), ServiceError> {
    let printable = key.bytes().all(|b| b.is_ascii_graphic() && b != b'=');
    if !printable || !(1..=Attributes::MOST_KEY).contains(&key.len()) {
        return Err(ServiceError::Key(key.to_owned()));
    }
    if value.len() > Attributes::MOST_VALUE {
        return Err(ServiceError::Value(key.to_owned(), value.len()));
    }
    Ok(())
}

/// How long what a service says holds unless told otherwise: it is asked for three times within, so that one whose answers
/// are lost twice is still there.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// How long a service can hold unheard.
///
/// # Errors
/// [`ServiceError::Ttl`] for anything but whole seconds from 1 to 65535.
pub fn time_to_live(time: Duration) -> Result<Duration, ServiceError> {
    let fits = time.subsec_nanos() == 0 && (1..=u64::from(u16::MAX)).contains(&time.as_secs());
    if fits { Ok(time) } else { Err(ServiceError::Ttl(time)) }
}

/// The address to use a service by from another host; an IPv4 address within an IPv6 one as that IPv4 address.
///
/// # Errors
/// [`ServiceError::Address`] for one that is no host's, or every host's own: unspecified, loopback, multicast, 255.255.255.255.
pub fn address(address: IpAddr) -> Result<IpAddr, ServiceError> {
    let address = address.to_canonical();
    let usable = is_of_one_host(address) && !address.is_loopback();
    if usable { Ok(address) } else { Err(ServiceError::Address(address)) }
}

/// Whether somebody can have this address, which is canonical.
pub(crate) fn is_of_one_host(address: IpAddr) -> bool {
    let everybody = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !everybody && !address.is_unspecified() && !address.is_multicast()
}

/// What a service says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// Which one it is.
    pub id: InstanceId,
    /// Its name for people.
    pub name: ServiceName,
    /// What kind it is.
    pub kind: ServiceType,
    /// The port it is used by; not 0.
    pub port: u16,
    /// The address to use it by, where that is not the one it answers from: a container's host, for one.
    pub advertised: Option<IpAddr>,
    /// What else it says.
    pub attributes: Attributes,
    /// How long this holds without being heard again, in whole seconds.
    pub ttl: Duration,
}

// ---- what is known of it --------------------------------------------------------------------------------------------

/// How far what a service says can be believed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Trust {
    /// It has the secret: it signed this run's own challenge, and the address it signed is the one it was heard from, on a
    /// network of this host; or it was heard from the address that it is to be used by.
    Verified,
    /// It signed the challenge, and another address than it was heard from, or it was heard from a network that this host is
    /// not on: there is NAT, a container or a relay between, or somebody who passes its answers on.
    Mismatch,
    /// Anybody on the LAN can have said it.
    Unverified,
}

impl Trust {
    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Mismatch => "mismatch",
            Self::Unverified => "unverified",
        }
    }
}

/// One path to a service: it answered from there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// The interface its answer came in by, where the system tells it.
    pub link: Option<Link>,
    /// Where its answer came from. Its own port is [`About::port`].
    pub source: SocketAddr,
    /// The address that it says it answered from, where that is another.
    pub claimed: Option<IpAddr>,
    /// It answered from this host, or from one of its subnets.
    pub on_link: bool,
}

/// A service that answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// What it says of itself.
    pub about: About,
    /// It has more attributes than fitted into the answer.
    pub more: bool,
    /// It was asked with the longest questions, so that none gets more of it.
    pub full: bool,
    /// How far that can be believed.
    pub trust: Trust,
    /// Every path it was heard by, in the order of their first answers; never empty. A run that watches leaves out those that
    /// have fallen silent while others answer.
    pub paths: Vec<Path>,
    /// When it was last heard.
    pub heard: Now,
}

impl Service {
    /// How long ago it was last heard. What this host slept meanwhile, which only the wall clock tells, is a part of it.
    pub fn age(&self, now: Now) -> Duration {
        let asleep_too = now.wall.duration_since(self.heard.wall).unwrap_or_default();
        now.run.saturating_sub(self.heard.run).max(asleep_too)
    }

    /// The path to it that is told first: to a neighbour, one that leads to the address that it says it answers from, over
    /// IPv4, by the interface with the lowest number; so that it does not depend on which answer was the fastest.
    pub fn path(&self) -> Option<&Path> {
        self.paths.iter().min_by_key(|path| {
            let index = path.link.as_ref().map_or(u32::MAX, |link| link.index);
            (!path.on_link, path.claimed.is_some(), path.source.is_ipv6(), index, path.source)
        })
    }

    /// Where to reach it by `path`: the address it advertises, else the one it answered from; and its port.
    pub fn address(&self, path: &Path) -> SocketAddr {
        let mut address = path.source;
        if let Some(advertised) = self.about.advertised {
            address.set_ip(advertised);
        }
        address.set_port(self.about.port);
        address
    }
}

/// What happened to a service.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Change {
    /// It answered for the first time.
    Found,
    /// It answered by another path as well.
    Path,
    /// It says something else, is believed otherwise, answers again after silence, or has fallen silent on one of its paths.
    Updated,
    /// It did not answer when everybody was asked.
    Stale,
    /// It has been silent for its whole time, or said goodbye and is silent.
    Gone,
    /// Nothing: the list of all, at the end of the run.
    Listed,
}

impl Change {
    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Path => "path",
            Self::Updated => "updated",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Listed => "listed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_of_a_service_is_refused_for_its_own_reason() {
        assert_eq!("".parse::<ServiceName>(), Err(ServiceError::Name(0)));
        assert_eq!("x".repeat(64).parse::<ServiceName>(), Err(ServiceError::Name(64)));
        for bad in ["", "Chat", ".chat", "a b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<ServiceType>(), Err(ServiceError::Type(bad.to_owned())), "{bad}");
        }
        assert!("print.v2_x-y".parse::<ServiceType>().is_ok());
    }

    #[test]
    fn attributes_have_one_order_and_no_key_twice() {
        let attributes = Attributes::new([("b", "2"), ("a", "")]).unwrap();
        assert_eq!(attributes.pairs().collect::<Vec<_>>(), [("a", ""), ("b", "2")]);
        assert_eq!(Attributes::new([("a", "1"), ("a", "2")]), Err(ServiceError::Twice("a".into())));
        assert_eq!(Attributes::new([("a=b", "1")]), Err(ServiceError::Key("a=b".into())));
        assert_eq!(Attributes::new([("a", &*"x".repeat(201))]), Err(ServiceError::Value("a".into(), 201)));
        let keys: Vec<String> = (0..17).map(|n| n.to_string()).collect();
        assert_eq!(Attributes::new(keys.iter().map(|k| (&**k, ""))), Err(ServiceError::TooMany(17)));
    }

    #[test]
    fn what_makes_an_answer_too_long_is_named() {
        let said =
            |answer, advertised, sealed| ServiceError::Long { answer, question: 192, advertised, sealed }.to_string();
        let secret = said(193, false, true);
        assert!(secret.contains("its type and the seal of the secret make an answer of 193 bytes"), "{secret}");
        assert!(secret.ends_with("has to be 1 byte shorter") && !secret.contains("advertises"), "{secret}");
        let both = said(220, true, true);
        assert!(both.contains("advertises and the seal") && both.ends_with("28 bytes shorter"), "{both}");
        assert!(!said(204, true, false).contains("secret"));
    }

    /// So many seconds by the clock of the run, and by that on the wall.
    fn at(run: u64, wall: u64) -> Now {
        let wall = std::time::UNIX_EPOCH + Duration::from_secs(wall);
        Now { run: Duration::from_secs(run), wall }
    }

    #[test]
    fn the_advertised_address_is_the_one_to_use() {
        let path = Path { link: None, source: "10.0.0.2:1061".parse().unwrap(), claimed: None, on_link: true };
        let mut service = Service {
            about: About {
                id: InstanceId(0xab),
                name: "x".parse().unwrap(),
                kind: "chat".parse().unwrap(),
                port: 80,
                advertised: None,
                attributes: Attributes::default(),
                ttl: Duration::from_secs(30),
            },
            more: false,
            full: false,
            trust: Trust::Unverified,
            paths: vec![path.clone()],
            heard: at(1, 1),
        };
        assert_eq!(service.address(&path).to_string(), "10.0.0.2:80");
        service.about.advertised = "10.0.0.9".parse().ok();
        assert_eq!(service.address(&path).to_string(), "10.0.0.9:80");
        let paths = ["[fe80::2]:1061", "10.0.1.2:1061", "10.0.0.2:1061"].map(|source| source.parse().unwrap());
        let [six, far, near] = paths;
        let path =
            |source, index| Path { link: Some(Link { index, name: "e".into() }), source, claimed: None, on_link: true };
        service.paths = vec![path(six, 2), path(far, 3), path(near, 2)];
        assert_eq!(service.path().map(|path| path.source), Some(near));
        assert_eq!(service.age(at(3, 3)), Duration::from_secs(2));
        assert_eq!(service.age(at(3, 3_601)), Duration::from_secs(3_600), "the host slept");
        assert_eq!(service.age(at(3, 0)), Duration::from_secs(2), "its clock was set back");
        assert_eq!(service.about.id.to_string(), "00000000000000ab");
    }
}
