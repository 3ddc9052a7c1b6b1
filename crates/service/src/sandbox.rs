//! `bursar.sandbox.v1.ClockService`: the platform's time as this process tells it, and the way to move it forward. How
//! far it was moved lies in the process's database, so that a process that was killed does not go back in time.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::sandbox::v1::clock_service_server::{ClockService, ClockServiceServer};
use bursar_proto::sandbox::v1::{AdvanceTimeRequest, AdvanceTimeResponse, GetTimeRequest, GetTimeResponse};
use bursar_types::{Clock, Failure, FieldViolation, Reason, ShiftedClock};
use tonic::{Request, Response, Status};

use crate::context::CallContext;
use crate::db::{Db, DbError, Tx};
use crate::error::{Invalid, OrStatus as _};
use crate::idempotency::{self, Scope};
use crate::parse;
use crate::run::Chassis;

/// How far the time may be ahead in all, in days: a hundred years, so that no moment leaves the calendar.
const AHEAD_DAYS_MAX: i64 = 36_525;
const AHEAD_MICROS_MAX: i64 = AHEAD_DAYS_MAX * 86_400 * 1_000_000;

/// Moves the clock of this process.
#[derive(Clone, Debug)]
pub(crate) struct SandboxClock {
    /// `None`: the process was given a clock of its own, which only its giver moves.
    moved: Option<Arc<ShiftedClock>>,
    clock: Arc<dyn Clock>,
    machine_clock: Arc<dyn Clock>,
    db: Db,
}

/// Why the time cannot be moved.
#[derive(Debug, thiserror::Error)]
enum ClockError {
    /// The request.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The clock is somebody else's.
    #[error("the clock of this process cannot be moved")]
    Fixed,
}

impl Failure for ClockError {
    fn reason(&self) -> Reason {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Db(error) => error.reason(),
            Self::Fixed => Reason::NotServed,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Db(error) => error.metadata(),
            Self::Invalid(_) | Self::Fixed => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Db(_) | Self::Fixed => Vec::new(),
        }
    }
}

/// How far the time was moved before this start, in microseconds.
pub(crate) async fn ahead(db: &Db) -> Result<i64, DbError> {
    db.read(|tx| Box::pin(stored(tx))).await
}

async fn stored(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    let row = tx.query("SELECT ahead_micros FROM bursar_sandbox_clock WHERE id = 1").fetch_optional().await?;
    row.map_or(Ok(0), |row| row.get("ahead_micros"))
}

impl SandboxClock {
    /// The clock of a process.
    pub(crate) fn of(chassis: &Chassis) -> Self {
        Self {
            moved: chassis.sandbox_clock.clone(),
            clock: Arc::clone(&chassis.clock),
            machine_clock: Arc::clone(&chassis.machine_clock),
            db: chassis.db.clone(),
        }
    }

    /// As a gRPC service to be mounted.
    pub(crate) fn into_service(self) -> ClockServiceServer<Self> {
        ClockServiceServer::new(self)
    }

    async fn advance(
        &self,
        principal: &str,
        request: &AdvanceTimeRequest,
    ) -> Result<AdvanceTimeResponse, ClockError> {
        let moved = self.moved.as_ref().ok_or(ClockError::Fixed)?;
        let request_id = parse::request_id(&request.request_id)?;
        let by = micros(request.duration.as_ref())?;
        let scope = Scope { method: "AdvanceTime", principal };
        let answer = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    idempotency::once_message(tx, scope, request_id, request, |tx| {
                        Box::pin(async move {
                            let ahead = stored(tx).await?.saturating_add(by);
                            if ahead > AHEAD_MICROS_MAX {
                                return Err(ClockError::Invalid(too_far()));
                            }
                            tx.query(
                                "INSERT INTO bursar_sandbox_clock (id, ahead_micros) VALUES (1, $1)
                                 ON CONFLICT (id) DO UPDATE SET ahead_micros = excluded.ahead_micros",
                            )
                            .bind(ahead)
                            .execute()
                            .await?;
                            let time =
                                self.machine_clock.now().plus(Duration::from_micros(ahead.unsigned_abs()));
                            Ok(AdvanceTimeResponse {
                                time: Some(parse::timestamp_message(time)),
                                ahead: Some(duration(ahead)),
                            })
                        })
                    })
                    .await
                })
            })
            .await?;
        // Durable first: a process that dies in between finds the new time when it starts again.
        moved.move_ahead(ahead(&self.db).await?);
        Ok(answer)
    }
}

fn too_far() -> Invalid {
    let what =
        format!("must be above zero, and in all at most {AHEAD_DAYS_MAX} days ahead of the machine's time");
    Invalid::new().field("duration", what)
}

/// A duration in whole microseconds, above zero.
fn micros(duration: Option<&prost_types::Duration>) -> Result<i64, Invalid> {
    let duration = parse::required("duration", duration)?;
    let micros = duration
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(duration.nanos) / 1_000));
    micros.filter(|micros| (1..=AHEAD_MICROS_MAX).contains(micros)).ok_or_else(too_far)
}

fn duration(micros: i64) -> prost_types::Duration {
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    prost_types::Duration { seconds: micros / 1_000_000, nanos }
}

#[tonic::async_trait]
impl ClockService for SandboxClock {
    async fn get_time(&self, _: Request<GetTimeRequest>) -> Result<Response<GetTimeResponse>, Status> {
        let (time, machine) = (self.clock.now(), self.machine_clock.now());
        let ahead = i64::try_from(time.since(machine).as_micros()).unwrap_or(i64::MAX);
        Ok(Response::new(GetTimeResponse {
            time: Some(parse::timestamp_message(time)),
            ahead: Some(duration(ahead)),
        }))
    }

    async fn advance_time(
        &self,
        request: Request<AdvanceTimeRequest>,
    ) -> Result<Response<AdvanceTimeResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        self.advance(&principal, request.get_ref()).await.or_status().map(Response::new)
    }
}
