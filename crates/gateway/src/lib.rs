//! The gateway: ISO 8583, bank files and HTTP outside; calls to vault and ledger inside.
