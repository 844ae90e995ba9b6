//! Why `discover` found fewer services than were wanted: what it saw of others is kept, and told at the end.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use halloo::engine::follow::Wanted;
use halloo::model::event::{Ignored, Missing, Notice};
use halloo::model::service::Change;
use halloo::model::{Event, Glob, Now, ServiceName, Sink, Stats, Trust};

/// Names that answered and were not wanted.
#[derive(Clone, Default)]
pub(super) struct OtherNames(Arc<Mutex<BTreeSet<ServiceName>>>);

impl OtherNames {
    /// The most that are kept: strangers could say any number.
    const MOST: usize = 1000;

    /// The same question, and keeps whom the answer is no.
    pub(super) fn besides(&self, wanted: Wanted) -> Wanted {
        let others = self.clone();
        Box::new(move |name| {
            let yes = wanted(name);
            if !yes {
                others.keep(name);
            }
            yes
        })
    }

    fn keep(&self, name: &ServiceName) {
        if let Ok(mut names) = self.0.lock()
            && names.len() < Self::MOST
        {
            names.insert(name.clone());
        }
    }

    /// How many there are, and the first that is like `wanted` but for upper and lower case.
    fn like(&self, wanted: &str) -> (u64, Option<ServiceName>) {
        let Ok(names) = self.0.lock() else { return (0, None) };
        let glob = Glob::new(&wanted.to_lowercase());
        let nearly = names.iter().find(|name| glob.fits(&name.text().to_lowercase()));
        (names.len() as u64, nearly.cloned())
    }
}

/// Says what may be the cause when fewer were found than were wanted.
pub(super) struct Hinting {
    missing: Option<Missing>,
    others: OtherNames,
    inner: Box<dyn Sink>,
}

impl Hinting {
    /// Says it to `inner`, where `missing` is what was wanted.
    pub(super) fn new(missing: Option<Missing>, others: OtherNames, inner: Box<dyn Sink>) -> Self {
        Self { missing, others, inner }
    }

    fn notice(&mut self, stats: &Stats) -> Option<Notice> {
        let mut missing = self.missing.take()?;
        if stats.sent == 0 || missing.found >= missing.expected {
            return None;
        }
        if let Some(name) = &missing.name {
            (missing.other_names, missing.nearly) = self.others.like(name);
        }
        let ignored = |why| stats.ignored.get(&why).copied().unwrap_or(0);
        missing.unsigned += ignored(Ignored::BadSignature);
        missing.heard = stats.received > 0;
        Some(Notice::ServicesMissing(Box::new(missing)))
    }
}

/// Counts one that is there.
fn count(missing: &mut Missing, trust: Trust) {
    let counter = match trust {
        Trust::Unverified if missing.secret => &mut missing.unsigned,
        Trust::Mismatch if missing.secret => &mut missing.mismatched,
        _ => &mut missing.found,
    };
    *counter += 1;
}

impl Sink for Hinting {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match (event, &mut self.missing) {
            (Event::Service(Change::Listed, service), Some(missing)) => count(missing, service.trust),
            // Told of any question to everybody; here there is more to say.
            (Event::Notice(Notice::BroadcastSilence { .. }), _) => return Ok(()),
            (Event::Summary(stats), _) => {
                if let Some(notice) = self.notice(stats) {
                    self.inner.event(now, &Event::Notice(notice))?;
                }
            }
            _ => {}
        }
        self.inner.event(now, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
