//! Tests of the use cases against real databases.
