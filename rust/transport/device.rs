// SPDX-License-Identifier: GPL-2.0

//! The device as commands see it: its state on the EP, and what each command does to it.
//!
//! Sections "Device" and "Queues" of `Documentation/transport.rst`. Here every argument is checked
//! against the state (E5) before the [`CommandHandler`] acts (E6). Not here: words and sequence
//! numbers (`session.rs`).

use crate::command::{
    Command,
    CommandError,
    Mapping,
    Range, //
};
use crate::group::Groups;
use crate::handler::CommandHandler;
use crate::interrupts::Interrupts;
use crate::layout::MAX_QUEUES;
use crate::queue::{
    QueueIndex,
    QueueRequest,
    QueueSetup,
    QueueSize,
    QueueState, //
};
use crate::words::TransportFeatures;
use crate::{
    feature,
    DeviceStatus, //
};

use virtio::ring::PushArea;

/// What the driver side can set.
const SETTABLE: DeviceStatus = DeviceStatus::ACKNOWLEDGE
    .with(DeviceStatus::DRIVER)
    .with(DeviceStatus::DRIVER_OK)
    .with(DeviceStatus::FEATURES_OK)
    .with(DeviceStatus::FAILED);

/// What a queue went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Unset,
    SetUp(QueueSize),
    Enabled(QueueSize),
}

/// What the device offers; fixed for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) device_features: u64,
    pub(crate) transport_features: TransportFeatures,
    pub(crate) config_size: u32,
    pub(crate) num_queues: u16,
    pub(crate) queue_size_max: [QueueSize; MAX_QUEUES],
    /// All groups are in address space 0.
    pub(crate) groups: Groups,
    /// Length of each push area; 0: there are none.
    pub(crate) push_len: u32,
}

/// Results of a command that was executed.
pub(crate) enum Outcome {
    Done,
    Status(DeviceStatus),
    /// The queue is enabled or not; its `status` word is to be published.
    Queue(QueueIndex, bool),
    State(QueueState),
    /// All `status` words are to be published.
    Reset,
}

/// State of the device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    offer: Offer,
    status: DeviceStatus,
    driver_features: u64,
    interrupts: Interrupts,
    is_suspended: bool,
    /// Addresses are IOVAs, not PCI addresses.
    has_iovas: bool,
    groups: Groups,
    phases: [Phase; MAX_QUEUES],
}

type Executed = Result<Outcome, CommandError>;

impl Device {
    pub(crate) fn new(offer: Offer) -> Self {
        Self {
            offer,
            status: DeviceStatus::RESET,
            driver_features: 0,
            interrupts: Interrupts::default(),
            is_suspended: false,
            has_iovas: false,
            groups: offer.groups,
            phases: [Phase::Unset; MAX_QUEUES],
        }
    }

    pub(crate) fn status(&self) -> DeviceStatus {
        self.status
    }

    pub(crate) fn driver_features(&self) -> u64 {
        self.driver_features
    }

    pub(crate) fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// The one reset path, Q1 to Q4 without the words.
    pub(crate) fn reset(&mut self, handler: &mut impl CommandHandler) {
        handler.reset();
        *self = Self::new(self.offer);
    }

    /// Checks a transport feature that the command needs (E5).
    pub(crate) fn check_feature(&self, needed: TransportFeatures) -> Result<(), CommandError> {
        require(
            self.offer.transport_features.contains(needed),
            CommandError::NotSupported,
        )
    }

    /// Checks a command against the state and executes it (E5, E6).
    pub(crate) fn execute(
        &mut self,
        command: &Command,
        handler: &mut impl CommandHandler,
    ) -> Executed {
        match *command {
            Command::SetStatus(status) => self.set_status(status, handler),
            Command::SetFeatures(features) => self.set_features(features),
            Command::Reset => {
                self.reset(handler);
                Ok(Outcome::Reset)
            }
            Command::SetInterrupts {
                mode,
                vectors,
                config_vector,
            } => self.set_interrupts(mode, vectors, config_vector, handler),
            Command::WriteConfig { offset, ref data } => {
                self.write_config(offset, data.as_bytes(), handler)
            }
            Command::Suspend => self.suspend(handler),
            Command::Resume => self.resume(handler),
            Command::SetupQueue(ref request) => self.setup_queue(request, handler),
            Command::EnableQueue(queue) => self.enable_queue(queue, handler),
            Command::DisableQueue(queue) => self.disable_queue(queue, handler),
            Command::SetQueueState(queue, state) => self.set_queue_state(queue, state, handler),
            Command::GetQueueState(queue) => self.queue_state(queue, handler),
            Command::PushQueue(queue) => self.push_queue(queue, handler),
            Command::Map(ref mapping) => self.map(mapping, handler),
            Command::Unmap(ref range) => self.unmap(range, handler),
            Command::SetGroupSpace { group, space } => self.set_group_space(group, space),
        }
    }

    fn set_status(&mut self, bits: u8, handler: &mut impl CommandHandler) -> Executed {
        let asked = DeviceStatus::from_bits(bits).without(DeviceStatus::DEVICE_NEEDS_RESET);
        require(
            asked != DeviceStatus::RESET && SETTABLE.contains(asked) && asked.contains(self.status),
            CommandError::BadArgument,
        )?;
        let added = asked.without(self.status);
        let mut status = asked;
        if added.contains(DeviceStatus::DRIVER_OK) {
            self.require_features_ok()?;
            handler.driver_ok()?;
        }
        if added.contains(DeviceStatus::FEATURES_OK) && !self.accepts_features(handler) {
            status = status.without(DeviceStatus::FEATURES_OK);
        }
        if status != self.status {
            self.status = status;
            handler.status_changed(status);
        }
        Ok(Outcome::Status(status))
    }

    fn accepts_features(&self, handler: &mut impl CommandHandler) -> bool {
        self.driver_features & feature::REQUIRED == feature::REQUIRED
            && handler.accepts_features(self.driver_features)
    }

    fn set_features(&mut self, features: u64) -> Executed {
        require(!self.is_features_ok(), CommandError::BadState)?;
        require(
            features & !self.offer.device_features == 0,
            CommandError::BadArgument,
        )?;
        self.driver_features = features;
        Ok(Outcome::Done)
    }

    fn set_interrupts(
        &mut self,
        mode: u32,
        vectors: u32,
        config_vector: u32,
        handler: &mut impl CommandHandler,
    ) -> Executed {
        let interrupts =
            Interrupts::check(mode, vectors, config_vector).ok_or(CommandError::BadArgument)?;
        let is_unset = |phase: &Phase| *phase == Phase::Unset;
        require(self.phases.iter().all(is_unset), CommandError::BadState)?;
        handler.set_interrupts(&interrupts)?;
        self.interrupts = interrupts;
        Ok(Outcome::Done)
    }

    fn write_config(
        &mut self,
        offset: u32,
        from: &[u8],
        handler: &mut impl CommandHandler,
    ) -> Executed {
        let end = u64::from(offset) + from.len() as u64;
        require(
            end <= u64::from(self.offer.config_size),
            CommandError::BadArgument,
        )?;
        handler.write_config(offset as usize, from)?;
        Ok(Outcome::Done)
    }

    fn suspend(&mut self, handler: &mut impl CommandHandler) -> Executed {
        let is_running = self.status.contains(DeviceStatus::DRIVER_OK) && !self.is_suspended;
        require(is_running, CommandError::BadState)?;
        handler.suspend()?;
        self.is_suspended = true;
        Ok(Outcome::Done)
    }

    fn resume(&mut self, handler: &mut impl CommandHandler) -> Executed {
        require(self.is_suspended, CommandError::BadState)?;
        handler.resume()?;
        self.is_suspended = false;
        Ok(Outcome::Done)
    }

    fn setup_queue(
        &mut self,
        request: &QueueRequest,
        handler: &mut impl CommandHandler,
    ) -> Executed {
        let queue = self.queue(request.queue)?;
        let setup = self
            .check_setup(queue, request)
            .ok_or(CommandError::BadArgument)?;
        self.require_features_ok()?;
        let is_running = self.is_enabled(queue) || self.is_suspended;
        require(!is_running, CommandError::BadState)?;
        handler.setup_queue(&setup)?;
        self.set_phase(queue, Phase::SetUp(setup.size()));
        Ok(Outcome::Done)
    }

    fn check_setup(&self, queue: QueueIndex, request: &QueueRequest) -> Option<QueueSetup> {
        let size_max = *self.offer.queue_size_max.get(usize::from(queue.get()))?;
        let vector = self.interrupts.vector(request.vector)?;
        QueueSetup::check(request, queue, size_max, vector, self.is_packed())
    }

    fn enable_queue(&mut self, queue: u32, handler: &mut impl CommandHandler) -> Executed {
        let queue = self.queue(queue)?;
        let Phase::SetUp(size) = self.phase(queue) else {
            return Err(CommandError::BadState);
        };
        require(!self.is_suspended, CommandError::BadState)?;
        handler.enable_queue(queue, self.groups.space_of(queue))?;
        self.set_phase(queue, Phase::Enabled(size));
        Ok(Outcome::Queue(queue, true))
    }

    fn disable_queue(&mut self, queue: u32, handler: &mut impl CommandHandler) -> Executed {
        let queue = self.queue(queue)?;
        if let Phase::Enabled(size) = self.phase(queue) {
            handler.disable_queue(queue);
            self.set_phase(queue, Phase::SetUp(size));
        }
        Ok(Outcome::Queue(queue, false))
    }

    fn set_queue_state(
        &mut self,
        queue: u32,
        state: QueueState,
        handler: &mut impl CommandHandler,
    ) -> Executed {
        let queue = self.queue(queue)?;
        let size = match self.phase(queue) {
            Phase::SetUp(size) => size,
            Phase::Enabled(size) if self.is_suspended => size,
            _ => return Err(CommandError::BadState),
        };
        require(
            state.is_legal(size, self.is_packed()),
            CommandError::BadArgument,
        )?;
        handler.set_queue_state(queue, state)?;
        Ok(Outcome::Done)
    }

    fn queue_state(&mut self, queue: u32, handler: &mut impl CommandHandler) -> Executed {
        let queue = self.queue(queue)?;
        require(self.phase(queue) != Phase::Unset, CommandError::BadState)?;
        handler.queue_state(queue).map(Outcome::State)
    }

    fn push_queue(&mut self, queue: u32, handler: &mut impl CommandHandler) -> Executed {
        let queue = self.queue(queue)?;
        let Phase::SetUp(size) = self.phase(queue) else {
            return Err(CommandError::BadState);
        };
        require(
            self.driver_features & feature::NOT_PUSHED == 0,
            CommandError::BadState,
        )?;
        let area = PushArea::new(size.get(), self.offer.push_len);
        require(area.is_some(), CommandError::BadArgument)?;
        handler.push_queue(queue)?;
        Ok(Outcome::Done)
    }

    fn map(&mut self, mapping: &Mapping, handler: &mut impl CommandHandler) -> Executed {
        self.check_space(&mapping.range)?;
        handler.map(mapping)?;
        self.has_iovas = true;
        Ok(Outcome::Done)
    }

    fn unmap(&mut self, range: &Range, handler: &mut impl CommandHandler) -> Executed {
        self.check_space(range)?;
        handler.unmap(range)?;
        self.has_iovas = true;
        Ok(Outcome::Done)
    }

    fn set_group_space(&mut self, group: u32, space: u32) -> Executed {
        let mut groups = self.groups;
        let changed = groups.set_space(group, space);
        changed.ok_or(CommandError::BadArgument)?;
        let is_moved = |queue| self.is_enabled(queue) && u32::from(groups.of(queue)) == group;
        let mut queues = (0..self.offer.num_queues.into())
            .filter_map(|index| QueueIndex::new(index, self.offer.num_queues));
        require(!queues.any(is_moved), CommandError::BadState)?;
        self.groups = groups;
        Ok(Outcome::Done)
    }

    /// Checks the number of the address space, and that no queue would change the meaning of its
    /// addresses.
    fn check_space(&self, range: &Range) -> Result<(), CommandError> {
        let spaces = self.groups.counts().spaces;
        require(range.space < spaces, CommandError::BadArgument)?;
        let is_enabled = |phase: &Phase| matches!(phase, Phase::Enabled(_));
        let is_change = !self.has_iovas && self.phases.iter().any(is_enabled);
        require(!is_change, CommandError::BadState)
    }

    fn queue(&self, index: u32) -> Result<QueueIndex, CommandError> {
        QueueIndex::new(index, self.offer.num_queues).ok_or(CommandError::BadArgument)
    }

    fn phase(&self, queue: QueueIndex) -> Phase {
        let phase = self.phases.get(usize::from(queue.get()));
        phase.copied().unwrap_or(Phase::Unset)
    }

    fn set_phase(&mut self, queue: QueueIndex, phase: Phase) {
        if let Some(slot) = self.phases.get_mut(usize::from(queue.get())) {
            *slot = phase;
        }
    }

    pub(crate) fn is_enabled(&self, queue: QueueIndex) -> bool {
        matches!(self.phase(queue), Phase::Enabled(_))
    }

    fn is_packed(&self) -> bool {
        self.driver_features & feature::RING_PACKED != 0
    }

    fn is_features_ok(&self) -> bool {
        self.status.contains(DeviceStatus::FEATURES_OK)
    }

    fn require_features_ok(&self) -> Result<(), CommandError> {
        require(self.is_features_ok(), CommandError::BadState)
    }
}

fn require(condition: bool, error: CommandError) -> Result<(), CommandError> {
    condition.then_some(()).ok_or(error)
}
