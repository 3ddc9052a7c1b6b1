//! What each kind of step does, through the interfaces that such a step has.

mod authorize;
mod cards;
mod follow;
mod network;
mod race;

use std::time::Duration;

use bursar_proto::ledger::v1::{Card, FreezeAccountRequest, FreezeScope, Payment, QuotePaymentResponse};
use bursar_proto::ledger::v1::{SetAccountControlsRequest, UnfreezeAccountRequest};
use bursar_service::error::reason_of;
use tokio::time::Instant;
use tonic::Status;

use super::scene::Scene;
use super::script::{Act, Advance, Line, SetControls};
use super::stage::Stage;
use crate::outside::callers::{attempt, explain, request_id};
use crate::outside::clock;

/// What a step came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Field 39 of the reply.
    pub(super) code: Option<String>,
    /// The payment as the step's answer told it.
    pub(super) payment: Option<Payment>,
    /// How a presentment found its payment.
    pub(super) found: Option<String>,
    pub(super) quote: Option<QuotePaymentResponse>,
    pub(super) card: Option<Card>,
    pub(super) tries_left: Option<i32>,
    /// Why an increment is declined.
    pub(super) declined: Option<String>,
    /// A reversal is kept for a payment that has not come yet.
    pub(super) remembered: bool,
    /// Money moves on as time passes: what is expected may take a moment to come.
    pub(super) waits: bool,
    /// An authorization that may have left no payment behind.
    pub(super) authorization: bool,
    /// The decision was made by an earlier step, and what it rested on may have changed.
    pub(super) repeated: bool,
    /// More to tell of it.
    pub(super) told: String,
}

/// Why a step did not come to anything.
#[derive(Debug)]
pub(super) enum Failed {
    /// The platform refused it, for a reason.
    Refused {
        /// The stable reason.
        reason: &'static str,
        /// For people.
        text: String,
    },
    /// It could not be done.
    Broken(String),
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        match reason_of(&status) {
            Some((reason, _)) => Self::Refused { reason: reason.as_str(), text: explain(&status) },
            None => Self::Broken(explain(&status)),
        }
    }
}

impl From<String> for Failed {
    fn from(problem: String) -> Self {
        Self::Broken(problem)
    }
}

impl From<&str> for Failed {
    fn from(problem: &str) -> Self {
        Self::Broken(problem.to_owned())
    }
}

/// Does a step; `number` names payments that have no name.
pub(super) async fn act(
    stage: &mut Stage,
    scene: &mut Scene,
    number: usize,
    act: &Act,
) -> Result<Done, Failed> {
    match act {
        Act::Authorize(ask) => authorize::authorize(stage, scene, number, ask).await,
        Act::Increment(ask) => follow::increment(stage, scene, ask).await,
        Act::Reverse(ask) if ask.via == Line::Iso8583 => network::reverse(stage, scene, ask).await,
        Act::Reverse(ask) => follow::reverse(stage, scene, ask).await,
        Act::Clear(ask) => follow::clear(stage, scene, ask).await,
        Act::Present(ask) if ask.via == Line::Iso8583 => network::present(stage, scene, ask).await,
        Act::Present(ask) => follow::present(stage, scene, number, ask).await,
        Act::Refund(ask) if ask.via == Line::Iso8583 => network::refund(stage, scene, number, ask).await,
        Act::Refund(ask) => follow::refund(stage, scene, number, ask).await,
        Act::Quote(ask) => follow::quote(stage, scene, ask).await,
        Act::Freeze(ask) => cards::freeze(stage, scene, ask).await,
        Act::Unfreeze(ask) => cards::unfreeze(stage, scene, ask).await,
        Act::Close(ask) => cards::close(stage, scene, ask).await,
        Act::Replace(ask) => cards::replace(stage, scene, ask).await,
        Act::Issue(ask) => cards::issue(stage, scene, number, ask).await,
        Act::Activate(ask) => cards::activate(stage, scene, ask).await,
        Act::Product(terms) => cards::new_version(stage, scene, terms).await,
        Act::Controls(ask) => controls(stage, scene, ask).await,
        Act::FreezeAccount(ask) => {
            let request = FreezeAccountRequest {
                request_id: request_id(),
                account_id: scene.account.account_id.clone(),
                holder: ask.holder.clone(),
                scope: FreezeScope::Debits.into(),
                reason: "as the scenario says".into(),
            };
            attempt!(stage.callers.desk, freeze_account, request)?;
            Ok(Done::default())
        }
        Act::UnfreezeAccount(ask) => {
            let request = UnfreezeAccountRequest {
                request_id: request_id(),
                account_id: scene.account.account_id.clone(),
                holder: ask.holder.clone(),
                reason: "as the scenario says".into(),
            };
            attempt!(stage.callers.desk, unfreeze_account, request)?;
            Ok(Done::default())
        }
        Act::TopUp(ask) => {
            scene.top_up(stage, ask.amount.0).await?;
            Ok(Done::default())
        }
        Act::Advance(ask) => advance(stage, ask).await,
        Act::Race(ask) => race::race(stage, scene, ask).await,
        Act::Look(_) => Ok(Done::default()),
    }
}

/// Longest wait for what the platform was told to reach its ledger.
const SOON_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until it is there.
async fn soon<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>, Failed>) -> Result<T, Failed> {
    let late = Instant::now() + SOON_MAX;
    loop {
        match look().await? {
            Some(found) => return Ok(found),
            None if Instant::now() >= late => return Err(format!("{what}: not yet").into()),
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn controls(stage: &mut Stage, scene: &Scene, ask: &SetControls) -> Result<Done, Failed> {
    match ask.on.as_deref() {
        None | Some("card") => scene.set_card_controls(stage, ask.set.message()?).await?,
        Some("account") => {
            let request = SetAccountControlsRequest {
                request_id: request_id(),
                account_id: scene.account.account_id.clone(),
                controls: Some(ask.set.message()?),
            };
            attempt!(stage.callers.program, set_account_controls, request)?;
        }
        Some("program") => stage.set_program_controls(&ask.set).await?,
        Some(other) => return Err(format!("controls lie on card, account or program, not on {other}").into()),
    }
    Ok(Done::default())
}

async fn advance(stage: &Stage, ask: &Advance) -> Result<Done, Failed> {
    match (&ask.by, &ask.to) {
        (Some(by), None) => stage.clocks.advance(clock::seconds(by)?).await?,
        (None, Some(to)) => stage.clocks.advance_to(stage.utc_offset_minutes, to).await?,
        _ => return Err("time is advanced either `by` a length or `to` a moment".into()),
    }
    let told = format!("it is {}", stage.clocks.now().await?.strftime("%Y-%m-%d %H:%M UTC"));
    Ok(Done { waits: true, told, ..Done::default() })
}
