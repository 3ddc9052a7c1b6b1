//! The commands of the journal's end: answers to quick repetitions, and what the projections do not have yet.

use std::collections::{HashMap, VecDeque};

use bursar_types::RequestId;

use crate::journal::Fingerprint;
use crate::project::Known;

/// Commands kept beyond what the projections need: most repetitions come within moments.
const KEPT_MIN: usize = 16_384;

/// A command that was decided a short while ago.
#[derive(Clone, Debug)]
pub(crate) struct RecentUse {
    pub(crate) known: Known,
    pub(crate) body: Option<Fingerprint>,
}

/// The commands after row [`floor`](Self::floor), by request id.
#[derive(Debug)]
pub(crate) struct Recent {
    uses: HashMap<RequestId, RecentUse>,
    order: VecDeque<(i64, RequestId)>,
    floor: i64,
}

impl Recent {
    /// Nothing after row `floor`.
    pub(crate) fn after(floor: i64) -> Self {
        Self { uses: HashMap::new(), order: VecDeque::new(), floor }
    }

    /// Every command of a row after this one is here.
    pub(crate) fn floor(&self) -> i64 {
        self.floor
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&RecentUse> {
        self.uses.get(&id)
    }

    pub(crate) fn insert(&mut self, sequence: i64, id: RequestId, recent: RecentUse) {
        self.uses.insert(id, recent);
        self.order.push_back((sequence, id));
    }

    /// Forgets the oldest, as far as the projections (at row `projected`) have them.
    pub(crate) fn trim(&mut self, projected: i64) {
        while self.order.len() > KEPT_MIN {
            match self.order.front() {
                Some((sequence, id)) if *sequence <= projected => {
                    self.floor = self.floor.max(*sequence);
                    self.uses.remove(id);
                    self.order.pop_front();
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bursar_ledger_engine::{Action, Actor, Command, Name, Outcome, Role};
    use bursar_types::Timestamp;
    use bursar_types::id::Uuid;

    use super::*;
    use crate::project::Decided;

    #[test]
    fn what_the_projections_lack_is_never_forgotten() {
        let mut recent = Recent::after(0);
        let total = KEPT_MIN + 100;
        for number in 1..=total {
            let request_id = RequestId::from_uuid(Uuid::from_u128(number as u128));
            let actor = Actor { role: Role::Service, name: Name::default() };
            let command = Command { request_id, actor, action: Action::Tick { max: 1 } };
            let known = Arc::new(Decided {
                position: number as i64,
                time: Timestamp::default(),
                command,
                outcome: Outcome::Done,
            });
            recent.insert(number as i64, request_id, RecentUse { known, body: None });
        }
        recent.trim(50);
        assert_eq!(recent.floor(), 50);
        assert!(recent.get(RequestId::from_uuid(Uuid::from_u128(50))).is_none());
        assert!(recent.get(RequestId::from_uuid(Uuid::from_u128(51))).is_some());
        recent.trim(i64::MAX);
        assert_eq!(recent.floor(), 100);
    }
}
