// SPDX-License-Identifier: GPL-2.0

//! The device as commands see it: its state on the EP, and what each command does to it.
//!
//! Sections "Device" and "Queues" of `Documentation/transport.rst`. Here every argument is checked
//! against the state (E5) before the [`CommandHandler`] acts (E6). Not here: words and sequence
//! numbers (`endpoint.rs`).

use crate::command::{Command, CommandError, Mapping, Range};
use crate::layout::{TransportFeatures, MAX_QUEUES};
use crate::queue::{QueueIndex, QueueRequest, QueueSetup, QueueSize, QueueState};

/// Feature bits that the transport itself looks at (VIRTIO 1.2, section 6).
pub mod feature {
    /// `VIRTIO_F_VERSION_1`
    pub const VERSION_1: u64 = 1 << 32;
    /// `VIRTIO_F_ACCESS_PLATFORM`
    pub const ACCESS_PLATFORM: u64 = 1 << 33;
    /// `VIRTIO_F_RING_PACKED`
    pub const RING_PACKED: u64 = 1 << 34;
    /// `VIRTIO_F_ORDER_PLATFORM`
    pub const ORDER_PLATFORM: u64 = 1 << 36;

    /// Always offered.
    pub const OFFERED: u64 = VERSION_1 | ACCESS_PLATFORM | ORDER_PLATFORM;
    /// `FEATURES_OK` is refused without them.
    pub const REQUIRED: u64 = VERSION_1 | ACCESS_PLATFORM;
}

/// Device status (VIRTIO 1.2, section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatus(u8);

impl DeviceStatus {
    /// The device is reset.
    pub const RESET: Self = Self(0);
    /// The driver side noticed the device.
    pub const ACKNOWLEDGE: Self = Self(1);
    /// The driver side knows how to drive it.
    pub const DRIVER: Self = Self(2);
    /// The driver side is ready.
    pub const DRIVER_OK: Self = Self(4);
    /// Features are negotiated.
    pub const FEATURES_OK: Self = Self(8);
    /// The device gave up.
    pub const NEEDS_RESET: Self = Self(64);
    /// The driver side gave up.
    pub const FAILED: Self = Self(128);

    const SETTABLE: u8 = 1 | 2 | 4 | 8 | 128;

    /// A status from its bits; nothing is checked.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits of the status.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This status with the bits of `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// No vector, in `SET_INTERRUPTS` and `QUEUE_SETUP`.
pub const NO_VECTOR: u32 = 0xffff;

/// What the RC enabled in the function's PCI capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum InterruptMode {
    /// No interrupts.
    #[default]
    None = 0,
    /// The pin.
    IntX = 1,
    /// MSI.
    Msi = 2,
    /// MSI-X.
    MsiX = 3,
}

impl InterruptMode {
    /// The mode with the given number, if it can have so many vectors.
    fn check(mode: u32, vectors: u32) -> Option<Self> {
        match (mode, vectors) {
            (0, 0) => Some(Self::None),
            (1, 1) => Some(Self::IntX),
            (2, 1..=32) => Some(Self::Msi),
            (3, 1..=2048) => Some(Self::MsiX),
            _ => None,
        }
    }
}

/// The interrupts that the RC enabled, checked.
///
/// # Invariants
///
/// The number of vectors is legal for the mode, and the config vector is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interrupts {
    mode: InterruptMode,
    vectors: u16,
    config_vector: Option<u16>,
}

impl Interrupts {
    fn check(mode: u32, vectors: u32, config_vector: u32) -> Option<Self> {
        let without_config = Self {
            mode: InterruptMode::check(mode, vectors)?,
            vectors: vectors.try_into().ok()?,
            config_vector: None,
        };
        // INVARIANT: The mode checked the number, `vector` checks the config vector.
        Some(Self {
            config_vector: without_config.vector(config_vector)?,
            ..without_config
        })
    }

    /// A vector of these, `None` if it is out of range.
    fn vector(&self, vector: u32) -> Option<Option<u16>> {
        match vector {
            NO_VECTOR => Some(None),
            vector if vector < u32::from(self.vectors) => Some(Some(vector as u16)),
            _ => None,
        }
    }

    /// How the EP interrupts the RC.
    pub fn mode(&self) -> InterruptMode {
        self.mode
    }

    /// Number of vectors.
    pub fn vectors(&self) -> u16 {
        self.vectors
    }

    /// Vector for changes of the device config and of `DEVICE_NEEDS_RESET`, counted from 0.
    pub fn config_vector(&self) -> Option<u16> {
        self.config_vector
    }
}

/// What a device does for the commands of the RC.
///
/// All arguments are checked. Called from [`EndpointPort::poll`](crate::EndpointPort::poll), thus
/// in the EP's command thread; may sleep, within the bound of the command. A method that fails
/// must have changed nothing.
pub trait CommandHandler {
    /// Does Q1 to Q3: when it returns, nothing touches RC memory or raises an interrupt, and
    /// nothing is mapped. Also called at the end of a session, and for a device that is reset.
    fn reset(&mut self);

    /// Whether the device can work with these features (`FEATURES_OK`).
    fn accepts_features(&mut self, negotiated: u64) -> bool;

    /// Starts the device (`DRIVER_OK`).
    ///
    /// # Errors
    ///
    /// The device cannot start; `DRIVER_OK` stays clear.
    fn driver_ok(&mut self) -> Result<(), CommandError>;

    /// The device status, without `DEVICE_NEEDS_RESET`, is now `status`. Not called for resets.
    fn status_changed(&mut self, status: DeviceStatus);

    /// Whether the device gave up since the last reset (`DEVICE_NEEDS_RESET`).
    fn needs_reset(&self) -> bool;

    /// Uses these interrupts from now on.
    ///
    /// # Errors
    ///
    /// `BadArgument` if the controller was not given that many vectors in that mode.
    fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<(), CommandError>;

    /// Writes device config and publishes the outcome; `offset` and length are inside of it.
    ///
    /// # Errors
    ///
    /// `BadArgument` if these bytes cannot be written.
    fn write_config(&mut self, offset: usize, from: &[u8]) -> Result<(), CommandError>;

    /// Takes the set-up of a queue that is not enabled; its state becomes the initial one.
    ///
    /// # Errors
    ///
    /// `NoResources` if the queue could not be enabled.
    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError>;

    /// Maps a queue and looks at its available index once, as if kicked (D5).
    ///
    /// # Errors
    ///
    /// `NoResources` if it cannot be mapped.
    fn enable_queue(&mut self, queue: QueueIndex) -> Result<(), CommandError>;

    /// Stops and unmaps an enabled queue; its state is kept. When it returns, nothing touches the
    /// queue or its buffers.
    fn disable_queue(&mut self, queue: QueueIndex);

    /// Sets where a queue that is not running goes on.
    ///
    /// # Errors
    ///
    /// `Failed` if the queue cannot go on there.
    fn set_queue_state(&mut self, queue: QueueIndex, state: QueueState)
        -> Result<(), CommandError>;

    /// Where a queue is; exact when it is not running.
    ///
    /// # Errors
    ///
    /// `Failed` if the queue is in no state to go on.
    fn queue_state(&mut self, queue: QueueIndex) -> Result<QueueState, CommandError>;

    /// Suspends the device: buffers completed or returned, no access to RC memory after it.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`TransportFeatures::SUSPEND`].
    fn suspend(&mut self) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Resumes the device and scans all enabled queues.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`TransportFeatures::SUSPEND`].
    fn resume(&mut self) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Adds a mapping.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`TransportFeatures::MAP`]; `BadState` on overlap.
    fn map(&mut self, _mapping: &Mapping) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Removes a range; nothing touches it after it.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`TransportFeatures::MAP`].
    fn unmap(&mut self, _range: &Range) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }
}

/// What a queue went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unset,
    SetUp(QueueSize),
    Enabled(QueueSize),
}

/// What the device offers; fixed for a session.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) device_features: u64,
    pub(crate) transport_features: TransportFeatures,
    pub(crate) config_size: u32,
    pub(crate) num_queues: u16,
    pub(crate) queue_size_max: [QueueSize; MAX_QUEUES],
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
pub(crate) struct Device {
    offer: Offer,
    status: DeviceStatus,
    driver_features: u64,
    interrupts: Interrupts,
    is_suspended: bool,
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

    pub(crate) fn num_queues(&self) -> u16 {
        self.offer.num_queues
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
            Command::Map(ref mapping) => handler.map(mapping).map(|()| Outcome::Done),
            Command::Unmap(ref range) => handler.unmap(range).map(|()| Outcome::Done),
        }
    }

    fn set_status(&mut self, bits: u8, handler: &mut impl CommandHandler) -> Executed {
        let asked = DeviceStatus(bits).without(DeviceStatus::NEEDS_RESET);
        require(
            asked != DeviceStatus::RESET
                && asked.0 & !DeviceStatus::SETTABLE == 0
                && asked.contains(self.status),
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
        handler.enable_queue(queue)?;
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

    fn is_enabled(&self, queue: QueueIndex) -> bool {
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
