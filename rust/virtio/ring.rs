// SPDX-License-Identifier: GPL-2.0
//! The device side of a virtqueue (VIRTIO 1.2, sections 2.6 to 2.8).
//!
//! ```text
//!             driver side                                  device side
//!   buffers -> descriptor area  ---------- read ---------> Queue::pop  -> Batch of Chain
//!              driver area      ---------- read --------->     (backend works on the chains)
//!   buffers <- device area      <--------- write --------- Queue::push <- Used
//! ```
//!
//! A [`Queue`] is split or packed, as was negotiated. A packed one writes what is used to the descriptor
//! area.
//!
//! Built for memory where each access is dear, such as that behind a PCI Express link: indexes are
//! shadowed, entries and descriptors fetched in runs, one index published per batch. The other side is
//! not trusted and may change its memory at any time: each value is copied once and then checked, and a
//! wrong one breaks the queue until it is made anew.
//!
//! A queue needs exclusive access (`&mut`); the lock around it is the owner's. No function sleeps unless
//! its [`RingMemory`] does.

mod batch;
mod chain;
mod config;
mod descriptor;
mod error;
mod kick;
mod layout;
pub mod memory;
mod packed;
mod queue;
mod split;
mod table;
mod used;

pub use self::{
    batch::{Batch, BATCH_CHAINS, BATCH_SEGMENTS, MAX_CHAIN_SEGMENTS},
    chain::{Chain, Pieces, Segment},
    config::{Position, QueueConfig},
    error::RingError,
    kick::NotificationData,
    layout::Layout,
    memory::{Area, RingMemory},
    packed::{PackedQueue, PackedSize},
    queue::Queue,
    split::{Mirror, PushArea, PushMemory, SplitQueue, SplitSize, MOST_PUSHED},
    used::Used,
};
