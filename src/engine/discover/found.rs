//! The services that answered: each once, with all its paths, believed as far as it proved itself, in bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::hints::Hint;
use crate::model::event::Ignored;
use crate::model::service::{Change, InstanceId, Path, Service, Trust};
use crate::model::target::canonical;
use crate::model::{Datagram, Link, Names, Now, ServiceName};
use crate::wire::beacon::{Echo, Goodbye, Nonce, Order, Reply};

/// Services told apart. Each takes some 600 bytes; one that fills the longest question, some 2 KiB.
pub const MOST_SERVICES: usize = 131_072;

/// Of these, the ones that proved nothing, where a secret is asked for: enough to see that somebody is there without it,
/// few enough that they never take the place of those who have it.
const MOST_UNPROVED: usize = 1_024;

/// Services of one address: far more than a host has, so that one that forges them cannot fill the table alone.
const MOST_OF_ONE: u32 = 256;

/// Paths to one service.
const MOST_PATHS: usize = 16;

/// Whoever is gone has not answered so many askings of everybody: one may have come when the host was busy, or asleep. So it
/// is with an address.
const SILENT: u32 = 2;

/// An answer, and when and on what question it came.
pub(super) struct Answer<'a> {
    pub(super) reply: Reply,
    /// It is signed with the secret.
    pub(super) signed: bool,
    pub(super) datagram: &'a Datagram<'a>,
    /// The scope that was asked in.
    pub(super) walk: usize,
    /// The time when everybody was asked.
    pub(super) cycle: u32,
    /// It was asked with the longest questions.
    pub(super) full: bool,
    pub(super) now: Now,
    /// The same, with the time that this host slept.
    pub(super) time: Duration,
}

/// What an answer did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// Something to tell.
    Changed(InstanceId, Change),
    /// Known, and now heard this time too.
    Heard,
    /// Heard this time already, on an earlier question: it did not learn that it is known.
    Again,
    /// The same question answered twice.
    Duplicate,
    /// Another responder has the same instance: where the two answer from.
    Clash(InstanceId, SocketAddr, SocketAddr),
}

/// Services that are there and do not count.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// So many names that are not wanted.
    pub(super) names: u64,
    /// One of these, which would be if upper and lower case were the same.
    pub(super) nearly: Option<ServiceName>,
    /// So many that have a name that is wanted, and proved nothing.
    pub(super) unverified: u64,
    /// So many that have a name that is wanted, and the secret, and answered from another address than they signed.
    pub(super) mismatched: u64,
}

/// All services.
#[derive(Debug)]
pub(super) struct Found {
    entries: HashMap<InstanceId, Entry>,
    sources: HashMap<IpAddr, u32>,
    /// Only what is signed is believed.
    secret: bool,
    unproved: usize,
    verified: usize,
    /// Only what is named so is told and counts. The others are kept as well, so that they need not answer again.
    names: Names,
    /// Those that are named so, and have nothing left to prove.
    wanted: usize,
}

/// What an entry counts as.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    verified: bool,
    /// It is there, and has a name that is wanted.
    named: bool,
    /// It is what was looked for: named so, and with nothing left to prove.
    wanted: bool,
}

#[derive(Debug)]
struct Entry {
    service: Service,
    signed: bool,
    order: Order,
    /// The start before this one.
    boot_before: Option<u32>,
    clash_told: bool,
    /// When it was last heard, with the time that this host slept.
    heard: Duration,
    /// For each scope that is asked, two for each interface, the last asking of everybody that it answered there, and the
    /// question.
    answered: Vec<(u32, Echo)>,
    /// Askings of everybody in a row that it did not answer. From the first one on it is stale.
    silent: u32,
    /// For each of its paths, the askings of everybody that have ended since it answered by it.
    unheard: Vec<u32>,
    /// It is said to have gone.
    doubted: bool,
    /// Whose count it is in.
    counted: IpAddr,
}

/// What it means that a service was heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Heard {
    /// It was silent before.
    Back,
    /// It answered one question twice.
    Twice,
    /// It was heard this time already, on an earlier question.
    Again,
    /// It was not yet heard this time, in this scope.
    First,
}

impl Found {
    pub(super) fn new(secret: bool, names: Names) -> Self {
        let (entries, sources) = (HashMap::new(), HashMap::new());
        Self { entries, sources, secret, unproved: 0, verified: 0, names, wanted: 0 }
    }

    /// How many there are that count: of a name that is wanted, and with a secret those that have it.
    pub(super) const fn believed(&self) -> u64 {
        self.wanted as u64
    }

    /// How many there are that answer when everybody is asked, whatever they are called: with a secret, those that have it.
    pub(super) fn answering(&self) -> u64 {
        if self.secret { self.verified as u64 } else { self.entries.len() as u64 }
    }

    pub(super) fn get(&self, id: InstanceId) -> Option<&Service> {
        self.entries.get(&id).map(|entry| &entry.service)
    }

    /// Whether it has a name that is wanted.
    pub(super) fn is_named(&self, id: InstanceId) -> bool {
        self.get(id).is_some_and(|service| self.names.fits(&service.about.name))
    }

    /// What was seen of services that are not among those that count.
    pub(super) fn others(&self) -> Others {
        let mut others = Others::default();
        let mut names = BTreeSet::new();
        for Service { about, trust, .. } in self.entries.values().map(|entry| &entry.service) {
            match trust {
                _ if !self.names.fits(&about.name) => drop(names.insert(&about.name)),
                Trust::Unverified => others.unverified += 1,
                Trust::Mismatch => others.mismatched += 1,
                Trust::Verified => {}
            }
        }
        others.names = names.len() as u64;
        others.nearly = names.into_iter().find(|name| self.names.nearly_fits(name)).cloned();
        others
    }

    /// Everything that has a name that is wanted, by name.
    pub(super) fn all(&self) -> Vec<&Service> {
        let named = |service: &&Service| self.names.fits(&service.about.name);
        let mut all: Vec<&Service> = self.entries.values().map(|entry| &entry.service).filter(named).collect();
        all.sort_by(|a, b| (&a.about.name, a.about.id).cmp(&(&b.about.name, b.about.id)));
        all
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    /// Takes an answer.
    ///
    /// # Errors
    /// Why it is not believed, or has no room.
    pub(super) fn take(&mut self, answer: Answer<'_>) -> Result<Taken, Ignored> {
        let id = answer.reply.about.id;
        let before = self.standing(id);
        let taken = self.take_as_it_is(id, answer)?;
        let after = self.standing(id);
        self.verified = self.verified + usize::from(after.verified) - usize::from(before.verified);
        self.wanted = self.wanted + usize::from(after.wanted) - usize::from(before.wanted);
        Ok(match taken {
            Taken::Changed(id, _) if after.named && !before.named => Taken::Changed(id, Change::Found),
            Taken::Changed(id, _) if before.named && !after.named => Taken::Changed(id, Change::Gone),
            Taken::Changed(..) if !after.named => Taken::Heard,
            taken => taken,
        })
    }

    fn standing(&self, id: InstanceId) -> Standing {
        self.entries.get(&id).map(|entry| self.standing_of(entry)).unwrap_or_default()
    }

    fn standing_of(&self, entry: &Entry) -> Standing {
        let named = self.names.fits(&entry.service.about.name);
        let verified = entry.service.trust == Trust::Verified;
        Standing { verified, named, wanted: named && entry.is_settled(self.secret) }
    }

    fn take_as_it_is(&mut self, id: InstanceId, answer: Answer<'_>) -> Result<Taken, Ignored> {
        match self.entries.get_mut(&id) {
            None => self.insert(answer),
            Some(entry) if entry.signed && !answer.signed => Err(Ignored::Unsigned),
            Some(entry) if !entry.signed && answer.signed => {
                self.unproved -= 1;
                *entry = Entry { counted: entry.counted, ..Entry::of(answer) };
                Ok(Taken::Changed(id, Change::Updated))
            }
            Some(entry) => entry.take(answer),
        }
    }

    fn insert(&mut self, answer: Answer<'_>) -> Result<Taken, Ignored> {
        let unproved = self.secret && !answer.signed;
        let source = canonical(answer.datagram.source).ip();
        let full = self.entries.len() >= MOST_SERVICES || (unproved && self.unproved >= MOST_UNPROVED);
        let of_one = self.sources.get(&source).copied().unwrap_or(0);
        // Whoever has the secret is not limited to an address: many may be behind one.
        if full || (!answer.signed && of_one >= MOST_OF_ONE) {
            return Err(Ignored::TooMany);
        }
        let id = answer.reply.about.id;
        *self.sources.entry(source).or_default() += 1;
        self.unproved += usize::from(unproved);
        self.entries.insert(id, Entry::of(answer));
        Ok(Taken::Changed(id, Change::Found))
    }

    // ---- who was heard ---------------------------------------------------------------------------------------------

    /// The places of those that need not answer in this scope this time, ascending. Only what proved itself is among them:
    /// a forgery must not keep the one it imitates from answering.
    pub(super) fn known(&self, nonce: &Nonce, walk: usize, cycle: u32) -> Vec<u32> {
        let known = self.entries.values().filter(|entry| entry.is_settled(self.secret) && entry.was_heard(walk, cycle));
        let mut places: Vec<u32> = known.map(|entry| nonce.place(entry.service.about.id)).collect();
        places.sort_unstable();
        places
    }

    /// The places of those that need not answer while hints about others are followed up, ascending: they are not in doubt.
    pub(super) fn known_but(&self, nonce: &Nonce, followed: &BTreeMap<InstanceId, Hint>) -> Vec<u32> {
        let sure = |entry: &&Entry| entry.is_settled(self.secret) && entry.silent == 0;
        let others = |entry: &&Entry| !followed.contains_key(&entry.service.about.id);
        let known = self.entries.values().filter(sure).filter(others);
        let mut places: Vec<u32> = known.map(|entry| nonce.place(entry.service.about.id)).collect();
        places.sort_unstable();
        places
    }

    /// Those that nobody has heard this time are stale from now on; says which were not before, and are wanted.
    pub(super) fn now_stale(&mut self, cycle: u32) -> Vec<InstanceId> {
        let missed = |entry: &&mut Entry| entry.answered.iter().all(|(answered, _)| *answered != cycle);
        let mut ids: Vec<InstanceId> = Vec::new();
        for entry in self.entries.values_mut().filter(missed) {
            entry.silent = entry.silent.saturating_add(1);
            if entry.silent == 1 && self.names.fits(&entry.service.about.name) {
                ids.push(entry.service.about.id);
            }
        }
        ids.sort_unstable();
        ids
    }

    /// Leaves out the addresses that services do not answer from any more, now that an asking of everybody has ended; says
    /// which ones had any, and are wanted.
    pub(super) fn without_silent_paths(&mut self) -> Vec<InstanceId> {
        let mut ids: Vec<InstanceId> = Vec::new();
        for entry in self.entries.values_mut() {
            if entry.drop_silent_paths() && self.names.fits(&entry.service.about.name) {
                ids.push(entry.service.about.id);
            }
        }
        ids.sort_unstable();
        ids
    }

    /// Takes out those whose time is over: silent when everybody was asked, and asked again, and for the whole time they gave
    /// themselves.
    pub(super) fn take_expired(&mut self, now: Duration) -> Vec<Service> {
        self.take_out(|entry| entry.silent >= SILENT && entry.expires() <= now)
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.entries.values().filter(|entry| entry.silent >= SILENT).map(Entry::expires).min()
    }

    /// Whether the time of one is over that has still to be asked again.
    pub(super) fn has_overdue(&self, now: Duration) -> bool {
        let overdue = |entry: &&Entry| (1..SILENT).contains(&entry.silent) && entry.expires() <= now;
        self.entries.values().filter(overdue).any(|entry| self.names.fits(&entry.service.about.name))
    }

    /// The shortest time that any of them holds. Who proved nothing, or is not wanted, does not say how often others are
    /// asked.
    pub(super) fn shortest_ttl(&self) -> Option<Duration> {
        let wanted = self.entries.values().filter(|entry| self.standing_of(entry).wanted);
        wanted.map(|entry| entry.service.about.ttl).min()
    }

    /// How many services an address has, if that is as many as are told apart, and who it is is not proved.
    pub(super) fn crowd(&self, source: SocketAddr) -> Option<(IpAddr, u32)> {
        let address = canonical(source).ip();
        let count = self.sources.get(&address).copied().filter(|count| *count >= MOST_OF_ONE && !self.secret)?;
        Some((address, count))
    }

    // ---- hints -----------------------------------------------------------------------------------------------------

    /// Whether an announcement is news: of somebody new, or of a new start.
    pub(super) fn is_news(&self, id: InstanceId, order: Order) -> bool {
        self.entries.get(&id).is_none_or(|entry| entry.order.boot != order.boot || entry.silent > 0)
    }

    /// Doubts that a service is still there. Says whether that is worth asking.
    pub(super) fn doubt(&mut self, goodbye: &Goodbye) -> bool {
        let named = self.is_named(goodbye.id);
        let Some(entry) = self.entries.get_mut(&goodbye.id).filter(|_| named) else { return false };
        let newer = goodbye.order.boot == entry.order.boot && goodbye.order.seq > entry.order.seq;
        entry.doubted |= newer;
        newer
    }

    /// Takes out those of `ids` that are said to have gone, were asked at this time, and have not answered since.
    pub(super) fn take_doubted(&mut self, asked: Duration, ids: &BTreeMap<InstanceId, Hint>) -> Vec<Service> {
        for entry in self.entries.values_mut().filter(|entry| entry.heard >= asked) {
            entry.doubted = false;
        }
        self.take_out(|entry| entry.doubted && ids.contains_key(&entry.service.about.id))
    }

    /// Takes out those that are gone; returns those that are wanted, or would be, were they believed.
    fn take_out(&mut self, gone: impl Fn(&Entry) -> bool) -> Vec<Service> {
        let entries: Vec<Entry> = self.entries.extract_if(|_, entry| gone(entry)).map(|(_, entry)| entry).collect();
        let mut out = Vec::new();
        for entry in entries {
            let Standing { verified, named, wanted } = self.standing_of(&entry);
            self.unproved -= usize::from(self.secret && !entry.signed);
            self.verified -= usize::from(verified);
            self.wanted -= usize::from(wanted);
            if let Some(count) = self.sources.get_mut(&entry.counted) {
                *count -= 1;
            }
            if named {
                out.push(entry.service);
            }
        }
        self.sources.retain(|_, count| *count > 0);
        out.sort_by_key(|service| service.about.id);
        out
    }
}

impl Entry {
    fn of(answer: Answer<'_>) -> Self {
        let path = path_of(&answer);
        let trust = trust_of(&answer, &path);
        let counted = path.source.ip();
        let Answer { reply, signed, walk, cycle, full, now, time, .. } = answer;
        let Reply { echo, order, about, more, .. } = reply;
        let service = Service { about, more, full, trust, paths: vec![path], heard: now };
        let mut entry = Self {
            service,
            signed,
            order,
            boot_before: None,
            clash_told: false,
            heard: time,
            answered: Vec::new(),
            silent: 0,
            unheard: vec![0],
            doubted: false,
            counted,
        };
        entry.hear(walk, cycle, echo);
        entry
    }

    /// Takes an answer that proves as much as those before.
    fn take(&mut self, answer: Answer<'_>) -> Result<Taken, Ignored> {
        let path = path_of(&answer);
        let trust = trust_of(&answer, &path);
        if (trust, self.service.trust) == (Trust::Mismatch, Trust::Verified) {
            return Err(Ignored::Relayed);
        }
        let id = self.service.about.id;
        if let Some(other) = self.clash(answer.walk, &answer.reply) {
            return Ok(Taken::Clash(id, other, path.source));
        }
        let heard = self.note(&answer);
        let better = self.believe(trust);
        let new_path = self.add(path);
        let says_else = self.update(answer.reply);
        Ok(match heard {
            Heard::Back => Taken::Changed(id, Change::Updated),
            _ if better || says_else => Taken::Changed(id, Change::Updated),
            _ if new_path => Taken::Changed(id, Change::Path),
            Heard::Twice => Taken::Duplicate,
            Heard::Again => Taken::Again,
            Heard::First => Taken::Heard,
        })
    }

    /// Notes that it was heard, and says what that means beside what was noted before.
    fn note(&mut self, answer: &Answer<'_>) -> Heard {
        let Answer { walk, cycle, reply: Reply { echo, .. }, .. } = answer;
        let (again, twice) = (self.was_heard(*walk, *cycle), self.has_answered(*walk, *echo));
        self.hear(*walk, *cycle, *echo);
        (self.service.heard, self.heard) = (answer.now, answer.time);
        match () {
            () if std::mem::take(&mut self.silent) > 0 => Heard::Back,
            () if twice => Heard::Twice,
            () if again => Heard::Again,
            () => Heard::First,
        }
    }

    /// Believes it so far from now on. Says whether it is itself that is heard, where before it was a relay.
    fn believe(&mut self, trust: Trust) -> bool {
        let better = (trust, self.service.trust) == (Trust::Verified, Trust::Mismatch);
        if better {
            // The paths that led past a relay are not its own.
            self.service.paths.clear();
            self.unheard.clear();
        }
        self.service.trust = trust;
        better
    }

    /// Where the other responder of this instance answers from, if there seem to be two: both answered one question, or
    /// an earlier start is back.
    fn clash(&mut self, walk: usize, reply: &Reply) -> Option<SocketAddr> {
        let boot = reply.order.boot;
        if boot == self.order.boot {
            return None;
        }
        let two = self.has_answered(walk, reply.echo) || self.boot_before == Some(boot);
        if !two || std::mem::replace(&mut self.clash_told, true) {
            return None;
        }
        self.service.paths.first().map(|path| path.source)
    }

    /// Takes what it says now, if that is newer. Says whether it is anything else than before.
    fn update(&mut self, reply: Reply) -> bool {
        let same_start = reply.order.boot == self.order.boot;
        if same_start && reply.order.seq < self.order.seq {
            return false;
        }
        if !same_start {
            self.boot_before = Some(self.order.boot);
        }
        self.order = reply.order;
        // A short answer does not take back what a long one said.
        let shortened = reply.more && !self.service.more && reply.about.name == self.service.about.name;
        if shortened || (self.service.about == reply.about && self.service.more == reply.more) {
            return false;
        }
        self.service.about = reply.about;
        self.service.more = reply.more;
        true
    }

    fn add(&mut self, path: Path) -> bool {
        let same = |known: &Path| known.source == path.source && known.link == path.link;
        let known = self.service.paths.iter().position(same);
        if let Some(unheard) = known.and_then(|at| self.unheard.get_mut(at)) {
            *unheard = 0;
        }
        if known.is_some() || self.service.paths.len() >= MOST_PATHS {
            return false;
        }
        self.service.paths.push(path);
        self.unheard.push(0);
        true
    }

    /// An asking of everybody has ended. Takes out the paths that lead nowhere any more: silent this time and the times
    /// before, while it was heard by another one. Says whether there were any.
    fn drop_silent_paths(&mut self) -> bool {
        self.unheard.iter_mut().for_each(|ended| *ended = ended.saturating_add(1));
        let (heard, before) = (self.unheard.contains(&1), self.unheard.len());
        let leads = |ended: &u32| !heard || *ended <= SILENT;
        let mut ended = self.unheard.iter();
        self.service.paths.retain(|_| ended.next().is_none_or(leads));
        self.unheard.retain(leads);
        self.unheard.len() < before
    }

    fn hear(&mut self, walk: usize, cycle: u32, echo: Echo) {
        if self.answered.len() <= walk {
            self.answered.resize(walk + 1, (0, Echo::default()));
        }
        self.answered[walk] = (cycle, echo);
    }

    fn was_heard(&self, walk: usize, cycle: u32) -> bool {
        self.answered.get(walk).is_some_and(|(answered, _)| *answered == cycle)
    }

    fn has_answered(&self, walk: usize, echo: Echo) -> bool {
        self.answered.get(walk).is_some_and(|(_, answered)| *answered == echo)
    }

    /// Whether there is nothing left to prove.
    fn is_settled(&self, secret: bool) -> bool {
        !secret || self.service.trust == Trust::Verified
    }

    fn expires(&self) -> Duration {
        self.heard + self.service.about.ttl
    }
}

fn path_of(answer: &Answer<'_>) -> Path {
    let source = canonical(answer.datagram.source);
    let link: Option<Link> = answer.datagram.link.clone();
    let claimed = answer.reply.address.map(|address| address.to_canonical()).filter(|address| *address != source.ip());
    Path { link, source, claimed, on_link: answer.datagram.on_link || answer.datagram.is_self() }
}

/// An answer is verified if it is signed for the address it came from, or came from the one it is signed to be used by.
fn trust_of(answer: &Answer<'_>, path: &Path) -> Trust {
    let reply = &answer.reply;
    // Who is asked on a link answers from it. From elsewhere somebody may have carried the question there and the answer
    // back, to an address of the same host that leads nowhere here, or to somebody else.
    let own = path.on_link && reply.address.is_some() && path.claimed.is_none();
    match answer.signed {
        false => Trust::Unverified,
        true if own || reply.about.advertised == Some(path.source.ip()) => Trust::Verified,
        true => Trust::Mismatch,
    }
}
