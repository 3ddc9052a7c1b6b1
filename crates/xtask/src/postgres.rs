//! A PostgreSQL to measure on.

use crate::install;
use crate::run::{command, step};

/// Runs a private server until Ctrl-C; it is removed then, with everything in it.
pub(crate) fn serve() -> Result<(), String> {
    install::postgres()?;
    // The crate that gives tests their servers gives this one, too.
    let arguments = ["run", "--release", "--quiet", "--package", "bursar-testkit", "--example", "postgres"];
    step("a PostgreSQL until Ctrl-C", command("cargo", &arguments))
}
