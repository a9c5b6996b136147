// SPDX-License-Identifier: GPL-2.0

//! The device on the EP: what it was told, and its accesses to RC memory.

use super::place::NUM_QUEUES;
use crate::replay::Call;

/// A queue of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queue {
    /// Its rings are mapped and it takes kicks.
    pub is_enabled: bool,
    /// An access to RC memory is under way.
    pub is_busy: bool,
}

/// The device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device {
    pub is_started: bool,
    pub queues: [Queue; NUM_QUEUES as usize],
}

impl Device {
    /// Whether the device can do it now: it waits for accesses that are under way (Q1, Q2).
    pub fn is_ready_for(&self, call: Call) -> bool {
        match call {
            Call::Reset => self.queues.iter().all(|queue| !queue.is_busy),
            Call::DisableQueue(queue) => !self.queues[usize::from(queue.get())].is_busy,
            _ => true,
        }
    }

    /// Whether the queue begins no access any more.
    pub fn is_stopping(&self, queue: u16, call: Option<Call>) -> bool {
        match call {
            Some(Call::Reset) => true,
            Some(Call::DisableQueue(index)) => index.get() == queue,
            _ => false,
        }
    }

    pub fn execute(&mut self, call: Call) {
        match call {
            Call::Reset => {
                self.is_started = false;
                for queue in &mut self.queues {
                    // An access under way goes on, if nobody waited for it.
                    queue.is_enabled = false;
                }
            }
            Call::DriverOk => self.is_started = true,
            Call::EnableQueue(queue) => self.queues[usize::from(queue.get())].is_enabled = true,
            Call::DisableQueue(queue) => self.queues[usize::from(queue.get())].is_enabled = false,
            Call::AcceptsFeatures(_) | Call::SetupQueue(..) => {}
        }
    }
}

/// Whether the device may fail to do it.
pub fn can_fail(call: Call) -> bool {
    !matches!(call, Call::Reset | Call::DisableQueue(_))
}
