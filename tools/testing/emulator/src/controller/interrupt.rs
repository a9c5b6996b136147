// SPDX-License-Identifier: GPL-2.0
//! Interrupts from the emulator to the EP: vector 0 for events, then one vector per doorbell, then one per
//! DMA channel.
//!
//! Locking: one leaf mutex; any thread.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use epc_regs::{vector, FUNCTIONS_MAX};

use crate::profile::Profile;
use crate::sync::lock;
use crate::vectors::Vectors;
use crate::vfio_user::message::SetIrqs;
use crate::vfio_user::Refusal;

/// Event register, its enable register, and the MSI-X vectors of the controller device.
#[derive(Debug)]
pub struct EpInterrupts {
    /// Events that the board tells of.
    possible: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    status: u32,
    enable: u32,
    /// Events of each function.
    functions: [u32; FUNCTIONS_MAX],
    doorbells: u16,
    vectors: Vectors,
}

impl EpInterrupts {
    /// Makes the interrupts of a board's controller.
    pub fn new(profile: &Profile) -> Self {
        let doorbells = profile.doorbells.get();
        let count = usize::from(vector::DOORBELL0)
            + usize::from(doorbells)
            + profile.dma.channels().count();
        Self {
            possible: profile.event_bits(),
            state: Mutex::new(State {
                status: 0,
                enable: 0,
                functions: [0; FUNCTIONS_MAX],
                doorbells,
                vectors: Vectors::new(count),
            }),
        }
    }

    /// Number of vectors.
    pub fn count(&self) -> u32 {
        lock(&self.state).vectors.count()
    }

    /// Sets events of which the board tells, and interrupts the EP for those that are new and enabled.
    pub fn raise(&self, events: u32) {
        lock(&self.state).raise(events & self.possible);
    }

    /// The same, of events that happened to one function.
    pub fn raise_for(&self, function: u8, events: u32) {
        let mut state = lock(&self.state);
        let events = events & self.possible;
        if let Some(status) = state.functions.get_mut(usize::from(function)) {
            *status |= events;
        }
        state.raise(events);
    }

    /// Events that happened to a function and were not acknowledged.
    pub fn status_of(&self, function: u8) -> u32 {
        let state = lock(&self.state);
        let status = state.functions.get(usize::from(function));
        status.copied().unwrap_or(0)
    }

    /// Acknowledges events of a function.
    pub fn acknowledge_for(&self, function: u8, events: u32) {
        let mut state = lock(&self.state);
        if let Some(status) = state.functions.get_mut(usize::from(function)) {
            *status &= !events;
        }
    }

    /// Events that happened and were not acknowledged.
    pub fn status(&self) -> u32 {
        lock(&self.state).status
    }

    /// Acknowledges events.
    pub fn acknowledge(&self, events: u32) {
        lock(&self.state).status &= !events;
    }

    /// Events that interrupt the EP.
    pub fn enable(&self) -> u32 {
        lock(&self.state).enable
    }

    /// Chooses the events that interrupt the EP; those that wait already do so at once.
    pub fn set_enable(&self, events: u32) {
        let mut state = lock(&self.state);
        state.enable = events & epc_regs::event::ALL;
        if state.status & state.enable != 0 {
            state.signal_event();
        }
    }

    /// Rings a doorbell; one that does not exist is ignored.
    pub fn ring(&self, index: u64) {
        let state = lock(&self.state);
        if index >= state.doorbells.into() {
            return tracing::debug!("Doorbell {index} does not exist");
        }
        let vector = usize::from(vector::DOORBELL0) + index as usize;
        if !state.vectors.signal(vector) {
            tracing::debug!("Doorbell {index} rang, but the EP has not enabled its vector");
        }
    }

    /// Says that a transfer of a DMA channel has ended.
    pub fn end_transfer(&self, channel: usize) {
        let state = lock(&self.state);
        let vector = usize::from(vector::DOORBELL0 + state.doorbells) + channel;
        if !state.vectors.signal(vector) {
            tracing::debug!("DMA channel {channel} is done, but the EP has not enabled its vector");
        }
    }

    /// Forgets events and their enable bits.
    pub fn reset(&self) {
        let mut state = lock(&self.state);
        state.status = 0;
        state.enable = 0;
        state.functions = [0; FUNCTIONS_MAX];
    }

    /// Takes away what the EP's monitor gave.
    pub fn disconnect(&self) {
        let mut state = lock(&self.state);
        let count = state.vectors.count() as usize;
        state.vectors = Vectors::new(count);
    }

    /// Sets up the vectors.
    ///
    /// # Errors
    ///
    /// See [`Vectors::apply`].
    pub fn apply(&self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        lock(&self.state).vectors.apply(request, fds)
    }
}

impl State {
    fn raise(&mut self, events: u32) {
        let new = events & !self.status;
        self.status |= events;
        if new & self.enable != 0 {
            self.signal_event();
        }
    }

    fn signal_event(&self) {
        if !self.vectors.signal(vector::EVENT.into()) {
            tracing::debug!("An event waits, but the EP has not enabled its vector");
        }
    }
}
