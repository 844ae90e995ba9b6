//! Asking everybody in one scope, round after round, at a pace that its link can carry.
//!
//! A round asks the whole ring of places once, with one nonce. Where few are known it is one query; where many are, it is
//! one query after another, each for a slice of the ring with at most [`MOST_KNOWN`] known places in it. The first round
//! asks blindly. What came back says how fast answers can come: of a burst that overran a queue, the second half arrives
//! as fast as the narrowest place lets it (see [`Arrivals`]). The next round first asks a small slice, to estimate how
//! many are missing, and then paces the others so that answers come at [`HEADROOM`] of that speed. From then on, what a
//! round found against what it expected corrects both.
//!
//! A scope is done after rounds in a row that found nobody new: two, or as many more as the losses seen make necessary. It is
//! cut short where that does not come to pass within [`MOST_ROUNDS`] and [`MOST_QUERIES`].

use std::time::Duration;

use crate::model::Destination;
use crate::wire::beacon::{Known, MOST_KNOWN, MOST_WINDOW, Places, Window};

/// The window of a query to everybody: 1,000 answers in it come 100 us apart, which a slow reader keeps up with.
const WINDOW: Duration = Duration::from_millis(100);

/// The window of a slice, and the least time of a probe: some wake-ups of any host.
const SLICE_WINDOW: Duration = Duration::from_millis(50);

/// How long after its window a round waits, before it is known how late answers are.
const SLACK: Duration = Duration::from_millis(50);

/// The longest that it waits.
const MOST_SLACK: Duration = Duration::from_secs(1);

/// The time between two queries: one of 1,350 bytes in each is 3.6 Mbit/s to everybody, and a responder's default
/// receive buffer holds 92 of them.
const GAP: Duration = Duration::from_millis(3);

/// The longest slice, so that what is learnt in it comes in time for the next.
const LONGEST_SLICE: f64 = 0.25;

/// The part of the speed of the narrowest place that is used.
const HEADROOM: f64 = 0.8;

/// Answers in a round that say something about speed.
const TELLING: u64 = 64;

/// Known places in the slice that is asked first.
const PROBE: usize = 100;

/// The slowest pace, in answers per second.
const SLOWEST: f64 = 100.0;

/// The chance that somebody who is there is silent in all of the last rounds, as far as losses are independent.
const MISSED: f64 = 0.001;

/// The least, and the most, rounds that find nobody new before a scope is done.
const QUIET: (u32, u32) = (2, 5);

/// Rounds without any answer before a scope is done: a query that nobody hears is one loss, not one of each host.
const SILENT: u32 = 4;

/// Rounds in which strangers can keep an asking going. The most that honest ones need in the simulation are 15: 100,000 behind
/// 20 Mbit/s that lose 2 %.
const MOST_ROUNDS: u32 = 20;

/// Queries after which no further round is begun. The same 100,000 need 3,350; 10,000 that lose 10 % need 370.
const MOST_QUERIES: u32 = 4_000;

/// The rounds that say how late answers are: who is there is known to be slow by then, and what is late from then on may be
/// so on purpose.
const SLACK_ROUNDS: u32 = 3;

/// A query to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slice {
    pub(super) window: Window,
    pub(super) places: Places,
    pub(super) known: Known,
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Send this to all addresses of the scope.
    Ask(Slice),
    /// Begin a round: [`Walk::round`].
    Round,
    /// The scope is done.
    Done,
}

/// The scopes: destinations of one interface and one IP version are one, for whoever hears both is asked by one address and
/// answers once.
pub(super) fn scopes(destinations: &[Destination]) -> Vec<Walk> {
    let mut scopes: Vec<Vec<Destination>> = Vec::new();
    let together = |a: &Destination, b: &Destination| {
        let one_version = a.address.is_ipv4() == b.address.is_ipv4();
        a.link.is_some() && a.link == b.link && one_version && a.source == b.source
    };
    for destination in destinations {
        match scopes.iter_mut().find(|scope| scope.iter().all(|other| together(other, destination))) {
            Some(scope) => scope.push(destination.clone()),
            None => scopes.push(vec![destination.clone()]),
        }
    }
    scopes.into_iter().map(Walk::new).collect()
}

/// One scope, and how far it is asked.
#[derive(Debug)]
pub(super) struct Walk {
    /// Its addresses: the same link, the same IP version.
    pub(super) to: Vec<Destination>,
    state: State,
    due: Duration,
    round: u32,
    queries: u32,
    /// Answers of this round, and those of them that were new.
    answers: u64,
    news: u64,
    /// New ones that answered an earlier round: they say nothing of this one's slices.
    late_news: u64,
    news_before: u64,
    /// How many are missing on the whole ring, as far as can be guessed.
    expected: f64,
    /// Answers per second that the narrowest place lets through.
    speed: Option<f64>,
    /// The part of the answers that is lost.
    loss: f64,
    quiet: u32,
    slack: Duration,
    asked: Duration,
    last_window: Duration,
    /// Of a round of one query: when its answers came.
    arrivals: Option<Arrivals>,
    /// The place behind the slice that was asked first, to estimate how many are missing.
    probed: Option<u64>,
    /// Somebody answered in this scope.
    answered: bool,
    /// It was left off although there were new ones still.
    cut_short: bool,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A round is to begin.
    Open,
    /// The ring from `next` on has still to be asked.
    Sweep {
        known: Vec<u32>,
        place: usize,
        next: u64,
        probing: bool,
    },
    /// Single places have still to be asked.
    Points(Vec<u32>),
    /// Answers to the last query may come.
    Closing,
}

impl Walk {
    pub(super) fn new(to: Vec<Destination>) -> Self {
        Self {
            to,
            state: State::Idle,
            due: Duration::ZERO,
            round: 0,
            queries: 0,
            answers: 0,
            news: 0,
            late_news: 0,
            news_before: 0,
            expected: 0.0,
            speed: None,
            loss: 0.0,
            quiet: 0,
            slack: SLACK,
            asked: Duration::ZERO,
            last_window: WINDOW,
            arrivals: None,
            probed: None,
            answered: false,
            cut_short: false,
        }
    }

    /// Begins to ask everybody, of whom there may be so many.
    pub(super) fn begin(&mut self, now: Duration, guess: u64) {
        self.state = State::Open;
        self.due = now;
        (self.round, self.quiet, self.news, self.late_news, self.news_before) = (0, 0, 0, 0, 0);
        (self.queries, self.cut_short) = (0, false);
        self.expected = guess as f64;
    }

    /// Leaves off.
    pub(super) fn rest(&mut self) {
        self.state = State::Idle;
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether the last asking ended at its bounds, and not because nobody new came.
    pub(super) const fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Rounds begun since [`Walk::begin`].
    pub(super) const fn rounds(&self) -> u32 {
        self.round
    }

    /// When [`Walk::step`] has something to say.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.is_idle()).then_some(self.due)
    }

    /// When the answers to what was asked so far have come.
    pub(super) fn heard_out(&self) -> Duration {
        self.asked + self.last_window + self.slack
    }

    /// Begins a round, in which these places, ascending, are known.
    pub(super) fn round(&mut self, now: Duration, known: Vec<u32>) {
        self.open(now);
        // Only a round of a burst tells nothing about how many are missing: then a small slice is asked first.
        let probing = self.round == 2 && known.len() > MOST_KNOWN;
        self.state = State::Sweep { known, place: 0, next: 0, probing };
    }

    /// Begins a round that asks these places only.
    pub(super) fn ask_places(&mut self, now: Duration, places: Vec<u32>) {
        self.open(now);
        self.state = State::Points(places);
    }

    fn open(&mut self, now: Duration) {
        self.round += 1;
        (self.news_before, self.news, self.late_news, self.answers) = (self.news + self.late_news, 0, 0, 0);
        self.due = now;
        (self.arrivals, self.probed) = (None, None);
    }

    /// What to do at this time; nothing before [`Walk::due`].
    pub(super) fn step(&mut self, now: Duration) -> Option<Step> {
        if self.due > now {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Idle => {
                self.state = State::Idle;
                None
            }
            State::Open => {
                self.state = State::Open;
                Some(Step::Round)
            }
            State::Sweep { known, place, next, probing } => Some(self.sweep(now, known, place, next, probing)),
            State::Points(places) => self.point(now, places),
            State::Closing => Some(self.close()),
        }
    }

    // ---- the queries of a round ------------------------------------------------------------------------------------

    fn sweep(&mut self, now: Duration, known: Vec<u32>, place: usize, next: u64, probing: bool) -> Step {
        if self.probed == Some(next) {
            self.expected = self.news as f64 / (next as f64 / RING);
        }
        let most = if probing { PROBE.min(known.len() / 8) } else { MOST_KNOWN };
        let end = known.get(place + most).map_or(u64::from(u32::MAX), |beyond| u64::from(*beyond).saturating_sub(1));
        let longest = (self.pace() * LONGEST_SLICE / self.expected.max(1.0) * RING) as u64;
        let end = if probing { end } else { end.min(next.saturating_add(longest)) }.clamp(next, u32::MAX.into());
        let places = Places::new(next as u32, end as u32).unwrap_or(Places::ALL);
        let listed = Known::first_of(known[place..].iter().copied().take_while(|at| *at <= places.last()));
        self.queries += 1;
        let (window, spacing) = self.times(places, probing);
        self.asked = now;
        self.last_window = window.time();
        let place = place + listed.places().len();
        if places.last() == u32::MAX {
            self.due = now + window.time() + self.slack;
        } else {
            self.due = now + spacing;
            self.state = State::Sweep { known, place, next: end + 1, probing: false };
        }
        Step::Ask(Slice { window, places, known: listed })
    }

    /// The window of a slice, and the time until the next query.
    fn times(&mut self, places: Places, probing: bool) -> (Window, Duration) {
        let part = (f64::from(places.last() - places.first()) + 1.0) / RING;
        let answers = Duration::from_secs_f64((self.expected * part / self.pace()).min(MOST_WINDOW.as_secs_f64()));
        match (places, probing) {
            (Places::ALL, _) => {
                let window = Window::nearest(answers.max(WINDOW));
                self.arrivals = Some(Arrivals::of(window.time()));
                (window, Duration::ZERO)
            }
            (_, true) => {
                self.probed = Some(u64::from(places.last()) + 1);
                (Window::nearest(SLICE_WINDOW), SLICE_WINDOW + self.slack)
            }
            _ => (Window::nearest(answers.max(SLICE_WINDOW)), answers.max(GAP)),
        }
    }

    fn point(&mut self, now: Duration, mut places: Vec<u32>) -> Option<Step> {
        let place = places.pop()?;
        self.queries += 1;
        self.asked = now;
        self.last_window = SLICE_WINDOW;
        if places.is_empty() {
            self.due = now + SLICE_WINDOW + self.slack;
        } else {
            self.due = now + GAP;
            self.state = State::Points(places);
        }
        Some(Step::Ask(Slice {
            window: Window::nearest(SLICE_WINDOW),
            places: Places::only(place),
            known: Known::NONE,
        }))
    }

    /// Answers per second that are asked for.
    fn pace(&self) -> f64 {
        // Where nothing is known, as fast as the first round that asks blindly for 10,000.
        self.speed.map_or(FIRST_PACE, |speed| speed * HEADROOM).max(SLOWEST)
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    /// An answer to this round's nonce came, from somebody new or not.
    pub(super) fn heard(&mut self, now: Duration, new: bool) {
        self.answers += 1;
        self.news += u64::from(new);
        let after = now.saturating_sub(self.asked);
        self.answered = true;
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.add(after);
        }
        if self.round <= SLACK_ROUNDS {
            let late = after.saturating_sub(self.last_window);
            self.slack = self.slack.max((late * 2).min(MOST_SLACK));
        }
    }

    /// Somebody new answered an earlier round's nonce.
    pub(super) const fn heard_late(&mut self) {
        self.late_news += 1;
    }

    // ---- the end of a round ----------------------------------------------------------------------------------------

    fn close(&mut self) -> Step {
        self.learn();
        self.quiet = if self.news + self.late_news == 0 { self.quiet + 1 } else { 0 };
        let done = self.quiet >= self.quiet_needed();
        self.cut_short = !done && (self.round >= MOST_ROUNDS || self.queries >= MOST_QUERIES);
        if done || self.cut_short {
            self.state = State::Idle;
            return Step::Done;
        }
        self.state = State::Open;
        Step::Round
    }

    /// What the round says about speed, losses, and how many are still missing.
    fn learn(&mut self) {
        let speed = self.arrivals.as_ref().and_then(Arrivals::speed);
        if let Some(speed) = speed.filter(|_| self.answers >= TELLING) {
            self.speed = Some(self.speed.map_or(speed, |known| known.max(speed)));
        }
        let (news, before) = (self.news as f64, self.news_before as f64);
        if self.round == 1 {
            // As many again may have been lost.
            self.expected = if self.news > TELLING { news } else { 0.0 };
            return;
        }
        let burst_before = self.round == 2 && self.news_before > MOST_KNOWN as u64;
        if before >= 8.0 && !burst_before {
            self.loss = (news / before).clamp(0.02, 0.5);
        }
        let short = (self.expected - news).max(0.0);
        if short > self.expected / 4.0 && self.expected >= TELLING as f64 && burst_before {
            // Far fewer came than were counted on: the pace was too high for the link.
            self.speed = self.speed.map(|speed| speed * (news / self.expected).max(0.5));
        }
        let lost = news * if burst_before { 0.1 } else { self.loss.max(0.05) };
        self.expected = if burst_before { short.max(lost) } else { lost };
    }

    /// Whoever was there and silent in so many rounds was missed by chance rarely enough.
    fn quiet_needed(&self) -> u32 {
        let (least, most) = QUIET;
        if !self.answered {
            return SILENT;
        }
        (least..most).find(|rounds| self.loss.powi(*rounds as i32) <= MISSED).unwrap_or(most)
    }
}

/// Places on the ring.
const RING: f64 = 4_294_967_296.0;

/// Answers per second before anything is known.
const FIRST_PACE: f64 = 100_000.0;

/// When the answers to one query came, in steps of a 32nd of its window.
#[derive(Debug)]
struct Arrivals {
    steps: [u32; 96],
    step: Duration,
}

impl Arrivals {
    fn of(window: Duration) -> Self {
        Self { steps: [0; 96], step: window / 32 }
    }

    fn add(&mut self, after: Duration) {
        let at = after.as_nanos() / self.step.as_nanos().max(1);
        if let Some(count) = usize::try_from(at).ok().and_then(|at| self.steps.get_mut(at)) {
            *count += 1;
        }
    }

    /// Answers per second in the second half of the time in which they came. In the first half a queue may have filled;
    /// in the second, if it overran, they come as fast as the narrowest place lets them.
    fn speed(&self) -> Option<f64> {
        let first = self.steps.iter().position(|count| *count > 0)?;
        let last = self.steps.iter().rposition(|count| *count > 0)?;
        let middle = first + (last - first) / 2;
        let answers: u32 = self.steps[middle..=last].iter().sum();
        let time = self.step * (last - middle + 1) as u32;
        Some(f64::from(answers) / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Goes through one round; returns its queries with their times.
    fn round(walk: &mut Walk, now: &mut Duration, known: Vec<u32>) -> Vec<(Duration, Slice)> {
        let mut slices = Vec::new();
        walk.round(*now, known);
        while let Some(due) = walk.due() {
            *now = due;
            match walk.step(due) {
                Some(Step::Ask(slice)) => slices.push((due, slice)),
                _ => break,
            }
        }
        slices
    }

    proptest! {
        #[test]
        fn a_round_asks_every_place_once_and_lists_everybody_who_is_known(
            mut known in proptest::collection::vec(any::<u32>(), 0..3_000), guess in 0u64..1_000_000, second: bool,
        ) {
            known.sort_unstable();
            let mut walk = Walk::new(Vec::new());
            let mut now = Duration::ZERO;
            walk.begin(now, guess);
            if second {
                walk.round += 1;
            }
            let slices = round(&mut walk, &mut now, known.clone());
            let mut next = 0;
            let mut listed: Vec<u32> = Vec::new();
            for (_, Slice { places, known, .. }) in &slices {
                prop_assert_eq!(u64::from(places.first()), next);
                next = u64::from(places.last()) + 1;
                prop_assert!(known.places().iter().all(|place| places.contains(*place)));
                listed.extend(known.places());
            }
            prop_assert_eq!(next, 1 << 32);
            prop_assert_eq!(listed, known);
            prop_assert!(slices.windows(2).all(|pair| pair[1].0 - pair[0].0 >= GAP));
        }

        #[test]
        fn whatever_is_heard_a_way_is_done_some_time(
            heard in proptest::collection::vec((0u64..3_000, any::<bool>(), any::<bool>()), 0..2_000), guess in 0u64..1_000_000,
        ) {
            let mut walk = Walk::new(Vec::new());
            let mut now = Duration::ZERO;
            let mut heard = heard.into_iter();
            walk.begin(now, guess);
            for _ in 0..100_000 {
                let Some(due) = walk.due() else { return Ok(()) };
                now = due;
                if let Some(Step::Round) = walk.step(now) {
                    walk.round(now, Vec::new());
                }
                for (ms, new, late) in heard.by_ref().take(20) {
                    if late { walk.heard_late() } else { walk.heard(now + Duration::from_millis(ms), new) }
                }
                prop_assert!(walk.slack <= MOST_SLACK && walk.pace() >= SLOWEST && walk.expected.is_finite());
            }
            prop_assert!(false, "it goes on and on");
        }
    }

    #[test]
    fn the_speed_is_that_of_the_second_half() {
        let mut arrivals = Arrivals::of(Duration::from_millis(320));
        // A queue fills: 1,000 in 10 ms; then one each millisecond.
        (0..1_000).for_each(|n| arrivals.add(Duration::from_micros(n * 10)));
        (10..320).for_each(|ms| arrivals.add(Duration::from_millis(ms)));
        let speed = arrivals.speed().unwrap();
        assert!((990.0..1_010.0).contains(&speed), "{speed}");
    }

    #[test]
    fn more_losses_make_more_rounds() {
        let mut walk = Walk::new(Vec::new());
        walk.answered = true;
        let needed = [0.0, 0.02, 0.15, 0.2, 0.5].map(|loss| {
            walk.loss = loss;
            walk.quiet_needed()
        });
        assert_eq!(needed, [2, 2, 4, 5, 5]);
        walk.answered = false;
        assert_eq!(walk.quiet_needed(), SILENT);
    }
}
