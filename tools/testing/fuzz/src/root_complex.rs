// SPDX-License-Identifier: GPL-2.0
//! Any EP against the RC's end: whatever it shows, changing between whichever two accesses of the RC.
//!
//! Checked: no panic; an identity is taken exactly when the document allows it; no access outside the
//! BAR, no write but to the RC's own words; every word is read once per decision; the port's states are
//! those of R1 to R7, a command is over at its bound, and only its own answer satisfies it.

mod legal;
mod port;

use transport::{
    feature, offset, read_config, time, Command, ConfigReadError, Description, EndpointPort, Epoch,
    GroupCounts, Identity, IdentityError, Layout, LayoutRequest, Offset, Placement,
    QueueDescription, QueueSize, RootComplexPort, TransportFeatures, Version, MAGIC, NUM_BARS,
};

use crate::{
    bar::{Access, Bar},
    command,
    endpoint::{Device, Offer},
    tape::Tape,
};

use self::{
    legal::is_legal,
    port::{find, Expected},
};

/// The session of the EP.
const EPOCH: u32 = 7;

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 32;

/// Plays the EP that the bytes describe.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let Ok(layout) = Layout::plan(&request(&tape)) else {
        return;
    };
    let size = layout.register_bar_size();
    let mut bars = [0; NUM_BARS];
    bars[0] = tape.pick(&[size, size.next_power_of_two(), size + 4, 0x80, 0xfc, 0x100]);
    bars[2] = 0x1000;
    let bar = Bar::new(size.max(bars[0]), &tape, &ep_write);
    let offer = Offer {
        features: feature::OFFERED | tape.long(),
        transport_features: TransportFeatures::from_word(u32::MAX),
        groups: GroupCounts {
            groups: 2,
            spaces: 3,
        },
        config_size: layout.config_size(),
        push_len: layout.push().map_or(0, |push| push.stride),
        sizes: vec![64; layout.num_queues().into()],
    };
    let mut ep = EndpointPort::new(layout);
    start(&mut ep, &bar, &offer);
    for _ in 0..tape.any::<u8>() % 8 {
        bar.poke(4 * tape.below(0x40), tape.word());
    }
    let is_calm = tape.once_in(2);
    if !is_calm {
        bar.disturb();
    }
    let identity = Identity::read(&bar, 0, &bars);
    bar.take_log(|log| check_identity(log, &identity, &bars));
    if is_calm {
        check_calm(&bar, &identity, &bars);
    }
    if let Ok(identity) = identity {
        let device = Device::new(offer, &tape);
        Session::new(&tape, &bar, &bars, ep, device, identity).run();
    }
}

/// What the EP needs room for.
fn request(tape: &Tape<'_>) -> LayoutRequest {
    LayoutRequest {
        register_bar: 0,
        num_queues: if tape.once_in(32) { 64 } else { 3 },
        config_size: tape.pick(&[60, 0, 1, 24, 131]),
        msix_vectors: tape.pick(&[0, 4]),
        push_len: 0x1400,
        push_bar: 0,
        push_below: 0,
        doorbells: Placement::Here {
            page_size: 16,
            stride: 4,
            scan_ms: 0,
        },
    }
}

fn start(ep: &mut EndpointPort, bar: &Bar<'_>, offer: &Offer) {
    let queue = |size: &u16| QueueDescription {
        size_max: QueueSize::new((*size).into()).expect("a power of two"),
        doorbell: 3,
        group: 1,
    };
    let queues: Vec<_> = offer.sizes.iter().map(queue).collect();
    let description = Description {
        device_id: 2,
        vendor_id: 0,
        device_features: offer.features,
        transport_features: offer.transport_features,
        groups: offer.groups,
        queues: &queues,
    };
    let epoch = Epoch::new(EPOCH).expect("a legal epoch");
    assert!(ep.start(bar, &description, epoch, 0).is_ok());
    bar.take_log(|_| ());
}

/// A write of the EP: mostly to words that decide something.
fn ep_write(tape: &Tape<'_>) -> (u32, u32) {
    let identity = [
        offset::READY,
        offset::EPOCH,
        offset::VERSION,
        offset::HEARTBEAT,
        offset::CONFIG_GENERATION,
        offset::NUM_QUEUES,
        offset::COMMAND_REGION,
        offset::DOORBELL_REGION,
    ];
    match tape.below(8) {
        0..=2 => (tape.pick(&identity).bytes(), tape.word()),
        3 => (
            offset::EPOCH.bytes(),
            tape.pick(&[EPOCH, 0, u32::MAX, EPOCH + 1]),
        ),
        4 => (4 * tape.below(0x20), tape.word()),
        5 => (0x200 + 4 * tape.below(8), tape.word()),
        _ => (u32::from(tape.any::<u16>()) & !3, tape.word()),
    }
}

/// Checks what was read of the identity (I1 to I5), and that a good one follows from it.
fn check_identity(
    log: &[Access],
    identity: &Result<Identity, IdentityError>,
    bars: &transport::BarSizes,
) {
    if bars[0] < 0x100 {
        assert!(log.is_empty() && matches!(identity, Err(IdentityError::BarTooSmall)));
        return;
    }
    let is_identity = |access: &Access| match access {
        Access::Read(at, _) => *at < 0x100,
        access => *access == Access::ReadBarrier,
    };
    assert!(log.iter().all(is_identity));
    let once = |word: Offset| find(log, word.bytes()).unwrap_or(0);
    if once(offset::MAGIC) != MAGIC {
        assert!(log.len() == 1 && identity.is_err());
        return;
    }
    let Ok(identity) = identity else {
        return;
    };
    assert_eq!(once(offset::VERSION), identity.version().word());
    assert_eq!(identity.version().major, Version::CURRENT.major);
    assert!(is_legal(once, bars));
    let epochs = log.iter().filter(|access| {
        matches!(access, Access::Read(at, _) if *at == offset::EPOCH.bytes()) //
    });
    let epoch = Access::Read(offset::EPOCH.bytes(), identity.epoch().get());
    assert!(epochs.clone().count() == 2 && epochs.clone().all(|read| *read == epoch));
}

/// Of words that do not change, the document alone decides.
fn check_calm(
    bar: &Bar<'_>,
    identity: &Result<Identity, IdentityError>,
    bars: &transport::BarSizes,
) {
    let word = |at: Offset| bar.peek(at.bytes());
    let is_usable = bars[0] >= 0x100
        && word(offset::MAGIC) == MAGIC
        && word(offset::VERSION) >> 16 == 1
        && word(offset::READY) == 1
        && Epoch::new(word(offset::EPOCH)).is_some()
        && is_legal(word, bars);
    assert_eq!(identity.is_ok(), is_usable, "{identity:?}");
}

/// A session with an EP that was found good.
struct Session<'a> {
    tape: &'a Tape<'a>,
    bar: &'a Bar<'a>,
    bars: &'a transport::BarSizes,
    ep: EndpointPort,
    device: Device<'a>,
    port: RootComplexPort,
    expected: Expected,
    now_ms: u64,
}

impl<'a> Session<'a> {
    fn new(
        tape: &'a Tape<'a>,
        bar: &'a Bar<'a>,
        bars: &'a transport::BarSizes,
        ep: EndpointPort,
        device: Device<'a>,
        identity: Identity,
    ) -> Self {
        let epoch = identity.epoch().get();
        let features = identity.transport_features();
        let is_steady = features.contains(TransportFeatures::STEADY_BEAT);
        // The EP may still write between the accesses.
        let port = RootComplexPort::new(identity, bar, 0);
        let expected = bar.take_log(|log| Expected::new(log, epoch, is_steady));
        bar.calm();
        check_doorbells(port.identity(), bar, bars);
        bar.take_log(|_| ());
        Self {
            tape,
            bar,
            bars,
            ep,
            device,
            port,
            expected,
            now_ms: 0,
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            if self.tape.is_over() {
                return;
            }
            let is_disturbed = self.tape.once_in(4);
            if is_disturbed {
                self.bar.disturb();
            }
            self.step();
            self.bar.calm();
        }
    }

    /// Shows the accesses of one call, whose places are checked.
    fn take_log<T>(&mut self, look: impl FnOnce(&[Access], &mut Expected) -> T) -> T {
        let (end, expected) = (self.bars[0], &mut self.expected);
        self.bar.take_log(|log| {
            check_places(log, end, expected.place(offset::command::CMD));
            look(log, expected)
        })
    }

    fn step(&mut self) {
        match self.tape.below(12) {
            0 => {
                let (at, value) = ep_write(self.tape);
                self.bar.poke(at, value);
            }
            1 => self.now_ms = self.now_ms.saturating_add(self.tape.word().into()),
            2 => self.bar.set_dead(self.tape.once_in(4)),
            3 => self.forge(),
            4 => self.read_config(),
            5 => self.watch(),
            6 => self.issue(&Command::Reset),
            7 => self.look(),
            8 => {
                let status = self.port.device_status(self.bar);
                let lost = self.take_log(|log, _| find(log, offset::EPOCH.bytes()));
                let epoch = self.port.identity().epoch().get();
                assert_eq!(status.is_some(), lost == Some(epoch));
            }
            _ => {
                let command = command::any(self.tape);
                self.issue(&command);
                self.answer();
                self.look();
            }
        }
    }

    /// The true EP answers.
    fn answer(&mut self) {
        self.bar.calm();
        self.bar.set_dead(false);
        self.ep.poll(self.bar, &mut self.device, self.now_ms);
        self.bar.take_log(|_| ());
    }

    /// Answers the outstanding command with anything.
    fn forge(&mut self) {
        let Some(word) = self.expected.waiting() else {
            return;
        };
        let at = |word: Offset| self.expected.place(word);
        let status = match self.tape.below(12) {
            11 => self.tape.word(),
            status => status,
        };
        self.bar.poke(at(offset::command::CMD_STATUS), status);
        for n in 0..4 {
            let place = at(offset::command::RESULT) + 4 * n;
            self.bar.poke(place, self.tape.word());
        }
        let epoch = if self.tape.once_in(8) { 0 } else { EPOCH };
        self.bar.poke(at(offset::command::ANSWER_EPOCH), epoch);
        self.bar.poke(at(offset::command::ANSWER), word);
    }

    fn issue(&mut self, command: &Command) {
        let result = self.port.issue(self.bar, command, self.now_ms);
        let now_ms = self.now_ms;
        self.take_log(|log, expected| expected.issue(log, command, now_ms, result));
    }

    fn look(&mut self) {
        let step = self.port.step(self.bar, self.now_ms);
        let now_ms = self.now_ms;
        self.take_log(|log, expected| expected.step(log, now_ms, step));
    }

    fn watch(&mut self) {
        let now_ms = self.now_ms;
        let health = self.port.watch(self.bar, time::EP_SILENT_MS, now_ms);
        self.take_log(|log, expected| {
            let place = expected.place(offset::command::RC_HEARTBEAT);
            expected.watch(log, now_ms, health);
            let beats = |access: &Access| match *access {
                Access::Write(at, value) => at == place && value != 0,
                _ => true,
            };
            assert!(log.iter().all(beats));
        });
    }

    /// Reads device config anywhere (G4 to G6).
    fn read_config(&mut self) {
        let size = self.port.identity().config_size() as usize;
        let offset = match self.tape.once_in(4) {
            true => self.tape.word() as usize,
            false => self.tape.below(64) as usize,
        };
        let mut to = vec![0; self.tape.below(200) as usize];
        let result = read_config(self.port.identity(), self.bar, offset, &mut to);
        let is_inside = offset.saturating_add(to.len()) <= size;
        let is_refused = result == Err(ConfigReadError::OutOfRange);
        assert_eq!(is_refused, !is_inside);
        let epoch = self.port.identity().epoch().get();
        self.take_log(|log, _| {
            let generation = |access: Option<&Access>| match access {
                Some(Access::Read(at, value)) if *at == offset::CONFIG_GENERATION.bytes() => *value,
                access => panic!("no generation but {access:?}"),
            };
            let Ok(seen) = result else {
                assert!(!is_refused || log.is_empty());
                return;
            };
            assert_eq!(seen % 2, 0);
            assert_eq!(generation(log.first()), seen);
            assert_eq!(generation(log.iter().nth_back(2)), seen);
            assert_eq!(find(log, offset::EPOCH.bytes()), Some(epoch));
        });
    }
}

/// No access outside the BAR, which has `end` bytes, and no write but to the RC's half of the command
/// block, which begins with `cmd`.
fn check_places(log: &[Access], end: u64, cmd: u32) {
    for access in log {
        match *access {
            Access::Read(at, _) => assert!(u64::from(at) + 4 <= end),
            Access::Write(at, _) => assert!((cmd..cmd + 0x100).contains(&at)),
            Access::ReadBarrier | Access::WriteBarrier => {}
        }
    }
}

/// All doorbells are words of their BAR, and no queue is larger than the largest.
fn check_doorbells(identity: &Identity, bar: &Bar<'_>, bars: &transport::BarSizes) {
    for queue in identity.layout().queues() {
        let doorbell = identity.doorbell(bar, queue, 0);
        assert_eq!(doorbell.offset() % 4, 0);
        assert!(doorbell.offset() + 4 <= bars[usize::from(doorbell.bar())]);
        doorbell.next_value();
        if let Some(slot) = identity.layout().polled_slot(queue) {
            assert!(u64::from(slot.bytes()) + 4 <= bars[0]);
        }
        if let Some(size) = identity.queue_size(bar, queue) {
            assert!(size <= identity.queue_size_max());
        }
    }
    assert!(identity.queue(identity.num_queues()).is_none());
}
