//! A list over time: whether a new version may take over, and what it changes.

use std::collections::HashMap;

use super::{Entry, List};

/// What a list may lose from one version to the next.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Most entries that may go, in hundredths of the last good version.
    pub shrink_max: u8,
}

impl Default for Watch {
    fn default() -> Self {
        Self { shrink_max: 10 }
    }
}

/// A version that lost more entries than a list loses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list shrank from {before} to {now} entries, more than {shrink_max} % of it")]
pub struct Shrunken {
    /// Entries of the last good version.
    pub before: usize,
    /// Entries of the new one.
    pub now: usize,
    /// The bound.
    pub shrink_max: u8,
}

impl Watch {
    /// Whether a version with `now` entries may follow one with `before`.
    ///
    /// # Errors
    /// [`Shrunken`] if too many entries went.
    pub fn accepts(&self, before: usize, now: usize) -> Result<(), Shrunken> {
        let lost = before.saturating_sub(now).saturating_mul(100);
        if lost > before.saturating_mul(self.shrink_max.into()) {
            Err(Shrunken { before, now, shrink_max: self.shrink_max })
        } else {
            Ok(())
        }
    }
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It is gone.
    Removed,
}

/// The entries by which two versions of a list differ.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Places in the new list of what is new or changed.
    pub places: Vec<usize>,
    /// Ids with what happened to them, those of the new version in its order, then those that went.
    pub ids: Vec<(Box<str>, Change)>,
}

impl Changes {
    /// What `new` has other than `old`.
    pub fn between(old: &List, new: &List) -> Self {
        let mut before: HashMap<&str, &Entry> = old.entries.iter().map(|entry| (&*entry.id, entry)).collect();
        let mut changes = Self::default();
        for (place, entry) in new.entries.iter().enumerate() {
            let change = match before.remove(&*entry.id) {
                None => Change::Added,
                Some(was) if was != entry => Change::Changed,
                Some(_) => continue,
            };
            changes.places.push(place);
            changes.ids.push((entry.id.clone(), change));
        }
        let mut gone: Vec<Box<str>> = before.into_keys().map(Into::into).collect();
        gone.sort_unstable();
        changes.ids.extend(gone.into_iter().map(|id| (id, Change::Removed)));
        changes
    }
}
