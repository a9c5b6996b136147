// SPDX-License-Identifier: GPL-2.0

//! What the driver side said of a queue before it started it.

use transport::{
    QueueRequest,
    QueueState, //
};
use vdpa::VqAddress;
use virtio::ring::Position;

/// The set-up of a queue, kept until the queue is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct QueueSetup {
    /// Where the areas are.
    pub(crate) address: VqAddress,
    /// Number of descriptors; not checked.
    pub(crate) size: u32,
    /// Where it goes on.
    pub(crate) position: Position,
    /// It was started while the device was suspended, or by a process before DRIVER_OK; the endpoint is told at
    /// the resume or then.
    pub(crate) is_deferred: bool,
    /// A driver of the kernel set it up, with DMA addresses.
    pub(crate) is_of_kernel: bool,
    /// Its addresses are those of a process, which nobody but the endpoint translates.
    pub(crate) has_iovas: bool,
    /// The address space that these are in.
    pub(crate) space: u32,
}

impl QueueSetup {
    /// The arguments of `QUEUE_SETUP`.
    pub(crate) fn request(&self, queue: u16, vector: u32) -> QueueRequest {
        QueueRequest {
            queue: queue.into(),
            size: self.size,
            vector,
            desc_area: self.address.descriptor_area,
            driver_area: self.address.driver_area,
            device_area: self.address.device_area,
        }
    }

    /// The arguments of `QUEUE_SET_STATE`.
    pub(crate) fn state(&self) -> QueueState {
        state(self.position)
    }
}

/// A position as the arguments of `QUEUE_SET_STATE`.
pub(crate) fn state(position: Position) -> QueueState {
    let Position { available, used } = position;
    QueueState { available, used }
}
