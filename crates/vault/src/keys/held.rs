//! The open keys of the process, or none while the vault is sealed.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::{KeyError, KeyRing};

/// Where the open keys are. Clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    ring: Arc<RwLock<Option<Arc<KeyRing>>>>,
    open: watch::Sender<bool>,
}

impl Keys {
    /// Sealed.
    pub(crate) fn sealed() -> Self {
        Self { ring: Arc::default(), open: watch::Sender::new(false) }
    }

    /// The keys.
    ///
    /// # Errors
    /// [`KeyError::Sealed`].
    pub(crate) fn ring(&self) -> Result<Arc<KeyRing>, KeyError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.as_ref().map(Arc::clone).ok_or(KeyError::Sealed)
    }

    /// Opens the vault with `ring`, or takes other keys in place of those it has.
    pub(crate) fn open(&self, ring: KeyRing) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ring));
        self.open.send_replace(true);
    }

    /// Forgets the keys. Work that holds them ends, and with the last of it they are wiped.
    pub(crate) fn seal(&self) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.open.send_replace(false);
    }

    /// Whether the vault is open, now and whenever that changes.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }
}
