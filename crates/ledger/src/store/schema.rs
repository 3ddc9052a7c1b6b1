//! The ledger's tables. The shard leads every key, so that a distributed engine can place each program by itself.

use bursar_service::migrate::Migration;

/// Every step of the schema.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "ledger", sql: LEDGER },
    Migration { version: 2, name: "index", sql: INDEX },
    Migration { version: 3, name: "follower", sql: FOLLOWER },
];

const LEDGER: &str = "
-- Who may append to a shard: the lease's epoch and the last row, both checked by each append.
CREATE TABLE shard_lease (
    shard TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    head BIGINT NOT NULL
);

-- The truth. Rows are only ever added.
CREATE TABLE journal (
    shard TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    time BIGINT NOT NULL,
    first_position BIGINT NOT NULL,
    count BIGINT NOT NULL,
    entry {{bytes}} NOT NULL,
    previous {{bytes}} NOT NULL,
    hash {{bytes}} NOT NULL,
    PRIMARY KEY (shard, sequence)
);

-- States of the engine, from which a start replays only the rest. Can be removed at any time.
CREATE TABLE checkpoint (
    shard TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    part BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, sequence, part)
);

-- How far the projections below are: they change together with this row, or not at all.
CREATE TABLE projection (
    shard TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    position BIGINT NOT NULL,
    event_position BIGINT NOT NULL,
    event_epoch TEXT NOT NULL
);

CREATE TABLE request (
    shard TEXT NOT NULL,
    request_id {{bytes}} NOT NULL,
    digest {{bytes}} NOT NULL,
    sequence BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (shard, request_id)
);

CREATE TABLE account (
    shard TEXT NOT NULL,
    account TEXT NOT NULL,
    owner TEXT,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, account)
);
CREATE INDEX account_by_owner ON account (shard, owner, account);

CREATE TABLE balance (
    shard TEXT NOT NULL,
    account TEXT NOT NULL,
    posted_debits BIGINT NOT NULL,
    posted_credits BIGINT NOT NULL,
    pending_debits BIGINT NOT NULL,
    pending_credits BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, account)
);

CREATE TABLE entry (
    shard TEXT NOT NULL,
    account TEXT NOT NULL,
    position BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, account, position, ordinal)
);

CREATE TABLE transfer (
    shard TEXT NOT NULL,
    transfer TEXT NOT NULL,
    position BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, transfer)
);

CREATE TABLE hold (
    shard TEXT NOT NULL,
    hold TEXT NOT NULL,
    position BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, hold)
);

CREATE TABLE hold_state (
    shard TEXT NOT NULL,
    hold TEXT NOT NULL,
    held BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    over_captured BIGINT NOT NULL,
    released BIGINT NOT NULL,
    outstanding BIGINT NOT NULL,
    expires_at BIGINT,
    last_change TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, hold)
);

CREATE TABLE reversal (
    shard TEXT NOT NULL,
    original TEXT NOT NULL,
    reversed_by TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, original)
);

CREATE TABLE card (
    shard TEXT NOT NULL,
    card TEXT NOT NULL,
    customer TEXT NOT NULL,
    issuing BOOLEAN NOT NULL,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, card)
);
CREATE INDEX card_by_customer ON card (shard, customer, card);

CREATE TABLE payment (
    shard TEXT NOT NULL,
    payment TEXT NOT NULL,
    customer TEXT,
    card TEXT NOT NULL,
    opened_position BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, payment)
);
CREATE INDEX payment_by_time ON payment (shard, opened_position);
CREATE INDEX payment_by_customer ON payment (shard, customer, opened_position);
CREATE INDEX payment_by_card ON payment (shard, card, opened_position);

CREATE TABLE top_up (
    shard TEXT NOT NULL,
    bank_transaction_id TEXT NOT NULL,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, bank_transaction_id)
);

CREATE TABLE product (
    shard TEXT NOT NULL,
    product TEXT NOT NULL,
    version BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, product, version)
);

CREATE TABLE customer (
    shard TEXT NOT NULL,
    customer TEXT NOT NULL,
    body {{bytes}} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (shard, customer)
);

CREATE TABLE event (
    shard TEXT NOT NULL,
    position BIGINT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_version BIGINT NOT NULL,
    time BIGINT NOT NULL,
    type_url TEXT NOT NULL,
    data {{bytes}} NOT NULL,
    journal_position BIGINT NOT NULL,
    PRIMARY KEY (shard, position)
);

CREATE TABLE event_subject (
    shard TEXT NOT NULL,
    subject TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (shard, subject)
);

-- Events of identity that wait to become commands: written with the consumer's cursor, removed once journaled.
CREATE TABLE inbox (
    number {{identity}},
    event_id TEXT NOT NULL UNIQUE,
    customer TEXT NOT NULL,
    state TEXT NOT NULL,
    kyc_level BIGINT NOT NULL
);
";

// Rows a transfer become blocks of many. The projections are made again from the journal, and the index with them.
const INDEX: &str = "
DROP TABLE request;
DROP TABLE balance;
DROP TABLE entry;
DROP TABLE transfer;
DROP TABLE event;
DELETE FROM event_subject;
DELETE FROM account;
DELETE FROM hold;
DELETE FROM hold_state;
DELETE FROM reversal;
DELETE FROM card;
DELETE FROM payment;
DELETE FROM top_up;
DELETE FROM product;
DELETE FROM customer;
DELETE FROM checkpoint;
ALTER TABLE projection ADD COLUMN index_sequence BIGINT NOT NULL DEFAULT 0;
UPDATE projection SET sequence = 0, position = 0, event_position = 0;
ALTER TABLE hold_state ADD COLUMN told BIGINT NOT NULL DEFAULT 0;

-- Where request ids, transfers, entries and references are in the journal. A run holds those of the journal's rows
-- from one to another, in blocks sorted by key; no two runs overlap.
CREATE TABLE index_run (
    shard TEXT NOT NULL,
    run BIGINT NOT NULL,
    level BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    items BIGINT NOT NULL,
    PRIMARY KEY (shard, run)
);
CREATE TABLE index_block (
    shard TEXT NOT NULL,
    run BIGINT NOT NULL,
    first_key {{bytes}} NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, run, first_key)
);

-- The event log, many events in one row.
CREATE TABLE event_chunk (
    shard TEXT NOT NULL,
    first_position BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, first_position)
);
";

const FOLLOWER: &str = "
-- States of the engine, from which a start replays only the rest. Can be removed at any time, and were here: they come
-- in parts of their own now, each readable by itself. A state is there once its row is; parts without one are leftovers.
DROP TABLE checkpoint;
CREATE TABLE checkpoint (
    shard TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    PRIMARY KEY (shard, sequence)
);
CREATE TABLE checkpoint_part (
    shard TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    part BIGINT NOT NULL,
    body {{bytes}} NOT NULL,
    PRIMARY KEY (shard, sequence, part)
);

-- How far the Merkle log over the journal is: the tiles and checkpoints below change together with this row, or not at
-- all, and only under the newest lease whose follower has begun.
CREATE TABLE merkle_log (
    shard TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    size BIGINT NOT NULL,
    hash {{bytes}} NOT NULL,
    root {{bytes}} NOT NULL
);

-- Hashes of the log, 256 a tile; a tile that is not full holds what there is.
CREATE TABLE merkle_tile (
    shard TEXT NOT NULL,
    level BIGINT NOT NULL,
    tile BIGINT NOT NULL,
    hashes {{bytes}} NOT NULL,
    PRIMARY KEY (shard, level, tile)
);

-- Signed checkpoints of the log. Those that are not lasting are removed after a while.
CREATE TABLE merkle_checkpoint (
    shard TEXT NOT NULL,
    size BIGINT NOT NULL,
    root {{bytes}} NOT NULL,
    time BIGINT NOT NULL,
    lasting BOOLEAN NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (shard, size)
);
";
