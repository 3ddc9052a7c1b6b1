//! What tests need: a private PostgreSQL, the whole platform as real processes, fault injection.
