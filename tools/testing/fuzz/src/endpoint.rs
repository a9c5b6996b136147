// SPDX-License-Identifier: GPL-2.0
//! Any RC against the EP's end: whatever it writes, between whichever two accesses of the EP.
//!
//! Checked: no panic; no access but those of E1 to E8 and H5, so nothing that the EP wrote decides anything;
//! each word of a command is read once; a command is executed at most once; the handler gets what its
//! trait promises; a look has a bound.

mod audit;
mod device;

use transport::{
    feature, offset, Command, ConfigSpace, Description, EndpointPort, Epoch, GroupCounts, Layout,
    LayoutRequest, Placement, QueueDescription, QueueSize, TransportFeatures,
};

use crate::{
    bar::{Access, Bar},
    command,
    tape::Tape,
};

use self::audit::Audit;

pub(crate) use self::device::{Device, Offer};

/// Where the EP puts the command block.
const COMMAND: u32 = 0x100;

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 32;

/// Plays the RC that the bytes describe.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let Ok(layout) = Layout::plan(&request(&tape)) else {
        return;
    };
    let bar = Bar::new(layout.register_bar_size(), &tape, &rc_write);
    let mut rig = Rig::new(layout, &bar, &tape);
    rig.start();
    if tape.once_in(2) {
        rig.negotiate();
    }
    for _ in 0..STEPS {
        if tape.is_over() {
            break;
        }
        rig.step();
    }
    rig.stop();
}

/// What the EP needs room for.
fn request(tape: &Tape<'_>) -> LayoutRequest {
    let doorbells = Placement::Here {
        page_size: tape.pick(&[4, 16, 64]),
        stride: tape.pick(&[4, 8, 64]),
        scan_ms: 0,
    };
    LayoutRequest {
        register_bar: 0,
        num_queues: if tape.once_in(32) { 64 } else { 3 },
        config_size: tape.pick(&[60, 0, 1, 24, 72, 131]),
        msix_vectors: tape.pick(&[4, 0, 65]),
        push_len: tape.pick(&[0, 1, 0x1400]),
        push_bar: 0,
        push_below: tape.pick(&[0, 1, 2048]),
        doorbells,
    }
}

/// A write of the RC: mostly to words that the EP looks at.
fn rc_write(tape: &Tape<'_>) -> (u32, u32) {
    let word = |word: transport::Offset, n: u32| COMMAND + word.bytes() + 4 * n;
    match tape.below(8) {
        0 | 1 => {
            let sequence = u32::from(tape.any::<u8>() % 8);
            (
                word(offset::command::CMD, 0),
                (sequence << 8) | u32::from(command::opcode(tape)),
            )
        }
        2 => (word(offset::command::CMD, 0), tape.word()),
        3 => (word(offset::command::CMD_EPOCH, 0), tape.word()),
        4 => (word(offset::command::ARGUMENT, tape.below(16)), tape.word()),
        5 => (word(offset::command::DATA, tape.below(32)), tape.any()),
        6 => (word(offset::command::RC_HEARTBEAT, 0), tape.word()),
        _ => (u32::from(tape.any::<u16>()) & !3, tape.word()),
    }
}

struct Rig<'a> {
    tape: &'a Tape<'a>,
    bar: &'a Bar<'a>,
    ep: EndpointPort,
    config: ConfigSpace,
    device: Device<'a>,
    offer: Offer,
    audit: Audit,
    sequence: u32,
    now_ms: u64,
}

impl<'a> Rig<'a> {
    fn new(layout: Layout, bar: &'a Bar<'a>, tape: &'a Tape<'a>) -> Self {
        let push = match layout.push() {
            Some(_) => TransportFeatures::PUSH,
            None => TransportFeatures::NONE,
        };
        let transport_features = TransportFeatures::from_word(tape.below(8)).with(push);
        let groups = match transport_features.contains(TransportFeatures::GROUPS) {
            true => GroupCounts {
                groups: tape.pick(&[2, 1, 8]),
                spaces: tape.pick(&[2, 1, 8]),
            },
            false => GroupCounts::ONE,
        };
        let offer = Offer {
            features: feature::OFFERED | tape.long(),
            transport_features,
            groups,
            config_size: layout.config_size(),
            push_len: layout.push().map_or(0, |push| push.stride),
            sizes: (0..layout.num_queues()).map(|n| 256 >> (n % 3)).collect(),
        };
        Self {
            tape,
            bar,
            config: ConfigSpace::new(&layout, bar),
            ep: EndpointPort::new(layout),
            device: Device::new(offer.clone(), tape),
            offer,
            audit: Audit::new(1),
            sequence: 0,
            now_ms: 0,
        }
    }

    fn start(&mut self) {
        let queue = |size: &u16| QueueDescription {
            size_max: QueueSize::new((*size).into()).expect("a power of two"),
            doorbell: 0,
            group: size % self.offer.groups.groups,
        };
        let queues: Vec<_> = self.offer.sizes.iter().map(queue).collect();
        let description = Description {
            device_id: 1,
            vendor_id: 0x1af4,
            device_features: self.offer.features,
            transport_features: self.offer.transport_features,
            groups: self.offer.groups,
            queues: &queues,
        };
        let epoch = Epoch::new(self.audit.epoch).expect("a legal epoch");
        let started = self.ep.start(self.bar, &description, epoch, self.now_ms);
        assert!(started.is_ok());
        self.device.take_calls();
        let audit = &mut self.audit;
        self.bar.take_log(|log| audit.started(log));
        self.sequence = 0;
    }

    fn stop(&mut self) {
        self.bar.calm();
        self.ep.stop(self.bar, &mut self.device);
        assert!(!self.ep.is_running());
        assert_eq!(self.device.take_calls(), 1);
        let epoch = self.bar.peek(offset::EPOCH.bytes());
        assert_eq!((self.bar.peek(offset::READY.bytes()), epoch), (0, 0));
    }

    /// Goes to a device with features, as most commands need it.
    fn negotiate(&mut self) {
        let interrupts = Command::SetInterrupts {
            mode: 3,
            vectors: 4,
            config_vector: 0,
        };
        let features = feature::OFFERED | (self.offer.features & feature::RING_PACKED);
        for command in [
            Command::SetStatus(3),
            Command::SetFeatures(features),
            interrupts,
            Command::SetStatus(0xb),
        ] {
            self.issue(&command, usize::MAX);
            self.poll();
        }
    }

    fn step(&mut self) {
        match self.tape.below(12) {
            0 => {
                let (at, value) = rc_write(self.tape);
                self.bar.poke(at, value);
            }
            1 => self.now_ms = self.now_ms.saturating_add(self.tape.word().into()),
            2 => self.device.give_up(),
            3 => self.publish_config(),
            4 => {
                self.stop();
                self.audit = Audit::new(self.audit.epoch % 3 + 1);
                self.start();
            }
            5 => {
                let command = command::any(self.tape);
                self.issue(&command, self.tape.below(12) as usize);
            }
            6 | 7 => {
                self.bar.disturb();
                self.poll();
                self.bar.calm();
            }
            _ => {
                let command = command::any(self.tape);
                self.issue(&command, usize::MAX);
                self.poll();
            }
        }
    }

    /// Does R2 to R4, of which `count` writes arrive.
    fn issue(&mut self, command: &Command, count: usize) {
        let at = |word: transport::Offset| COMMAND + word.bytes();
        let frame = command.encode();
        self.sequence = self.sequence.wrapping_add(1) & 0xff_ffff;
        let words = |first: transport::Offset| (at(first)..).step_by(4);
        let word = (self.sequence << 8) | frame.opcode as u32;
        let arguments = words(offset::command::ARGUMENT).zip(frame.arguments);
        let data = words(offset::command::DATA).zip(frame.data);
        let writes = [
            (at(offset::command::CMD), self.sequence << 8),
            (at(offset::command::CMD_EPOCH), self.audit.epoch),
        ]
        .into_iter()
        .chain(arguments.take(frame.opcode.argument_words()))
        .chain(data.take(frame.data_words()))
        .chain([(at(offset::command::CMD), word)]);
        writes
            .take(count)
            .for_each(|(at, value)| self.bar.poke(at, value));
    }

    fn poll(&mut self) {
        let progress = self.ep.poll(self.bar, &mut self.device, self.now_ms);
        let calls = self.device.take_calls();
        let (audit, offer) = (&mut self.audit, &self.offer);
        self.bar
            .take_log(|log| audit.check(log, &progress, offer, calls));
        assert_eq!(self.ep.status(), self.device.status());
        assert_eq!(self.ep.interrupts().vectors(), self.device.vectors());
        assert_eq!(self.ep.driver_features() & !self.offer.features, 0);
    }

    /// Does G1 to G3 at any place, of which only those inside the device config count.
    fn publish_config(&mut self) {
        let offset = self.tape.word() as usize;
        let bytes: Vec<u8> = (0..self.tape.below(40)).map(|_| self.tape.any()).collect();
        let is_published = self.config.publish(self.bar, offset, &bytes);
        let end = offset.saturating_add(bytes.len());
        assert_eq!(is_published, end <= self.offer.config_size as usize);
        self.bar.take_log(|log| match is_published {
            true => check_generations(log),
            false => assert!(log.is_empty()),
        });
        let start = COMMAND + 0x200 + 16 * self.offer.sizes.len() as u32;
        let start = start.next_multiple_of(8) as usize + offset;
        for (at, byte) in (start..).zip(bytes).take_while(|_| is_published) {
            let word = self.bar.peek(at as u32 & !3);
            assert_eq!(word.to_le_bytes()[at & 3], byte);
        }
    }
}

/// The generation is odd before the words change, and even behind them (G1 to G3).
fn check_generations(log: &[Access]) {
    let generation = |access: Option<&Access>| match access {
        Some(Access::Write(at, value)) if *at == offset::CONFIG_GENERATION.bytes() => *value,
        access => panic!("no generation but {access:?}"),
    };
    let (odd, even) = (generation(log.first()), generation(log.last()));
    assert!(odd & 1 == 1 && even == odd.wrapping_add(1));
    assert_eq!(log.get(1), Some(&Access::WriteBarrier));
    assert_eq!(log.iter().nth_back(1), Some(&Access::WriteBarrier));
}
