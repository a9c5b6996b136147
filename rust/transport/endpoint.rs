// SPDX-License-Identifier: GPL-2.0

//! The EP's end: what it offers, and its sessions (S1 to S4, Z1, Z2).
//!
//! Not here: commands and heartbeats of a session (`session.rs`), what commands do (`device.rs`),
//! the device config (`config.rs`), doorbells (`doorbell.rs`).
//!
//! Context: one thread, the EP's command loop. No locks.

use crate::command::{
    CommandError,
    CommandWord, //
};
use crate::device::Offer;
use crate::fixed::FixedWords;
use crate::group::{
    GroupCounts,
    Groups, //
};
use crate::handler::CommandHandler;
use crate::interrupts::Interrupts;
use crate::layout::{
    Layout,
    MAX_QUEUES, //
};
use crate::offset;
use crate::queue::QueueSize;
use crate::registers::Registers;
use crate::session::Session;
use crate::words::{
    Epoch,
    TransportFeatures,
    Version,
    MAGIC, //
};
use crate::{
    feature,
    DeviceStatus, //
};

/// A queue that the device offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueDescription {
    /// Largest size.
    pub size_max: QueueSize,
    /// Value that kicks it; not used with polled doorbells.
    pub doorbell: u32,
    /// Number of its group.
    pub group: u16,
}

/// The device that the EP offers.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// virtio device ID.
    pub device_id: u32,
    /// virtio vendor ID.
    pub vendor_id: u32,
    /// Features that the device offers; contains [`feature::OFFERED`].
    pub device_features: u64,
    /// What the [`CommandHandler`] implements beyond the basic commands.
    pub transport_features: TransportFeatures,
    /// How many groups and address spaces there are; [`GroupCounts::ONE`] unless
    /// [`GROUPS`](TransportFeatures::GROUPS) is among the features.
    pub groups: GroupCounts,
    /// The queues, as many as the layout has room for.
    pub queues: &'a [QueueDescription],
}

/// Why a session cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The virtio device ID is 0.
    DeviceId,
    /// The device does not offer all of [`feature::OFFERED`].
    Features,
    /// The number of queues is not that of the layout.
    QueueCount,
    /// Too many groups or address spaces, or none, or a queue in a group that does not exist.
    Groups,
    /// [`PUSH`](TransportFeatures::PUSH) is offered and the layout has no push areas, or the other way round.
    PushAreas,
    /// A session is running.
    Running,
}

/// What [`EndpointPort::poll`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// A command was answered.
    pub answered: Option<(CommandWord, Result<(), CommandError>)>,
    /// `DEVICE_NEEDS_RESET` was published: raise the config vector (V1).
    pub needs_reset: bool,
    /// The RC has been silent for too long: stop the session and start a new one (H3).
    pub is_rc_silent: bool,
}

/// The EP's end of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointPort {
    layout: Layout,
    session: Option<Session>,
}

impl EndpointPort {
    /// An end without a session, for a BAR that is laid out like `layout`.
    pub const fn new(layout: Layout) -> Self {
        Self {
            layout,
            session: None,
        }
    }

    /// Where the regions are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the words that the RC needs to find the BAR and to know that it is not ready.
    ///
    /// To be done once, before the BAR becomes visible to the RC.
    pub fn announce(regs: &impl Registers) {
        regs.write32(offset::READY, 0);
        regs.write32(offset::EPOCH, 0);
        regs.write32(offset::VERSION, Version::CURRENT.word());
        regs.write_barrier();
        regs.write32(offset::MAGIC, MAGIC);
    }

    /// Starts a session at time `now_ms` (S1 to S4). `epoch` differs from the last one.
    ///
    /// The device config is that of a new [`ConfigSpace`](crate::ConfigSpace), which the caller
    /// fills before. MSI-X tables are the controller's and are left alone.
    ///
    /// # Errors
    ///
    /// Whatever [`StartError`] names; nothing is written then.
    pub fn start(
        &mut self,
        regs: &impl Registers,
        description: &Description<'_>,
        epoch: Epoch,
        now_ms: u64,
    ) -> Result<(), StartError> {
        let offer = self.check_offer(description)?;
        let fixed = FixedWords::new(&self.layout, description);
        Self::announce(regs);
        fixed.write(regs);
        self.clear_state(regs);
        self.clear_command_block(regs);
        self.clear_doorbells(regs);
        regs.write_barrier();
        regs.write32(offset::EPOCH, epoch.get());
        regs.write_barrier();
        regs.write32(offset::READY, 1);
        self.session = Some(Session::new(fixed, offer, epoch, now_ms));
        Ok(())
    }

    /// Ends the session (Z1, Z2): link down, controller deinitialised, unbind, RC silent.
    ///
    /// When it returns, nothing touches RC memory.
    pub fn stop(&mut self, regs: &impl Registers, handler: &mut impl CommandHandler) {
        regs.write32(offset::READY, 0);
        regs.write32(offset::EPOCH, 0);
        if let Some(mut session) = self.session.take() {
            session.reset(regs, handler);
        }
    }

    /// Looks for a command, executes and answers it; publishes status and heartbeat.
    ///
    /// To be called at least every [`POLL_MS`](crate::time::POLL_MS). Sleeps if the handler does.
    pub fn poll(
        &mut self,
        regs: &impl Registers,
        handler: &mut impl CommandHandler,
        now_ms: u64,
    ) -> Progress {
        match &mut self.session {
            Some(session) => session.poll(regs, handler, now_ms),
            None => Progress::default(),
        }
    }

    /// Whether a session is running.
    pub fn is_running(&self) -> bool {
        self.session.is_some()
    }

    /// The device status, without `DEVICE_NEEDS_RESET`.
    pub fn status(&self) -> DeviceStatus {
        match &self.session {
            Some(session) => session.device().status(),
            None => DeviceStatus::RESET,
        }
    }

    /// Features that the driver side accepted; final once `FEATURES_OK` is set.
    pub fn driver_features(&self) -> u64 {
        match &self.session {
            Some(session) => session.device().driver_features(),
            None => 0,
        }
    }

    /// The interrupts that the RC enabled.
    pub fn interrupts(&self) -> Interrupts {
        match &self.session {
            Some(session) => *session.device().interrupts(),
            None => Interrupts::default(),
        }
    }

    /// Checks a description and keeps what commands are checked against.
    fn check_offer(&self, description: &Description<'_>) -> Result<Offer, StartError> {
        if self.session.is_some() {
            return Err(StartError::Running);
        }
        if description.device_id == 0 {
            return Err(StartError::DeviceId);
        }
        if description.device_features & feature::OFFERED != feature::OFFERED {
            return Err(StartError::Features);
        }
        if description.queues.len() != usize::from(self.layout.num_queues()) {
            return Err(StartError::QueueCount);
        }
        let has_groups = description
            .transport_features
            .contains(TransportFeatures::GROUPS);
        if !has_groups && description.groups != GroupCounts::ONE {
            return Err(StartError::Groups);
        }
        let has_push = description
            .transport_features
            .contains(TransportFeatures::PUSH);
        if has_push != self.layout.push.is_some() {
            return Err(StartError::PushAreas);
        }
        let of_queues = description.queues.iter().map(|queue| queue.group);
        let groups = Groups::new(description.groups, of_queues).ok_or(StartError::Groups)?;
        let mut queue_size_max = [QueueSize::MIN; MAX_QUEUES];
        for (to, queue) in queue_size_max.iter_mut().zip(description.queues) {
            *to = queue.size_max;
        }
        Ok(Offer {
            device_features: description.device_features,
            transport_features: description.transport_features,
            config_size: self.layout.config.size,
            num_queues: self.layout.num_queues,
            queue_size_max,
            groups,
            push_len: self.layout.push.map_or(0, |push| push.stride),
        })
    }

    /// Clears the words that tell of the state of device and queues.
    fn clear_state(&self, regs: &impl Registers) {
        regs.write32(offset::HEARTBEAT, 0);
        regs.write32(offset::DEVICE_STATUS, 0);
        for queue in self.layout.queues() {
            regs.write32(self.layout.queue_word(queue, offset::queue::STATUS), 0);
        }
    }

    fn clear_command_block(&self, regs: &impl Registers) {
        for word in 0..self.layout.command.size / 4 {
            regs.write32(self.layout.command.start().word(word), 0);
        }
    }

    /// Clears polled slots; others are not memory.
    fn clear_doorbells(&self, regs: &impl Registers) {
        for queue in self.layout.queues() {
            if let Some(slot) = self.layout.polled_slot(queue) {
                regs.write32(slot, 0);
            }
        }
    }
}
