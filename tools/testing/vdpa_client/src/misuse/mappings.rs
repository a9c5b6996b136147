// SPDX-License-Identifier: GPL-2.0
//! Memory that cannot be mapped, and messages that are none.

use anyhow::Result;
use rustix::io::Errno;
use vhost::vdpa::VhostVdpa;

use super::Misuse;
use crate::node::{refused, Node, IOVA, PAGE, SIZE};

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "mappings_that_cannot_be",
            about: "mappings neither overlap nor wrap around, and are of memory that there is",
            run: mappings_that_cannot_be,
        },
        Misuse {
            name: "messages_that_are_none",
            about: "messages about mappings have a known type and their full length",
            run: messages_that_are_none,
        },
    ]
}

fn mappings_that_cannot_be(node: &Node) -> Result<()> {
    let (device, memory) = (node.device(), node.host_address()?);
    let last_page = u64::MAX - PAGE + 1;
    let answer = device.dma_map(IOVA, 0, memory, false);
    refused("no bytes", answer, Errno::INVAL)?;
    // The kernel has one answer for all that is wrong with a mapping.
    for (iova, size) in [(last_page, 2 * PAGE), (PAGE, u64::MAX)] {
        let answer = device.dma_map(iova, size, memory, false);
        let what = format!("{size} bytes at {iova:#x}");
        refused(&what, answer, Errno::FAULT)?;
    }
    let nowhere = PAGE as *const u8;
    let answer = device.dma_map(IOVA, PAGE, nowhere, false);
    refused("memory that the process has not", answer, Errno::FAULT)?;
    let answer = device.dma_map(IOVA, 1 << 40, memory, false);
    refused("more memory than may be locked", answer, Errno::FAULT)?;
    // Nothing is left of all that.
    node.map()?;
    for (iova, size) in [
        (IOVA, SIZE),
        (IOVA + PAGE, PAGE),
        (IOVA - PAGE, 2 * PAGE),
        (IOVA + SIZE - PAGE, 2 * PAGE),
    ] {
        let answer = device.dma_map(iova, size, memory, false);
        let what = format!("{size} bytes at {iova:#x}, which overlap");
        refused(&what, answer, Errno::FAULT)?;
    }
    // What is not mapped can be unmapped.
    device.dma_unmap(IOVA + SIZE, PAGE)?;
    device.dma_unmap(IOVA, SIZE)?;
    node.map()
}

fn messages_that_are_none(node: &Node) -> Result<()> {
    // Four bytes of type, four of padding or address space, then `struct vhost_iotlb_msg`.
    for (kind, length, error) in [
        (1, 3, Errno::INVAL),
        (1, 4, Errno::INVAL),
        (1, 39, Errno::INVAL),
        (2, 39, Errno::INVAL),
        (0, 72, Errno::INVAL),
        (3, 72, Errno::INVAL),
        (u32::MAX, 72, Errno::INVAL),
        // Whole, but with 0 for what to do.
        (1, 72, Errno::FAULT),
        (2, 72, Errno::FAULT),
    ] {
        let mut message = u32::to_le_bytes(kind).to_vec();
        message.resize(length.max(4), 0);
        let what = format!("{length} bytes of type {kind}");
        refused(&what, node.write(&message[..length]), error)?;
    }
    Ok(())
}
