// SPDX-License-Identifier: GPL-2.0

//! A device that remembers what it was told.

use transport::{
    CommandError, CommandHandler, DeviceStatus, Interrupts, Mapping, Pulse, QueueIndex, QueueSetup,
    QueueState, Range,
};

/// A call of the handler.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    Reset,
    AcceptsFeatures(u64),
    DriverOk,
    StatusChanged(u8),
    SetInterrupts(Interrupts),
    WriteConfig(usize, Vec<u8>),
    SetupQueue(QueueSetup),
    PushQueue(u16),
    /// The queue, and its address space.
    EnableQueue(u16, u16),
    DisableQueue(u16),
    SetQueueState(u16, QueueState),
    QueueState(u16),
    Suspend,
    Resume,
    Map(Mapping),
    Unmap(Range),
}

/// The device.
#[derive(Default)]
pub struct Backend {
    pub calls: Vec<Call>,
    /// What every method that can fail answers with.
    pub error: Option<CommandError>,
    pub refuses_features: bool,
    pub needs_reset: bool,
    /// A reset does not mend it.
    pub is_broken: bool,
    pub state: QueueState,
    /// What the last command began with.
    pub begun: Option<Pulse>,
    /// What the next command ends with.
    pub ended: Option<Pulse>,
}

impl Backend {
    fn call(&mut self, call: Call) -> Result<(), CommandError> {
        self.calls.push(call);
        self.error.map_or(Ok(()), Err)
    }

    /// The calls since the last look.
    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }
}

impl CommandHandler for Backend {
    fn command_begins(&mut self, pulse: Pulse) {
        self.begun = Some(pulse);
    }

    fn command_ends(&mut self) -> Option<Pulse> {
        self.ended.take()
    }

    fn reset(&mut self) {
        self.calls.push(Call::Reset);
        self.needs_reset = self.is_broken;
    }

    fn accepts_features(&mut self, negotiated: u64) -> bool {
        self.calls.push(Call::AcceptsFeatures(negotiated));
        !self.refuses_features
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        self.call(Call::DriverOk)
    }

    fn status_changed(&mut self, status: DeviceStatus) {
        self.calls.push(Call::StatusChanged(status.bits()));
    }

    fn needs_reset(&self) -> bool {
        self.needs_reset
    }

    fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<(), CommandError> {
        self.call(Call::SetInterrupts(*interrupts))
    }

    fn write_config(&mut self, offset: usize, from: &[u8]) -> Result<(), CommandError> {
        self.call(Call::WriteConfig(offset, from.to_vec()))
    }

    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError> {
        self.call(Call::SetupQueue(*setup))
    }

    fn push_queue(&mut self, queue: QueueIndex) -> Result<(), CommandError> {
        self.call(Call::PushQueue(queue.get()))
    }

    fn enable_queue(&mut self, queue: QueueIndex, space: u16) -> Result<(), CommandError> {
        self.call(Call::EnableQueue(queue.get(), space))
    }

    fn disable_queue(&mut self, queue: QueueIndex) {
        self.calls.push(Call::DisableQueue(queue.get()));
    }

    fn set_queue_state(
        &mut self,
        queue: QueueIndex,
        state: QueueState,
    ) -> Result<(), CommandError> {
        self.call(Call::SetQueueState(queue.get(), state))
    }

    fn queue_state(&mut self, queue: QueueIndex) -> Result<QueueState, CommandError> {
        self.call(Call::QueueState(queue.get()))
            .map(|()| self.state)
    }

    fn suspend(&mut self) -> Result<(), CommandError> {
        self.call(Call::Suspend)
    }

    fn resume(&mut self) -> Result<(), CommandError> {
        self.call(Call::Resume)
    }

    fn map(&mut self, mapping: &Mapping) -> Result<(), CommandError> {
        self.call(Call::Map(*mapping))
    }

    fn unmap(&mut self, range: &Range) -> Result<(), CommandError> {
        self.call(Call::Unmap(*range))
    }
}
