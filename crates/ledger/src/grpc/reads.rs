//! What was: entries, balances at any time, statements, transfers.

use bursar_ledger_engine::{Account, Reference};
use bursar_proto::ledger::v1 as proto;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::Timestamp;
use bursar_types::id::{AccountId, TransferId};
use tonic::Status;

use super::{Api, reference};
use crate::error::LedgerError;
use crate::history::{self, PlacedEntry, TransferRecord};
use crate::index::{EntryRecord, Place};
use crate::project::public;
use crate::store::read;

/// What can be asked for as `type`.
const TYPES: &[&str] = &["transfer", "top_up", "payment", "refund", "fee", "reversal"];

/// Which entries or transfers a list is of.
struct Wanted {
    kind: String,
    reference: Reference,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Wanted {
    fn parse(
        kind: &str,
        reference_text: &str,
        start: Option<&prost_types::Timestamp>,
        end: Option<&prost_types::Timestamp>,
    ) -> Result<Self, Invalid> {
        if !kind.is_empty() && !TYPES.contains(&kind) {
            return Err(Invalid::new().field("type", format!("one of {}, or empty", TYPES.join(", "))));
        }
        let moment = |field, message: Option<&prost_types::Timestamp>| {
            message.map(|message| parse::timestamp(field, Some(message))).transpose()
        };
        let (start, end) = (moment("start_time", start)?, moment("end_time", end)?);
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            return Err(Invalid::new().field("end_time", "must not be before start_time"));
        }
        Ok(Self { kind: kind.to_owned(), reference: reference("reference", reference_text, 64)?, start, end })
    }

    fn takes(&self, entry: &EntryRecord) -> bool {
        (self.kind.is_empty() || public::transfer_type(entry.code) == self.kind)
            && (self.reference.is_empty() || entry.reference == self.reference)
    }

    /// What page tokens are bound to.
    fn digested(&self, name: &str) -> String {
        let Self { kind, reference, start, end } = self;
        format!("{name} {kind} {reference} {start:?} {end:?}")
    }
}

fn after(page: &Page<(i64, u32)>) -> Option<Place> {
    page.after().map(|(position, ordinal)| Place { position: *position, ordinal: *ordinal })
}

fn limit(page: &Page<(i64, u32)>) -> usize {
    usize::try_from(page.limit()).unwrap_or(1)
}

fn placed(entry: &PlacedEntry) -> (i64, u32) {
    (entry.0.position, entry.0.ordinal)
}

impl Api {
    /// The place from which on things were booked at or after `moment`.
    async fn place_at(&self, moment: Timestamp) -> Result<Place, LedgerError> {
        let before = Timestamp::from_micros(moment.as_micros().saturating_sub(1));
        let last = history::position_at(&self.0.handle.shared, before).await?;
        Ok(Place { position: last.saturating_add(1), ordinal: 0 })
    }

    /// The places between which a list looks.
    async fn bounds(&self, wanted: &Wanted) -> Result<(Place, Place), LedgerError> {
        let from = match wanted.start {
            Some(start) => self.place_at(start).await?,
            None => Place::START,
        };
        let before = match wanted.end {
            Some(end) => self.place_at(end).await?,
            None => Place::END,
        };
        Ok((from, before))
    }

    pub(super) async fn entries_page(
        &self,
        context: &CallContext,
        message: proto::ListEntriesRequest,
    ) -> Result<proto::ListEntriesResponse, Status> {
        let id: AccountId = parse::id("account_id", &message.account_id)?;
        let at_least = parse::number("at_least_position", message.at_least_position, 0..=i64::MAX)?;
        let (start, end) = (message.start_time.as_ref(), message.end_time.as_ref());
        let wanted = Wanted::parse(&message.r#type, &message.reference, start, end)?;
        let query = wanted.digested(&format!("ListEntries {id}"));
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (account, position) = self.account(context, id).await.or_status()?;
        self.0.handle.projected(position.max(at_least)).await.or_status()?;
        let (from, before) = self.bounds(&wanted).await.or_status()?;
        let before = after(&page).map_or(before, |after| after.min(before));
        let shared = &self.0.handle.shared;
        let keep = |entry: &EntryRecord| wanted.takes(entry);
        let rows = history::entries_back(shared, id, from, before, limit(&page), &keep).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, placed);
        let entries = rows.iter().map(|(place, entry)| public::entry(&account, *place, entry)).collect();
        Ok(proto::ListEntriesResponse { entries, next_page_token })
    }

    /// The posted balance right before `before`, and the position of the last entry in it.
    async fn balance_before(&self, account: AccountId, before: Place) -> Result<(i64, i64), LedgerError> {
        let shared = &self.0.handle.shared;
        let last = history::entries_back(shared, account, Place::START, before, 1, &|_| true).await?;
        Ok(last.first().map_or((0, 0), |(place, entry)| (entry.posted_after, place.position)))
    }

    pub(super) async fn balance(
        &self,
        context: &CallContext,
        message: proto::GetBalanceRequest,
    ) -> Result<proto::GetBalanceResponse, Status> {
        use proto::get_balance_request::AsOf;

        let id: AccountId = parse::id("account_id", &message.account_id)?;
        let now = self.0.handle.shared.clock.now();
        let as_of = match message.as_of {
            Some(AsOf::Position(position)) => Ok(parse::number("position", position, 1..=i64::MAX)?),
            Some(AsOf::Time(time)) => {
                let time = parse::timestamp("time", Some(&time))?;
                if time > now {
                    return Err(Invalid::new().field("time", "is in the future: nobody knows yet").into());
                }
                Err(time)
            }
            None => Err(now),
        };
        let (account, head) = self.account(context, id).await.or_status()?;
        let position = match as_of {
            Ok(position) => {
                self.0.handle.projected(position).await.or_status()?;
                position
            }
            Err(time) => {
                self.0.handle.projected(head).await.or_status()?;
                // Without a moment it is as of what the account was just read at.
                let current = message.as_of.is_none();
                if current {
                    head
                } else {
                    history::position_at(&self.0.handle.shared, time).await.or_status()?
                }
            }
        };
        let before = Place { position: position.saturating_add(1), ordinal: 0 };
        let (posted, entry_position) = self.balance_before(id, before).await.or_status()?;
        Ok(proto::GetBalanceResponse {
            account_id: message.account_id,
            asset: account.asset.code().to_owned(),
            posted,
            entry_position,
            position,
        })
    }

    pub(super) async fn statement(
        &self,
        context: &CallContext,
        message: proto::GetStatementRequest,
    ) -> Result<proto::GetStatementResponse, Status> {
        let id: AccountId = parse::id("account_id", &message.account_id)?;
        let start = parse::timestamp("start_time", message.start_time.as_ref())?;
        let end = parse::timestamp("end_time", message.end_time.as_ref())?;
        if end < start {
            return Err(Invalid::new().field("end_time", "must not be before start_time").into());
        }
        let query = format!("GetStatement {id} {start:?} {end:?}");
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (account, position) = self.account(context, id).await.or_status()?;
        self.0.handle.projected(position).await.or_status()?;
        let (first, beyond) =
            (self.place_at(start).await.or_status()?, self.place_at(end).await.or_status()?);
        let (opening_balance, _) = self.balance_before(id, first).await.or_status()?;
        let (closing_balance, _) = self.balance_before(id, beyond).await.or_status()?;
        // A page begins right after the last line of the one before.
        let from = after(&page).map_or(first, |last| Place { ordinal: last.ordinal + 1, ..last });
        let shared = &self.0.handle.shared;
        let rows = history::entries_on(shared, id, from, beyond, limit(&page)).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, placed);
        let lines = rows.iter().map(|(place, entry)| public::entry(&account, *place, entry)).collect();
        Ok(proto::GetStatementResponse { opening_balance, closing_balance, lines, next_page_token })
    }

    pub(super) async fn transfers_page(
        &self,
        message: proto::ListTransfersRequest,
    ) -> Result<proto::ListTransfersResponse, Status> {
        let account: Option<AccountId> = parse::optional_id("account_id", &message.account_id)?;
        let at_least = parse::number("at_least_position", message.at_least_position, 0..=i64::MAX)?;
        let (start, end) = (message.start_time.as_ref(), message.end_time.as_ref());
        let wanted = Wanted::parse(&message.r#type, &message.reference, start, end)?;
        if account.is_none() && wanted.reference.is_empty() {
            return Err(Invalid::new().field("account_id", "give an account or a reference").into());
        }
        let query = wanted.digested(&format!("ListTransfers {account:?}"));
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        self.0.handle.settled(at_least).await.or_status()?;
        let (from, before) = self.bounds(&wanted).await.or_status()?;
        let before = after(&page).map_or(before, |after| after.min(before));
        let found = match account {
            Some(account) => {
                self.transfers_of(account, &wanted, from, before, limit(&page)).await.or_status()?
            }
            None => self.transfers_with(&wanted, from, before, limit(&page)).await.or_status()?,
        };
        let (found, next_page_token) =
            page.finish(found, |found| (found.place.position, found.place.ordinal));
        let transfers = self.told(found).await.or_status()?;
        Ok(proto::ListTransfersResponse { transfers, next_page_token })
    }

    async fn transfers_of(
        &self,
        account: AccountId,
        wanted: &Wanted,
        from: Place,
        before: Place,
        limit: usize,
    ) -> Result<Vec<TransferRecord>, LedgerError> {
        let keep = |entry: &EntryRecord| wanted.takes(entry);
        let shared = &self.0.handle.shared;
        let entries = history::entries_back(shared, account, from, before, limit, &keep).await?;
        let found = entries.into_iter().map(|(place, entry)| TransferRecord::of(account, place, entry));
        Ok(found.collect())
    }

    async fn transfers_with(
        &self,
        wanted: &Wanted,
        from: Place,
        before: Place,
        limit: usize,
    ) -> Result<Vec<TransferRecord>, LedgerError> {
        let shared = &self.0.handle.shared;
        let mut found = Vec::new();
        let mut before = before;
        loop {
            let room = limit - found.len();
            let some = history::references_back(shared, &wanted.reference, from, before, room).await?;
            let ended = some.len() < room;
            for (place, transfer) in some {
                before = place;
                let record = history::transfer(shared, transfer).await?;
                let missing = || LedgerError::Damaged(format!("{transfer} is not in the index"));
                let record = record.ok_or_else(missing)?;
                if wanted.takes(&record.entry) {
                    found.push(record);
                }
            }
            if ended || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Transfers as the contract tells them.
    pub(super) async fn told(
        &self,
        records: Vec<TransferRecord>,
    ) -> Result<Vec<proto::Transfer>, LedgerError> {
        let accounts: Vec<AccountId> = records.iter().map(|record| record.debit).collect();
        let look = self.0.handle.read(move |engine, _| {
            let asset = |id: AccountId| engine.account(id).map(|account: &Account| account.asset);
            accounts.into_iter().map(asset).collect::<Vec<_>>()
        });
        let assets = look.await?;
        let shared = &self.0.handle.shared;
        let ids: Vec<TransferId> = records.iter().map(|record| record.entry.transfer).collect();
        let reversals = read::reversed_by(&shared.db, shared.shard, &ids).await?;
        let mut told = Vec::with_capacity(records.len());
        for (record, asset) in records.iter().zip(assets) {
            let asset = asset.ok_or_else(|| LedgerError::Damaged(format!("{} is unknown", record.debit)))?;
            let reversed_by = reversals.get(&record.entry.transfer).copied();
            told.push(public::transfer(record, asset, reversed_by));
        }
        Ok(told)
    }
}
