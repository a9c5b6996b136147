// SPDX-License-Identifier: GPL-2.0

//! What a driver of a PCI device needs beyond `kernel::pci`: every interrupt vector by its index, BARs whose
//! writes are combined, word of errors and resets, and word to user space.
//!
//! It is not a second PCI abstraction: devices, drivers and BARs are the kernel crate's.
//!
//! C headers: `include/linux/pci.h`, `include/linux/interrupt.h`.

#[path = "../bindings.rs"]
mod bindings;
mod combining;
mod dma;
mod id;
mod recovery;
mod uevent;
mod vectors;

pub mod errno;
pub mod irq;

pub use self::{
    combining::CombiningBar,
    dma::{
        is_bus_master,
        reach_64_bits,
        set_bus_master, //
    },
    id::device_id,
    irq::IrqHandler,
    recovery::{
        is_reachable,
        save_config,
        Adapter,
        Channel,
        Recover,
        Verdict, //
    },
    uevent::tell_change,
    vectors::{
        Kind,
        Vectors, //
    }, //
};
