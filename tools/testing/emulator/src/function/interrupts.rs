// SPDX-License-Identifier: GPL-2.0
//! Interrupts from the endpoint function to the RC.
//!
//! INTx and MSI go through eventfds of the RC's monitor. MSI-X messages are written by the emulator
//! itself to the address in the table, as hardware does.

use epc_regs::Status;

use super::{Function, Intx, State};
use crate::config_space::command;
use crate::faults::{Effect, Target};
use crate::profile::{Masked, Msix};
use crate::trace::{InterruptKind, Outcome, Transaction};

impl Function {
    /// Asserts or deasserts INTx.
    ///
    /// # Errors
    ///
    /// `LinkDown`; `NotEnabled` when the function has no pin or the RC does not take INTx; `Unsupported`
    /// when the board has none.
    pub fn set_intx(&self, level: bool) -> Result<(), Status> {
        self.fabric.settings.profile.interrupts.check_intx()?;
        let effect = if level { self.strike_interrupt() } else { None };
        let mut state = self.lock();
        if !state.is_up() {
            return Err(Status::LinkDown);
        }
        let disabled = state.config.command() & command::INTX_DISABLE != 0;
        if disabled || !state.intx.vectors.is_assigned(0) {
            return Err(Status::NotEnabled);
        }
        state.config.set_intx_status(level);
        if effect == Some(Effect::Lose) {
            return Ok(());
        }
        state.intx.level = level;
        state.intx.fire();
        let outcome = match level {
            true => Outcome::Asserted,
            false => Outcome::Deasserted,
        };
        self.trace_interrupt(InterruptKind::Intx, 0, outcome);
        Ok(())
    }

    /// Sends an MSI.
    ///
    /// # Errors
    ///
    /// `LinkDown`; `NotEnabled` when the RC enabled no bus mastering, no MSI, or fewer vectors;
    /// `Unsupported` when the board has none, `NoWindow` when it needs a window for it and has no more.
    pub fn raise_msi(&self, vector: u16) -> Result<(), Status> {
        self.fabric.settings.profile.interrupts.check_msi(1)?;
        let effect = self.strike_interrupt();
        let state = self.lock();
        state.check_open()?;
        let enabled = u32::from(vector) < state.config.msi_enabled();
        if !enabled || !state.msi.is_assigned(vector.into()) {
            return Err(Status::NotEnabled);
        }
        self.fabric.outbound.take_interrupt_window()?;
        for _ in 0..arrivals(effect) {
            if !state.msi.signal(vector.into()) {
                return Err(Status::NotEnabled);
            }
            self.trace_interrupt(InterruptKind::Msi, vector.into(), Outcome::Sent);
        }
        Ok(())
    }

    /// Sends an MSI-X message, or keeps it pending while the vector is masked: the board may do something
    /// else then, see [`Masked`].
    ///
    /// # Errors
    ///
    /// `LinkDown`; `NotEnabled` when the RC enabled no bus mastering or no MSI-X; `BadArgument` when there
    /// is no such vector; `Failed` when the RC's monitor is gone; `Unsupported` when the board has none,
    /// `NoWindow` when it needs a window for it and has no more.
    pub fn raise_msix(&self, vector: u16) -> Result<(), Status> {
        let msix = self.fabric.settings.profile.interrupts.msix;
        let Msix { masked, .. } = msix.ok_or(Status::Unsupported)?;
        let effect = self.strike_interrupt();
        let mut state = self.lock();
        state.check_open()?;
        if state.config.msix_enabled() == 0 {
            return Err(Status::NotEnabled);
        }
        let vector = usize::from(vector);
        if vector >= state.msix.count() {
            return Err(Status::BadArgument);
        }
        let vector_masked = state.msix.is_masked(vector);
        let hold = match masked {
            Masked::Pending => vector_masked || state.config.msix_masked(),
            Masked::Refused if vector_masked => return Err(Status::NotEnabled),
            Masked::Refused | Masked::Sent => false,
        };
        if !hold {
            self.fabric.outbound.borrow_interrupt_window()?;
            let mut messages = 0..arrivals(effect);
            return messages.try_for_each(|_| self.send_msix(&state, vector));
        }
        state.msix.set_pending(vector);
        self.trace_interrupt(InterruptKind::Msix, vector as u32, Outcome::Pending);
        Ok(())
    }

    /// Sends what became deliverable after the RC unmasked something.
    pub(super) fn deliver_pending(&self, state: &mut State) {
        let enabled = state.config.msix_enabled() > 0 && !state.config.msix_masked();
        if !enabled || !state.open {
            return;
        }
        for vector in state.msix.take_deliverable() {
            if let Err(status) = self.send_msix(state, vector) {
                tracing::warn!("Pending MSI-X vector {vector} lost: {status:?}");
            }
        }
    }

    fn send_msix(&self, state: &State, vector: usize) -> Result<(), Status> {
        let message = state.msix.message(vector).ok_or(Status::NotEnabled)?;
        let client = state.client.as_ref().ok_or(Status::LinkDown)?;
        client
            .dma_write(message.address, &message.data.to_le_bytes())
            .map_err(|error| {
                tracing::error!("Cannot send MSI-X vector {vector}: {error}");
                Status::Failed
            })?;
        self.trace_interrupt(InterruptKind::Msix, vector as u32, Outcome::Sent);
        Ok(())
    }

    /// Says what becomes of an interrupt that the EP is about to raise; without a lock.
    fn strike_interrupt(&self) -> Option<Effect> {
        self.fabric.faults.strike(Target::Interrupt)
    }

    fn trace_interrupt(&self, kind: InterruptKind, vector: u32, outcome: Outcome) {
        let interrupt = Transaction::Interrupt {
            function: self.number,
            kind,
            vector,
            outcome,
        };
        self.fabric.trace.record(&interrupt);
    }
}

/// How often a message arrives that such a thing happens to.
pub(super) fn arrivals(effect: Option<Effect>) -> u32 {
    match effect {
        Some(Effect::Lose) => 0,
        Some(Effect::Repeat) => 2,
        _ => 1,
    }
}

impl State {
    fn check_open(&self) -> Result<(), Status> {
        match (self.is_up(), self.open) {
            (false, _) => Err(Status::LinkDown),
            (true, false) => Err(Status::NotEnabled),
            (true, true) => Ok(()),
        }
    }
}

impl Intx {
    /// Interrupts the RC if the line is high and not masked.
    pub(super) fn fire(&mut self) {
        if self.level && !self.masked {
            self.masked = self.vectors.signal(0);
        }
    }
}
