-- A bank's file that was imported. The digest of its bytes tells a file that is sent again.
CREATE TABLE bank_files (
    bank_file_id TEXT PRIMARY KEY,
    digest {{bytes}} NOT NULL UNIQUE,
    message_id TEXT NOT NULL,
    document_type TEXT NOT NULL,
    entries BIGINT NOT NULL,
    imported_at BIGINT NOT NULL
);

-- What became of each entry, in the order of the file.
CREATE TABLE bank_file_entries (
    bank_file_id TEXT NOT NULL,
    entry_index BIGINT NOT NULL,
    bank_transaction_id TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    asset TEXT NOT NULL,
    funding_reference TEXT NOT NULL,
    outcome BIGINT NOT NULL,
    top_up_id TEXT,
    PRIMARY KEY (bank_file_id, entry_index)
);
