// SPDX-License-Identifier: GPL-2.0

//! What the framework asks of the controller, turned into commands.
//!
//! Context: every operation is called under `epc->lock`, in process context.

use crate::{
    hw::Hw,
    inbound::Part, //
};
use epc_regs::{
    bar_flags,
    Backing,
    Opcode, //
};
use kernel::{
    device,
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    provider::{
        Bar,
        BarRange,
        Controller,
        Doorbell, //
    },
    BarNumber,
    Header,
    Interrupt,
    PciAddr, //
};

/// The emulated controller.
pub(crate) struct EmulatedController {
    pub(crate) device: kernel::sync::aref::ARef<device::Device>,
    pub(crate) hw: Arc<Hw>,
    /// Where the outbound window begins.
    pub(crate) window: u64,
    pub(crate) doorbell: Option<Doorbell>,
}

impl Controller for EmulatedController {
    const OWNER: &'static ThisModule = &crate::THIS_MODULE;

    fn write_header(&self, function: u8, header: &Header) -> Result {
        let header = epc_regs::Header {
            vendor: header.vendor,
            device: header.device,
            revision: header.revision,
            prog_if: header.prog_if,
            subclass: header.subclass,
            base_class: header.base_class,
            cache_line_size: header.cache_line_size,
            interrupt_pin: header.interrupt_pin.as_raw(),
            subsystem_vendor: header.subsystem_vendor,
            subsystem: header.subsystem,
        };
        self.hw
            .execute(function, Opcode::WriteHeader, 0, &header.to_args())
    }

    fn set_bar(&self, function: u8, bar: &Bar<'_>) -> Result {
        let number = immediate(bar.number()?);
        let flags = u64::from(bar.flags()) & bar_flags::ALL;
        let whole = self.part(0, bar.address(), bar.size());
        if bar.ranges().is_empty() && whole.backing == Backing::Memory {
            let arguments = [bar.size(), flags, Backing::Memory as u64, bar.address()];
            return self
                .hw
                .execute(function, Opcode::SetBar, number, &arguments);
        }
        let nothing = [bar.size(), flags, Backing::None as u64, 0];
        self.hw
            .execute(function, Opcode::SetBar, number, &nothing)?;
        let result = match bar.ranges() {
            [] => self.set_part(function, number, whole),
            ranges => self.set_ranges(function, number, ranges),
        };
        // Parts that were set before one that failed are taken back.
        result.inspect_err(|_| {
            self.log(
                "take the parts of a BAR back",
                self.hw.execute(function, Opcode::SetBar, number, &nothing),
            )
        })
    }

    fn clear_bar(&self, function: u8, bar: BarNumber) {
        self.log(
            "clear a BAR",
            self.hw
                .execute(function, Opcode::ClearBar, immediate(bar), &[]),
        );
    }

    fn map(&self, function: u8, window: u64, addr: PciAddr, size: usize) -> Result {
        let arguments = [window - self.window, addr.0, size as u64];
        self.hw.execute(function, Opcode::Map, 0, &arguments)
    }

    fn unmap(&self, function: u8, window: u64) {
        self.log(
            "unmap a window",
            self.hw
                .execute(function, Opcode::Unmap, 0, &[window - self.window]),
        );
    }

    fn set_msi(&self, function: u8, vectors: u8) -> Result {
        self.hw
            .execute(function, Opcode::SetMsi, vectors.into(), &[])
    }

    fn msi(&self, function: u8) -> Result<u8> {
        Ok(self.hw.msi_enabled(function)?.try_into()?)
    }

    fn set_msix(&self, function: u8, vectors: u16, bar: BarNumber, offset: u32) -> Result {
        let arguments = [bar.index() as u64, offset.into()];
        self.hw
            .execute(function, Opcode::SetMsix, vectors, &arguments)
    }

    fn msix(&self, function: u8) -> Result<u16> {
        Ok(self.hw.msix_enabled(function)?.try_into()?)
    }

    fn raise(&self, function: u8, interrupt: Interrupt) -> Result {
        match interrupt {
            Interrupt::Intx => self.pulse(function),
            Interrupt::Msi(vector) => {
                self.hw
                    .execute(function, Opcode::RaiseMsi, vector.into(), &[])
            }
            Interrupt::MsiX(vector) => self.hw.execute(function, Opcode::RaiseMsix, vector, &[]),
        }
    }

    fn start(&self, functions: usize) -> Result {
        self.hw
            .execute_for_all(Opcode::Start, functions.try_into()?)
    }

    fn stop(&self) {
        self.log("stop", self.hw.execute_for_all(Opcode::Stop, 0));
    }

    fn doorbell(&self, _function: u8) -> Option<Doorbell> {
        self.doorbell
    }
}

impl EmulatedController {
    fn part(&self, offset: u64, address: u64, size: u64) -> Part {
        Part::new(offset, address, size, self.hw.doorbell_page())
    }

    fn set_ranges(&self, function: u8, number: u16, ranges: &[BarRange]) -> Result {
        let mut offset = 0;
        for range in ranges {
            let part = self.part(offset, range.address(), range.size());
            self.set_part(function, number, part)?;
            offset += range.size();
        }
        Ok(())
    }

    fn set_part(&self, function: u8, number: u16, part: Part) -> Result {
        let arguments = [part.offset, part.size, part.backing as u64, part.address];
        self.hw
            .execute(function, Opcode::SetBarRange, number, &arguments)
    }

    /// Asserts and deasserts INTx.
    fn pulse(&self, function: u8) -> Result {
        self.hw.execute(function, Opcode::SetIntx, 1, &[])?;
        match self.hw.execute(function, Opcode::SetIntx, 0, &[]) {
            // The RC took the interrupt and then turned INTx off, or let go of the function.
            Err(error) if error == EPERM || error == ENXIO => Ok(()),
            result => result,
        }
    }

    /// Logs the failure of what the framework does not expect to fail.
    fn log(&self, what: &str, result: Result) {
        if let Err(error) = result {
            dev_warn!(self.device, "Failed to {}: {:?}\n", what, error);
        }
    }
}

/// Returns the number of a BAR as the immediate of a command.
fn immediate(bar: BarNumber) -> u16 {
    bar.index() as u16
}
