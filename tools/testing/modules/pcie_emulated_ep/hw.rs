// SPDX-License-Identifier: GPL-2.0

//! The controller's registers; nothing else touches them.
//!
//! The rules are in tools/testing/emulator/README.md, "Controller registers"; offsets and codes are
//! the crate `epc_regs`.
//!
//! Locking: a command takes several registers, so there is one at a time: the callers are the
//! controller's operations, which `epc->lock` serialises, and its driver before it is registered
//! and after. So does the start of a transfer, for one channel at a time, which the lock of
//! the channel sees to. Everything else is one access. Every access fails with `ENODEV` once the device has
//! no driver.

use epc_regs::{
    bar,
    reg,
    DmaControl,
    DmaKind,
    LinkState,
    Opcode,
    Status,
    ARG_COUNT,
    DOORBELL_PAGE,
    MAGIC_VALUE,
    REGISTERS_BAR_SIZE,
    VERSION_MAJOR,
    VERSION_MINOR, //
};
use kernel::{
    device::Bound,
    devres::Devres,
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    pci,
    prelude::*,
    time::Delta, //
};

/// How long a command may take: the emulator ends each within 5 s.
const COMMAND_TIMEOUT: Delta = Delta::from_secs(6);

/// How long to let go of the processor between two looks at a running command, which the monitor
/// of the virtual machine needs to change the window.
const COMMAND_POLL: Delta = Delta::from_micros(100);

type RegisterBar = pci::Bar<'static, { REGISTERS_BAR_SIZE as usize }>;

/// The registers of a controller.
pub(crate) struct Hw {
    bar: Devres<RegisterBar>,
    address: u64,
}

/// What a controller says of itself.
pub(crate) struct Identity {
    /// Bits of [`epc_regs::caps`].
    pub(crate) caps: u32,
    /// How many doorbells it has.
    pub(crate) doorbells: u32,
    /// The bytes of its outbound window.
    pub(crate) window_size: u64,
    /// The granularity of mappings in bytes.
    pub(crate) page_size: u32,
    /// How many DMA channels it has.
    pub(crate) dma_channels: u32,
    /// How many functions it has.
    pub(crate) functions: u8,
}

impl Hw {
    /// Maps the registers of `pdev`.
    pub(crate) fn new(pdev: &pci::Device<Bound>) -> Result<Self> {
        let number = bar::REGISTERS as u32;
        Ok(Self {
            address: pdev.resource_start(number)?,
            bar: pdev
                .iomap_region_sized(number, c"pcie_emulated_ep")?
                .into_devres()?,
        })
    }

    /// Checks that this is a controller which the driver knows, and returns what it is like.
    ///
    /// # Errors
    ///
    /// `ENODEV` when it is not.
    pub(crate) fn identify(&self) -> Result<Identity> {
        let (magic, version) = (self.read(reg::MAGIC)?, self.read(reg::VERSION)?);
        let (major, minor) = (version >> 16, version & 0xffff);
        let known = major == VERSION_MAJOR.into() && minor >= VERSION_MINOR.into();
        if magic != MAGIC_VALUE || !known {
            dev_err!(
                self.bar.device(),
                "Unknown controller: expected magic {:#x} and version {}.{} or a higher minor one, found {:#x} and {}.{}\n",
                MAGIC_VALUE,
                VERSION_MAJOR,
                VERSION_MINOR,
                magic,
                major,
                minor
            );
            return Err(ENODEV);
        }
        Ok(Identity {
            caps: self.read(reg::CAPS)?,
            doorbells: self.read(reg::DOORBELL_COUNT)?,
            window_size: self.read64(reg::WINDOW_SIZE)?,
            page_size: self.read(reg::PAGE_SIZE)?,
            dma_channels: self.read(reg::DMA_COUNT)?,
            functions: self.read(reg::FUNCTION_COUNT)?.try_into()?,
        })
    }

    /// Returns the physical address of the doorbell page.
    pub(crate) fn doorbell_page(&self) -> u64 {
        self.address + DOORBELL_PAGE
    }

    /// Returns and acknowledges the events that happened, bits of [`epc_regs::event`].
    pub(crate) fn take_events(&self) -> Result<u32> {
        let events = self.read(reg::EVENT_STATUS)?;
        self.write(reg::EVENT_STATUS, events)?;
        Ok(events)
    }

    /// Lets `events` raise the event vector, and no others.
    pub(crate) fn enable_events(&self, events: u32) -> Result {
        self.write(reg::EVENT_ENABLE, events)
    }

    /// Says whether the functions are attached to the RC.
    pub(crate) fn is_link_up(&self) -> Result<bool> {
        Ok(LinkState::from_raw(self.read(reg::LINK_STATE)?) == Some(LinkState::Up))
    }

    /// Returns and acknowledges the events that happened to a function, bits of
    /// [`epc_regs::event::OF_FUNCTION`].
    pub(crate) fn take_events_of(&self, function: u8) -> Result<u32> {
        let register = function_register(function, reg::FUNCTION_EVENTS);
        let events = self.read(register)?;
        self.write(register, events)?;
        Ok(events)
    }

    /// Returns the command register of a function's configuration header.
    pub(crate) fn pci_command(&self, function: u8) -> Result<u32> {
        self.read(function_register(function, reg::FUNCTION_COMMAND))
    }

    /// Returns how many MSI vectors of a function the RC has enabled.
    pub(crate) fn msi_enabled(&self, function: u8) -> Result<u32> {
        self.read(function_register(function, reg::FUNCTION_MSI))
    }

    /// Returns how many MSI-X vectors of a function the RC has enabled.
    pub(crate) fn msix_enabled(&self, function: u8) -> Result<u32> {
        self.read(function_register(function, reg::FUNCTION_MSIX))
    }

    /// Returns between what a DMA channel moves data; nothing for a kind that a later version adds.
    pub(crate) fn dma_kind(&self, channel: u32) -> Result<Option<DmaKind>> {
        Ok(DmaKind::from_raw(
            self.read(dma_register(channel, reg::DMA_KIND))?,
        ))
    }

    /// Starts a transfer on an idle DMA channel; any context.
    pub(crate) fn start_dma(&self, channel: u32, list: u64, entries: u32) -> Result {
        self.write64(dma_register(channel, reg::DMA_LIST), list)?;
        self.write(dma_register(channel, reg::DMA_ENTRIES), entries)?;
        self.control_dma(channel, DmaControl::Start)
    }

    /// Ends the transfer of a DMA channel; any context.
    pub(crate) fn abort_dma(&self, channel: u32) -> Result {
        self.control_dma(channel, DmaControl::Abort)
    }

    fn control_dma(&self, channel: u32, control: DmaControl) -> Result {
        self.write(dma_register(channel, reg::DMA_CONTROL), control as u32)
    }

    /// Returns how the last transfer of a DMA channel fares, and how many bytes it has moved; any
    /// context.
    pub(crate) fn dma_progress(&self, channel: u32) -> Result<(Option<Status>, u64)> {
        let status = self.read(dma_register(channel, reg::DMA_STATUS))?;
        let moved = self.read64(dma_register(channel, reg::DMA_MOVED))?;
        Ok((Status::from_raw(status), moved))
    }

    /// Executes a command of the controller itself; as [`Hw::execute`].
    pub(crate) fn execute_for_all(&self, opcode: Opcode, immediate: u16) -> Result {
        self.execute(0, opcode, immediate, &[])
    }

    /// Executes a command of a function and waits until it is done; process context.
    ///
    /// # Errors
    ///
    /// What the controller answered, as [`errno`] has it; `ETIMEDOUT` when it did not, or has not
    /// answered the command before.
    pub(crate) fn execute(
        &self,
        function: u8,
        opcode: Opcode,
        immediate: u16,
        arguments: &[u64],
    ) -> Result {
        // While a command runs the controller ignores another one, and then answers the first.
        self.wait_for_end()?;
        for (index, argument) in arguments.iter().take(ARG_COUNT).enumerate() {
            self.write64(reg::ARG0 + 8 * index as u64, *argument)?;
        }
        self.write(reg::COMMAND, opcode.command(function, immediate))?;
        let status = self.wait_for_end()?;
        match status {
            Some(Status::Ok) => Ok(()),
            // What the RC has not enabled, or has not got, is for the function to deal with.
            Some(status @ (Status::LinkDown | Status::NotEnabled | Status::NotRcMemory)) => {
                Err(errno(opcode, status))
            }
            status => {
                dev_warn!(
                    self.bar.device(),
                    "Command {:?}({}) of function {} failed: {:?}, arguments {:x?}\n",
                    opcode,
                    immediate,
                    function,
                    status,
                    arguments
                );
                Err(status.map_or(EIO, |status| errno(opcode, status)))
            }
        }
    }

    /// Waits until no command runs, and returns the status of the last one.
    fn wait_for_end(&self) -> Result<Option<Status>> {
        read_poll_timeout(
            || self.read(reg::STATUS).map(Status::from_raw),
            |status| *status != Some(Status::Busy),
            COMMAND_POLL,
            COMMAND_TIMEOUT,
        )
    }

    /// Reads a register of 32 bits.
    pub(crate) fn read(&self, register: u64) -> Result<u32> {
        self.bar
            .try_access_with(|bar| bar.try_read32(register as usize))
            .ok_or(ENODEV)?
    }

    /// Reads a register of 64 bits.
    pub(crate) fn read64(&self, register: u64) -> Result<u64> {
        self.bar
            .try_access_with(|bar| bar.try_read64(register as usize))
            .ok_or(ENODEV)?
    }

    fn write(&self, register: u64, value: u32) -> Result {
        self.bar
            .try_access_with(|bar| bar.try_write32(value, register as usize))
            .ok_or(ENODEV)?
    }

    fn write64(&self, register: u64, value: u64) -> Result {
        self.bar
            .try_access_with(|bar| bar.try_write64(value, register as usize))
            .ok_or(ENODEV)?
    }
}

/// Returns where a register of a function is.
fn function_register(function: u8, register: u64) -> u64 {
    reg::FUNCTION0 + u64::from(function) * reg::FUNCTION_STRIDE + register
}

/// Returns where a register of a DMA channel is.
fn dma_register(channel: u32, register: u64) -> u64 {
    reg::DMA0 + u64::from(channel) * reg::DMA_STRIDE + register
}

/// Returns the error that tells a function what a failed command's status means: for what a board
/// refuses, the one of its driver (drivers/pci/controller/).
fn errno(opcode: Opcode, status: Status) -> Error {
    match status {
        Status::Ok | Status::Busy | Status::Failed | Status::Aborted => EIO,
        Status::UnknownCommand => ENOTSUPP,
        Status::BadArgument | Status::Unsupported => EINVAL,
        // dw_pcie_ep_ib_atu_addr(), and dw_pcie_ep_outbound_atu() and all others.
        Status::NoWindow if opcode == Opcode::SetBarRange => ENOSPC,
        Status::NoWindow => EINVAL,
        // rcar_pcie_ep_map_addr().
        Status::NoLink => ETIMEDOUT,
        Status::BadAddress | Status::NotRcMemory => EFAULT,
        Status::LinkActive => EBUSY,
        Status::LinkDown => ENXIO,
        Status::NotEnabled => EPERM,
        Status::WindowConflict => EEXIST,
        Status::WindowNotReady => EAGAIN,
    }
}

#[kunit_tests(pcie_emulated_ep_errno)]
mod tests {
    use super::*;

    #[test]
    fn what_a_board_refuses_fails_as_with_its_driver() {
        let refusals = [
            (Opcode::Map, Status::Unsupported, EINVAL),
            (Opcode::Map, Status::NoWindow, EINVAL),
            (Opcode::Map, Status::NoLink, ETIMEDOUT),
            (Opcode::SetBar, Status::Unsupported, EINVAL),
            (Opcode::SetBar, Status::NoWindow, EINVAL),
            (Opcode::SetBarRange, Status::NoWindow, ENOSPC),
            (Opcode::SetMsix, Status::Unsupported, EINVAL),
            (Opcode::RaiseMsi, Status::NoWindow, EINVAL),
            (Opcode::RaiseMsix, Status::NotEnabled, EPERM),
        ];
        for (opcode, status, expected) in refusals {
            assert_eq!(errno(opcode, status), expected);
        }
    }
}
