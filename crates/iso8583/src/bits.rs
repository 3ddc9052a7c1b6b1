//! Sets of field numbers, kept as the bitmaps of the wire: field 1 is the top bit of the first word.

/// The highest field number three bitmaps can announce.
pub const MAX_FIELD: u8 = 192;

/// A set of field numbers from 1 to [`MAX_FIELD`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FieldSet([u64; 3]);

impl FieldSet {
    /// The empty set.
    pub const EMPTY: Self = Self([0; 3]);

    /// A set of the given numbers; numbers outside 1..=192 are left out.
    pub fn of(fields: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        for &field in fields {
            set.insert(field);
        }
        set
    }

    /// True if `field` is in the set.
    #[inline]
    pub fn contains(&self, field: u8) -> bool {
        place(field).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|w| w & bit != 0))
    }

    /// Adds `field`; a number outside 1..=192 is ignored.
    pub fn insert(&mut self, field: u8) {
        if let Some((word, bit)) = place(field)
            && let Some(w) = self.0.get_mut(word)
        {
            *w |= bit;
        }
    }

    /// Removes `field`.
    pub fn remove(&mut self, field: u8) {
        if let Some((word, bit)) = place(field)
            && let Some(w) = self.0.get_mut(word)
        {
            *w &= !bit;
        }
    }

    /// How many fields are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True if no field is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 3]
    }

    /// The fields in ascending order.
    pub fn iter(&self) -> Fields {
        Fields { words: self.0, word: 0 }
    }

    /// How many fields of the set are below `field`: the place of its value among the values.
    #[inline]
    pub(crate) fn rank(&self, field: u8) -> usize {
        let Some((word, bit)) = place(field) else { return self.len() };
        let mut below = 0;
        for (at, w) in self.0.iter().enumerate() {
            if at < word {
                below += w.count_ones() as usize;
            } else if at == word {
                // Bits above `bit` belong to lower field numbers.
                below += (w & !(bit | (bit - 1))).count_ones() as usize;
            }
        }
        below
    }

    /// The bitmap word of fields 1–64 (0), 65–128 (1) or 129–192 (2).
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn set_word(&mut self, at: usize, word: u64) {
        if let Some(w) = self.0.get_mut(at) {
            *w = word;
        }
    }
}

#[inline]
fn place(field: u8) -> Option<(usize, u64)> {
    if field == 0 || field > MAX_FIELD {
        return None;
    }
    let zero_based = field - 1;
    Some((usize::from(zero_based / 64), 1 << (63 - zero_based % 64)))
}

impl std::fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The fields of a [`FieldSet`] in ascending order.
#[derive(Clone, Debug)]
pub struct Fields {
    words: [u64; 3],
    word: u8,
}

impl Iterator for Fields {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let word = self.words.get_mut(usize::from(self.word))?;
            if *word == 0 {
                self.word += 1;
                continue;
            }
            let lead = word.leading_zeros() as u8;
            *word &= !(1 << (63 - lead));
            return Some(self.word * 64 + lead + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_rank() {
        let fields = [1, 2, 3, 11, 64, 65, 70, 128, 129, 192];
        let set = FieldSet::of(&fields);
        assert_eq!(set.iter().collect::<Vec<_>>(), fields);
        for (rank, field) in fields.into_iter().enumerate() {
            assert_eq!(set.rank(field), rank, "field {field}");
            assert!(set.contains(field));
        }
        assert_eq!(set.rank(4), 3);
        assert_eq!(set.len(), fields.len());
    }

    #[test]
    fn ignores_numbers_no_bitmap_can_say() {
        let mut set = FieldSet::of(&[0, 193, 255]);
        assert!(set.is_empty());
        set.insert(7);
        set.remove(0);
        set.remove(7);
        assert!(set.is_empty() && !set.contains(0) && !set.contains(255));
    }
}
