-- Further ways to people: an e-mail address, sealed, and the time zone (IANA) their quiet hours are in.
ALTER TABLE recipients ADD COLUMN email {{bytes}};
ALTER TABLE recipients ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'Asia/Shanghai';

-- What customers want to be told and how (JSON). Without a row: everything, at once.
CREATE TABLE preferences (
    customer_id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    update_time BIGINT NOT NULL
);

-- Messages on their way, one row for each channel: waiting (for the recipient to become known), due (then), spare (due
-- when the one before it dies), digest (with others, then), sent, dead. The address is sealed; without one it is the
-- recipient's at the moment of sending. Of a digest digest_of names the sending that carries all. Uncertain: an attempt ended without a word, so it may have arrived.
CREATE TABLE sendings (
    customer_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    channel TEXT NOT NULL,
    address {{bytes}},
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    uncertain BOOLEAN NOT NULL DEFAULT FALSE,
    digest_of TEXT,
    problem TEXT,
    PRIMARY KEY (customer_id, message_id, number)
);
INSERT INTO sendings (customer_id, message_id, number, channel, state, attempts, next_attempt, create_time, problem)
    SELECT customer_id, message_id, 1, 'sms', state, attempts, next_attempt, create_time, problem FROM text_messages;
DROP TABLE text_messages;
CREATE INDEX sendings_due ON sendings (next_attempt) WHERE state = 'due';
CREATE INDEX sendings_digest ON sendings (next_attempt) WHERE state = 'digest';

-- The mailbox knows by which way a message came, and its title.
ALTER TABLE mailbox ADD COLUMN channel TEXT NOT NULL DEFAULT 'sms';
ALTER TABLE mailbox ADD COLUMN title TEXT NOT NULL DEFAULT '';
