-- Endpoints: whether the order per subject is kept; attempts a second and at once (0: as configured); since when nothing
-- but failures came, and how often its owner was warned of it; why it is disabled ('' while it is not).
ALTER TABLE webhook_endpoints ADD COLUMN ordered BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE webhook_endpoints ADD COLUMN rate_per_second BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_endpoints ADD COLUMN concurrency BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_endpoints ADD COLUMN failing_since BIGINT;
ALTER TABLE webhook_endpoints ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_endpoints ADD COLUMN disable_reason TEXT NOT NULL DEFAULT '';
UPDATE webhook_endpoints SET disable_reason = 'gone' WHERE state = 'disabled';

-- What endpoints' messages are signed with, all that have not ended at once: HMAC secrets (v1), ed25519 keys (v1a).
-- Sealed. Without an end: until it is rotated.
CREATE TABLE webhook_secrets (
    webhook_endpoint_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    scheme TEXT NOT NULL,
    secret {{bytes}} NOT NULL,
    end_time BIGINT,
    PRIMARY KEY (webhook_endpoint_id, number)
);
INSERT INTO webhook_secrets (webhook_endpoint_id, number, scheme, secret)
    SELECT webhook_endpoint_id, 1, 'v1', secret FROM webhook_endpoints WHERE state <> 'deleted';
UPDATE webhook_endpoints SET secret = {{postgres}}''::bytea{{end}}{{sqlite}}x''{{end}};

-- Counts the changes of endpoints, so that what is known of them in memory is known to be right; and who delivers: one
-- process at a time, for as long as it renews its lease.
CREATE TABLE webhook_dispatch (
    id BIGINT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    owner TEXT NOT NULL,
    lease_end BIGINT NOT NULL
);
INSERT INTO webhook_dispatch (id, generation, owner, lease_end) VALUES (1, 1, '', 0);

-- What an event was about, for replaying it to who missed it.
ALTER TABLE webhook_bodies ADD COLUMN event_type TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_bodies ADD COLUMN merchant_id TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_bodies ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_bodies ADD COLUMN subject_version BIGINT NOT NULL DEFAULT 0;
CREATE INDEX webhook_bodies_by_time ON webhook_bodies (create_time, event_id);

-- A delivery's id follows from its endpoint and event, so its key is enough to keep it single. States: pending, held
-- (its endpoint is disabled), delivered, dead. The last attempt is told here; the log holds all but a first that
-- succeeded. The subject is there where its order is kept.
DROP INDEX webhook_deliveries_by_event;
DROP INDEX webhook_deliveries_due;
ALTER TABLE webhook_deliveries ADD COLUMN subject TEXT;
ALTER TABLE webhook_deliveries ADD COLUMN subject_version BIGINT NOT NULL DEFAULT 0;
-- Attempts made before the schedule began anew, by a retry.
ALTER TABLE webhook_deliveries ADD COLUMN schedule_start BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_deliveries ADD COLUMN last_time BIGINT;
ALTER TABLE webhook_deliveries ADD COLUMN last_micros BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook_deliveries ADD COLUMN last_problem TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_deliveries ADD COLUMN last_response {{bytes}};
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_endpoint_id, next_attempt, delivery_id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook_endpoint_id, subject, subject_version)
    WHERE state = 'pending' AND subject IS NOT NULL;
CREATE INDEX webhook_deliveries_held ON webhook_deliveries (webhook_endpoint_id, delivery_id)
    WHERE state = 'held' OR state = 'dead';
