// SPDX-License-Identifier: GPL-2.0

//! How the shipped code is stopped between any two accesses.
//!
//! A step of either end is a plain function call. To stop it at an access, it is run on a copy of the
//! end with the answers that its accesses got so far; at the first access that has no answer yet the
//! run is over: what the function does after that has no effect, and the copy is thrown away. Once
//! the model decided on the answer, the function is run again with one answer more. Writes need no
//! answer: they leave for the link and the function goes on.

use std::cell::{Cell, RefCell};

use transport::{
    CommandError, CommandHandler, DeviceStatus, Interrupts, Offset, QueueIndex, QueueSetup,
    QueueState, Registers,
};

/// What waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    Read(Offset),
    Call(Call),
    /// A read of the available index of a ring.
    AvailableIndex,
}

/// What the EP asks its device for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Reset,
    AcceptsFeatures(u64),
    DriverOk,
    /// With the descriptor area.
    SetupQueue(QueueIndex, u64),
    EnableQueue(QueueIndex),
    DisableQueue(QueueIndex),
}

/// What needs no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Write(Offset, u32),
    WriteBarrier,
    /// The handler was told of a status.
    Status(DeviceStatus),
}

/// The value of words that never change, `None` for those that do.
pub type Fixed<'a> = &'a dyn Fn(Offset) -> Option<u32>;

/// One run.
pub struct Replay<'a> {
    fixed: Fixed<'a>,
    answers: &'a [u32],
    used: Cell<usize>,
    stopped_at: Cell<Option<Access>>,
    effects: RefCell<Vec<Effect>>,
}

/// How a run ended.
pub struct Ended {
    /// The access without an answer; `None`: the function returned.
    pub stopped_at: Option<Access>,
    /// What the function did after the last answer.
    pub effects: Vec<Effect>,
}

impl<'a> Replay<'a> {
    pub fn new(fixed: Fixed<'a>, answers: &'a [u32]) -> Self {
        Self {
            fixed,
            answers,
            used: Cell::new(0),
            stopped_at: Cell::new(None),
            effects: RefCell::default(),
        }
    }

    pub fn end(self) -> Ended {
        Ended {
            stopped_at: self.stopped_at.get(),
            effects: self.effects.into_inner(),
        }
    }

    /// The answer of an access, 0 once the run is over.
    pub fn answer(&self, access: Access) -> u32 {
        if self.stopped_at.get().is_some() {
            return 0;
        }
        let used = self.used.get();
        let Some(answer) = self.answers.get(used) else {
            self.stopped_at.set(Some(access));
            return 0;
        };
        self.used.set(used + 1);
        // All effects up to here came with the runs before.
        self.effects.borrow_mut().clear();
        *answer
    }

    /// Remembers an effect, unless the run is over.
    pub fn effect(&self, effect: Effect) {
        if self.stopped_at.get().is_none() {
            self.effects.borrow_mut().push(effect);
        }
    }

    fn call(&self, call: Call) -> Result<(), CommandError> {
        match self.answer(Access::Call(call)) {
            0 => Ok(()),
            error => Err(CommandError::from_status(error).unwrap_or(CommandError::Failed)),
        }
    }
}

impl Registers for Replay<'_> {
    fn read32(&self, offset: Offset) -> u32 {
        (self.fixed)(offset).unwrap_or_else(|| self.answer(Access::Read(offset)))
    }

    fn write32(&self, offset: Offset, value: u32) {
        if (self.fixed)(offset).is_none() {
            self.effect(Effect::Write(offset, value));
        }
    }

    fn read_barrier(&self) {}

    fn write_barrier(&self) {
        self.effect(Effect::WriteBarrier);
    }
}

/// The device as the EP's protocol reaches it.
pub struct Handler<'a>(pub &'a Replay<'a>);

impl CommandHandler for Handler<'_> {
    fn reset(&mut self) {
        // It never fails.
        let _ = self.0.call(Call::Reset);
    }

    fn accepts_features(&mut self, negotiated: u64) -> bool {
        self.0.call(Call::AcceptsFeatures(negotiated)).is_ok()
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        self.0.call(Call::DriverOk)
    }

    fn status_changed(&mut self, status: DeviceStatus) {
        self.0.effect(Effect::Status(status));
    }

    fn needs_reset(&self) -> bool {
        false
    }

    fn set_interrupts(&mut self, _: &Interrupts) -> Result<(), CommandError> {
        Ok(())
    }

    fn write_config(&mut self, _: usize, _: &[u8]) -> Result<(), CommandError> {
        Ok(())
    }

    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError> {
        self.0
            .call(Call::SetupQueue(setup.queue(), setup.desc_area()))
    }

    fn enable_queue(&mut self, queue: QueueIndex, _: u16) -> Result<(), CommandError> {
        self.0.call(Call::EnableQueue(queue))
    }

    fn disable_queue(&mut self, queue: QueueIndex) {
        // It never fails.
        let _ = self.0.call(Call::DisableQueue(queue));
    }

    fn set_queue_state(&mut self, _: QueueIndex, _: QueueState) -> Result<(), CommandError> {
        Ok(())
    }

    fn queue_state(&mut self, _: QueueIndex) -> Result<QueueState, CommandError> {
        Ok(QueueState::default())
    }
}
