-- Identity's tables. What names a person is in columns that end in `_sealed`: encrypted under that person's own key
-- and bound to table, column and row. What must be searched is in columns that end in `_index`: keyed HMACs.

-- Tells the right master key from another before anything is written under the wrong one.
CREATE TABLE master_key (
    id BIGINT PRIMARY KEY,
    check_value {{bytes}} NOT NULL
);

CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY,
    phone_index {{bytes}} NOT NULL UNIQUE,
    phone_sealed {{bytes}} NOT NULL,
    password_hash TEXT NOT NULL,
    locale TEXT NOT NULL,
    state TEXT NOT NULL,
    kyc_level BIGINT NOT NULL,
    full_name_sealed {{bytes}},
    -- Whether notifications does not know yet where this customer is reached.
    recipient_pending BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX customers_by_state ON customers (state, customer_id);
CREATE INDEX customers_recipient_pending ON customers (customer_id) WHERE recipient_pending;

-- Apart from the customers, so that deleting a row here makes all that is sealed unreadable and keeps the rest.
CREATE TABLE customer_keys (
    customer_id TEXT PRIMARY KEY,
    wrapped_key {{bytes}} NOT NULL
);

CREATE TABLE sign_ups (
    sign_up_id TEXT PRIMARY KEY,
    -- Principal and request id of the call, to know a repetition before its password is hashed.
    request TEXT NOT NULL UNIQUE,
    -- Id that the customer gets.
    customer_id TEXT NOT NULL,
    phone_index {{bytes}} NOT NULL,
    phone_sealed {{bytes}} NOT NULL,
    password_hash TEXT NOT NULL,
    locale TEXT NOT NULL,
    -- Whether the phone had an account already: its owner is told, and no code is right.
    phone_known BOOLEAN NOT NULL,
    confirmed BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX sign_ups_by_age ON sign_ups (created_at);

CREATE TABLE one_time_codes (
    -- Id of the sign-up or of the challenge.
    challenge TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    phone_index {{bytes}} NOT NULL,
    -- Session that a step-up belongs to; empty for a sign-up.
    session_id TEXT NOT NULL,
    code_mac {{bytes}} NOT NULL,
    tries BIGINT NOT NULL,
    -- How often a code was made for this challenge; only the last one works.
    sends BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When the last one was known to be handed over.
    sent_at BIGINT,
    used_at BIGINT
);
CREATE INDEX one_time_codes_by_phone ON one_time_codes (phone_index, purpose);
CREATE INDEX one_time_codes_by_expiry ON one_time_codes (expires_at);

-- One row for each code on its way, for the limits of a phone.
CREATE TABLE code_sends (
    phone_index {{bytes}} NOT NULL,
    send_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (phone_index, send_id)
);
CREATE INDEX code_sends_by_age ON code_sends (sent_at);

-- Wrong passwords in a row, for known and unknown phones alike.
CREATE TABLE login_guards (
    phone_index {{bytes}} PRIMARY KEY,
    failures BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX login_guards_by_age ON login_guards (changed_at);

CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    second_factor_at BIGINT,
    expires_at BIGINT NOT NULL,
    closed_at BIGINT,
    close_reason TEXT
);
CREATE INDEX sessions_by_customer ON sessions (customer_id);
CREATE INDEX sessions_open_by_expiry ON sessions (expires_at) WHERE closed_at IS NULL;

CREATE TABLE refresh_tokens (
    token_hash {{bytes}} PRIMARY KEY,
    session_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE kyc_cases (
    case_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    full_name_sealed {{bytes}} NOT NULL,
    id_number_sealed {{bytes}} NOT NULL,
    id_number_index {{bytes}} NOT NULL,
    birth_date_sealed {{bytes}} NOT NULL,
    address_sealed {{bytes}} NOT NULL,
    nationality TEXT NOT NULL,
    -- How often it was handed in.
    attempt BIGINT NOT NULL,
    reviewer TEXT NOT NULL,
    customer_reason TEXT NOT NULL,
    kyc_level BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    submitted_at BIGINT,
    deadline BIGINT,
    -- When it was told that the deadline passed.
    overdue_at BIGINT,
    -- Entries in its trail.
    trail_length BIGINT NOT NULL
);
CREATE UNIQUE INDEX kyc_cases_one_open ON kyc_cases (customer_id)
    WHERE state IN ('DRAFT', 'OPEN', 'IN_REVIEW', 'MORE_INFO');
CREATE INDEX kyc_cases_queue ON kyc_cases (deadline, case_id) WHERE deadline IS NOT NULL;
CREATE INDEX kyc_cases_queue_by_state ON kyc_cases (state, deadline, case_id) WHERE deadline IS NOT NULL;
CREATE INDEX kyc_cases_by_id_number ON kyc_cases (id_number_index);

CREATE TABLE documents (
    document_id TEXT PRIMARY KEY,
    case_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    image_index {{bytes}} NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX documents_by_case ON documents (case_id, document_id);
CREATE INDEX documents_by_image ON documents (image_index);

CREATE TABLE document_chunks (
    document_id TEXT NOT NULL,
    chunk BIGINT NOT NULL,
    sealed {{bytes}} NOT NULL,
    PRIMARY KEY (document_id, chunk)
);

CREATE TABLE kyc_checks (
    case_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (case_id, attempt, position)
);

-- Every run, those without a hit too, with what it ran over. Never changed.
CREATE TABLE screening_runs (
    case_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    list TEXT NOT NULL,
    list_version TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    threshold_bps BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    hits_sealed {{bytes}} NOT NULL,
    ran_at BIGINT NOT NULL,
    PRIMARY KEY (case_id, attempt)
);

-- Who did what to a case and why. Only ever added to; entries of a case are numbered without gaps, from 1.
CREATE TABLE kyc_trail (
    case_id TEXT NOT NULL,
    entry BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail_sealed {{bytes}} NOT NULL,
    PRIMARY KEY (case_id, entry)
);
