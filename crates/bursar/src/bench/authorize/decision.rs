//! The pure decision, in process.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bursar_ledger_engine::{
    AccountFacts, Authorize, CardExpiry, CardFacts, CardStage, Channel, Control, CountedPer, Country,
    CvvResult, DecisionFacts, DecisionRecord, EntryMode, HoldPolicy, Match, Mcc, MccRange, Measure, Merchant,
    Name, PasswordResult, PaymentKind, PinResult, ProductSpec, Reference, Rule, Tolerance, Used, Verdict,
    Verification, Window, ZoneOffset,
};
use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round};
use bursar_types::id::Uuid;
use bursar_types::{Asset, Money, Timestamp, TypedId};
use ring::hmac;

use super::plan::Plan;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "decision", unit: "ns", bar: Bar::AtMost(20.0), aim: 8.0 };

/// A decision with twenty controls and six counters against one HMAC-SHA256 of 64 bytes.
pub(super) fn figure(plan: Plan) -> Result<Figure, Exit> {
    let record = record().ok_or_else(|| Exit::software("the decision cannot be set up"))?;
    let decision = record.replay();
    if decision.verdict != Verdict::Approved {
        return Err(Exit::software(format!("the decision that is measured is {decision:?}")));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let mut pairs = Pairs::default();
    for number in 1..=plan.decision.rounds {
        let value = nanoseconds(plan.decision.length, || {
            black_box(black_box(&record).replay());
        });
        let reference = nanoseconds(plan.decision.length, || {
            black_box(hmac::sign(&key, black_box(&[3; 64])));
        });
        pairs.push(value, reference);
        tell::round(GOAL, Round { number, of: plan.decision.rounds, value, reference });
    }
    Ok(Figure::of(GOAL, &pairs).with_note("the decision alone, from its record: nothing is held or written"))
}

fn nanoseconds(length: Duration, mut one: impl FnMut()) -> f64 {
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        for _ in 0..256 {
            one();
        }
        done += 256;
    }
    began.elapsed().as_nanos() as f64 / f64::from(done)
}

fn id<I: TypedId>(number: u128) -> I {
    I::from_uuid(Uuid::from_u128(number))
}

fn controls() -> Option<Vec<Control>> {
    let windows = [
        Window::Day,
        Window::Week,
        Window::Month,
        Window::Year,
        Window::Lifetime,
        Window::Rolling { seconds: 3_600 },
    ];
    let mut controls = Vec::new();
    for (number, window) in (200..).zip(windows) {
        let rule = Rule::Limit { measure: Measure::Amount(i64::MAX), window, per: CountedPer::Card };
        controls.push(Control::new(number, Match::default(), rule));
    }
    for number in 0..14 {
        let mcc = Mcc::new(7_900 + number)?;
        let when = Match { mccs: vec![MccRange { first: mcc, last: mcc }], ..Match::default() };
        controls.push(Control::new(100 + number, when, Rule::Deny));
    }
    Some(controls)
}

fn record() -> Option<DecisionRecord> {
    let cny = Asset::from_code("CNY").ok()?;
    let ask = Authorize {
        payment: id(1),
        transfers: id(2),
        card: id(3),
        kind: PaymentKind::Purchase,
        amount: Money::new(31_240, cny),
        channel: Channel::Online,
        entry_mode: EntryMode::Keyed,
        merchant: Merchant {
            id: Reference::new("M-1").ok()?,
            name: Name::new("Tea House").ok()?,
            country: Country::new("CN")?,
            mcc: Mcc::new(5_411)?,
        },
        verification: Verification {
            cvv: CvvResult::Matched,
            pin: PinResult::Absent,
            password: PasswordResult::Absent,
            expiry: CardExpiry::new(2029, 11),
        },
        partial_allowed: false,
        capture_now: false,
        network_reference: None,
        approval_code: None,
        stand_in: false,
        outside: None,
    };
    let facts = DecisionFacts {
        at: Timestamp::from_micros(1_795_363_200_000_000),
        outside: None,
        zone: ZoneOffset::from_minutes(480)?,
        country: Country::new("CN"),
        bookable: true,
        proof_spent: false,
        card: Some(CardFacts {
            chain: id(3),
            product: id(4),
            product_version: 1,
            account: id(5),
            stage: CardStage::Active,
            freezes: Vec::new(),
            expiry: CardExpiry::new(2029, 11),
            merchant_lock: None,
            program_controls: None,
            account_controls: None,
            card_controls: None,
        }),
        account: Some(AccountFacts { spendable: Some(1_000_000), freezes: Vec::new(), closed: false }),
        customer: None,
        used: vec![Used { amount: 1_000, count: 3 }; 6],
        rate: None,
        carried_out: true,
    };
    let spec = ProductSpec {
        name: Name::new("Bench").ok()?,
        bin_range: Reference::new("bench").ok()?,
        asset: cny,
        validity_months: 36,
        min_kyc_level: 1,
        needs: Vec::new(),
        controls: controls()?,
        hold_policy: HoldPolicy::standard(),
        tolerances: Tolerance::standard(0),
        fees: Vec::new(),
    };
    Some(DecisionRecord {
        ask,
        facts,
        spec: Some(spec),
        program_controls: Vec::new(),
        account_controls: Vec::new(),
        card_controls: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_that_is_measured_is_an_approval() {
        assert_eq!(record().unwrap().replay().verdict, Verdict::Approved);
    }
}
