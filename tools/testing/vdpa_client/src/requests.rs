// SPDX-License-Identifier: GPL-2.0
//! Requests in a queue that is driven by hand: one at a time, whoever kicks it.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use virtio_bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, IOVA, QUEUE_SIZE};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the used ring.
const PAUSE: Duration = Duration::from_micros(200);

/// A buffer of a request.
pub struct Buffer {
    /// Where the device finds it.
    pub address: u64,
    /// Size in bytes.
    pub size: u32,
    /// The device writes to it.
    pub is_writable: bool,
}

impl Buffer {
    /// One that the device reads.
    pub fn readable(address: u64, size: u32) -> Self {
        Self {
            address,
            size,
            is_writable: false,
        }
    }

    /// One that the device writes.
    pub fn writable(address: u64, size: u32) -> Self {
        Self {
            is_writable: true,
            ..Self::readable(address, size)
        }
    }
}

/// The requests of a queue that was started with the areas of [`Node::areas`].
pub struct Requests<'a> {
    node: &'a Node,
    count: u16,
}

impl<'a> Requests<'a> {
    /// There was none yet.
    pub fn new(node: &'a Node) -> Self {
        Self { node, count: 0 }
    }

    /// Makes a request available, kicks, and waits until it is used.
    pub fn send(&mut self, buffers: &[Buffer], kick: impl FnOnce() -> Result<()>) -> Result<()> {
        self.describe(buffers)?;
        self.publish()?;
        kick()?;
        self.wait()
            .with_context(|| format!("request {}", self.count))
    }

    /// Writes the descriptors, from the first one on.
    fn describe(&self, buffers: &[Buffer]) -> Result<()> {
        let [next, write] = [VRING_DESC_F_NEXT as u16, VRING_DESC_F_WRITE as u16];
        for (place, buffer) in (1..).zip(buffers) {
            let is_last = usize::from(place) == buffers.len();
            let flags = [(!is_last, next), (buffer.is_writable, write)];
            let flags = flags.iter().filter(|(is_set, _)| *is_set);
            let flags = flags.fold(0, |all, (_, flag)| all | flag);
            let descriptor = Descriptor::new(buffer.address, buffer.size, flags, place);
            let address = IOVA + 16 * u64::from(place - 1);
            self.node
                .memory()
                .write_obj(descriptor, GuestAddress(address))?;
        }
        Ok(())
    }

    /// Puts descriptor 0 into the available ring, and the index behind it.
    fn publish(&mut self) -> Result<()> {
        let available = Node::areas().avail_ring_addr;
        let entry = available + 4 + 2 * u64::from(self.count % QUEUE_SIZE);
        self.node.memory().write_obj(0u16, GuestAddress(entry))?;
        self.count = self.count.wrapping_add(1);
        let index = GuestAddress(available + 2);
        Ok(self
            .node
            .memory()
            .store(self.count.to_le(), index, Ordering::SeqCst)?)
    }

    /// Waits until the used index tells of the last request.
    fn wait(&self) -> Result<()> {
        let index = GuestAddress(Node::areas().used_ring_addr + 2);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let used: u16 = self.node.memory().load(index, Ordering::SeqCst)?;
            if u16::from_le(used) == self.count {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the device does not see it");
            thread::sleep(PAUSE);
        }
    }
}
