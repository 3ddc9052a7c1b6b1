//! The long forms: each fault test runs for longer, or more often, than a change can wait for.

use crate::run::{command, step};

/// Times the kills of the journey are repeated.
const ROUNDS: &str = "20";

/// All long forms.
pub(crate) fn all() -> Result<(), String> {
    step("the bursar binary", command("cargo", &["build", "--quiet", "--package", "bursar"]))?;
    let mut kills = command(
        "cargo",
        &["test", "--package", "bursar-tests", "--test", "platform", "--", "--nocapture", "faults::"],
    );
    kills.env("BURSAR_SOAK_ROUNDS", ROUNDS);
    step("kills during the journey", kills)?;
    let mut webhooks = command(
        "cargo",
        &["test", "--package", "bursar-notifications", "--test", "process", "--", "--nocapture", "kills::"],
    );
    webhooks.env("BURSAR_SOAK_ROUNDS", ROUNDS);
    step("kills of the process that delivers webhooks", webhooks)?;
    let mut properties = command("cargo", &["test", "--workspace", "--lib", "--quiet"]);
    properties.env("PROPTEST_CASES", "20000");
    step("property tests, many cases", properties)
}
