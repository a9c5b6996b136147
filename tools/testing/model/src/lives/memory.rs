// SPDX-License-Identifier: GPL-2.0

//! The register BAR without delays, and a device that does all it is asked for.

use std::cell::RefCell;

use transport::{
    offset, CommandError, CommandHandler, DeviceStatus, Interrupts, Offset, Pulse, QueueIndex,
    QueueSetup, QueueState, Registers,
};

use crate::commands::place;
use crate::fault::Fault;
use crate::memory::{Memory, Write};

/// The words of a state, while an end uses them.
pub struct Words {
    memory: RefCell<Memory>,
    fault: Option<Fault>,
}

impl Words {
    pub fn new(memory: &Memory, fault: Option<Fault>) -> Self {
        Self {
            memory: RefCell::new(memory.clone()),
            fault,
        }
    }

    pub fn into_memory(self) -> Memory {
        self.memory.into_inner()
    }
}

impl Registers for Words {
    fn read32(&self, word: Offset) -> u32 {
        self.memory.borrow().read(word)
    }

    fn write32(&self, offset: Offset, value: u32) {
        let is_lost = match self.fault {
            Some(Fault::EpBeatsNot) => offset == offset::HEARTBEAT,
            Some(Fault::RcBeatsNot) => offset == place::RC_HEARTBEAT,
            _ => false,
        };
        if !is_lost {
            let write = Write {
                offset,
                value,
                tag: None,
            };
            self.memory.borrow_mut().set(write);
        }
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
}

/// The device.
#[derive(Default)]
pub struct Willing {
    /// What beats for the EP while it is in a command.
    pub pulse: Option<Pulse>,
}

impl CommandHandler for Willing {
    /// In the model a command began earlier than the step in which it ends.
    fn command_begins(&mut self, pulse: Pulse) {
        self.pulse.get_or_insert(pulse);
    }

    fn command_ends(&mut self) -> Option<Pulse> {
        self.pulse
    }

    fn reset(&mut self) {}

    fn accepts_features(&mut self, _: u64) -> bool {
        true
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        Ok(())
    }

    fn status_changed(&mut self, _: DeviceStatus) {}

    fn needs_reset(&self) -> bool {
        false
    }

    fn set_interrupts(&mut self, _: &Interrupts) -> Result<(), CommandError> {
        Ok(())
    }

    fn write_config(&mut self, _: usize, _: &[u8]) -> Result<(), CommandError> {
        Ok(())
    }

    fn setup_queue(&mut self, _: &QueueSetup) -> Result<(), CommandError> {
        Ok(())
    }

    fn enable_queue(&mut self, _: QueueIndex, _: u16) -> Result<(), CommandError> {
        Ok(())
    }

    fn disable_queue(&mut self, _: QueueIndex) {}

    fn set_queue_state(&mut self, _: QueueIndex, _: QueueState) -> Result<(), CommandError> {
        Ok(())
    }

    fn queue_state(&mut self, _: QueueIndex) -> Result<QueueState, CommandError> {
        Ok(QueueState::default())
    }
}
