//! The one service of a name.

use std::io;

use halloo::model::event::{Ambiguity, Notice};
use halloo::model::service::Change;
use halloo::model::{Event, Now, Service, Sink, Stats, Trust, Verdict};

/// Two services of those that can be believed which are used by different addresses.
pub(super) fn two_of<'s>(services: impl IntoIterator<Item = &'s Service>, has_secret: bool) -> Option<Ambiguity> {
    let believed = |service: &&Service| !has_secret || service.trust == Trust::Verified;
    let reached = |service: &'s Service| service.path().map(|path| (service, path, service.address(path)));
    let mut reached = services.into_iter().filter(believed).filter_map(reached);
    let (one, path, address) = reached.next()?;
    let (other, other_path, other_address) = reached.find(|(_, _, other)| *other != address)?;
    Some(Ambiguity {
        name: one.about.name.clone(),
        addresses: [address, other_address],
        by_type: one.about.kind != other.about.kind,
        by_interface: path.link != other_path.link,
        by_secret: !has_secret,
    })
}

/// What becomes of the end of a run that looked for one service and found several.
pub(super) const fn not_one(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Done | Verdict::Partly => Verdict::TooFew,
        other => other,
    }
}

/// Holds back the one service that was looked for, until it is known that there is one: where there are several, it is the
/// user who knows which is meant. Then they are listed, but nothing is printed for a script.
pub(super) struct One {
    print: bool,
    has_secret: bool,
    listed: Vec<(Now, Service)>,
    inner: Box<dyn Sink + Send>,
}

impl One {
    /// Before `inner`; `print`: it prints for a script; `has_secret`: only what is verified can be meant.
    pub(super) const fn new(print: bool, has_secret: bool, inner: Box<dyn Sink + Send>) -> Self {
        Self { print, has_secret, listed: Vec::new(), inner }
    }

    fn sum_up(&mut self, now: Now, stats: &Stats) -> io::Result<()> {
        let listed = std::mem::take(&mut self.listed);
        let two = two_of(listed.iter().map(|(_, service)| service), self.has_secret);
        if two.is_none() || !self.print {
            let mut told = listed.iter();
            told.try_for_each(|(now, service)| self.inner.event(*now, &Event::Service(Change::Listed, service)))?;
        }
        let Some(two) = two else { return self.inner.event(now, &Event::Summary(stats)) };
        self.inner.event(now, &Event::Notice(Notice::Ambiguous(Box::new(two))))?;
        let stats = Stats { verdict: not_one(stats.verdict), ..stats.clone() };
        self.inner.event(now, &Event::Summary(&stats))
    }
}

impl Sink for One {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Service(Change::Listed, service) => {
                self.listed.push((now, (*service).clone()));
                Ok(())
            }
            Event::Summary(stats) => self.sum_up(now, stats),
            event => self.inner.event(now, event),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
