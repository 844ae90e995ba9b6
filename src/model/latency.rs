//! Round-trip times added up.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Round-trip times of one responder.
///
/// Minimum, mean and maximum are exact. So are percentiles of a few; those of many come from a histogram of 2 significant
/// digits: within 1 %, in a few kilobytes however many there are. Where there are so many responders that each has to do
/// with less, they come from a sample ([`Latency::sampled`]).
#[derive(Clone, Debug)]
pub struct Latency {
    /// The times themselves in nanoseconds, as long as they are [`Latency::FEW`]; of more, those that are kept.
    few: Vec<u64>,
    /// All of them in nanoseconds, from then on.
    histogram: Option<Box<Histogram<u32>>>,
    /// Whether more are thinned out instead.
    sampled: bool,
    /// Of so many, one is kept.
    every: u64,
    count: u64,
    sum: Duration,
    min: Duration,
    max: Duration,
    last: Option<Duration>,
    /// Nanoseconds, as RFC 3550 keeps it: with a fraction.
    jitter: f64,
}

/// What they add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The shortest.
    pub min: Duration,
    /// The average.
    pub mean: Duration,
    /// Half of them were no longer.
    pub p50: Duration,
    /// Nine of ten were no longer.
    pub p90: Duration,
    /// 99 of 100 were no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// How much one differs from the next, smoothed over 16 (RFC 3550 6.4.1, of round trips instead of one way).
    pub jitter: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            few: Vec::new(),
            histogram: None,
            sampled: false,
            every: 1,
            count: 0,
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
            last: None,
            jitter: 0.0,
        }
    }
}

impl Latency {
    /// Times that are kept as they are. A broadcast asks five times, and a stranger who answers for many hosts answers once
    /// for each: none of them is worth a histogram.
    const FEW: usize = 32;

    /// Times of which, once they are many, only every second, fourth, eighth ... is kept: evenly spread over the run, at
    /// most 32. Percentiles and classes are then those of the sample; all else stays exact.
    pub fn sampled() -> Self {
        Self { sampled: true, ..Self::default() }
    }

    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        self.sum += time;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        if let Some(last) = self.last.replace(time) {
            let differs = last.abs_diff(time).as_nanos() as f64;
            self.jitter += (differs - self.jitter) / 16.0;
        }
        self.keep(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1));
    }

    fn keep(&mut self, nanoseconds: u64) {
        if let Some(histogram) = &mut self.histogram {
            return record(histogram, nanoseconds);
        }
        if self.few.len() == Self::FEW && !self.sampled {
            return self.keep_in_histogram(nanoseconds);
        }
        if self.few.len() == Self::FEW {
            self.thin_out();
        }
        if (self.count - 1).is_multiple_of(self.every) {
            self.few.push(nanoseconds);
        }
    }

    fn keep_in_histogram(&mut self, nanoseconds: u64) {
        // Fails for no number of digits from 0 to 5; without it percentiles would be those of the few, and nothing worse.
        let Ok(mut histogram) = Histogram::new(2) else { return };
        self.few.drain(..).for_each(|time| record(&mut histogram, time));
        self.few.shrink_to_fit();
        record(&mut histogram, nanoseconds);
        self.histogram = Some(Box::new(histogram));
    }

    /// Keeps every second of those that are kept.
    fn thin_out(&mut self) {
        let mut place = 0;
        self.few.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.every *= 2;
    }

    /// The time that so large a part of them was no longer than.
    fn at(&self, part: f64) -> Duration {
        let nanoseconds = match &self.histogram {
            Some(histogram) => histogram.value_at_quantile(part),
            None => {
                let mut sorted = self.few.clone();
                sorted.sort_unstable();
                let rank = (sorted.len() as f64 * part).ceil() as usize;
                sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
            }
        };
        // The histogram rounds up to the end of its class, which can lie beyond the longest there was.
        Duration::from_nanos(nanoseconds).clamp(self.min, self.max)
    }

    /// Each time with how often it was, as exact as they are kept.
    fn recorded(&self) -> Vec<(u64, u64)> {
        match &self.histogram {
            Some(h) => h.iter_recorded().map(|v| (v.value_iterated_to(), v.count_since_last_iteration())).collect(),
            // Each stands for those that were thinned out behind it; the last for what is left.
            None => {
                let stands_for = |place: usize| (self.count - place as u64 * self.every).min(self.every);
                self.few.iter().enumerate().map(|(place, time)| (*time, stands_for(place))).collect()
            }
        }
    }

    /// What they add up to; `None` when there was none.
    pub fn figures(&self) -> Option<Figures> {
        if self.count == 0 {
            return None;
        }
        Some(Figures {
            min: self.min,
            mean: nanoseconds(self.sum.as_nanos() / u128::from(self.count)),
            p50: self.at(0.50),
            p90: self.at(0.90),
            p99: self.at(0.99),
            max: self.max,
            jitter: Duration::from_nanos(self.jitter as u64),
        })
    }

    /// How many there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The histogram in at most `most` classes between the shortest and the longest, each twice as wide as can be seen:
    /// its upper end and how many fell into it.
    pub fn classes(&self, most: u32) -> Vec<(Duration, u64)> {
        if self.count == 0 {
            return Vec::new();
        }
        let width = (self.max - self.min).as_nanos() / u128::from(most.max(1)) + 1;
        let mut classes: Vec<(Duration, u64)> =
            (1..=u128::from(most.max(1))).map(|n| (self.min + nanoseconds(width * n), 0)).collect();
        for (nanoseconds, times) in self.recorded() {
            let time = Duration::from_nanos(nanoseconds).clamp(self.min, self.max);
            let place = ((time - self.min).as_nanos() / width) as usize;
            if let Some((_, count)) = classes.get_mut(place) {
                *count += times;
            }
        }
        classes
    }
}

fn record(histogram: &mut Histogram<u32>, nanoseconds: u64) {
    // It grows to what it has to hold; a time it could not hold would be missing from the percentiles alone.
    let _unheeded = histogram.record(nanoseconds);
}

/// So many nanoseconds, up to 584 years.
fn nanoseconds(number: u128) -> Duration {
    Duration::from_nanos(u64::try_from(number).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_figures() {
        assert_eq!(Latency::default().figures(), None);
        assert!(Latency::default().classes(10).is_empty());
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut latency = Latency::default();
        for ms in [10, 10, 26, 10] {
            latency.add(Duration::from_millis(ms));
        }
        // 0, then 16/16 = 1, then 1 + (16 - 1) / 16.
        assert_eq!(latency.figures().unwrap().jitter, Duration::from_nanos(1_937_500));
    }

    #[test]
    fn a_few_take_little_and_many_take_a_histogram() {
        let mut latency = Latency::default();
        (0..Latency::FEW as u64).for_each(|n| latency.add(Duration::from_nanos(n + 1)));
        assert!(latency.histogram.is_none());
        latency.add(Duration::from_nanos(1000));
        assert!(latency.few.is_empty() && latency.histogram.as_ref().unwrap().len() == Latency::FEW as u64 + 1);
    }

    #[test]
    fn a_sample_is_spread_evenly_and_stands_for_all() {
        let mut latency = Latency::sampled();
        for n in 1..=100_000u64 {
            latency.add(Duration::from_nanos(n));
            assert!(latency.few.capacity() <= Latency::FEW && latency.histogram.is_none());
            let classes: u64 = latency.classes(7).iter().map(|(_, count)| count).sum();
            assert!(n > 1000 || classes == n, "{classes} of {n}");
        }
        let figures = latency.figures().unwrap();
        assert_eq!((figures.min.as_nanos(), figures.max.as_nanos()), (1, 100_000));
        let near = |time: Duration, exact: f64| (time.as_nanos() as f64 - exact).abs() < 10_000.0;
        assert!(near(figures.p50, 50_000.0) && near(figures.p90, 90_000.0), "{figures:?}");
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(mut times in proptest::collection::vec(1u64..10_000_000_000, 1..300)) {
            let mut latency = Latency::default();
            for time in &times {
                latency.add(Duration::from_nanos(*time));
            }
            times.sort_unstable();
            let figures = latency.figures().unwrap();
            prop_assert_eq!(figures.min.as_nanos() as u64, times[0]);
            prop_assert_eq!(figures.max.as_nanos() as u64, times[times.len() - 1]);
            for (figure, part) in [(figures.p50, 0.50), (figures.p90, 0.90), (figures.p99, 0.99)] {
                let rank = ((times.len() as f64 * part).ceil() as usize).max(1);
                let (exact, figure) = (times[rank - 1] as f64, figure.as_nanos() as f64);
                prop_assert!((figure - exact).abs() <= exact * 0.01 + 1.0, "{} for {}", figure, exact);
            }
            let counted: u64 = latency.classes(12).iter().map(|(_, count)| count).sum();
            prop_assert_eq!(counted, times.len() as u64);
        }
    }
}
