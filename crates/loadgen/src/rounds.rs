//! Two paths that take turns, so that what else the machine does weighs on both.

/// Measurements of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number the mean of the two in the middle; 0 if there is none.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.as_slice() {
            [] => 0.0,
            some if some.len() % 2 == 1 => some[middle],
            some => f64::midpoint(some[middle - 1], some[middle]),
        }
    }

    /// The smallest; 0 if there is none.
    pub fn least(&self) -> f64 {
        self.0.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// The largest; 0 if there is none.
    pub fn most(&self) -> f64 {
        self.0.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// What a path and its reference did in each round.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// Ours.
    pub values: Samples,
    /// The reference's.
    pub references: Samples,
    /// One divided by the other, round by round.
    pub ratios: Samples,
}

impl Pairs {
    /// Adds a round.
    pub fn push(&mut self, value: f64, reference: f64) {
        self.values.push(value);
        self.references.push(reference);
        self.ratios.push(value / reference);
    }
}

/// One round, for who follows the run.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Its number, from 1.
    pub number: usize,
    /// Of so many.
    pub of: usize,
    /// Ours.
    pub value: f64,
    /// The reference's.
    pub reference: f64,
}

/// Measures both in each of `rounds` rounds, now the one first, now the other, and tells each round.
///
/// # Errors
/// The first error of either.
pub async fn in_turns<E>(
    rounds: usize,
    mut value: impl AsyncFnMut() -> Result<f64, E>,
    mut reference: impl AsyncFnMut() -> Result<f64, E>,
    mut told: impl FnMut(Round),
) -> Result<Pairs, E> {
    let mut pairs = Pairs::default();
    for number in 1..=rounds {
        let (value, reference) = if number % 2 == 1 {
            let reference = reference().await?;
            (value().await?, reference)
        } else {
            let value = value().await?;
            (value, reference().await?)
        };
        pairs.push(value, reference);
        told(Round { number, of: rounds, value, reference });
    }
    Ok(pairs)
}

/// A count as a float: exact below 2^53, which no run reaches.
#[allow(clippy::cast_precision_loss)] // see above
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let samples: Samples = [9.0, 1.0, 5.0].into_iter().collect();
        assert_eq!((samples.median(), samples.least(), samples.most()), (5.0, 1.0, 9.0));
        let samples: Samples = [4.0, 1.0, 2.0, 9.0].into_iter().collect();
        assert_eq!(samples.median(), 3.0);
        assert_eq!(Samples::default().median(), 0.0);
    }

    #[tokio::test]
    async fn the_two_take_turns_and_the_first_of_a_round_changes() {
        let order = RefCell::new(String::new());
        let step = async |name: char, value: f64| {
            order.borrow_mut().push(name);
            Ok::<_, ()>(value)
        };
        let mut rounds = 0;
        let pairs =
            in_turns(3, async || step('v', 6.0).await, async || step('r', 3.0).await, |_| rounds += 1);
        let pairs = pairs.await.unwrap();
        assert_eq!(order.into_inner(), "rvvrrv");
        assert_eq!((rounds, pairs.values.median(), pairs.references.median()), (3, 6.0, 3.0));
        assert_eq!(pairs.ratios.median(), 2.0);
    }
}
