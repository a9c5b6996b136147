// SPDX-License-Identifier: GPL-2.0
//! Register interface of the emulated endpoint controller.
//!
//! What it is: every offset, opcode, code and bit which the emulator and the EPC driver in the EP
//! guest share, `core` only. The text that goes with it is "Controller registers" in the
//! emulator's README; both change together.
//!
//! What it is not: it knows nothing of what an endpoint function does with the controller, and it
//! accesses no register.

mod commands;
mod device;
mod dma;
mod registers;

pub use commands::*;
pub use device::*;
pub use dma::*;
pub use registers::*;
