// SPDX-License-Identifier: GPL-2.0

//! Endpoint function that offers a virtio device to the root complex, over `epf_vhost_reg`.
//!
//! It is a transport of the vhost bus: a backend on the bus is the device, and this is how the
//! backend reaches the driver side across PCIe. The protocol is `Documentation/transport.rst`, whose
//! step numbers (S1, E1, Q1, ...) the comments use; the attributes are `Documentation/binding.rst`.
//!
//! ```text
//!   configfs --> settings, configfs         what the user wants
//!   framework --> function                  made, bound, started, stopped, unbound
//!                   `-- bound               what there is in between:
//!                         |-- bar, doorbell       what the RC sees
//!                         |-- control, pace       the worker that serves it
//!                         |     |-- commands      what the RC wants
//!                         |     `-- pulse         that it is in a command, not dead
//!                         `-- vhost               what the backend wants
//!                               |-- queue, area              rings in RC memory
//!                               |-- pushed                   what the RC copies to EP memory
//!                               |-- ahead                    what is read before it is asked for
//!                               |-- buffers                  buffers in RC memory
//!                               |     |-- window             by this processor
//!                               |     `-- dma                by the controller's DMA engine
//!                               |-- translation              what addresses mean
//!                               `-- interrupt                to the RC
//! ```
//!
//! Limits: split rings; one DMA channel each way; the first function of a controller gets doorbell
//! interrupts, others are polled; no virtual functions.
//!
//! Lock order, outermost first:
//!
//! 1. `epf->lock` of the framework, held in all callbacks of `function`, hence in `bound`;
//! 2. the session (`control`), held by the worker while it executes a command, then the pulse (`pulse`);
//! 3. the vhost bus: state lock of the device, ring lock of a queue;
//! 4. the window cache, then what a user remembers of it (`window`, `buffers`), then a DMA channel (`dma`), then
//!    the address space (`translation`); the device config (`vhost`); the interrupts (`interrupt`);
//! 5. `epc->lock` of the framework.
//!
//! The list of queues (`queue`) is held with interrupts off; below it are only the kick locks of
//! queues. The worker never takes `epf->lock`, so callbacks may wait for it.

mod ahead;
mod area;
mod bar;
mod bound;
mod buffers;
mod clock;
mod commands;
mod configfs;
mod control;
mod dma;
mod doorbell;
mod function;
mod interrupt;
mod pace;
mod posted;
mod pulse;
mod pushed;
mod queue;
mod settings;
mod translation;
mod vhost;
mod window;

pci_ep::module_pci_epf_driver! {
    type: function::VhostFunction,
    name: "pci_epf_vhost",
    authors: ["the vhost bus developers"],
    description: "Endpoint function that offers a virtio device",
    license: "GPL",
}
