// SPDX-License-Identifier: GPL-2.0
//! The controller's register page and doorbell page: decodes accesses.
//!
//! An access is one 32-bit word, or two of an aligned pair; anything else is logged and has no effect.

use epc_regs::{
    caps, reg, Opcode, Status, ARG_COUNT, DMA_CHANNELS_MAX, DOORBELL_PAGE, DOORBELL_STRIDE,
    FUNCTIONS_MAX,
};

use super::outbound::Ticket;
use super::{Controller, State};
use crate::fabric::WindowMode;
use crate::sync::lock;
use crate::trace::Transaction;
use crate::PAGE_SIZE;

/// First byte behind the arguments.
const ARG_END: u64 = reg::ARG0 + 8 * ARG_COUNT as u64;
/// First byte behind the functions.
const FUNCTIONS_END: u64 = reg::FUNCTION0 + reg::FUNCTION_STRIDE * FUNCTIONS_MAX as u64;
/// First byte behind the DMA channels.
const DMA_END: u64 = reg::DMA0 + reg::DMA_STRIDE * DMA_CHANNELS_MAX as u64;

/// Registers that hold a value of their own.
#[derive(Debug, Default)]
pub struct Registers {
    /// Arguments of the next command.
    pub args: [u64; ARG_COUNT],
    /// How the last command fares.
    pub progress: Progress,
}

/// What was written to the command register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// What to do, `None` when there is no such opcode.
    pub(super) opcode: Option<Opcode>,
    /// Which function it is about.
    pub(super) function: u8,
    /// Its smallest argument.
    pub(super) immediate: u16,
}

impl Command {
    fn from_word(word: u32) -> Self {
        Self {
            opcode: Opcode::from_raw(word as u8),
            function: (word >> 8) as u8,
            immediate: (word >> 16) as u16,
        }
    }
}

/// How a command fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Done, with this status.
    Done(Status),
    /// Done when the ticket is.
    Pending(Ticket),
}

impl Default for Progress {
    fn default() -> Self {
        Self::Done(Status::Ok)
    }
}

/// Offsets and values of the 32-bit words that an access consists of, `None` when it is not allowed.
fn words(offset: u64, size: usize) -> Option<Vec<u64>> {
    match (size, offset % size.max(1) as u64) {
        (4, 0) => Some(vec![offset]),
        (8, 0) => Some(vec![offset, offset + 4]),
        _ => None,
    }
}

impl Controller {
    /// Reads the register BAR.
    pub(super) fn read_registers(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let Some(words) = words(offset, data.len()) else {
            return tracing::warn!(
                "EP: Read of {} bytes at register {offset:#x} is not possible",
                data.len()
            );
        };
        let mut state = lock(&self.state);
        for (word, to) in words.into_iter().zip(data.chunks_exact_mut(4)) {
            to.copy_from_slice(&self.read_word(&mut state, word).to_le_bytes());
        }
    }

    /// Writes the register BAR.
    pub(super) fn write_registers(&self, offset: u64, data: &[u8]) {
        let Some(words) = words(offset, data.len()) else {
            return tracing::warn!(
                "EP: Write of {} bytes at register {offset:#x} is not possible",
                data.len()
            );
        };
        let mut state = lock(&self.state);
        for (word, from) in words.into_iter().zip(data.chunks_exact(4)) {
            let value = from
                .first_chunk()
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            self.write_word(&mut state, word, value);
        }
    }

    fn read_word(&self, state: &mut State, offset: u64) -> u32 {
        const WINDOW_SIZE_HIGH: u64 = reg::WINDOW_SIZE + 4;
        let window_size = self.fabric.window_size();
        let profile = &self.fabric.settings.profile;
        match offset {
            reg::MAGIC => epc_regs::MAGIC_VALUE,
            reg::VERSION => {
                (u32::from(epc_regs::VERSION_MAJOR) << 16) | u32::from(epc_regs::VERSION_MINOR)
            }
            reg::CAPS => self.caps(),
            reg::DOORBELL_COUNT => profile.doorbells.get().into(),
            reg::WINDOW_SIZE => window_size as u32,
            WINDOW_SIZE_HIGH => (window_size >> 32) as u32,
            reg::PAGE_SIZE => PAGE_SIZE as u32,
            reg::STATUS => self.status(state) as u32,
            reg::ARG0..ARG_END => {
                let (index, shift) = argument(offset);
                state
                    .registers
                    .args
                    .get(index)
                    .map_or(0, |arg| (arg >> shift) as u32)
            }
            reg::LINK_STATE => self.endpoint.link() as u32,
            reg::EVENT_STATUS => self.fabric.events.status(),
            reg::EVENT_ENABLE => self.fabric.events.enable(),
            reg::PCI_COMMAND => self.read_function(reg::FUNCTION_COMMAND),
            reg::MSI_ENABLED => self.read_function(reg::FUNCTION_MSI),
            reg::MSIX_ENABLED => self.read_function(reg::FUNCTION_MSIX),
            reg::FUNCTION0..FUNCTIONS_END => self.read_function(offset - reg::FUNCTION0),
            reg::DMA0..DMA_END => self.fabric.dma.read(offset - reg::DMA0),
            _ => profile.register(offset).unwrap_or(0),
        }
    }

    fn write_word(&self, state: &mut State, offset: u64, value: u32) {
        match offset {
            reg::EVENT_STATUS => self.fabric.events.acknowledge(value),
            reg::EVENT_ENABLE => self.fabric.events.set_enable(value),
            reg::FUNCTION0..FUNCTIONS_END => self.write_function(offset - reg::FUNCTION0, value),
            reg::DMA0..DMA_END => self.fabric.dma.write(offset - reg::DMA0, value),
            DOORBELL_PAGE.. => self.ring((offset - DOORBELL_PAGE) / DOORBELL_STRIDE, value),
            _ if self.status(state) == Status::Busy => {
                tracing::warn!("EP: Write of register {offset:#x} while a command runs is ignored");
            }
            reg::COMMAND => state.registers.progress = self.execute(&state.registers.args, value),
            reg::ARG0..ARG_END => {
                let (index, shift) = argument(offset);
                if let Some(arg) = state.registers.args.get_mut(index) {
                    *arg = *arg & !(u64::from(u32::MAX) << shift) | (u64::from(value) << shift);
                }
            }
            _ => tracing::debug!("EP: Register {offset:#x} is read-only or does not exist"),
        }
    }

    /// Reads a register of a function, zero where there is none.
    fn read_function(&self, offset: u64) -> u32 {
        let (number, at) = function_register(offset);
        let Ok(function) = self.endpoint.function(number) else {
            return 0;
        };
        match at {
            reg::FUNCTION_COMMAND => function.pci_command().into(),
            reg::FUNCTION_MSI => function.msi_enabled(),
            reg::FUNCTION_MSIX => function.msix_enabled(),
            reg::FUNCTION_EVENTS => self.fabric.events.status_of(number),
            _ => 0,
        }
    }

    fn write_function(&self, offset: u64, value: u32) {
        match function_register(offset) {
            (number, reg::FUNCTION_EVENTS) => self.fabric.events.acknowledge_for(number, value),
            (number, at) => {
                tracing::debug!(
                    "EP: Register {at:#x} of function {number} is read-only or does not exist"
                );
            }
        }
    }

    /// Status of the last command, after a look at how it fares.
    fn status(&self, state: &mut State) -> Status {
        let progress = &mut state.registers.progress;
        match *progress {
            Progress::Done(status) => status,
            Progress::Pending(ticket) => match self.fabric.outbound.poll(ticket) {
                Status::Busy => Status::Busy,
                status => {
                    *progress = Progress::Done(status);
                    status
                }
            },
        }
    }

    fn caps(&self) -> u32 {
        let window = match self.fabric.settings.window_mode {
            WindowMode::Mapped => caps::MAPPED_WINDOW,
            WindowMode::Trapped => caps::TRAPPED_WINDOW,
        };
        let settings = &self.fabric.settings;
        let dynamic = if settings.trap_bars && settings.profile.inbound.dynamic {
            caps::DYNAMIC_INBOUND
        } else {
            0
        };
        window | dynamic
    }

    fn ring(&self, index: u64, value: u32) {
        let value = value.into();
        self.fabric
            .trace
            .record(&Transaction::Doorbell { index, value });
        self.fabric.events.ring(index);
    }

    fn execute(&self, args: &[u64; ARG_COUNT], word: u32) -> Progress {
        let command = Command::from_word(word);
        let progress = self.command(command, args);
        let progress = progress.unwrap_or_else(Progress::Done);
        let status = match progress {
            Progress::Done(status) => Some(status),
            Progress::Pending(_) => None,
        };
        let command = Transaction::Command {
            opcode: command.opcode,
            function: command.function,
            immediate: command.immediate,
            args,
            status,
        };
        match status {
            None | Some(Status::Ok) => {}
            // What the RC has not enabled, a function may well ask for.
            Some(Status::NotEnabled | Status::LinkDown) => tracing::debug!("EP: Failed: {command}"),
            Some(_) => tracing::warn!("EP: Failed: {command}"),
        }
        self.fabric.trace.record(&command);
        progress
    }
}

/// Number of a function, and the offset among its registers.
fn function_register(offset: u64) -> (u8, u64) {
    let number = offset / reg::FUNCTION_STRIDE;
    (number as u8, offset % reg::FUNCTION_STRIDE)
}

/// Index of an argument, and the shift of the half that lies at an offset.
fn argument(offset: u64) -> (usize, u32) {
    let at = offset - reg::ARG0;
    ((at / 8) as usize, if at % 8 == 0 { 0 } else { 32 })
}
