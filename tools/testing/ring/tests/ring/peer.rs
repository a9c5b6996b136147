// SPDX-License-Identifier: GPL-2.0
//! rust-vmm's device side of a queue, over the memory of the same driver side.

use virtio::ring::Area;
use virtio_queue::{Queue, QueueT};

use crate::driver::DriverSide;

/// A queue that is ready.
pub fn queue(driver: &DriverSide) -> Queue {
    let halves = |area| {
        let addr = driver.address(area, 0).0;
        (Some(addr as u32), Some((addr >> 32) as u32))
    };
    let mut queue = Queue::new(driver.size).unwrap();
    let (low, high) = halves(Area::Descriptor);
    queue.set_desc_table_address(low, high);
    let (low, high) = halves(Area::Driver);
    queue.set_avail_ring_address(low, high);
    let (low, high) = halves(Area::Device);
    queue.set_used_ring_address(low, high);
    queue.set_ready(true);
    queue
}
