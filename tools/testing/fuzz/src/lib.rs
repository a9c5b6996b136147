// SPDX-License-Identifier: GPL-2.0
//! What the fuzz targets do with the fuzzer's bytes, one module per target.
//!
//! A target turns the bytes into choices (`tape`), plays a hostile peer with them, and panics when the
//! code under test breaks a promise. The code under test is `rust/transport` and `rust/virtio` as the
//! kernel modules compile it, and the PCI endpoint emulator.

pub mod differential;
pub mod emulator;
pub mod endpoint;
pub mod ring;
pub mod root_complex;
pub mod wire;

mod bar;
mod command;
mod descriptor;
mod tape;
