//! A model's rows as cells.

use std::fmt::Display;

use bursar_ledger_engine::{Account, Balances, Hold};
use bursar_service::db::Cell;

use super::tables::*;
use crate::project::{Dirty, EventChunk, Model};
use crate::wire::Message as _;

/// Events of one row: a page of a reader takes a few of them.
const EVENTS_PER_CHUNK: usize = 256;

fn cell(id: impl Display) -> Cell {
    id.to_string().into()
}

/// An account's body: all but its balances, which are the writer's.
fn account_body(account: &Account) -> Vec<u8> {
    Account { balances: Balances::default(), ..account.clone() }.to_bytes()
}

/// A hold's body: as it was placed; how it stands is another row.
fn hold_body(hold: &Hold) -> Vec<u8> {
    let mut placed = hold.clone();
    placed.held.minor_units = 0;
    placed.captured = 0;
    placed.over_captured = 0;
    placed.released = 0;
    placed.expires_at = None;
    placed.to_bytes()
}

/// The rows of `model` that `dirty` names, and all that are only ever added.
pub(crate) fn rows(model: &Model, dirty: &Dirty) -> Vec<TableRows> {
    let mut tables = vec![
        entity_accounts(model, dirty),
        entity_holds(model, dirty),
        entity_hold_states(model, dirty),
        entity_cards(model, dirty),
        entity_payments(model, dirty),
        entity_products(model, dirty),
        entity_customers(model, dirty),
        entity_subjects(model, dirty),
    ];
    tables.extend(added(model));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn entity_accounts(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = account_rows();
    for record in dirty.accounts.iter().filter_map(|id| model.accounts.get(id)) {
        let account = &record.account;
        let owner = account.owner.map(|owner| owner.to_string());
        table.rows.push(vec![
            cell(account.id),
            owner.into(),
            account_body(account).into(),
            record.position.into(),
        ]);
    }
    table
}

fn entity_holds(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = hold_rows();
    for record in dirty.holds.iter().filter_map(|id| model.holds.get(id)) {
        table.rows.push(vec![cell(record.hold.id), record.placed.into(), hold_body(&record.hold).into()]);
    }
    table
}

fn entity_hold_states(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = hold_state_rows();
    for record in dirty.hold_states.iter().filter_map(|id| model.holds.get(id)) {
        let hold = &record.hold;
        table.rows.push(vec![
            cell(hold.id),
            hold.held.minor_units.into(),
            hold.captured.into(),
            hold.over_captured.into(),
            hold.released.into(),
            record.outstanding.into(),
            hold.expires_at.into(),
            record.last.into(),
            record.position.into(),
            record.told.into(),
        ]);
    }
    table
}

fn entity_cards(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = card_rows();
    for record in dirty.cards.iter().filter_map(|id| model.cards.get(id)) {
        let card = &record.card;
        let issuing = card.stage == bursar_ledger_engine::CardStage::Issuing;
        let position = record.steps.last().map_or(0, |step| step.position);
        table.rows.push(vec![
            cell(card.id),
            cell(card.customer),
            issuing.into(),
            record.to_bytes().into(),
            position.into(),
        ]);
    }
    table
}

fn entity_payments(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = payment_rows();
    for record in dirty.payments.iter().filter_map(|id| model.payments.get(id)) {
        let payment = &record.payment;
        let customer = payment.customer.map(|customer| customer.to_string());
        table.rows.push(vec![
            cell(payment.id),
            customer.into(),
            cell(payment.card),
            record.opened.into(),
            record.to_bytes().into(),
            record.positions.last().copied().unwrap_or(record.opened).into(),
        ]);
    }
    table
}

fn entity_products(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = product_rows();
    for record in dirty.products.iter().filter_map(|key| model.products.get(key)) {
        table.rows.push(vec![
            cell(record.version.product),
            i64::from(record.version.version).into(),
            record.version.to_bytes().into(),
            record.position.into(),
        ]);
    }
    table
}

fn entity_customers(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = customer_rows();
    for (standing, position) in dirty.customers.iter().filter_map(|id| model.customers.get(id)) {
        table.rows.push(vec![cell(standing.customer), standing.to_bytes().into(), (*position).into()]);
    }
    table
}

fn entity_subjects(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = event_subject_rows();
    for subject in &dirty.subjects {
        table.rows.push(vec![subject.as_str().into(), model.subjects.version(subject).into()]);
    }
    table
}

fn added(model: &Model) -> Vec<TableRows> {
    let mut reversals = reversal_rows();
    for (original, (by, position)) in &model.reversals {
        reversals.rows.push(vec![cell(original), cell(by), (*position).into()]);
    }
    let mut top_ups = top_up_rows();
    for (id, record) in &model.top_ups {
        top_ups.rows.push(vec![id.as_str().into(), record.to_bytes().into(), record.position.into()]);
    }
    vec![reversals, top_ups]
}

/// The events of `model` in chunks: rows that are only ever added.
pub(super) fn event_chunks(model: &Model) -> Vec<[Cell; 4]> {
    let told = i64::try_from(model.events.len()).unwrap_or(i64::MAX);
    let mut first = model.event_position - told + 1;
    let shard = model.shard.to_string();
    let mut rows = Vec::new();
    for events in model.events.chunks(EVENTS_PER_CHUNK) {
        let last = first + i64::try_from(events.len()).unwrap_or(i64::MAX) - 1;
        let body = EventChunk { events: events.to_vec() }.to_bytes();
        rows.push([shard.as_str().into(), first.into(), last.into(), body.into()]);
        first = last + 1;
    }
    rows
}
