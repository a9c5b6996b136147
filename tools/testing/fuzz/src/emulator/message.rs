// SPDX-License-Identifier: GPL-2.0
//! Messages of a monitor: those that mean something, and any.

use epc_emulator::vfio_user::message::{command, flags, irq, CONFIG_REGION};
use epc_emulator::wire::Message;

use super::peer::{Attached, Outgoing, MEMORY_SIZE};
use crate::tape::Tape;

/// Bytes of a read at most: the reply has to fit into the socket.
const MAX_READ: u32 = 4096;

/// A write to a region.
pub fn write(region: u32, offset: u64, data: &[u8]) -> Outgoing {
    let head = Message::default()
        .u64(offset)
        .u32(region)
        .u32(data.len() as u32);
    request(command::REGION_WRITE, head.bytes(data))
}

/// A read of a region.
pub fn read(region: u32, offset: u64, count: u32) -> Outgoing {
    let count = count % (MAX_READ + 1);
    request(
        command::REGION_READ,
        Message::default().u64(offset).u32(region).u32(count),
    )
}

/// An access to a region that the tape chooses.
pub fn access(tape: &Tape<'_>, region: u32, offset: u64) -> Outgoing {
    let size = tape.pick(&[4, 8, 1, 2, 3, 0, 16, 64]);
    if tape.once_in(2) {
        return read(region, offset, size);
    }
    let data: Vec<u8> = (0..size).map(|_| tape.any()).collect();
    write(region, offset, &data)
}

/// Memory comes, mostly as a monitor would give it.
pub fn map(tape: &Tape<'_>, base: u64) -> Outgoing {
    let (flags, offset, address, size) = match tape.below(4) {
        0 => (tape.word(), tape.long(), tape.long(), tape.long()),
        1 => (3, 0, base, MEMORY_SIZE),
        2 => (3, page(tape), base.wrapping_add(page(tape)), page(tape)),
        _ => (tape.word() & 3, page(tape), base, page(tape)),
    };
    let body = Message::default()
        .u32(tape.pick(&[32, 32, 0, 31]))
        .u32(flags);
    let mut message = request(command::DMA_MAP, body.u64(offset).u64(address).u64(size));
    let count = tape.pick(&[1, 1, 1, 0, 2]);
    message.attached =
        vec![tape.pick(&[Attached::Memory, Attached::Memory, Attached::Interrupt]); count];
    message
}

/// Memory goes.
pub fn unmap(tape: &Tape<'_>, base: u64) -> Outgoing {
    let (flags, address, size) = match tape.below(3) {
        0 => (tape.word(), tape.long(), tape.long()),
        1 => (0, base, MEMORY_SIZE),
        _ => (2, 0, 0),
    };
    let body = Message::default().u32(24).u32(flags).u64(address).u64(size);
    request(command::DMA_UNMAP, body)
}

/// Interrupt vectors are set up.
pub fn set_irqs(tape: &Tape<'_>) -> Outgoing {
    let index = tape.pick(&[irq::MSI, irq::MSIX, irq::INTX, 3, 9]);
    let (start, count) = (tape.word() % 40, tape.word() % 12);
    let how = tape.pick(&[4 | 32, 1 | 32, 2 | 8, 1 | 16, 0, 63]);
    let body = Message::default().u32(20).u32(how).u32(index).u32(start);
    let mut message = request(command::DEVICE_SET_IRQS, body.u32(count));
    let files = if tape.once_in(4) {
        tape.below(16)
    } else {
        count
    };
    message.attached = vec![Attached::Interrupt; files as usize];
    message
}

/// A message of any kind, whole or not.
pub fn any(tape: &Tape<'_>) -> Outgoing {
    let command = tape.pick(&[
        command::VERSION,
        command::DEVICE_GET_INFO,
        command::DEVICE_GET_REGION_INFO,
        command::DEVICE_GET_IRQ_INFO,
        command::DEVICE_RESET,
        command::DEVICE_SET_IRQS,
        command::DMA_MAP,
        command::DMA_UNMAP,
        command::REGION_WRITE,
        command::DMA_WRITE,
        0,
        tape.any(),
    ]);
    let payload: Vec<u8> = (0..tape.below(64)).map(|_| tape.any()).collect();
    let claimed_size = tape.once_in(4).then(|| tape.word());
    Outgoing {
        // The count of a read is anywhere in the bytes, and its reply may not fit into the socket.
        command: if command == command::REGION_READ {
            0
        } else {
            command
        },
        flags: tape.pick(&[0, 0, flags::NO_REPLY, flags::REPLY, tape.any()]),
        payload,
        attached: vec![Attached::Memory; tape.below(4) as usize],
        claimed_size,
    }
}

/// Offset in the configuration space that decides something: command, BARs, interrupt line, MSI, MSI-X.
pub fn config_offset(tape: &Tape<'_>) -> (u32, u64) {
    let near = tape.pick(&[
        0x04, 0x10, 0x14, 0x24, 0x3c, 0x80, 0x82, 0x90, 0x92, 0xa0, 0x100, 0xffc,
    ]);
    (CONFIG_REGION, near + u64::from(tape.below(4)))
}

fn page(tape: &Tape<'_>) -> u64 {
    u64::from(tape.below(257)) << 12
}

fn request(command: u16, body: Message) -> Outgoing {
    Outgoing {
        command,
        payload: body.0,
        ..Outgoing::default()
    }
}
