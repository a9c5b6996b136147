// SPDX-License-Identifier: GPL-2.0

//! Driver of the emulated PCI endpoint controller, for tests.
//!
//! The controller is a PCI device that `tools/testing/emulator` gives to a virtual machine; with
//! this driver, any endpoint function runs there as on real hardware. What it can do, and what it
//! refuses, is that of the board which the emulator was given as a profile; without one, it has what
//! hardware often lacks.
//!
//! Its DMA engine is found by functions as those of hardware are: by the device that is the
//! controller's parent.
//!
//! The window onto RC memory is either a BAR of the controller, or the shared memory of a virtio
//! device next to it. Limits: one controller with its window, one doorbell for all functions, of which
//! the framework gives it to the first.
//!
//! The module cannot be unloaded as long as the controller has this driver.

mod board;
mod controller;
mod dma;
mod driver;
mod events;
mod hw;
mod inbound;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod window;

use kernel::{
    driver::Registration,
    pci,
    prelude::*,
    InPlaceModule,
    ModuleMetadata, //
};

/// The drivers of the controller and of its window.
#[pin_data]
struct EmulatedEp {
    #[pin]
    _controllers: Registration<pci::Adapter<driver::ControllerDriver>>,
    #[pin]
    _windows: Registration<virtio_dev::Adapter<window::WindowDriver>>,
}

impl InPlaceModule for EmulatedEp {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // A controller waits for its window, so the window's driver comes first.
        try_pin_init!(Self {
            _windows <- Registration::new(<Self as ModuleMetadata>::NAME, module),
            _controllers <- Registration::new(<Self as ModuleMetadata>::NAME, module),
        })
    }
}

module! {
    type: EmulatedEp,
    name: "pcie_emulated_ep",
    authors: ["The epf-vhost developers"],
    description: "Driver of the emulated PCI endpoint controller",
    license: "GPL",
}
