// SPDX-License-Identifier: GPL-2.0
//! Commands that are mostly legal.

use transport::{
    feature, Command, ConfigData, Mapping, Opcode, QueueRequest, QueueState, Range, MAP_ALIGN,
    NO_VECTOR,
};

use crate::tape::Tape;

/// A command; most of its arguments are in range.
pub fn any(tape: &Tape<'_>) -> Command {
    match tape.below(16) {
        0 => Command::SetStatus(status(tape)),
        1 => Command::SetFeatures(features(tape)),
        2 => Command::Reset,
        3 => interrupts(tape),
        4 => write_config(tape),
        5 => Command::Suspend,
        6 => Command::Resume,
        7 => Command::SetupQueue(request(tape)),
        8 => Command::EnableQueue(queue(tape)),
        9 => Command::DisableQueue(queue(tape)),
        10 => Command::SetQueueState(queue(tape), state(tape)),
        11 => Command::GetQueueState(queue(tape)),
        12 => Command::Map(mapping(tape)),
        14 => Command::PushQueue(queue(tape)),
        13 => Command::SetGroupSpace {
            group: queue(tape),
            space: queue(tape),
        },
        _ => Command::Unmap(range(tape)),
    }
}

/// The number of an opcode, mostly of one that exists.
pub fn opcode(tape: &Tape<'_>) -> u8 {
    if tape.once_in(8) {
        tape.any()
    } else {
        tape.pick(&Opcode::ALL) as u8
    }
}

fn status(tape: &Tape<'_>) -> u8 {
    match tape.any() {
        bits @ 0..=127 => [1, 3, 0xb, 0xf][usize::from(bits) % 4],
        bits => bits,
    }
}

fn features(tape: &Tape<'_>) -> u64 {
    match tape.below(4) {
        0 => feature::OFFERED,
        1 => feature::OFFERED | feature::RING_PACKED,
        2 => feature::REQUIRED,
        _ => tape.long(),
    }
}

fn interrupts(tape: &Tape<'_>) -> Command {
    let (mode, vectors) = match tape.below(5) {
        4 => (tape.word(), tape.word()),
        mode => (mode, tape.below(5)),
    };
    Command::SetInterrupts {
        mode,
        vectors,
        config_vector: vector(tape),
    }
}

fn vector(tape: &Tape<'_>) -> u32 {
    match tape.below(6) {
        0 => NO_VECTOR,
        5 => tape.word(),
        vector => vector,
    }
}

fn write_config(tape: &Tape<'_>) -> Command {
    let bytes: Vec<u8> = (0..=tape.any::<u8>() % 128).map(|_| tape.any()).collect();
    let offset = if tape.once_in(4) {
        tape.word()
    } else {
        tape.below(64)
    };
    match ConfigData::new(&bytes) {
        Some(data) => Command::WriteConfig { offset, data },
        None => Command::Reset,
    }
}

fn queue(tape: &Tape<'_>) -> u32 {
    match tape.any() {
        number @ 0..=239_u8 => u32::from(number) % 4,
        _ => tape.word(),
    }
}

fn request(tape: &Tape<'_>) -> QueueRequest {
    let size = if tape.once_in(8) {
        tape.word()
    } else {
        1 << tape.below(9)
    };
    QueueRequest {
        queue: queue(tape),
        size,
        vector: vector(tape),
        desc_area: area(tape),
        driver_area: area(tape),
        device_area: area(tape),
    }
}

fn area(tape: &Tape<'_>) -> u64 {
    if tape.once_in(8) {
        tape.long()
    } else {
        u64::from(tape.any::<u16>()) << 12
    }
}

fn state(tape: &Tape<'_>) -> QueueState {
    QueueState {
        available: tape.any(),
        used: if tape.once_in(2) { tape.any() } else { 0 },
    }
}

fn range(tape: &Tape<'_>) -> Range {
    Range {
        space: if tape.once_in(8) {
            tape.any()
        } else {
            tape.pick(&[0, 0, 0, 1])
        },
        iova: pages(tape),
        length: pages(tape),
    }
}

/// Mostly whole pages.
fn pages(tape: &Tape<'_>) -> u64 {
    let any = tape.long();
    if tape.once_in(8) {
        any
    } else {
        any & !(MAP_ALIGN - 1)
    }
}

fn mapping(tape: &Tape<'_>) -> Mapping {
    let access: u8 = tape.any();
    Mapping {
        range: range(tape),
        pci_addr: pages(tape),
        read: access & 1 != 0,
        write: access & 2 != 0,
    }
}
