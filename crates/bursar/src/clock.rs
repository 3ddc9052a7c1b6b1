//! `bursar clock`: the time of a running sandbox.

use crate::cli::Clock;
use crate::exit::Exit;
use crate::outside::clock::{Clocks, seconds};
use crate::platform::Endpoints;

/// Tells the time, after moving it forward if that is asked for.
pub(crate) async fn run(arguments: &Clock) -> Result<(), Exit> {
    // What is wrong with the request is told before a platform is looked for.
    let by = arguments.advance.as_deref().map(seconds).transpose().map_err(Exit::usage)?;
    let clocks = Clocks::of(&Endpoints::read(&arguments.place.data)?)?;
    if let Some(by) = by {
        clocks.advance(by).await.map_err(Exit::unavailable)?;
    }
    if let Some(moment) = &arguments.advance_to {
        clocks.advance_to(0, moment).await.map_err(Exit::usage)?;
    }
    say(&clocks.now().await.map_err(Exit::unavailable)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    Ok(())
}

#[allow(clippy::print_stdout)] // the time is the command's output
fn say(line: &str) {
    println!("{line}");
}
