//! What the process does so that its memory stays its own.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// No core dumps, and no other process of the same user may attach to or read this one (PCI DSS 3.3, ASVS 13.3).
/// Root on this machine can do both all the same.
pub(crate) fn process() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be made undumpable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_leaves_no_core_and_cannot_be_attached_to() {
        process();
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
