-- Where customers can be reached. The phone is sealed.
CREATE TABLE recipients (
    customer_id TEXT NOT NULL PRIMARY KEY,
    phone {{bytes}} NOT NULL,
    locale TEXT NOT NULL,
    update_time BIGINT NOT NULL
);

-- Heads of the inboxes: the number of the last message, how many are unread, and the language the customer signed up
-- in, which holds until the recipient is known.
CREATE TABLE inboxes (
    customer_id TEXT NOT NULL PRIMARY KEY,
    last_number BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    locale TEXT
);

-- Messages to people, as template and facts (JSON): written out in the language of whoever reads.
CREATE TABLE messages (
    customer_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    template TEXT NOT NULL,
    facts TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    read_time BIGINT,
    PRIMARY KEY (customer_id, number)
);
CREATE UNIQUE INDEX messages_by_event ON messages (customer_id, event_id);
CREATE UNIQUE INDEX messages_by_id ON messages (customer_id, message_id);

-- Text messages on their way: waiting (for the recipient), due, sent, dead.
CREATE TABLE text_messages (
    customer_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    problem TEXT,
    PRIMARY KEY (customer_id, message_id)
);
CREATE INDEX text_messages_due ON text_messages (next_attempt) WHERE state = 'due';

-- One-time codes that were asked for, without the code and the phone: whether each was handed over.
CREATE TABLE code_messages (
    message_id TEXT NOT NULL PRIMARY KEY,
    expire_time BIGINT NOT NULL,
    handed_over BOOLEAN NOT NULL
);

-- The sandbox's mailbox. No one-time codes. The address is a keyed digest.
CREATE TABLE mailbox (
    message_id TEXT NOT NULL PRIMARY KEY,
    address {{bytes}} NOT NULL,
    arrival BIGINT NOT NULL,
    locale TEXT NOT NULL,
    body TEXT NOT NULL,
    event_type TEXT NOT NULL
);
CREATE UNIQUE INDEX mailbox_by_arrival ON mailbox (address, arrival);
CREATE INDEX mailbox_last ON mailbox (arrival);

-- Webhook endpoints: active, disabled (410), deleted. The secret is sealed, and gone when deleted.
CREATE TABLE webhook_endpoints (
    webhook_endpoint_id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    event_types TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    secret {{bytes}} NOT NULL,
    state TEXT NOT NULL,
    create_time BIGINT NOT NULL
);

-- What webhooks say, once for each event and audience: the exact bytes that are signed.
CREATE TABLE webhook_bodies (
    event_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    body {{bytes}} NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (event_id, audience)
);

-- Deliveries: pending, delivered, dead. While an attempt is under way next_attempt is the end of its lease.
CREATE TABLE webhook_deliveries (
    webhook_endpoint_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    audience TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    last_status BIGINT NOT NULL,
    next_attempt BIGINT,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (webhook_endpoint_id, delivery_id)
);
CREATE UNIQUE INDEX webhook_deliveries_by_event ON webhook_deliveries (webhook_endpoint_id, event_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_endpoint_id, next_attempt) WHERE state = 'pending';

-- The delivery log: each attempt with what came back, the first 4 KiB of it.
CREATE TABLE webhook_attempts (
    webhook_endpoint_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    start_time BIGINT NOT NULL,
    duration_micros BIGINT NOT NULL,
    status BIGINT NOT NULL,
    problem TEXT NOT NULL,
    response {{bytes}} NOT NULL,
    PRIMARY KEY (webhook_endpoint_id, delivery_id, attempt)
);
