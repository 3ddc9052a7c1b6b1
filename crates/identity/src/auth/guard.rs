//! Wrong passwords: the sixth in a row for a phone waits, and each further one twice as long. Known and unknown
//! phones are counted alike, and a try is counted before it is judged.

use std::time::Duration;

use bursar_service::db::Isolation;

use crate::keys::MAC_LENGTH;
use crate::store::guards::{self, Guard};
use crate::{Core, Error};

/// Tries in a row that are judged without a wait.
const FREE_TRIES: i64 = 5;

/// After so long without a try all is forgotten.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the waits are.
#[derive(Clone, Copy, Debug)]
pub struct LoginDelay {
    /// After the fifth wrong password.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl LoginDelay {
    /// The wait that the try number `tries` leaves behind if it is wrong.
    pub fn after(self, tries: i64) -> Duration {
        if tries < FREE_TRIES {
            return Duration::ZERO;
        }
        let doublings = u32::try_from(tries - FREE_TRIES).unwrap_or(u32::MAX).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

impl Core {
    /// Counts a try for a phone, if one may be judged now.
    pub(super) async fn count_login(&self, phone_index: [u8; MAC_LENGTH]) -> Result<(), Error> {
        let now = self.machine_now();
        let login = self.config.login;
        let delay = LoginDelay {
            first: Duration::from_secs(login.delay_seconds_first.into()),
            most: Duration::from_secs(login.delay_seconds_max.into()),
        };
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let guard = guards::lock(tx, phone_index, now).await?;
                    if guard.locked_until > now {
                        return Err(Error::LoginLocked(guard.locked_until.since(now)));
                    }
                    let forgotten = now.since(guard.changed_at) > FORGET_AFTER;
                    let failures = if forgotten { 1 } else { guard.failures.saturating_add(1) };
                    let wait = delay.after(failures);
                    let guard = Guard { failures, locked_until: now.plus(wait), changed_at: now };
                    Ok(guards::set(tx, phone_index, &guard).await?)
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_begin_at_the_fifth_and_double_to_the_longest() {
        let delay = LoginDelay { first: Duration::from_secs(5), most: Duration::from_secs(900) };
        let seconds: Vec<u64> = (1..=14).map(|tries| delay.after(tries).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(delay.after(i64::MAX).as_secs(), 900);
    }
}
