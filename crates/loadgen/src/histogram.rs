//! Latencies by their quantiles, in constant memory.

/// Each power of two is divided into so many buckets, as a power of two: an answer is right to 1 in 128.
const BITS: u32 = 7;
const BUCKETS: usize = (64 - BITS as usize + 1) << BITS;

/// Counts values in buckets whose width grows with them (log-linear): every `u64` has one, 58 KiB hold them all.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// Notes a value.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.count += 1;
    }

    /// Values noted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value that the share `q` of all do not exceed (0.99: the 99th percentile), rounded up by at most 1 in 128;
    /// 0 if there is none.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (crate::rounds::float(self.count) * q.clamp(0.0, 1.0)).ceil().max(1.0);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && crate::rounds::float(seen) >= rank {
                return upper(index);
            }
        }
        0
    }
}

/// The bucket of a value: the first `2 << BITS` values have one each.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - 1).saturating_sub(value.leading_zeros()).saturating_sub(BITS);
    // At most 255 after the shift, and the shift at most 56.
    ((shift as usize) << BITS) + usize::try_from(value >> shift).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let shift = (index >> BITS).saturating_sub(1);
    let first = (index - (shift << BITS)) as u64;
    (u128::from(first + 1) << shift).checked_sub(1).and_then(|it| u64::try_from(it).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_the_first_thousand() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=1_000).for_each(|value| histogram.record(value));
        assert_eq!(histogram.count(), 1_000);
        for (q, wanted) in [(0.0, 1), (0.001, 1), (0.1, 100), (0.5, 500), (0.99, 990), (1.0, 1_000)] {
            let found = histogram.quantile(q);
            assert!(found >= wanted && found - wanted <= wanted / 128 + 1, "{q}: {found}, not {wanted}");
        }
    }

    #[test]
    fn the_largest_value_has_a_bucket() {
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(upper(BUCKETS - 1), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(value: u64) {
            let index = bucket(value);
            prop_assert!(value <= upper(index));
            prop_assert!(index == 0 || value > upper(index - 1));
            prop_assert!(upper(index) - value <= value / 128);
        }
    }
}
