//! Which number of a range to try next. The unique fingerprint in the database decides whether it is free.
//!
//! Random first: numbers must not tell how many cards there are or what the next will be. When a range is so full that
//! drawing keeps meeting taken numbers, a run of neighbours from a random place finds what is left.

use bursar_types::Entropy;

use super::range::RangeShape;

/// Random draws before the run. Below 90 % full, eight fail less than once in two cards; a range is refilled long before.
pub(crate) const DRAWS_MAX: u64 = 8;

/// Neighbours tried after that. Bounds one call to about as many index look-ups; a range of up to so many numbers is
/// searched whole.
pub(crate) const RUN_MAX: u64 = 1_000;

/// Account numbers to try, in order: random ones, then a run. Ends when all bounds are used up.
pub(crate) fn candidates<'a>(shape: &RangeShape, entropy: &'a dyn Entropy) -> impl Iterator<Item = u64> + 'a {
    let capacity = shape.capacity();
    let run = capacity.min(RUN_MAX);
    let drawn = std::iter::repeat_with(move || below(capacity, entropy)).take(usize_of(DRAWS_MAX));
    // The place of the run is drawn when it is reached.
    let start = std::iter::once_with(move || below(capacity, entropy));
    drawn.chain(start.flat_map(move |start| (0..run).map(move |step| (start + step) % capacity)))
}

/// One random account number of a range.
pub(crate) fn draw(shape: &RangeShape, entropy: &dyn Entropy) -> u64 {
    below(shape.capacity(), entropy)
}

/// A uniform number below `bound`, which is at most 10^12.
fn below(bound: u64, entropy: &dyn Entropy) -> u64 {
    // Draws above the last whole multiple of the bound are thrown away: taking the remainder of them would favour
    // the low numbers.
    let last = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0_u8; 8];
        entropy.fill(&mut bytes);
        let drawn = u64::from_le_bytes(bytes);
        if drawn < last {
            return drawn % bound;
        }
    }
}

fn usize_of(small: u64) -> usize {
    usize::try_from(small).expect("the bounds of this module fit any machine word")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bursar_types::SeededEntropy;

    use super::*;

    #[test]
    fn a_small_range_is_searched_whole() {
        let shape = RangeShape::new("99000012", 12).unwrap();
        let entropy = SeededEntropy::new(1);
        let tried: HashSet<u64> = candidates(&shape, &entropy).collect();
        assert_eq!(tried.len(), 1_000);
    }

    #[test]
    fn draws_are_spread_bounded_and_not_in_order() {
        let shape = RangeShape::new("990000", 16).unwrap();
        let entropy = SeededEntropy::new(2);
        let all: Vec<u64> = candidates(&shape, &entropy).collect();
        assert_eq!(all.len(), usize_of(DRAWS_MAX + RUN_MAX));
        assert!(all.iter().all(|account| *account < shape.capacity()));
        let drawn = &all[..usize_of(DRAWS_MAX)];
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        assert!(!drawn.is_sorted(), "the order of issue must not be the order of numbers");
        let mut thousands = [0_u32; 10];
        for _ in 0..10_000 {
            thousands[usize_of(below(10, &entropy))] += 1;
        }
        assert!(thousands.iter().all(|count| (850..1_150).contains(count)), "{thousands:?}");
    }
}
