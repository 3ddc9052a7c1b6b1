//! The bytes of format 1, and the chain.

use bursar_ledger_engine::{
    Account, AccountCode, Action, Actor, Authorize, BalanceAfter, BalanceLimit, Balances, Channel, Command,
    Control, ControlScope, CountedPer, Country, CvvResult, EntryMode, HoldSums, Match, Mcc, Measure,
    Merchant, Metadata, Name, NormalSide, Note, OpenAccount, Outcome, PasswordResult, PaymentKind, PinResult,
    Reference, Refusal, RefusalReason, Role, Rule, Subject, Text, TransferCode, TransferMode, TransferOrder,
    Transferred, Verification, Window,
};
use bursar_types::id::{AccountId, CardId, PaymentId, TransferId, Uuid};
use bursar_types::{Asset, Money, RequestId};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

fn id<I: TypedIdLike>(number: u128) -> I {
    I::of(Uuid::from_u128(number))
}

/// Ids and request ids alike.
trait TypedIdLike {
    fn of(uuid: Uuid) -> Self;
}

macro_rules! alike {
    ($($name:ident),+) => {$(
        impl TypedIdLike for $name {
            fn of(uuid: Uuid) -> Self {
                Self::from_uuid(uuid)
            }
        }
    )+};
}

alike!(AccountId, CardId, PaymentId, TransferId, ProgramId, RequestId);

fn actor() -> Actor {
    Actor { role: Role::Network, name: Name::new("gateway").unwrap() }
}

fn cny(minor_units: i64) -> Money {
    Money::new(minor_units, Asset::from_code("CNY").unwrap())
}

fn authorize() -> Action {
    Action::Authorize(Box::new(Authorize {
        payment: id(3),
        transfers: id(4),
        card: id(5),
        kind: PaymentKind::Purchase,
        amount: cny(31_240),
        channel: Channel::InApp,
        entry_mode: EntryMode::InApp,
        merchant: Merchant {
            id: Reference::new("M-1").unwrap(),
            name: Name::new("茶馆").unwrap(),
            country: Country::new("CN").unwrap(),
            mcc: Mcc::new(5814).unwrap(),
        },
        verification: Verification {
            cvv: CvvResult::Absent,
            pin: PinResult::Absent,
            password: PasswordResult::Verified {
                proof: Reference::new("proof-1").unwrap(),
                valid_until: Timestamp::from_micros(1_767_225_660_000_000),
            },
            expiry: None,
        },
        partial_allowed: false,
        capture_now: true,
        network_reference: None,
        approval_code: Some(Text::new("012345").unwrap()),
        outside: None,
        stand_in: false,
    }))
}

fn transfer(minor_units: i64) -> Action {
    Action::Transfer(Box::new(TransferOrder {
        transfer: id(6),
        debit: id(7),
        credit: id(8),
        amount: cny(minor_units),
        mode: TransferMode::Hold { expires_at: Some(Timestamp::from_micros(-5)), over_capture: 0 },
        code: TransferCode::TRANSFER,
        value_date: None,
        reference: Reference::default(),
        description: Note::new("rent").unwrap(),
    }))
}

fn limits() -> Action {
    let rule = Rule::Limit {
        measure: Measure::Count(3),
        window: Window::Rolling { seconds: 60 },
        per: CountedPer::Card,
    };
    let control = Control { customer_can_change: true, ..Control::new(10, Match::default(), rule) };
    Action::SetControls { scope: ControlScope::Card(id(5)), controls: vec![control] }
}

/// A fingerprint as the first release wrote it: a mark is 32 bits of a field's SHA-256.
fn fingerprint() -> Fingerprint {
    let (body, _) = Body::new("Test", "service/test").field("a", "b").finish();
    let mark = |field: &str| {
        let hash = ring::digest::digest(&SHA256, field.as_bytes());
        u32::from_be_bytes(hash.as_ref()[..4].try_into().unwrap())
    };
    Fingerprint { marks: ["Test", "service/test", "b"].map(mark).to_vec(), quick: Vec::new(), ..body }
}

fn record(number: u128, action: Action) -> Record {
    let command = Command { request_id: id(number), actor: actor(), action };
    let body = fingerprint();
    let proof = UsedProof { id: Reference::new("proof-1").unwrap(), until: Timestamp::from_micros(7) };
    Record { command, outcome: Outcome::Done, body: Some(body), proof: Some(proof) }
}

fn row(head: &Head, records: &[Record]) -> Row {
    let mut entry = EntryWriter::new();
    for record in records {
        entry.push(record);
    }
    head.next_row(id(1), 2, Timestamp::from_micros(1_767_225_600_000_000), entry)
}

/// The bytes that format 1 writes are kept here for ever: what is journaled today must be read by every release to
/// come. A change of this test is a change of the format, and needs a number of its own.
#[test]
fn format_1_is_what_it_was() {
    let records = [record(1, authorize()), record(2, transfer(-1)), record(3, limits())];
    let row = row(&Head::empty(), &records);
    let golden = include_str!("golden_v1.txt");
    let (entry, hash) = golden.trim().split_once('\n').unwrap_or((golden.trim(), ""));
    assert_eq!(HEXLOWER.encode(&row.entry), entry);
    assert_eq!(HEXLOWER.encode(&row.hash), hash);
    let bytes = HEXLOWER.decode(entry.as_bytes()).unwrap();
    assert_eq!(Entry::decode(&bytes).unwrap().records, records);
}

/// A batch has an outcome for each of its items: what is journaled must be read back, however many there are.
#[test]
fn a_batch_of_any_size_is_read_back() {
    let balance = |number| BalanceAfter {
        account: id(number),
        balances: Balances { posted_debits: 3, ..Balances::default() },
        normal: NormalSide::Credit,
    };
    let done = Transferred {
        transfer: id(6),
        amount: cny(3),
        hold: None,
        outstanding: None,
        debit: balance(7),
        credit: balance(8),
    };
    let refused = Refusal { reason: RefusalReason::InsufficientFunds, subject: Subject::DebitAccount };
    for items in [vec![Ok(done)], vec![Ok(done), Err(refused)], vec![Err(refused), Ok(done), Ok(done)]] {
        let mut batch = record(1, transfer(3));
        batch.outcome = Outcome::Batch(items);
        let row = row(&Head::empty(), std::slice::from_ref(&batch));
        assert_eq!(Entry::decode(&row.entry).unwrap().records, [batch]);
    }
}

#[test]
fn the_bytes_of_each_record_are_found_as_they_stand() {
    let records = [record(1, authorize()), record(2, transfer(-1))];
    let row = row(&Head::empty(), &records);
    let raw = raw_records(&row.entry).unwrap();
    assert_eq!(raw.iter().map(|raw| whole(raw).unwrap()).collect::<Vec<Record>>(), records);
    let at = |raw: &[u8]| row.entry.windows(raw.len()).any(|window| window == raw);
    assert!(raw.into_iter().all(at));
}

#[test]
fn the_chain_tells_what_is_wrong() {
    let first = row(&Head::empty(), &[record(1, authorize())]);
    let head = Head::after(&first);
    let second = row(&head, &[record(2, limits()), record(3, limits())]);
    assert_eq!(Head::empty().broken_by(id(1), &first), None);
    assert_eq!(head.broken_by(id(1), &second), None);
    assert_eq!((second.first_position, second.last_position()), (2, 3));
    let broken = |change: fn(&mut Row)| {
        let mut row = second.clone();
        change(&mut row);
        head.broken_by(id(1), &row)
    };
    assert!(broken(|row| row.sequence += 1).unwrap().contains("row 2 is missing"));
    assert!(broken(|row| row.previous = GENESIS).unwrap().contains("does not name the hash of row 1"));
    assert!(broken(|row| row.entry[3] ^= 1).unwrap().contains("does not have its hash"));
    assert!(broken(|row| row.epoch += 1).unwrap().contains("does not have its hash"));
    assert!(broken(|row| row.first_position += 1).unwrap().contains("begins at position 3"));
    // A row of another program is not of this chain.
    assert!(head.broken_by(id(9), &second).is_some());
}

/// Fields that were added to format 1 later: as [`format_1_is_what_it_was`], and kept for ever like it.
#[test]
fn what_was_added_to_format_1_is_what_it_was() {
    let after = |account: u128| BalanceAfter {
        account: id(account),
        balances: Balances { posted_debits: 1, posted_credits: 2, pending_debits: 3, pending_credits: 4 },
        normal: NormalSide::Credit,
    };
    let hold = HoldSums { held: 150, captured: 60, over_captured: 0, released: 40 };
    let done = Transferred {
        transfer: id(6),
        amount: cny(60),
        outstanding: Some(50),
        debit: after(7),
        credit: after(8),
        hold: Some(hold),
    };
    let refused = Err(Refusal::new(RefusalReason::InsufficientFunds, Subject::DebitAccount));
    let metadata = |key, value| (Text::new(key).unwrap(), Text::new(value).unwrap());
    let open = OpenAccount {
        account: id(7),
        asset: Asset::from_code("POINTS").unwrap(),
        normal: NormalSide::Debit,
        limit: BalanceLimit::Overdraft(5),
        code: AccountCode(1_000),
        owner: None,
        funding_reference: None,
        reference: Reference::default(),
        metadata: Metadata::new([metadata("a", "1"), metadata("部门", "")]).unwrap(),
    };
    let account = Account {
        id: open.account,
        asset: open.asset,
        normal: open.normal,
        limit: open.limit,
        code: open.code,
        owner: None,
        funding_reference: None,
        reference: Reference::default(),
        metadata: open.metadata.clone(),
        opened_at: Timestamp::from_micros(9),
        freezes: Vec::new(),
        closed_at: Some(Timestamp::from_micros(10)),
        balances: Balances::default(),
    };
    let batch = Action::TransferBatch { orders: Vec::new(), linked: true };
    let close = Action::CloseAccount { account: id(7) };
    let (body, _) = Body::new("Test", "service/test").field("a", "b").finish();
    let made = [
        (Action::OpenAccount(Box::new(open)), Outcome::Done),
        (batch, Outcome::Batch(vec![Ok(done), refused, Ok(done)])),
        (close, Outcome::Account(Box::new(account))),
    ];
    let records: Vec<Record> = (1..)
        .zip(made)
        .map(|(number, (action, outcome))| {
            let command = Command { request_id: id(number), actor: actor(), action };
            Record { command, outcome, body: Some(body.clone()), proof: None }
        })
        .collect();
    let row = row(&Head::empty(), &records);
    assert_eq!(Entry::decode(&row.entry).unwrap().records, records);
    assert_eq!(HEXLOWER.encode(&row.entry), include_str!("golden_v1_additions.txt").trim());
}

#[test]
fn a_newer_format_is_refused() {
    let mut bytes = Vec::new();
    put_number(1, u64::from(FORMAT) + 1, &mut bytes);
    assert!(Entry::decode(&bytes).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(&bytes);
    }

    #[test]
    fn a_flipped_bit_is_another_entry_or_an_error(at in 0_usize..400, bit in 0_u8..8) {
        let row = row(&Head::empty(), &[record(1, authorize()), record(2, transfer(5))]);
        let mut bytes = row.entry.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_ne!(entry, Entry::decode(&row.entry).unwrap());
        }
    }
}
