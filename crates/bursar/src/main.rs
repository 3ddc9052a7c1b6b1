//! The command people run: demo, up, serve, bench, verify. Starts the processes; owns no domain logic.
fn main() {}
