//! The service as a process has it: its ports, its certificates, and the event logs of four others, which are real
//! chassis services that only publish.

#[cfg(test)]
mod process {
    mod kills;
    mod life;
}
