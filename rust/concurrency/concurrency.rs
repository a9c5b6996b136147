// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate lacks for code that talks to a device and to interrupts: barriers that
//! order accesses seen by devices, a lock usable from hard interrupts, work that can be cancelled,
//! waits that end, random numbers.
//!
//! It is not a runtime and has no state of its own. Every function states the context it may be
//! called from: *process* (may sleep), *atomic* (must not), *any* (hard interrupts included).

#[path = "../bindings.rs"]
mod bindings;

pub mod barrier;
pub mod event;
pub mod irq_lock;
pub mod processor;
pub mod queue;
mod random;
pub mod worker;

pub use event::Event;
pub use irq_lock::{
    IrqGuard,
    IrqLock, //
};
pub use queue::Queue;
pub use random::random_u32;
pub use worker::{
    Run,
    Worker, //
};
