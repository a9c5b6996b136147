// SPDX-License-Identifier: GPL-2.0
//! The device side of a split virtqueue (VIRTIO 1.2, section 2.7).
//!
//! ```text
//!             driver side                                  device side
//!   buffers -> descriptor area  ---------- read ---------> SplitQueue::pop  -> Batch of Chain
//!              driver area      ---------- read --------->     (backend works on the chains)
//!   buffers <- device area      <--------- write --------- SplitQueue::push <- Used
//! ```
//!
//! Built for memory where each access is dear, such as that behind a PCI Express link: indexes are
//! shadowed, entries and descriptors fetched in runs, one index published per batch. The other side is
//! not trusted and may change its memory at any time: each value is copied once and then checked, and a
//! wrong one breaks the queue until it is made anew.
//!
//! A queue needs exclusive access (`&mut`); the lock around it is the owner's. No function sleeps unless
//! its [`RingMemory`] does.

mod available;
mod batch;
mod chain;
mod config;
mod descriptor;
mod error;
pub mod memory;
mod notification;
mod queue;
mod takeover;
mod used;
mod walk;

pub use self::{
    batch::{Batch, BATCH_CHAINS, BATCH_SEGMENTS, MAX_CHAIN_SEGMENTS},
    chain::{Chain, Segment},
    config::{QueueConfig, QueueSize},
    error::RingError,
    memory::{Area, RingMemory},
    queue::SplitQueue,
    used::Used,
};
