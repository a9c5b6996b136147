// SPDX-License-Identifier: GPL-2.0
//! What the EP says about accesses that come in through BARs, and about INTx.

use epc_regs::{Backing, Status};

/// Checks a backing.
///
/// # Errors
///
/// `BadArgument` when there is no such kind.
pub fn backing(raw: u64) -> Result<Backing, Status> {
    Backing::from_raw(raw).ok_or(Status::BadArgument)
}

/// Checks the level of INTx.
///
/// # Errors
///
/// `BadArgument` unless it is 0 or 1.
pub fn level(raw: u16) -> Result<bool, Status> {
    match raw {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Status::BadArgument),
    }
}
