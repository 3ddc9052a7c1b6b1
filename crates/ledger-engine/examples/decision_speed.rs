//! How long one decision takes, 20 controls and 6 counters in force on the card:
//! `cargo run --release -p bursar-ledger-engine --example decision_speed`.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // a measurement for people

use std::time::Instant;

use bursar_ledger_engine::*;
use bursar_types::id::Uuid;
use bursar_types::{Asset, Money, RequestId, Timestamp, TypedId};

const CARDS: u128 = 10_000;
const PAYMENTS: u128 = 200_000;
const ROUND: usize = 1_000;

fn id<I: TypedId>(number: u128) -> I {
    // Spread like the random bits of a UUIDv7.
    I::from_uuid(Uuid::from_u128(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)))
}

fn controls() -> Vec<Control> {
    let windows = [
        Window::Day,
        Window::Week,
        Window::Month,
        Window::Year,
        Window::Lifetime,
        Window::Rolling { seconds: 3_600 },
    ];
    let limits = windows.into_iter().map(|window| Rule::Limit {
        measure: Measure::Amount(i64::MAX),
        window,
        per: CountedPer::Card,
    });
    let deny = (0..14).map(|_| Rule::Deny);
    let mcc = |number| Mcc::new(number).unwrap();
    let gambling = Match { mccs: vec![MccRange { first: mcc(7995), last: mcc(7995) }], ..Match::default() };
    let make = |(n, rule): (usize, Rule)| Control {
        id: u16::try_from(n).unwrap(),
        when: if rule == Rule::Deny { gambling.clone() } else { Match::default() },
        rule,
        customer_can_change: false,
        unless: None,
        except: Vec::new(),
        zone: None,
    };
    limits.chain(deny).enumerate().map(make).collect()
}

fn main() {
    let cny = Asset::from_code("CNY").unwrap();
    let mut engine = Engine::new();
    let at = Timestamp::from_micros(1_795_320_000_000_000);
    let command = |action| Command {
        request_id: RequestId::from_uuid(Uuid::from_u128(1)),
        actor: Actor { role: Role::Operator, name: Name::default() },
        action,
    };
    let mut set_up = |action| {
        let outcome = engine.apply(at, &command(action)).outcome;
        assert!(!outcome.is_refusal(), "{outcome:?}");
    };
    let open = |number: u128, owner| OpenAccount {
        account: id(number),
        asset: cny,
        normal: NormalSide::Credit,
        limit: BalanceLimit::Unlimited,
        code: AccountCode::CUSTOMER_WALLET,
        owner,
        funding_reference: None,
        reference: Reference::default(),
        metadata: Metadata::default(),
    };
    for number in 1..=5 {
        set_up(Action::OpenAccount(Box::new(open(number, None))));
    }
    let china = Country::new("CN").unwrap();
    set_up(Action::ConfigureProgram(Box::new(ProgramSettings {
        program: id(9),
        name: Name::default(),
        country: china,
        zone: ZoneOffset::default(),
        accounts: vec![AssetAccounts {
            asset: cny,
            settlement: id(1),
            nostro: id(2),
            suspense: id(3),
            fee_income: id(4),
            receivable: id(5),
        }],
    })));
    let spec = ProductSpec {
        name: Name::default(),
        bin_range: Reference::default(),
        asset: cny,
        validity_months: 36,
        min_kyc_level: 0,
        needs: Vec::new(),
        controls: controls(),
        hold_policy: HoldPolicy::standard(),
        tolerances: Vec::new(),
        fees: Vec::new(),
    };
    set_up(Action::DraftProduct { product: id(20), spec: Box::new(spec) });
    set_up(Action::ActivateProduct { product: id(20), version: 1 });
    for n in 0..CARDS {
        let (account, card) = (id(100_000 + n), id(200_000 + n));
        set_up(Action::OpenAccount(Box::new(open(100_000 + n, Some(id(30))))));
        set_up(Action::RequestCard(Box::new(RequestCard {
            card,
            product: id(20),
            account,
            customer: id(30),
            kyc_level: 0,
            single_use: false,
            merchant_lock: None,
            channel: Name::default(),
            replaces: None,
        })));
        let (masked_pan, expiry) = (MaskedPan::default(), CardExpiry::new(2029, 11).unwrap());
        set_up(Action::CompleteCardIssue { card, masked_pan, expiry });
        set_up(Action::ActivateCard { card, channel: Name::default() });
    }
    let asks: Vec<_> = (0..PAYMENTS)
        .map(|n| {
            command(Action::Authorize(Box::new(Authorize {
                payment: id(10_000_000 + n),
                transfers: id(20_000_000 + n),
                card: id(200_000 + n % CARDS),
                kind: PaymentKind::Purchase,
                amount: Money::new(100, cny),
                channel: Channel::Online,
                entry_mode: EntryMode::Keyed,
                merchant: Merchant {
                    id: Reference::new("M-1").unwrap(),
                    name: Name::new("Bookshop").unwrap(),
                    country: china,
                    mcc: Mcc::new(5942).unwrap(),
                },
                verification: Verification { cvv: CvvResult::Matched, ..Verification::NONE },
                partial_allowed: false,
                capture_now: false,
                network_reference: None,
                approval_code: Some(Text::new("314159").unwrap()),
                outside: None,
                stand_in: false,
            })))
        })
        .collect();
    // Rounds, because other work on the machine only ever makes one slower.
    let mut rounds: Vec<_> = asks
        .chunks(ROUND)
        .map(|round| {
            let start = Instant::now();
            for ask in round {
                let applied = engine.apply(at, ask);
                let Outcome::Decided(decided) = &applied.outcome else { panic!("{applied:?}") };
                assert_eq!(decided.decision.verdict, Verdict::Approved);
            }
            start.elapsed().as_nanos() / round.len() as u128
        })
        .collect();
    rounds.sort_unstable();
    println!("ns an approved authorization: best {}, median {}", rounds[0], rounds[rounds.len() / 2]);
}
