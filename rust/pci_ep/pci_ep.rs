// SPDX-License-Identifier: GPL-2.0

//! The PCI endpoint framework: an endpoint function, the controller it is bound to, and drivers of
//! controllers.
//!
//! [`Function`] is the driver of an endpoint function. While it is bound, it has an [`Endpoint`],
//! from which come its BARs ([`BarMemory`]), windows onto RC memory ([`OutboundWindow`]), doorbells
//! ([`Doorbells`]) and interrupts to the RC ([`Interrupt`]). All of these are guards which keep the
//! function bound until they are dropped. [`provider`] is the other side: a driver of a controller.
//!
//! Limits: the primary interface only; no MSI address mapping for NTB. Virtual functions get no
//! events from the framework.
//!
//! Context: process context throughout, because the framework takes mutexes, except for accesses
//! through an [`OutboundWindow`] or to [`BarMemory`], which may be made anywhere.
//!
//! C headers: `include/linux/pci-epf.h`, `include/linux/pci-epc.h`, `include/linux/pci-ep-msi.h`.

mod bar;
#[path = "../bindings.rs"]
mod bindings;
mod controller;
mod copy;
mod doorbell;
mod features;
mod header;
mod interrupt;
mod outbound;
mod word;

pub mod configfs;
pub mod function;
pub mod provider;

pub use self::{
    bar::{
        BarMemory,
        BarNumber,
        ProgrammedBar, //
    },
    controller::{
        msix_table_size,
        Endpoint, //
    },
    doorbell::{
        DoorbellBar,
        DoorbellHandler,
        DoorbellMessage,
        Doorbells, //
    },
    features::{
        BarFeatures,
        BarKind,
        Features, //
    },
    function::Function,
    header::{
        Header,
        InterruptPin, //
    },
    interrupt::Interrupt,
    outbound::{
        OutboundWindow,
        PciAddr, //
    },
    word::Word,
};
