//! Decisions that were taken once and must come out the same for ever.
//!
//! Each line of the corpus is a decision's whole record and the decision, as they are journaled. A release that decides
//! one of them otherwise would explain and replay old payments wrongly: it needs a number of its own for what changed.

use std::collections::BTreeSet;

use bursar_ledger_engine::{
    AccountFacts, Authorize, CardExpiry, CardFacts, CardStage, Channel, ChannelNeeds, CloseReason, Control,
    ControlScope, CountedPer, Country, CustomerFacts, CustomerStatus, CvvResult, Decision, DecisionFacts,
    DecisionRecord, DeclineReason, EntryMode, FeeEvent, FeeItem, FeeTier, FreezeHolder, HoldPolicy, Hours,
    Match, Mcc, MccRange, Measure, Merchant, Name, Needs, PasswordResult, PaymentKind, PinResult,
    ProductSpec, Reference, Rule, Text, Tolerance, Used, Verification, Window, ZoneOffset,
};
use bursar_types::id::Uuid;
use bursar_types::{Asset, Money, Timestamp, TypedId};
use data_encoding::HEXLOWER;

use crate::wire::Message as _;

const CORPUS: &str = include_str!("golden_decisions_v1.txt");
/// Decisions of the corpus.
const DECISIONS: u64 = 240;

fn pair(line: &str) -> (Vec<u8>, Vec<u8>) {
    let (record, decision) = line.split_once(' ').unwrap();
    (HEXLOWER.decode(record.as_bytes()).unwrap(), HEXLOWER.decode(decision.as_bytes()).unwrap())
}

#[test]
fn every_decision_of_the_corpus_comes_out_as_it_did() {
    let (mut reasons, mut verdicts, mut lines) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (number, line) in CORPUS.lines().enumerate() {
        let (record, decision) = pair(line);
        let read = DecisionRecord::decode(&record).unwrap();
        assert_eq!(
            HEXLOWER.encode(&read.to_bytes()),
            HEXLOWER.encode(&record),
            "line {number}: the record's bytes"
        );
        let replayed = read.replay();
        assert_eq!(replayed, Decision::decode(&decision).unwrap(), "line {number}");
        assert_eq!(
            HEXLOWER.encode(&replayed.to_bytes()),
            HEXLOWER.encode(&decision),
            "line {number}: the bytes"
        );
        reasons.extend(replayed.failing.iter().map(|failing| failing.reason));
        verdicts.insert(replayed.verdict);
        // Whatever is told to have approved it does.
        let _ = read.explain();
        lines += 1;
    }
    assert_eq!(lines, DECISIONS);
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    // All but those that only other parts of the platform find.
    let outside = [
        DeclineReason::NoSuchIssuer,
        DeclineReason::OriginalNotFound,
        DeclineReason::IssuerUnavailable,
        DeclineReason::GenericDecline,
    ];
    let missing: Vec<_> =
        DeclineReason::ALL.iter().filter(|r| !outside.contains(r) && !reasons.contains(r)).collect();
    assert!(missing.is_empty(), "the corpus has no decision for {missing:?}");
}

/// Writes the corpus. Only for a corpus of a new number: the lines of an old one never change.
#[test]
#[ignore = "makes a corpus: run by hand, with --nocapture"]
#[allow(clippy::print_stdout)]
fn make_a_corpus() {
    for seed in 0..DECISIONS {
        let record = Dice(seed).record();
        println!("{} {}", HEXLOWER.encode(&record.to_bytes()), HEXLOWER.encode(&record.replay().to_bytes()));
    }
}

/// Repeatable choices (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.throw() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// True once in `of`.
    fn rarely(&mut self, of: i64) -> bool {
        self.below(of) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).unwrap())).unwrap()].clone()
    }

    fn id<I: TypedId>(&mut self) -> I {
        I::from_uuid(Uuid::from_u128(u128::from(self.throw())))
    }

    fn record(&mut self) -> DecisionRecord {
        let cny = Asset::from_code("CNY").unwrap();
        let usd = Asset::from_code("USD").unwrap();
        let channel = self.one(Channel::ALL);
        let present = channel.card_present();
        let kind = match self.below(8) {
            0 => PaymentKind::AccountCheck,
            1 => PaymentKind::Cash,
            _ => PaymentKind::Purchase,
        };
        let amount = if kind == PaymentKind::AccountCheck { 0 } else { 1 + self.below(1_200) };
        let at = Timestamp::from_micros(1_795_363_200_000_000 + self.below(40 * 86_400) * 1_000_000);
        let expiry = CardExpiry::new(2029, 11);
        let merchant_id = self.one(&["M-1", "M-2"]);
        let known = !self.rarely(24);
        let ask = Authorize {
            payment: self.id(),
            transfers: self.id(),
            card: self.id(),
            kind,
            amount: Money::new(amount, if self.rarely(30) { usd } else { cny }),
            channel,
            entry_mode: match (present, self.rarely(20)) {
                (true, _) => EntryMode::Contactless,
                (false, true) => EntryMode::Chip,
                (false, false) => EntryMode::Keyed,
            },
            merchant: Merchant {
                id: Reference::new(merchant_id).unwrap(),
                name: Name::new("茶馆").unwrap(),
                country: Country::new(self.one(&["CN", "CN", "CN", "US"])).unwrap(),
                mcc: Mcc::new(self.one(&[5411, 5814, 7995, 5542, 7011])).unwrap(),
            },
            verification: self.verification(at),
            partial_allowed: self.rarely(3),
            capture_now: false,
            network_reference: None,
            approval_code: Some(Text::new("012345").unwrap()),
            stand_in: self.rarely(20),
            outside: None,
        };
        let facts = self.facts(&ask, known, at, expiry);
        let spec = known.then(|| self.spec(cny));
        DecisionRecord {
            program_controls: self.controls(&facts),
            account_controls: self.controls(&facts),
            card_controls: self.controls(&facts),
            ask,
            facts,
            spec,
        }
    }

    fn verification(&mut self, at: Timestamp) -> Verification {
        let valid_until = at.plus(std::time::Duration::from_secs(60));
        let proof = Reference::new("proof-1").unwrap();
        Verification {
            cvv: self.one(&[
                CvvResult::Matched,
                CvvResult::Matched,
                CvvResult::Absent,
                CvvResult::Mismatched,
            ]),
            pin: match self.below(12) {
                0 => PinResult::Wrong,
                1 => PinResult::Locked,
                2 => PinResult::Unverifiable,
                3 => PinResult::Verified,
                _ => PinResult::Absent,
            },
            password: match self.below(14) {
                0 => PasswordResult::Wrong,
                1 => PasswordResult::Locked,
                2 => PasswordResult::Unverifiable,
                3 => PasswordResult::BadProof,
                4..=8 => PasswordResult::Verified { proof, valid_until },
                _ => PasswordResult::Absent,
            },
            expiry: match self.below(6) {
                0 => CardExpiry::new(2030, 1),
                1 | 2 => CardExpiry::new(2029, 11),
                _ => None,
            },
        }
    }

    fn facts(
        &mut self,
        ask: &Authorize,
        known: bool,
        at: Timestamp,
        expiry: Option<CardExpiry>,
    ) -> DecisionFacts {
        let holders = [FreezeHolder::Customer, FreezeHolder::Fraud, FreezeHolder::Legal, FreezeHolder::Loss];
        let freezes =
            |dice: &mut Self, of| if dice.rarely(of) { vec![dice.one(&holders)] } else { Vec::new() };
        let stage = match self.below(16) {
            0 => CardStage::PendingActivation,
            1 => CardStage::Closed(self.one(&[
                CloseReason::Lost,
                CloseReason::Stolen,
                CloseReason::Expired,
                CloseReason::CustomerRequest,
            ])),
            _ => CardStage::Active,
        };
        let card = known.then(|| CardFacts {
            chain: ask.card,
            product: self.id(),
            product_version: 2,
            account: self.id(),
            stage,
            freezes: freezes(self, 9),
            expiry: if self.rarely(20) { CardExpiry::new(2026, 10) } else { expiry },
            merchant_lock: self.rarely(8).then(|| Reference::new("M-1").unwrap()),
            program_controls: None,
            account_controls: None,
            card_controls: None,
        });
        DecisionFacts {
            at,
            outside: match self.below(30) {
                0 => Some(DeclineReason::Duplicate),
                1 => Some(DeclineReason::AlreadyReversed),
                _ => None,
            },
            zone: ZoneOffset::from_minutes(480).unwrap(),
            country: Country::new("CN"),
            bookable: !self.rarely(40),
            proof_spent: self.rarely(20),
            account: known.then(|| AccountFacts {
                spendable: (!self.rarely(12)).then(|| self.below(1_500)),
                freezes: freezes(self, 20),
                closed: self.rarely(40),
            }),
            customer: (!self.rarely(6)).then(|| CustomerFacts {
                status: match self.below(12) {
                    0 => CustomerStatus::Suspended,
                    1 => CustomerStatus::Closed,
                    _ => CustomerStatus::Active,
                },
                kyc_level: u8::try_from(self.below(12).min(1)).unwrap(),
            }),
            card,
            used: (0..8).map(|_| Used { amount: self.below(400), count: self.below(4) }).collect(),
            rate: None,
            carried_out: !self.rarely(60),
        }
    }

    fn spec(&mut self, asset: Asset) -> ProductSpec {
        let tier = |up_to, flat, basis_points| FeeTier { up_to, flat, basis_points };
        let fee = |id, event, flat, basis_points| FeeItem {
            id,
            event,
            flat,
            basis_points,
            min: 1,
            max: Some(40),
            tiers: Vec::new(),
            free_per_month: 0,
        };
        let fees = match self.below(3) {
            0 => vec![fee(1, FeeEvent::CrossBorder, 3, 150), fee(2, FeeEvent::Cash, 5, 0)],
            1 => vec![FeeItem {
                tiers: vec![tier(Some(100), 2, 0), tier(None, 2, 100)],
                free_per_month: 2,
                ..fee(4, FeeEvent::NonDirect, 0, 0)
            }],
            _ => Vec::new(),
        };
        ProductSpec {
            name: Name::new("Everyday").unwrap(),
            bin_range: Reference::new("test").unwrap(),
            asset,
            validity_months: 36,
            min_kyc_level: 1,
            needs: vec![
                ChannelNeeds { channel: Channel::Online, needs: Needs::CvvOrPassword },
                ChannelNeeds { channel: Channel::InApp, needs: Needs::Password },
            ],
            controls: Vec::new(),
            hold_policy: HoldPolicy { rules: Vec::new(), default_days: 7 },
            tolerances: Vec::<Tolerance>::new(),
            fees,
        }
    }

    fn controls(&mut self, facts: &DecisionFacts) -> Vec<Control> {
        if !self.rarely(2) {
            return Vec::new();
        }
        let gambling = Mcc::new(7995).unwrap();
        let when = match self.below(6) {
            0 => Match { mccs: vec![MccRange { first: gambling, last: gambling }], ..Match::default() },
            1 => Match { cross_border: Some(true), ..Match::default() },
            2 => Match { channels: vec![Channel::Atm, Channel::Online], ..Match::default() },
            3 => {
                Match { hours: Some(Hours { days: 0b110_0000, from: 1320, until: 360 }), ..Match::default() }
            }
            4 => Match { entry_modes: vec![EntryMode::Keyed], ..Match::default() },
            _ => Match { countries: vec![Country::new("CN").unwrap()], ..Match::default() },
        };
        let measure = if self.rarely(3) { Measure::Count(2) } else { Measure::Amount(600) };
        let windows = [Window::Day, Window::Week, Window::Month, Window::Rolling { seconds: 3_600 }];
        let limit = Rule::Limit { measure, window: self.one(&windows), per: CountedPer::Card };
        let rule = self.one(&[Rule::Deny, limit, limit, limit]);
        let card = facts.card.as_ref().map(|card| ControlScope::Card(card.chain));
        let mut control =
            Control::new(10, if self.rarely(2) { Match::default() } else { when.clone() }, rule);
        if rule == Rule::Deny {
            control.when = when;
        }
        control.customer_can_change = self.rarely(2);
        control.except = card.into_iter().filter(|_| self.rarely(10)).collect();
        control.zone = if self.rarely(4) { ZoneOffset::from_minutes(-300) } else { None };
        vec![control]
    }
}
