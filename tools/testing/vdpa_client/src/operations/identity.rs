// SPDX-License-Identifier: GPL-2.0
//! What a disk says of itself.

use anyhow::{ensure, Result};
use vhost::vhost_kern::VhostKernFeatures;
use vhost::{vdpa::VhostVdpa, VhostBackend};
use virtio::ids::DeviceId;

use super::Operation;
use crate::ioctl::size_of_queue;
use crate::node::{Node, IOVA, SIZE};

/// `VHOST_BACKEND_F_*`: messages with an address space (1, 3) and batches of them (2), suspend and resume
/// (4, 5), queues that start after DRIVER_OK (6), and mappings that outlive a reset (8). The descriptors of a
/// queue (7) have no group of their own.
const BACKEND_FEATURES: u64 = 0b1_0111_1110;

pub fn catalogue() -> Vec<Operation> {
    vec![
        Operation {
            name: "device_id",
            about: "the device is a disk",
            run: device_id,
        },
        Operation {
            name: "sizes_of_queues",
            about: "each queue has a size, which is a power of two, and the largest one can be set",
            run: sizes_of_queues,
        },
        Operation {
            name: "config",
            about: "the device config is the same byte by byte as in one piece",
            run: config,
        },
        Operation {
            name: "iova_range",
            about: "addresses of a process have a range",
            run: iova_range,
        },
        Operation {
            name: "backend_features",
            about: "what the device can do beyond virtio is known",
            run: backend_features,
        },
    ]
}

fn device_id(node: &Node) -> Result<()> {
    let found = DeviceId::new(node.device().get_device_id()?);
    ensure!(found == DeviceId::BLOCK, "expected a disk, found {found:?}");
    Ok(())
}

fn sizes_of_queues(node: &Node) -> Result<()> {
    node.negotiate()?;
    let most = node.device().get_vring_num()?;
    let mut sizes = Vec::new();
    for queue in 0..node.queues()? as u32 {
        sizes.push(size_of_queue(node, queue)?);
        node.device().set_vring_num(queue as usize, most)?;
    }
    ensure!(
        sizes.iter().all(|size| size.is_power_of_two()),
        "expected powers of two, found {sizes:?}"
    );
    let largest = sizes.iter().max().copied();
    ensure!(
        largest == Some(most.into()),
        "expected that {most} is the largest of {sizes:?}"
    );
    Ok(())
}

fn config(node: &Node) -> Result<()> {
    let device = node.device();
    let size = device.get_config_size()?;
    let mut whole = vec![0; size as usize];
    device.get_config(0, &mut whole)?;
    for (offset, expected) in (0..).zip(&whole) {
        let mut byte = [0];
        device.get_config(offset, &mut byte)?;
        ensure!(
            byte[0] == *expected,
            "byte {offset}: expected {expected:#x}, found {:#x}",
            byte[0]
        );
    }
    let capacity = whole.first_chunk().copied().map(u64::from_le_bytes);
    ensure!(
        capacity.is_some_and(|sectors| sectors > 0),
        "expected a capacity, found {capacity:?}"
    );
    Ok(())
}

fn iova_range(node: &Node) -> Result<()> {
    let range = node.device().get_iova_range()?;
    ensure!(
        range.first <= IOVA && IOVA + SIZE - 1 <= range.last,
        "expected that {IOVA:#x} is within {:#x} to {:#x}",
        range.first,
        range.last
    );
    Ok(())
}

fn backend_features(node: &Node) -> Result<()> {
    let found = node.device().get_backend_features()?;
    ensure!(
        found == BACKEND_FEATURES,
        "expected {BACKEND_FEATURES:#x}, found {found:#x}"
    );
    Ok(())
}
