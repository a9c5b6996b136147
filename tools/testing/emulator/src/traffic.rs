// SPDX-License-Identifier: GPL-2.0
//! What crosses the link, counted and charged.
//!
//! ```text
//! trace::Transaction -> crossing (who pays for what, and where) -> counters -> cost (time)
//! ```
//!
//! Mapped memory is not seen, so it is not here; [`Sight`] says what is.

mod combining;
mod cost;
mod counters;
mod crossing;
mod rates;
mod report;

pub use cost::{Cost, Predicted};
pub use counters::{Count, Counters, Line, MAX_PLACES};
pub use crossing::{Crossing, Initiator, Kind, Place};
pub use rates::Rates;
pub use report::{Report, Sight};
