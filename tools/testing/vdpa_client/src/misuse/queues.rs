// SPDX-License-Identifier: GPL-2.0
//! Queues that do not exist, and sizes and addresses that they cannot have.

use anyhow::Result;
use rustix::io::Errno;
use vhost::{vdpa::VhostVdpa, VhostBackend, VringConfigData};
use virtio::status::Status;
use vmm_sys_util::eventfd::EventFd;

use super::Misuse;
use crate::node::{refused, Node, QUEUE_SIZE};

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "sizes_of_queues",
            about: "a queue has no size of 0, none beyond its limit and no odd one",
            run: sizes_of_queues,
        },
        Misuse {
            name: "queues_that_do_not_exist",
            about: "nothing can be asked of the queue after the last one, nor of higher ones",
            run: queues_that_do_not_exist,
        },
        Misuse {
            name: "addresses_of_queues",
            about: "areas are aligned, and do not change while the device runs",
            run: addresses_of_queues,
        },
        Misuse {
            name: "addresses_out_of_range",
            about: "a queue whose areas wrap around leaves a device that can be reset",
            run: addresses_out_of_range,
        },
    ]
}

fn sizes_of_queues(node: &Node) -> Result<()> {
    node.negotiate()?;
    let device = node.device();
    let max = device.get_vring_num()?;
    let beyond = max.saturating_mul(2);
    for size in [0, 3, 48, max - 1, max | 1, beyond, u16::MAX] {
        let what = format!("a queue of {size}");
        refused(&what, device.set_vring_num(0, size), Errno::INVAL)?;
    }
    Ok(device.set_vring_num(0, QUEUE_SIZE)?)
}

fn queues_that_do_not_exist(node: &Node) -> Result<()> {
    node.negotiate()?;
    let device = node.device();
    let event = EventFd::new(0)?;
    for queue in [node.queues()?, 0xffff, 0x1_0000, u32::MAX as usize] {
        let areas = Node::areas();
        let answers = [
            device.set_vring_num(queue, QUEUE_SIZE),
            device.set_vring_base(queue, 0),
            device.get_vring_base(queue).map(drop),
            device.set_vring_addr(queue, &areas),
            device.set_vring_kick(queue, &event),
            device.set_vring_call(queue, &event),
            device.set_vring_enable(queue, true),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            refused(
                &format!("request {number} to queue {queue}"),
                answer,
                Errno::NOBUFS,
            )?;
        }
    }
    Ok(())
}

fn addresses_of_queues(node: &Node) -> Result<()> {
    let settled = node.negotiate()?;
    node.map()?;
    let (device, areas) = (node.device(), Node::areas());
    for bad in [
        VringConfigData {
            avail_ring_addr: areas.avail_ring_addr + 1,
            ..areas
        },
        VringConfigData {
            used_ring_addr: areas.used_ring_addr + 2,
            ..areas
        },
    ] {
        let answer = device.set_vring_addr(0, &bad);
        refused("areas that are not aligned", answer, Errno::INVAL)?;
    }
    node.start_queue(0, &areas)?;
    let running = settled.with(Status::DRIVER_OK);
    device.set_status(running.bits())?;
    node.expect_status(running)?;
    let moved = device.set_vring_addr(0, &areas);
    refused("areas of a running queue", moved, Errno::INVAL)?;
    let moved = device.set_vring_base(0, u16::MAX);
    refused("the index of a running queue", moved, Errno::INVAL)?;
    node.expect_status(running)
}

fn addresses_out_of_range(node: &Node) -> Result<()> {
    let areas = Node::areas();
    let last = !0xf;
    for bad in [
        VringConfigData {
            desc_table_addr: last,
            ..areas
        },
        VringConfigData {
            avail_ring_addr: last,
            ..areas
        },
        VringConfigData {
            used_ring_addr: last,
            ..areas
        },
    ] {
        node.negotiate()?;
        node.start_queue(0, &bad)?;
        // Which may have to be reset by now: a bit that the kernel does not let a process take back.
        let running = node.status()?.with(Status::DRIVER_OK);
        node.device().set_status(running.bits())?;
        node.reset()?;
    }
    Ok(())
}
