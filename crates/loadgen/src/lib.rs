//! Load, and what it is told as: figures that compare two paths on one machine in one run.
//!
//! [`closed_loop`] keeps so many calls in flight; [`open_loop`] makes calls at moments fixed in advance, and measures
//! each from its moment, so that a server that stalls is charged for every call it kept waiting; [`window`] keeps so
//! many messages of a stream under way. [`in_turns`] lets two paths take turns, a [`Figure`] compares their medians and
//! says whether the ratio reaches its bar, and [`report`] and [`plot`] tell it.
//!
//! Nothing here knows what is called: that is a closure of the caller's.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! use bursar_loadgen::{Bar, Figure, Goal, closed_loop, in_turns};
//!
//! /// Turns a second of eight tasks that yield so many times a turn.
//! async fn rate(yields: u32) -> Result<f64, Infallible> {
//!     let tally = closed_loop(8, Duration::from_millis(20), move |run| async move {
//!         while run.goes_on() {
//!             for _ in 0..yields {
//!                 tokio::task::yield_now().await;
//!             }
//!             run.count(1);
//!         }
//!         Ok::<_, Infallible>(())
//!     });
//!     Ok(tally.await?.per_second())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let pairs = in_turns(3, async || rate(2).await, async || rate(1).await, |_| {}).await.unwrap();
//! let goal = Goal { name: "two_yields", unit: "1/s", bar: Bar::AtLeast(0.05), aim: 0.5 };
//! assert!(Figure::of(goal, &pairs).holds());
//! # });
//! ```

mod figure;
mod histogram;
mod load;
pub mod plot;
pub mod report;
mod rounds;

pub use figure::{Bar, Figure, Goal};
pub use histogram::Histogram;
pub use load::closed::{Run, Tally, closed_loop};
pub use load::open::{Schedule, open_loop};
pub use load::window::{Feed, Window, window};
pub use rounds::{Pairs, Round, Samples, in_turns};
