//! An ISO 8583 codec whose message layouts are data. Usable alone.
