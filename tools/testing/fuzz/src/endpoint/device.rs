// SPDX-License-Identifier: GPL-2.0
//! A device that believes what `CommandHandler` promises, and panics when a promise is broken.

use transport::{
    feature, CommandError, CommandHandler, DeviceStatus, GroupCounts, InterruptMode, Interrupts,
    Mapping, QueueIndex, QueueSetup, QueueState, Range, TransportFeatures, MAP_ALIGN,
};

use crate::tape::Tape;

/// What a device was offered with.
#[derive(Clone)]
pub struct Offer {
    pub features: u64,
    pub transport_features: TransportFeatures,
    pub groups: GroupCounts,
    pub config_size: u32,
    /// Length of each push area; 0: none.
    pub push_len: u32,
    /// Largest size of each queue.
    pub sizes: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Unset,
    SetUp(u16),
    Enabled(u16),
}

/// What lasts until the next reset.
struct State {
    status: DeviceStatus,
    features: u64,
    vectors: u16,
    is_suspended: bool,
    has_iovas: bool,
    phases: Vec<Phase>,
}

impl State {
    fn new(queues: usize) -> Self {
        Self {
            status: DeviceStatus::RESET,
            features: 0,
            vectors: 0,
            is_suspended: false,
            has_iovas: false,
            phases: vec![Phase::Unset; queues],
        }
    }
}

/// The device. Each call may fail, as the tape says.
pub struct Device<'a> {
    tape: &'a Tape<'a>,
    offer: Offer,
    state: State,
    needs_reset: bool,
    calls: usize,
}

impl<'a> Device<'a> {
    pub fn new(offer: Offer, tape: &'a Tape<'a>) -> Self {
        Self {
            tape,
            state: State::new(offer.sizes.len()),
            offer,
            needs_reset: false,
            calls: 0,
        }
    }

    /// Gives up until the next reset.
    pub fn give_up(&mut self) {
        self.needs_reset = true;
    }

    /// The calls since the last look.
    pub fn take_calls(&mut self) -> usize {
        std::mem::take(&mut self.calls)
    }

    pub fn status(&self) -> DeviceStatus {
        self.state.status
    }

    pub fn vectors(&self) -> u16 {
        self.state.vectors
    }

    fn call(&mut self) -> Result<(), CommandError> {
        self.calls += 1;
        if self.tape.once_in(16) {
            return Err(self.tape.pick(&CommandError::ALL));
        }
        Ok(())
    }

    fn phase(&mut self, queue: QueueIndex) -> &mut Phase {
        &mut self.state.phases[usize::from(queue.get())]
    }

    fn is_packed(&self) -> bool {
        self.state.features & feature::RING_PACKED != 0
    }

    fn expect_feature(&self, feature: TransportFeatures) {
        assert!(self.offer.transport_features.contains(feature));
    }

    /// A range of an address space, which no queue knows as PCI addresses.
    fn expect_space(&self, range: &Range) {
        self.expect_feature(TransportFeatures::MAP);
        assert!(range.space < self.offer.groups.spaces);
        assert_eq!((range.iova | range.length) % MAP_ALIGN, 0);
        self.expect_range(range.iova, range.length);
        let is_enabled = |phase: &Phase| matches!(phase, Phase::Enabled(_));
        assert!(self.state.has_iovas || !self.state.phases.iter().any(is_enabled));
    }

    fn expect_range(&self, start: u64, length: u64) {
        assert!(u128::from(start) + u128::from(length) <= 1 << 64 && length != 0);
    }
}

impl CommandHandler for Device<'_> {
    fn reset(&mut self) {
        self.calls += 1;
        self.state = State::new(self.offer.sizes.len());
        // Some devices stay broken.
        self.needs_reset &= self.tape.once_in(8);
    }

    fn accepts_features(&mut self, negotiated: u64) -> bool {
        assert_eq!(negotiated & !self.offer.features, 0);
        assert_eq!(negotiated & feature::REQUIRED, feature::REQUIRED);
        assert!(!self.state.status.contains(DeviceStatus::FEATURES_OK));
        let accepts = self.call().is_ok();
        if accepts {
            self.state.features = negotiated;
        }
        accepts
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        assert!(self.state.status.contains(DeviceStatus::FEATURES_OK));
        assert!(!self.state.status.contains(DeviceStatus::DRIVER_OK));
        self.call()
    }

    fn status_changed(&mut self, status: DeviceStatus) {
        self.calls += 1;
        assert!(status.contains(self.state.status) && status != self.state.status);
        assert_eq!(status.bits() & !0x8f, 0);
        let is_started = status.contains(DeviceStatus::DRIVER_OK);
        assert!(!is_started || status.contains(DeviceStatus::FEATURES_OK));
        self.state.status = status;
    }

    fn needs_reset(&self) -> bool {
        self.needs_reset
    }

    fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<(), CommandError> {
        let legal = match interrupts.mode() {
            InterruptMode::None => 0..=0,
            InterruptMode::IntX => 1..=1,
            InterruptMode::Msi => 1..=32,
            InterruptMode::MsiX => 1..=2048,
        };
        assert!(legal.contains(&interrupts.vectors()));
        let vector = interrupts.config_vector();
        assert!(vector.is_none_or(|vector| vector < interrupts.vectors()));
        assert!(self.state.phases.iter().all(|phase| *phase == Phase::Unset));
        self.call()?;
        self.state.vectors = interrupts.vectors();
        Ok(())
    }

    fn write_config(&mut self, offset: usize, from: &[u8]) -> Result<(), CommandError> {
        assert!((1..=128).contains(&from.len()));
        assert!(offset + from.len() <= self.offer.config_size as usize);
        self.call()
    }

    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError> {
        let queue = usize::from(setup.queue().get());
        let size = setup.size().get();
        assert!(size.is_power_of_two() && size <= self.offer.sizes[queue]);
        assert!(setup
            .vector()
            .is_none_or(|vector| vector < self.state.vectors));
        assert!(self.state.status.contains(DeviceStatus::FEATURES_OK));
        assert!(!self.state.is_suspended);
        assert!(!matches!(self.state.phases[queue], Phase::Enabled(_)));
        let n = u64::from(size);
        let (driver_align, driver, device) = match self.is_packed() {
            true => (4, 4, 4),
            false => (2, 6 + 2 * n, 6 + 8 * n),
        };
        for (area, align, length) in [
            (setup.desc_area(), 16, 16 * n),
            (setup.driver_area(), driver_align, driver),
            (setup.device_area(), 4, device),
        ] {
            assert_eq!(area % align, 0);
            self.expect_range(area, length);
        }
        self.call()?;
        self.state.phases[queue] = Phase::SetUp(size);
        Ok(())
    }

    fn push_queue(&mut self, queue: QueueIndex) -> Result<(), CommandError> {
        self.expect_feature(TransportFeatures::PUSH);
        let Phase::SetUp(size) = *self.phase(queue) else {
            panic!("pushed a queue that is not set up, or enabled");
        };
        assert_eq!(
            self.state.features & (feature::EVENT_IDX | feature::RING_PACKED),
            0
        );
        let rings = (16 + 2) * u32::from(size) + 6;
        assert!(rings <= self.offer.push_len);
        self.call()
    }

    fn enable_queue(&mut self, queue: QueueIndex, space: u16) -> Result<(), CommandError> {
        let Phase::SetUp(size) = *self.phase(queue) else {
            panic!("enabled a queue that is not set up");
        };
        assert!(!self.state.is_suspended);
        assert!(space < self.offer.groups.spaces);
        self.call()?;
        *self.phase(queue) = Phase::Enabled(size);
        Ok(())
    }

    fn disable_queue(&mut self, queue: QueueIndex) {
        self.calls += 1;
        let Phase::Enabled(size) = *self.phase(queue) else {
            panic!("disabled a queue that is not enabled");
        };
        *self.phase(queue) = Phase::SetUp(size);
    }

    fn set_queue_state(
        &mut self,
        queue: QueueIndex,
        state: QueueState,
    ) -> Result<(), CommandError> {
        let is_suspended = self.state.is_suspended;
        let size = match *self.phase(queue) {
            Phase::SetUp(size) => size,
            Phase::Enabled(size) if is_suspended => size,
            phase => panic!("state set of a queue that is {phase:?}"),
        };
        if self.is_packed() {
            assert!(state.available & 0x7fff < size && state.used & 0x7fff < size);
        } else {
            assert_eq!(state.used, 0);
        }
        self.call()
    }

    fn queue_state(&mut self, queue: QueueIndex) -> Result<QueueState, CommandError> {
        assert_ne!(*self.phase(queue), Phase::Unset);
        self.call()?;
        Ok(QueueState {
            available: self.tape.any(),
            used: self.tape.any(),
        })
    }

    fn suspend(&mut self) -> Result<(), CommandError> {
        self.expect_feature(TransportFeatures::SUSPEND);
        assert!(self.state.status.contains(DeviceStatus::DRIVER_OK));
        assert!(!self.state.is_suspended);
        self.call()?;
        self.state.is_suspended = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), CommandError> {
        self.expect_feature(TransportFeatures::SUSPEND);
        assert!(self.state.is_suspended);
        self.call()?;
        self.state.is_suspended = false;
        Ok(())
    }

    fn map(&mut self, mapping: &Mapping) -> Result<(), CommandError> {
        assert!(mapping.read || mapping.write);
        assert_eq!(mapping.pci_addr % MAP_ALIGN, 0);
        self.expect_range(mapping.pci_addr, mapping.range.length);
        self.expect_space(&mapping.range);
        self.call()?;
        self.state.has_iovas = true;
        Ok(())
    }

    fn unmap(&mut self, range: &Range) -> Result<(), CommandError> {
        self.expect_space(range);
        self.call()?;
        self.state.has_iovas = true;
        Ok(())
    }
}
