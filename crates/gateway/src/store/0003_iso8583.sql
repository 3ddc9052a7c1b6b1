-- What was answered to a message of a network, without what is sensitive: whoever sends it again gets the same.
CREATE TABLE iso_answers (
    answer_key {{bytes}} PRIMARY KEY,
    -- Tells whose row it is after several were written at once.
    claim {{bytes}} NOT NULL,
    -- Of what the message asks: the same key with another digest is no repetition.
    digest {{bytes}} NOT NULL,
    card_id TEXT NOT NULL,
    stan TEXT NOT NULL,
    transmission_time TEXT NOT NULL,
    acquirer_id TEXT NOT NULL,
    rrn TEXT NOT NULL,
    answer {{bytes}} NOT NULL,
    payment_id TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX iso_answers_by_message ON iso_answers (card_id, stan);
CREATE INDEX iso_answers_by_age ON iso_answers (created_at);

-- What the ledger is still to be told: advices and reversals that were acknowledged, and decisions that came too late.
CREATE TABLE iso_deliveries (
    delivery_key {{bytes}} PRIMARY KEY,
    kind BIGINT NOT NULL,
    card_id TEXT NOT NULL,
    -- What is to be done, as the gateway's own JSON; card data in it are sealed.
    work {{bytes}} NOT NULL,
    -- 0 waiting, 1 done, 2 refused by the ledger: for a person.
    state BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    problem TEXT NOT NULL
);

CREATE INDEX iso_deliveries_due ON iso_deliveries (due_at) WHERE state = 0;
