//! Whole-platform tests live in `tests/tests/`.
