// SPDX-License-Identifier: GPL-2.0
//! What the two guests make their monitors say.

use epc_regs::{bar, reg, DmaEntry, Opcode, Status};

use super::message;
use super::peer::{self, Peer, MEMORY_SIZE};
use crate::tape::Tape;

/// Address of the EP's memory.
const EP_RAM: u64 = 0x4000_0000;
/// Address of the RC's memory.
const RC_RAM: u64 = 0x10_0000;

/// Entries of the lists of transfers.
const ENTRIES: u32 = 3;
/// Distance of two such lists in memory.
const LIST_SIZE: u64 = 0x100;

/// The EP does something.
pub fn endpoint_step(tape: &Tape<'_>, ep: &mut Peer) {
    let registers = bar::REGISTERS as u32;
    let message = match tape.below(13) {
        0..=5 => return command(tape, ep),
        12 => return transfer(tape, ep),
        6 => message::access(tape, registers, u64::from(tape.any::<u16>() & 0xfff)),
        7 => message::access(tape, bar::WINDOW as u32, address(tape, 0)),
        8 => message::map(tape, EP_RAM),
        9 => message::set_irqs(tape),
        10 if tape.once_in(4) => return ep.leave(),
        10 => message::unmap(tape, EP_RAM),
        _ => message::any(tape),
    };
    ep.send(&message);
}

/// The RC does something.
pub fn root_complex_step(tape: &Tape<'_>, rc: &mut Peer) {
    let message = match tape.below(12) {
        0..=3 => {
            let (region, offset) = message::config_offset(tape);
            message::access(tape, region, offset)
        }
        4..=6 => message::access(tape, tape.below(9), address(tape, 0)),
        7 => message::map(tape, RC_RAM),
        8 | 9 => message::set_irqs(tape),
        10 if tape.once_in(4) => return rc.leave(),
        10 => message::unmap(tape, RC_RAM),
        _ => message::any(tape),
    };
    rc.send(&message);
}

/// Gives the controller a command, and looks at its status.
fn command(tape: &Tape<'_>, ep: &mut Peer) {
    let registers = bar::REGISTERS as u32;
    let opcode = tape.pick(&[
        Opcode::Start,
        Opcode::Map,
        Opcode::SetBar,
        Opcode::WriteHeader,
        Opcode::SetBarRange,
        Opcode::SetMsi,
        Opcode::SetMsix,
        Opcode::RaiseMsi,
        Opcode::RaiseMsix,
        Opcode::SetIntx,
        Opcode::Unmap,
        Opcode::ClearBar,
        Opcode::Stop,
        Opcode::Reset,
    ]);
    for (at, argument) in (reg::ARG0..).step_by(8).zip(arguments(tape, opcode)) {
        ep.send(&message::write(registers, at, &argument.to_le_bytes()));
    }
    let immediate = if tape.once_in(8) {
        tape.any()
    } else {
        u16::from(tape.any::<u8>() % 9)
    };
    let word = if tape.once_in(16) {
        tape.any()
    } else {
        opcode.command(function(tape), immediate)
    };
    ep.send(&message::write(
        registers,
        reg::COMMAND,
        &word.to_le_bytes(),
    ));
    look_at(ep, reg::STATUS);
}

/// The first function, the second, or any.
fn function(tape: &Tape<'_>) -> u8 {
    match tape.below(4) {
        0 | 1 => 0,
        2 => 1,
        _ => tape.any(),
    }
}

/// Reads a status register.
fn look_at(ep: &mut Peer, register: u64) {
    if let Some(reply) = ep.send(&message::read(bar::REGISTERS as u32, register, 4)) {
        let status = reply.get(16..20).and_then(|word| word.try_into().ok());
        let status = Status::from_raw(u32::from_le_bytes(status.expect("four bytes")));
        assert!(status.is_some(), "unknown status");
    }
}

/// Writes the list of a transfer, starts it or aborts it, and looks at its status.
fn transfer(tape: &Tape<'_>, ep: &mut Peer) {
    let channel = reg::DMA0 + u64::from(tape.below(6)) * reg::DMA_STRIDE;
    let mut set = |register, data: &[u8]| {
        ep.send(&message::write(
            bar::REGISTERS as u32,
            channel + register,
            data,
        ))
    };
    let place = u64::from(tape.below(4)) * LIST_SIZE;
    let entries: Vec<_> = (0..ENTRIES).map(|_| entry(tape)).collect();
    peer::write_memory(place, &entries.concat());
    let list = if tape.once_in(8) {
        address(tape, EP_RAM)
    } else {
        EP_RAM + place
    };
    set(reg::DMA_LIST, &list.to_le_bytes());
    set(reg::DMA_ENTRIES, &tape.below(ENTRIES + 2).to_le_bytes());
    let control = tape.pick(&[1, 1, 1, 2, 0]);
    set(reg::DMA_CONTROL, &u32::to_le_bytes(control));
    look_at(ep, channel + reg::DMA_STATUS);
}

/// An entry that a driver could give, or any.
fn entry(tape: &Tape<'_>) -> Vec<u8> {
    let (ep, rc) = (address(tape, EP_RAM), address(tape, RC_RAM));
    let (source, destination) = tape.pick(&[(rc, ep), (ep, rc), (ep, ep), (ep & 0xf_ffff, ep)]);
    let entry = DmaEntry {
        source,
        destination,
        size: tape.pick(&[1, 64, 1 << 12, 1 << 18, 0]),
        flags: tape.pick(&[0, 0, 1, 2, 3]),
    };
    let words = entry.to_words();
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Arguments that a driver could give, or any.
fn arguments(tape: &Tape<'_>, opcode: Opcode) -> Vec<u64> {
    if tape.once_in(4) {
        return (0..tape.below(5)).map(|_| tape.long()).collect();
    }
    let size = 1 << tape.below(24);
    match opcode {
        Opcode::Map => vec![address(tape, 0), address(tape, RC_RAM), size],
        Opcode::Unmap => vec![address(tape, 0)],
        Opcode::SetBar => vec![
            size,
            tape.below(8).into(),
            tape.below(3).into(),
            address(tape, EP_RAM),
        ],
        Opcode::SetBarRange => vec![
            address(tape, 0),
            size,
            tape.below(3).into(),
            address(tape, EP_RAM),
        ],
        Opcode::SetMsix => vec![tape.below(6).into(), address(tape, 0)],
        Opcode::WriteHeader => vec![tape.long(), tape.long()],
        _ => Vec::new(),
    }
}

/// An address in the memory at `base`, or near its ends.
fn address(tape: &Tape<'_>, base: u64) -> u64 {
    let offset = match tape.below(4) {
        0 => u64::from(tape.below(16)) << 12,
        1 => u64::from(tape.any::<u16>()),
        2 => MEMORY_SIZE - u64::from(tape.any::<u8>()),
        _ => tape.long(),
    };
    base.wrapping_add(offset)
}
