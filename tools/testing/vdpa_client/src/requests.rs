// SPDX-License-Identifier: GPL-2.0
//! Requests in a queue that is driven by hand: one at a time, whoever kicks it.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use vhost::VringConfigData;
use virtio::status::Status;
use virtio_bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, QUEUE_SIZE};

/// How long a request may take: longer than an endpoint is waited for that stands still, 12 s with the debug kernels.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at the used ring.
const PAUSE: Duration = Duration::from_micros(200);

/// How long a ring that has to stand still is looked at.
const STANDSTILL: Duration = Duration::from_millis(50);

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

/// The requests of a queue that was started with these areas.
pub struct Requests<'a> {
    node: &'a Node,
    areas: VringConfigData,
    count: u16,
}

impl<'a> Requests<'a> {
    /// There was none yet in the queue with the areas of [`Node::areas`].
    pub fn new(node: &'a Node) -> Self {
        Self::at(node, Node::areas())
    }

    /// There was none yet.
    pub fn at(node: &'a Node, areas: VringConfigData) -> Self {
        Self {
            node,
            areas,
            count: 0,
        }
    }

    /// Makes a request available, kicks, and waits until it is used.
    pub fn send(&mut self, buffers: &[Buffer], kick: impl FnOnce() -> Result<()>) -> Result<()> {
        self.begin(buffers)?;
        kick()?;
        self.end()
    }

    /// Makes a request available.
    pub fn begin(&mut self, buffers: &[Buffer]) -> Result<()> {
        self.describe(buffers)?;
        self.publish()
    }

    /// Makes a request available `count` times at once.
    pub fn begin_copies(&mut self, buffers: &[Buffer], count: u16) -> Result<()> {
        self.describe(buffers)?;
        (0..count).try_for_each(|_| self.enter(0))?;
        self.set_index(self.count)
    }

    /// Makes a chain available that may be none: address, length, flags and next one of descriptor 0, and the head.
    pub fn begin_raw(
        &mut self,
        (address, length, flags, next): (u64, u32, u16, u16),
        head: u16,
    ) -> Result<()> {
        let descriptor = Descriptor::new(address, length, flags, next);
        let place = GuestAddress(self.areas.desc_table_addr);
        self.node.memory().write_obj(descriptor, place)?;
        self.enter(head)?;
        self.set_index(self.count)
    }

    /// Waits until the last request is used.
    pub fn end(&self) -> Result<()> {
        let number = || format!("request {}", self.count);
        let is_used = self.ends_within(PATIENCE).with_context(number)?;
        ensure!(is_used, "{}: the device does not see it", number());
        Ok(())
    }

    /// Returns whether the last request is used soon, which it may be expected not to be.
    pub fn ends_soon(&self) -> Result<bool> {
        self.ends_within(STANDSTILL)
    }

    /// Returns whether the last request is used in time; a device that needs a reset uses none.
    pub fn ends_within(&self, time: Duration) -> Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            if self.used()? == self.count {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let status = self.node.status()?;
            ensure!(
                !status.contains(Status::DEVICE_NEEDS_RESET),
                "the device needs a reset"
            );
            thread::sleep(PAUSE);
        }
    }

    /// How many requests were used, as a ring counts.
    pub fn used(&self) -> Result<u16> {
        let index = GuestAddress(self.areas.used_ring_addr + 2);
        let used: u16 = self.node.memory().load(index, Ordering::SeqCst)?;
        Ok(u16::from_le(used))
    }

    /// Makes more requests available than the ring has room for.
    pub fn break_ring(&self) -> Result<()> {
        self.set_index(self.count.wrapping_add(QUEUE_SIZE + 1))
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
            let address = self.areas.desc_table_addr + 16 * u64::from(place - 1);
            self.node
                .memory()
                .write_obj(descriptor, GuestAddress(address))?;
        }
        Ok(())
    }

    /// Puts descriptor 0 into the available ring, asks for a signal when it is used (`EVENT_IDX`), and puts the
    /// index behind it.
    fn publish(&mut self) -> Result<()> {
        let used_event = self.areas.avail_ring_addr + 4 + 2 * u64::from(QUEUE_SIZE);
        let memory = self.node.memory();
        memory.write_obj(self.count.to_le(), GuestAddress(used_event))?;
        self.enter(0)?;
        self.set_index(self.count)
    }

    /// Puts a head into the available ring.
    fn enter(&mut self, head: u16) -> Result<()> {
        let place = 4 + 2 * u64::from(self.count % QUEUE_SIZE);
        let entry = GuestAddress(self.areas.avail_ring_addr + place);
        self.node.memory().write_obj(head.to_le(), entry)?;
        self.count = self.count.wrapping_add(1);
        Ok(())
    }

    fn set_index(&self, index: u16) -> Result<()> {
        let place = GuestAddress(self.areas.avail_ring_addr + 2);
        Ok(self
            .node
            .memory()
            .store(index.to_le(), place, Ordering::SeqCst)?)
    }
}
