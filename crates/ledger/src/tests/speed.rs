//! How long a start takes with a million accounts, against a plain SELECT of the same rows. Not for every run:
//! `cargo nextest run --release -p bursar-ledger --run-ignored only speed --no-capture`.

use std::time::{Duration, Instant};

use bursar_ledger_engine::{
    Account, AccountCode, BalanceLimit, Balances, Engine, Metadata, NormalSide, Reference, Snapshot,
};
use bursar_service::db::{Cell, Db, DbError};
use bursar_testkit::TestDatabase;
use bursar_types::id::{AccountId, CustomerId, Uuid};
use bursar_types::{Timestamp, TypedId as _};

use super::world::cny;
use crate::follow::state;
use crate::journal::Head;
use crate::store::merkle;
use crate::wire::Message as _;

const ACCOUNTS: u128 = 1_000_000;
const ROUNDS: usize = 3;

/// An id as IdSource makes them: time first, then what looks random.
fn uuid(number: u128) -> Uuid {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) & ((1 << 62) - 1);
    Uuid::from_u128(((1_795_643_880_000 + number / 40) << 80) | (7 << 76) | (2 << 62) | random)
}

fn account(number: u128) -> Account {
    let balance = i64::try_from(number).unwrap();
    Account {
        id: AccountId::from_uuid(uuid(number)),
        asset: cny(),
        normal: NormalSide::Credit,
        limit: BalanceLimit::NoOverdraft,
        code: AccountCode::CUSTOMER_WALLET,
        owner: Some(CustomerId::from_uuid(uuid(number + ACCOUNTS))),
        funding_reference: Some(Reference::new(&format!("RF{number:018}")).unwrap()),
        reference: Reference::default(),
        metadata: Metadata::default(),
        opened_at: Timestamp::from_micros(1_795_643_880_000_000 + balance),
        freezes: Vec::new(),
        closed_at: None,
        balances: Balances { posted_credits: balance, ..Balances::default() },
    }
}

async fn rows(db: &Db, accounts: &[Account]) {
    let shard = "prog_00000000000000000000000001";
    for chunk in accounts.chunks(20_000) {
        let written = db.write(|tx| {
            Box::pin(async move {
                let of_account = |account: &Account| -> [Cell; 5] {
                    let owner = account.owner.map(|owner| owner.to_string());
                    let (id, body) = (account.id.to_string(), account.to_bytes());
                    [shard.into(), id.into(), owner.into(), body.into(), 1_i64.into()]
                };
                let columns = ["shard", "account", "owner", "body", "position"];
                tx.bulk_insert("account", columns, chunk.iter().map(of_account).collect()).await?;
                let of_balance = |account: &Account| -> [Cell; 7] {
                    let sums = account.balances;
                    [
                        shard.into(),
                        account.id.to_string().into(),
                        sums.posted_debits.into(),
                        sums.posted_credits.into(),
                        sums.pending_debits.into(),
                        sums.pending_credits.into(),
                        1_i64.into(),
                    ]
                };
                let columns = [
                    "shard",
                    "account",
                    "posted_debits",
                    "posted_credits",
                    "pending_debits",
                    "pending_credits",
                    "position",
                ];
                tx.bulk_insert("balance", columns, chunk.iter().map(of_balance).collect()).await
            })
        });
        written.await.map_err(|error: DbError| error.to_string()).unwrap();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn a_million_accounts_load_like_a_select_of_them(database: TestDatabase) {
    let db = database.open(crate::store::MIGRATIONS).await;
    let shard = "prog_00000000000000000000000001".parse().unwrap();
    let accounts: Vec<Account> = (0..ACCOUNTS).map(account).collect();
    rows(&db, &accounts).await;
    let engine = Engine::restore(Snapshot { accounts, ..Snapshot::default() }).unwrap();
    let empty = merkle::Progress { sequence: 0, size: 0, hash: Head::empty().hash, root: [0; 32] };
    merkle::claim(&db, shard, 1, &empty).await.unwrap();
    let began = Instant::now();
    let (parts, coming) = state::channel();
    let encoding = tokio::task::spawn_blocking(move || {
        let _ = state::encode(&engine, std::iter::empty(), &parts);
        engine
    });
    assert!(state::store(&db, shard, 1, 5, coming).await.unwrap());
    let engine = encoding.await.unwrap();
    println!("{}: stored in {:?}", database.name(), began.elapsed());
    let (mut selects, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let selected = db.read(|tx| {
            Box::pin(async move {
                tx.query(
                    "SELECT a.account, a.owner, a.body, a.position, b.posted_debits, b.posted_credits,
                     b.pending_debits, b.pending_credits FROM account a JOIN balance b
                     ON b.shard = a.shard AND b.account = a.account",
                )
                .fetch_all()
                .await
            })
        });
        let selected = selected.await.map_err(|error: DbError| error.to_string()).unwrap();
        selects.push(began.elapsed());
        assert_eq!(selected.len() as u128, ACCOUNTS);
        drop(selected);
        let began = Instant::now();
        let (sequence, state) = state::load(&db, shard, 9).await.unwrap().unwrap();
        loads.push(began.elapsed());
        assert_eq!(sequence, 5);
        let last = AccountId::from_uuid(uuid(ACCOUNTS - 1));
        assert_eq!(state.engine.account(last), engine.account(last));
    }
    println!("{}: SELECT {selects:?}, load {loads:?}", database.name());
    let (select, load) = (median(selects), median(loads));
    println!("{}: {} % of a SELECT", database.name(), load.as_millis() * 100 / select.as_millis().max(1));
    db.close().await;
}

#[test]
#[ignore = "takes a minute, and means something in a release build only"]
fn sqlite() {
    bursar_testkit::run_on_sqlite(a_million_accounts_load_like_a_select_of_them);
}

#[test]
#[ignore = "takes a minute, and means something in a release build only"]
fn postgres() {
    bursar_testkit::run_on_postgres(a_million_accounts_load_like_a_select_of_them);
}
