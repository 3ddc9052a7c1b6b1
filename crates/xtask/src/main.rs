//! The tasks of this repository: `cargo xtask test` and friends.
fn main() {}
