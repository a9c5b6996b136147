// SPDX-License-Identifier: GPL-2.0

//! Rules that hold for arbitrary commands, answers and register contents.

use std::collections::HashSet;

use proptest::array::uniform32;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Rig, BARS, EPOCH, FEATURES};
use transport::{
    offset, Command, CommandError, CommandWord, ConfigData, Frame, Identity, Mapping, Offset,
    Opcode, QueueRequest, QueueState, Range, Step, ARGUMENT_WORDS, CONFIG_DATA_SIZE, MAP_ALIGN,
};

fn state() -> impl Strategy<Value = QueueState> {
    any::<(u16, u16)>().prop_map(|(available, used)| QueueState { available, used })
}

/// Pages of an address space that do not go around its end.
fn pages() -> impl Strategy<Value = (u64, u64)> {
    const PAGES: u64 = 1 << 52;
    let first = prop_oneof![Just(0), Just(PAGES - 1), 0..PAGES];
    (first, 1..PAGES).prop_map(|(first, count)| (first, count.min(PAGES - first)))
}

fn range() -> impl Strategy<Value = Range> {
    (any::<u16>(), pages()).prop_map(|(space, (first, count))| Range {
        space,
        iova: first * MAP_ALIGN,
        length: count * MAP_ALIGN,
    })
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (range(), any::<u64>(), 1..4u8).prop_map(|(range, pci_addr, access)| {
        let last = 0u64.wrapping_sub(range.length);
        Mapping {
            range,
            pci_addr: pci_addr.min(last) / MAP_ALIGN * MAP_ALIGN,
            read: access & 1 != 0,
            write: access & 2 != 0,
        }
    })
}

fn request() -> impl Strategy<Value = QueueRequest> {
    any::<(u32, u32, u32, u64, u64, u64)>().prop_map(
        |(queue, size, vector, desc_area, driver_area, device_area)| QueueRequest {
            queue,
            size,
            vector,
            desc_area,
            driver_area,
            device_area,
        },
    )
}

fn write_config() -> impl Strategy<Value = Command> {
    let bytes = vec(any::<u8>(), 1..=CONFIG_DATA_SIZE);
    (any::<u32>(), bytes).prop_map(|(offset, bytes)| Command::WriteConfig {
        offset,
        data: ConfigData::new(&bytes).expect("a legal length"),
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Reset),
        Just(Command::Suspend),
        Just(Command::Resume),
        any::<u8>().prop_map(Command::SetStatus),
        any::<u64>().prop_map(Command::SetFeatures),
        any::<(u32, u32, u32)>().prop_map(|(mode, vectors, config_vector)| {
            Command::SetInterrupts {
                mode,
                vectors,
                config_vector,
            }
        }),
        write_config(),
        request().prop_map(Command::SetupQueue),
        any::<u32>().prop_map(Command::EnableQueue),
        any::<u32>().prop_map(Command::DisableQueue),
        (any::<u32>(), state()).prop_map(|(queue, state)| Command::SetQueueState(queue, state)),
        any::<u32>().prop_map(Command::GetQueueState),
        mapping().prop_map(Command::Map),
        range().prop_map(Command::Unmap),
    ]
}

/// A write of the RC: mostly to the command block and near legal values.
fn rc_write() -> impl Strategy<Value = (u32, u32)> {
    let sequence = 0..40u32;
    let opcode = prop_oneof![4 => 0..0x24u32, 1 => any::<u8>().prop_map(u32::from)];
    let word = (sequence, opcode).prop_map(|(sequence, opcode)| (sequence << 8) | opcode);
    let small = prop_oneof![
        0..4u32,
        Just(64),
        Just(0xb),
        Just(0xf),
        Just(0xffff),
        any::<u32>()
    ];
    prop_oneof![
        8 => word.prop_map(|word| (0x100, word)),
        8 => (0..16u32, small).prop_map(|(n, value)| (0x110 + 4 * n, value)),
        1 => Just((0x104, EPOCH)),
        1 => any::<(u16, u32)>().prop_map(|(offset, value)| (offset.into(), value)),
    ]
}

proptest! {
    #[test]
    fn commands_survive_the_wire(command in command()) {
        let frame = command.encode();
        prop_assert_eq!(frame.opcode, command.opcode());
        prop_assert!(frame.arguments.iter().skip(frame.opcode.argument_words()).all(|word| *word == 0));
        prop_assert!(frame.data.iter().skip(frame.data_words()).all(|word| *word == 0));
        prop_assert_eq!(Command::decode(&frame), Ok(command));
    }

    #[test]
    fn what_is_decoded_is_encoded_the_same(
        opcode in 0..Opcode::ALL.len(),
        arguments in uniform32(prop_oneof![0..200u32, any::<u32>()]),
        data in uniform32(any::<u32>()),
    ) {
        let opcode = Opcode::ALL[opcode];
        let mut words = [0; ARGUMENT_WORDS];
        words[..opcode.argument_words()].copy_from_slice(&arguments[..opcode.argument_words()]);
        let mut frame = Frame { opcode, arguments: words, data };
        match Command::decode(&frame) {
            Ok(command) => {
                let again = command.encode();
                prop_assert_eq!(again.arguments, frame.arguments);
                frame.data = again.data;
                prop_assert_eq!(Command::decode(&frame), Ok(command));
            }
            Err(error) => prop_assert_eq!(error, CommandError::BadArgument),
        }
    }

    #[test]
    fn of_two_sequence_numbers_at_most_one_is_newer(a in 0..1u32 << 24, b in 0..1u32 << 24) {
        let word = |sequence| CommandWord::new(sequence, Opcode::Reset);
        let (ab, ba) = (word(b).is_newer_than(a), word(a).is_newer_than(b));
        prop_assert!(!(ab && ba));
        prop_assert_eq!(ab || ba, a != b && a.abs_diff(b) != 1 << 23);
    }

    /// Whatever the RC writes, the EP does not panic, answers each word once, and accepts a
    /// sequence number only if it is newer than all accepted before (no number here wraps).
    #[test]
    fn the_endpoint_executes_nothing_twice(writes in vec((rc_write(), any::<bool>()), 0..400)) {
        let mut rig = Rig::started();
        rig.link.store(Offset::new(0x104), EPOCH);
        let mut accepted = HashSet::new();
        let mut newest = 0;
        for ((offset, value), is_polled) in writes {
            rig.link.store(Offset::new(offset), value);
            if !is_polled {
                continue;
            }
            let before = rig.backend.calls.len();
            let Some((word, result)) = rig.poll().answered else {
                prop_assert_eq!(rig.backend.calls.len(), before);
                continue;
            };
            prop_assert_eq!(rig.link.peek(Offset::new(0x200)), word.word());
            if result == Err(CommandError::BadSequence) {
                prop_assert_eq!(rig.backend.calls.len(), before);
                continue;
            }
            prop_assert!(accepted.insert(word.sequence()));
            prop_assert!(word.sequence() > newest || word.sequence() >= 1 << 23);
            newest = word.sequence();
            if result.is_err() {
                prop_assert_eq!(rig.backend.calls.len(), before);
            }
        }
    }

    /// Whatever the EP shows, the RC refuses it or works with it, and every command ends in time.
    #[test]
    fn the_root_complex_bears_any_memory(
        changes in vec((0..0x100u32, prop_oneof![0..0x400u32, any::<u32>()]), 0..6),
        later in vec((0..0x300u32, any::<u32>()), 0..20),
    ) {
        let mut rig = Rig::started();
        for (word, value) in changes {
            rig.link.store(Offset::new(word), value);
        }
        let Ok(identity) = Identity::read(&rig.link.rc(), 0, &BARS) else {
            return Ok(());
        };
        let mut rc = transport::RootComplexPort::new(identity, &rig.link.rc(), 0);
        prop_assert_eq!(rc.issue(&rig.link.rc(), &Command::Reset, 0), Ok(()));
        for (word, value) in later {
            rig.link.store(Offset::new(word), value);
            rig.poll();
            rc.step(&rig.link.rc(), 0);
        }
        let bound_ms = Opcode::Reset.bound_ms();
        prop_assert!(rc.step(&rig.link.rc(), bound_ms) != Step::Pending);
    }

    /// A legal driver side that sends arbitrary commands gets an answer to each.
    #[test]
    fn every_command_is_answered(commands in vec(command(), 0..30)) {
        let mut rig = Rig::with_queue(FEATURES);
        for command in &commands {
            let _ = rig.send(command);
            prop_assert_eq!(rig.link.peek(Offset::new(0x200)), rig.link.peek(Offset::new(0x100)));
            prop_assert_eq!(rig.link.peek(offset::READY), 1);
        }
    }
}
