//! The tests of the platform as a whole live in `tests/`: `platform` starts real processes and looks at them from
//! outside; `guards` looks at the source and the dependency tree for what must never be.
