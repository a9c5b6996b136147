// SPDX-License-Identifier: GPL-2.0
//! Rings and descriptors that break the rules of the virtio specification.
//!
//! Each of these stops its queue and sets `DEVICE_NEEDS_RESET` ("Queues" of the protocol); the other
//! queue goes on.

use anyhow::Result;
use virtio::blk::{features, request, RequestHeader};
use virtio::features::IN_ORDER;

use super::{Attack, Device};
use crate::block::{self, Buffers};
use crate::driver::Driver;
use crate::ring::{Descriptor, INDIRECT, NEXT, WRITE};
use crate::target::Target;

/// The queue that is attacked, and the one that has to go on.
const BAD: u16 = 0;
const GOOD: u16 = 1;

/// Attacks that consist of a descriptor table and an available ring.
macro_rules! broken_rings {
    ($($name:ident: $about:literal, $break:expr;)*) => {
        vec![$(Attack {
            name: stringify!($name),
            about: $about,
            device: Device::Disk,
            run: |target| expect_broken(target, $break),
        },)*]
    };
}

pub fn attacks() -> Vec<Attack> {
    let mut attacks = broken_rings! {
        chain_is_a_loop: "a chain leads back to its head", |ring| {
            ring.table(&[desc(NEXT, 1), desc(NEXT, 0)])?;
            ring.offer(0)
        };
        chain_is_its_own_next: "a descriptor is continued by itself", |ring| {
            ring.table(&[desc(NEXT, 0)])?;
            ring.offer(0)
        };
        head_out_of_range: "the available ring names a descriptor that does not exist", |ring| {
            ring.offer(ring.size)
        };
        head_is_all_ones: "the available ring names descriptor 65535", |ring| ring.offer(u16::MAX);
        next_out_of_range: "a descriptor is continued by one that does not exist", |ring| {
            ring.table(&[desc(NEXT, ring.size)])?;
            ring.offer(0)
        };
        available_index_jumps: "the available index is ahead by more than the queue has", |ring| {
            ring.driver.ring(BAD)?.set_available(ring.size + 1);
            Ok(())
        };
        available_index_goes_back: "the available index is less than it was", |ring| {
            block::expect_queue_works(ring.driver, BAD)?;
            let ring = ring.driver.ring(BAD)?;
            ring.set_available(ring.available().wrapping_sub(1));
            Ok(())
        };
        readable_after_writable: "a readable buffer follows a writable one", |ring| {
            ring.table(&[desc(NEXT | WRITE, 1), desc(NEXT, 2), desc(WRITE, 0)])?;
            ring.offer(0)
        };
        chain_of_4_gib: "a chain has more bytes than 32 bits hold", |ring| {
            let large = Descriptor { len: u32::MAX, ..desc(NEXT, 1) };
            ring.table(&[large, Descriptor { next: 2, ..large }, desc(WRITE, 0)])?;
            ring.offer(0)
        };
        buffer_wraps_around: "a buffer reaches beyond 2^64", |ring| {
            let address = u64::MAX - 7;
            ring.table(&[Descriptor { address, len: 16, flags: NEXT, next: 1 }, desc(WRITE, 0)])?;
            ring.offer(0)
        };
        indirect_not_negotiated: "a table of descriptors is used that was not negotiated", |ring| {
            ring.table(&[desc(INDIRECT, 0)])?;
            ring.offer(0)
        };
        empty_chain: "all buffers of a chain have no bytes", |ring| {
            let empty = Descriptor { len: 0, ..desc(NEXT, 1) };
            ring.table(&[empty, Descriptor { len: 0, ..desc(WRITE, 0) }])?;
            ring.offer(0)
        };
        no_status_byte: "a request has nothing that the device may write", |ring| {
            ring.table(&[desc(0, 0)])?;
            ring.offer(0)
        };
        status_byte_at_nothing: "the status byte of a request is where no memory is", |ring| {
            let nowhere = Descriptor { address: 1 << 52, len: 1, flags: WRITE, next: 0 };
            ring.table(&[ring.header(NEXT, 1), nowhere])?;
            ring.offer(0)
        };
    };
    attacks.extend([
        Attack {
            name: "indirect_tables_are_broken",
            about: "tables are empty, ragged, nested, continued, loop, lead out or wrap around",
            device: Device::Disk,
            run: indirect_tables_are_broken,
        },
        Attack {
            name: "order_is_not_kept",
            about: "chains are made available in another order than their driver promised",
            device: Device::Disk,
            run: order_is_not_kept,
        },
        Attack {
            name: "rings_change_while_served",
            about: "descriptors and indexes change all the time while requests are served",
            device: Device::Disk,
            run: rings_change_while_served,
        },
        Attack {
            name: "random_rings",
            about: "table and available ring are random bytes, many times",
            device: Device::Disk,
            run: random_rings,
        },
    ]);
    attacks
}

/// The ring that is attacked.
struct BadRing<'d, 't> {
    driver: &'d mut Driver<'t>,
    size: u16,
    header: u64,
}

impl BadRing<'_, '_> {
    /// Writes the descriptor table from its begin on.
    fn table(&mut self, descriptors: &[Descriptor]) -> Result<()> {
        let header = self.header;
        let ring = self.driver.ring(BAD)?;
        for (index, descriptor) in (0..).zip(descriptors) {
            let mut descriptor = *descriptor;
            if descriptor.address == 0 {
                descriptor.address = header;
            }
            ring.describe(index, descriptor);
        }
        Ok(())
    }

    /// A descriptor of the header of a read.
    fn header(&self, flags: u16, next: u16) -> Descriptor {
        Descriptor {
            address: self.header,
            len: RequestHeader::LEN as u32,
            flags,
            next,
        }
    }

    fn offer(&mut self, head: u16) -> Result<()> {
        self.driver.ring(BAD)?.offer(head);
        Ok(())
    }
}

/// A descriptor of the header of a request, which [`BadRing::table`] gives its address.
fn desc(flags: u16, next: u16) -> Descriptor {
    Descriptor {
        address: 0,
        len: RequestHeader::LEN as u32,
        flags,
        next,
    }
}

/// Brings the device up, has a ring broken, and sees that its queue stops and the other one works.
fn expect_broken(
    target: &Target,
    break_it: impl FnOnce(&mut BadRing<'_, '_>) -> Result<()>,
) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    break_queue(&mut driver, break_it)
}

fn break_queue(
    driver: &mut Driver<'_>,
    break_it: impl FnOnce(&mut BadRing<'_, '_>) -> Result<()>,
) -> Result<()> {
    let buffers = Buffers::new(&driver.target.memory)?;
    buffers.prepare(&driver.target.memory, request::IN, 0);
    let size = driver.ring(BAD)?.size();
    let mut ring = BadRing {
        driver,
        size,
        header: buffers.header.address,
    };
    break_it(&mut ring)?;
    driver.kick(BAD)?;
    driver.expect_needs_reset()?;
    block::expect_queue_works(driver, GOOD)
}

fn indirect_tables_are_broken(target: &Target) -> Result<()> {
    let memory = target.memory.clone();
    let table = memory.take(4096)?;
    let nested = desc(INDIRECT, 0);
    let tables: &[(u32, u16, &[Descriptor])] = &[
        (0, 0, &[]),
        (15, 0, &[]),
        (4097, 0, &[]),
        (32, NEXT, &[desc(NEXT, 1), desc(WRITE, 0)]),
        (32, 0, &[nested, desc(WRITE, 0)]),
        (32, 0, &[desc(NEXT, 1), desc(NEXT, 0)]),
        (32, 0, &[desc(NEXT, 2), desc(WRITE, 0)]),
        (u32::MAX & !15, 0, &[desc(NEXT, 1), desc(NEXT, u16::MAX)]),
        (
            16,
            0,
            &[Descriptor {
                address: u64::MAX,
                ..desc(WRITE, 0)
            }],
        ),
    ];
    for (len, more, content) in tables {
        let mut driver = target.driver()?;
        driver.bring_up(features::MQ | virtio::features::INDIRECT_DESC)?;
        memory.write(table, 0, &[0; 64]);
        for (index, descriptor) in content.iter().enumerate() {
            memory.write(table, 16 * index, &descriptor.to_bytes());
        }
        break_queue(&mut driver, |ring| {
            ring.table(&[Descriptor {
                address: table.address,
                len: *len,
                flags: INDIRECT | more,
                next: 1,
            }])?;
            ring.offer(0)
        })?;
    }
    Ok(())
}

/// The device looks for the second chain behind the first, where there is none.
fn order_is_not_kept(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ | IN_ORDER)?;
    break_queue(&mut driver, |ring| {
        ring.table(&[desc(NEXT, 1), desc(WRITE, 0)])?;
        ring.offer(0)?;
        ring.offer(0)
    })
}

/// How often a ring is changed while the other queue works.
const CHANGES: u32 = 20_000;

fn rings_change_while_served(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let buffers = Buffers::new(&target.memory)?;
    buffers.prepare(&target.memory, request::IN, 0);
    let mut random = fastrand::Rng::with_seed(3);
    for turn in 0..CHANGES {
        let ring = driver.ring(BAD)?;
        let addresses = [
            buffers.header.address,
            buffers.data.address,
            1 << 52,
            u64::MAX,
        ];
        ring.describe(
            random.u16(..4),
            Descriptor {
                address: addresses[random.usize(..addresses.len())],
                len: [1, 16, 4096, u32::MAX][random.usize(..4)],
                flags: random.u16(..4),
                next: random.u16(..5),
            },
        );
        if turn % 4 == 0 {
            ring.offer(random.u16(..4));
        }
        if turn % 64 == 0 {
            driver.kick(BAD)?;
        }
        // A queue that gave up is of no use any more.
        if turn % 1000 == 999 {
            driver.reset()?;
            driver.bring_up(features::MQ)?;
        }
    }
    block::expect_queue_works(&mut driver, GOOD)
}

fn random_rings(target: &Target) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(4);
    let mut driver = target.driver()?;
    let wanted = features::MQ | virtio::features::INDIRECT_DESC;
    driver.bring_up(wanted)?;
    for turn in 0..20 {
        let ring = driver.ring(BAD)?;
        for place in [ring.descriptors, ring.driver] {
            let mut bytes = vec![0; place.len];
            random.fill(&mut bytes);
            target.memory.write(place, 0, &bytes);
        }
        // Some of the chains: an index that is too far ahead would hide all else.
        let ring = driver.ring(BAD)?;
        ring.set_available(16);
        driver.kick(BAD)?;
        driver.expect_needs_reset()?;
        driver.reset()?;
        let order = if turn % 2 == 0 { IN_ORDER } else { 0 };
        driver.bring_up(wanted | order)?;
    }
    block::expect_queue_works(&mut driver, GOOD)
}
