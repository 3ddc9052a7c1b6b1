-- Every screening of a person that was run in full, those without a hit too. Never changed.
CREATE TABLE screenings (
    screening_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    -- SUBMITTED: an application was handed in. LISTS_CHANGED: the lists or the scorer did.
    cause TEXT NOT NULL,
    -- Keyed digest of what was screened.
    subject_hash {{bytes}} NOT NULL,
    lists TEXT NOT NULL,
    lists_version TEXT NOT NULL,
    lists_hash TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    threshold_bps BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    hits_sealed {{bytes}} NOT NULL,
    ran_at BIGINT NOT NULL
);
CREATE INDEX screenings_by_customer ON screenings (customer_id, screening_id);

-- A person and an entry that they are like: where that stands now.
CREATE TABLE screening_matches (
    customer_id TEXT NOT NULL,
    list TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    -- OPEN, CLEARED by a reviewer, GONE from the list or from likeness.
    state TEXT NOT NULL,
    -- What was compared: another of either, and a cleared match is open again.
    subject_hash {{bytes}} NOT NULL,
    entry_hash TEXT NOT NULL,
    score_bps BIGINT NOT NULL,
    -- The run that met it last.
    screening_id TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    cleared_by TEXT NOT NULL,
    cleared_at BIGINT,
    reason_sealed {{bytes}},
    -- How often it was opened again.
    reopened BIGINT NOT NULL,
    PRIMARY KEY (customer_id, list, entry_id)
);
CREATE INDEX screening_matches_by_state ON screening_matches (state, customer_id, list, entry_id);

-- Who is screened again when lists change: whoever handed an application in, by their latest one.
CREATE TABLE screening_people (
    customer_id TEXT PRIMARY KEY,
    case_id TEXT NOT NULL,
    -- Hash of the lists that the person was last compared with; empty: with none.
    lists_hash TEXT NOT NULL,
    screened_at BIGINT NOT NULL
);
CREATE INDEX screening_people_by_lists ON screening_people (lists_hash, customer_id);

INSERT INTO screening_people (customer_id, case_id, lists_hash, screened_at)
SELECT customer_id, max(case_id), '', 0 FROM kyc_cases WHERE submitted_at IS NOT NULL GROUP BY customer_id;
