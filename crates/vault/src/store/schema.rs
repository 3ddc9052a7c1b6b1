//! The schema of the vault's database.

use bursar_service::migrate::Migration;

/// All migrations, in order. One that was released is never changed.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "vault", sql: VAULT },
    Migration { version: 2, name: "audit log", sql: AUDIT_LOG },
    Migration { version: 3, name: "key sets", sql: KEY_SETS },
    Migration { version: 4, name: "purge", sql: PURGE },
];

/// There is no column for a CVV2, and none in which a card number or password lies in plain.
const VAULT: &str = "
-- Every key but the root, wrapped by the root (RFC 3394).
CREATE TABLE vault_key (
    purpose TEXT NOT NULL,
    scope TEXT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'retired')),
    wrapped {{bytes}} NOT NULL,
    check_value {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, scope, version)
);
CREATE UNIQUE INDEX vault_key_active ON vault_key (purpose, scope) WHERE state = 'active';

CREATE TABLE bin_range (
    bin_range_id TEXT PRIMARY KEY,
    bin TEXT NOT NULL,
    pan_length BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
-- How many numbers of a range are taken, in slots: one row would be the queue that all issuing stands in.
CREATE TABLE bin_range_fill (
    bin_range_id TEXT NOT NULL,
    slot BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    PRIMARY KEY (bin_range_id, slot)
);

CREATE TABLE card (
    card_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    bin_range_id TEXT NOT NULL,
    masked_pan TEXT NOT NULL,
    expiry TEXT NOT NULL,
    cvk_version BIGINT NOT NULL,
    record_version BIGINT NOT NULL,
    sealed_pan {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL
);
-- Data keys lie apart, so that their backups can be kept shorter: without its data key a record is gone.
CREATE TABLE card_dek (
    card_id TEXT NOT NULL,
    field BIGINT NOT NULL,
    kek_version BIGINT NOT NULL,
    wrapped {{bytes}} NOT NULL,
    PRIMARY KEY (card_id, field)
);
CREATE INDEX card_dek_by_kek ON card_dek (kek_version, card_id);
-- The blind index, and what makes numbers unique. The key's version is in the key, so that two can stand side by side
-- while the index key is changed.
CREATE TABLE pan_index (
    fingerprint {{bytes}} NOT NULL,
    key_version BIGINT NOT NULL,
    card_id TEXT NOT NULL,
    PRIMARY KEY (fingerprint, key_version)
);

-- The moments of the last wrong CVV2s of a number, known or not, 8 bytes each. Rows are forgotten after a day.
CREATE TABLE cvv2_guard (
    fingerprint {{bytes}} PRIMARY KEY,
    failures {{bytes}} NOT NULL,
    touched_at BIGINT NOT NULL
);
CREATE INDEX cvv2_guard_by_time ON cvv2_guard (touched_at);

CREATE TABLE card_password (
    card_id TEXT PRIMARY KEY,
    pepper_version BIGINT NOT NULL,
    salt {{bytes}} NOT NULL,
    verifier {{bytes}} NOT NULL,
    tries_used BIGINT NOT NULL CHECK (tries_used BETWEEN 0 AND 5),
    locked_until BIGINT,
    set_at BIGINT NOT NULL
);
-- One row for each request to verify one: a repeated request is not another try.
CREATE TABLE card_password_try (
    principal TEXT NOT NULL,
    request_id {{bytes}} NOT NULL,
    digest {{bytes}} NOT NULL,
    card_id TEXT NOT NULL,
    jti TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    outcome TEXT,
    tries_left BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    PRIMARY KEY (principal, request_id)
);

CREATE TABLE reveal_ticket (
    ticket_id TEXT PRIMARY KEY,
    card_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    device_public_key {{bytes}} NOT NULL,
    purpose TEXT NOT NULL,
    secret_hash {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT
);
CREATE INDEX reveal_ticket_by_card ON reveal_ticket (card_id, created_at);

-- Append-only: nothing in the vault updates or deletes here.
CREATE TABLE audit (
    seq {{identity}},
    at BIGINT NOT NULL,
    caller TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    body {{bytes}} NOT NULL,
    leaf {{bytes}} NOT NULL
);
CREATE INDEX audit_by_subject ON audit (subject, seq);
";

/// The audit records become the leaves of a Merkle log.
const AUDIT_LOG: &str = "
-- Append-only: nothing in the vault updates or deletes here. `body` is what is hashed; the columns beside it say the
-- same, for people who ask with SQL.
CREATE TABLE audit_record (
    leaf_index {{number_key}},
    at BIGINT NOT NULL,
    caller TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    body {{bytes}} NOT NULL
);
INSERT INTO audit_record (leaf_index, at, caller, customer_id, operation, subject, outcome, reason, body)
    SELECT ROW_NUMBER() OVER (ORDER BY seq) - 1, at, caller, customer_id, operation, subject, outcome, reason, body
    FROM audit;
DROP TABLE audit;
CREATE INDEX audit_record_by_subject ON audit_record (subject, leaf_index);

-- The end of the log: who appends locks this row. `peaks` are the roots of the complete subtrees, 32 bytes each.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY,
    turns BIGINT NOT NULL,
    log_id TEXT,
    size BIGINT NOT NULL,
    peaks {{bytes}}
);
INSERT INTO audit_head (id, turns, log_id, size, peaks) VALUES (1, 0, NULL, 0, NULL);

-- Made of the records, for proofs: 256 hashes a tile.
CREATE TABLE audit_tiles (
    id BIGINT PRIMARY KEY,
    turns BIGINT NOT NULL,
    size BIGINT NOT NULL
);
INSERT INTO audit_tiles (id, turns, size) VALUES (1, 0, 0);
CREATE TABLE audit_tile (
    level BIGINT NOT NULL,
    tile BIGINT NOT NULL,
    hashes {{bytes}} NOT NULL,
    PRIMARY KEY (level, tile)
);
CREATE TABLE audit_checkpoint (
    size {{number_key}},
    root {{bytes}} NOT NULL,
    time BIGINT NOT NULL,
    lasting BOOLEAN NOT NULL,
    text TEXT NOT NULL
);
";

/// Keys get a third state, and are changed while the vault runs.
const KEY_SETS: &str = "
ALTER TABLE vault_key RENAME TO vault_key_of_two_states;
DROP INDEX vault_key_active;
-- `primary` protects what is new, `active` opens what is old, `retired` is destroyed: nothing is wrapped in it any more.
CREATE TABLE vault_key (
    purpose TEXT NOT NULL,
    scope TEXT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('primary', 'active', 'retired')),
    wrapped {{bytes}} NOT NULL,
    check_value {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, scope, version)
);
INSERT INTO vault_key (purpose, scope, version, state, wrapped, check_value, created_at)
    SELECT purpose, scope, version, CASE state WHEN 'active' THEN 'primary' ELSE 'active' END, wrapped, check_value,
           created_at
    FROM vault_key_of_two_states;
DROP TABLE vault_key_of_two_states;
CREATE UNIQUE INDEX vault_key_primary ON vault_key (purpose, scope) WHERE state = 'primary';

-- Who writes something under a key has the end of the audit log locked, and sees there whether the keys were changed.
ALTER TABLE audit_head ADD COLUMN key_changes BIGINT NOT NULL DEFAULT 0;
-- Custodians that the root key is split among; 0: it is not.
ALTER TABLE audit_head ADD COLUMN shares BIGINT NOT NULL DEFAULT 0;

-- The pass that wraps data keys under a new key.
CREATE TABLE rewrap_job (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    done BIGINT NOT NULL,
    running BOOLEAN NOT NULL
);
";

/// Cards that are closed, and those whose secrets are gone.
const PURGE: &str = "
ALTER TABLE card ADD COLUMN closed_at BIGINT;
ALTER TABLE card ADD COLUMN purged_at BIGINT;
CREATE INDEX card_to_purge ON card (closed_at, card_id) WHERE closed_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX card_password_try_by_card ON card_password_try (card_id);
";
