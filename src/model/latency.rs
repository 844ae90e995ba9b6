//! Round-trip times added up.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Round-trip times of one responder.
///
/// Minimum, mean and maximum are exact. Percentiles come from a histogram of 2 significant digits: within 1 %, in a few
/// kilobytes however many there are.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Nanoseconds.
    histogram: Option<Histogram<u32>>,
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
            // Fails for no number of digits from 0 to 5; without it there would be no percentiles, and nothing worse.
            histogram: Histogram::new(2).ok(),
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
        if let Some(histogram) = &mut self.histogram {
            // It grows to what it has to hold; a time it could not hold would be missing from the percentiles alone.
            let _unheeded = histogram.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1));
        }
    }

    /// What they add up to; `None` when there was none.
    pub fn figures(&self) -> Option<Figures> {
        if self.count == 0 {
            return None;
        }
        let at = |part: f64| {
            let nanoseconds = self.histogram.as_ref().map_or(0, |h| h.value_at_quantile(part));
            // The histogram rounds up to the end of its class, which can lie beyond the longest there was.
            Duration::from_nanos(nanoseconds).clamp(self.min, self.max)
        };
        Some(Figures {
            min: self.min,
            mean: nanoseconds(self.sum.as_nanos() / u128::from(self.count)),
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
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
        let Some(histogram) = self.histogram.as_ref().filter(|_| self.count > 0) else { return Vec::new() };
        let width = (self.max - self.min).as_nanos() / u128::from(most.max(1)) + 1;
        let mut classes: Vec<(Duration, u64)> =
            (1..=u128::from(most.max(1))).map(|n| (self.min + nanoseconds(width * n), 0)).collect();
        for value in histogram.iter_recorded() {
            let time = Duration::from_nanos(value.value_iterated_to()).clamp(self.min, self.max);
            let place = ((time - self.min).as_nanos() / width) as usize;
            if let Some((_, count)) = classes.get_mut(place) {
                *count += value.count_since_last_iteration();
            }
        }
        classes
    }
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
