-- What is booked later must be known whole. What was imported before is booked already.
ALTER TABLE bank_file_entries ADD COLUMN value_date TEXT NOT NULL DEFAULT '';
ALTER TABLE bank_file_entries ADD COLUMN debtor_name TEXT NOT NULL DEFAULT '';
-- The kind of the file, 53 or 54; and, where the bank gave no reference, the digest of all that the movement says.
ALTER TABLE bank_file_entries ADD COLUMN kind BIGINT NOT NULL DEFAULT 54;
ALTER TABLE bank_file_entries ADD COLUMN content_key {{bytes}};

CREATE INDEX bank_file_entries_content ON bank_file_entries (content_key, kind) WHERE content_key IS NOT NULL;
-- 5: BANK_ENTRY_OUTCOME_PENDING.
CREATE INDEX bank_file_entries_pending ON bank_file_entries (bank_file_id, entry_index) WHERE outcome = 5;
