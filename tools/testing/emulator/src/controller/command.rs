// SPDX-License-Identifier: GPL-2.0
//! The commands of the controller, one arm each.

use epc_regs::{Header, LinkState, Opcode, Status, ARG_COUNT};

use super::outbound::Ticket;
use super::regs::Progress;
use super::{inbound, Controller};
use crate::link::Input;

impl Controller {
    /// Executes a command.
    ///
    /// # Errors
    ///
    /// The status with which it failed; nothing has changed then.
    pub(super) fn command(
        &self,
        opcode: Opcode,
        immediate: u16,
        args: &[u64; ARG_COUNT],
    ) -> Result<Progress, Status> {
        let [a, b, c, d] = *args;
        let (function, outbound) = (&self.function, &self.fabric.outbound);
        let bar = usize::from(immediate);
        match opcode {
            Opcode::WriteHeader => function.write_header(Header::from_args([a, b]))?,
            Opcode::SetBar => function.set_bar(bar, a, b, inbound::backing(c)?, d)?,
            Opcode::SetBarRange => function.set_bar_range(bar, a, b, inbound::backing(c)?, d)?,
            Opcode::ClearBar => function.clear_bar(bar)?,
            Opcode::SetMsi => function.set_msi(immediate)?,
            Opcode::SetMsix => function.set_msix(immediate, a, b)?,
            Opcode::SetIntx => function.set_intx(inbound::level(immediate)?)?,
            Opcode::RaiseMsi => function.raise_msi(immediate)?,
            Opcode::RaiseMsix => function.raise_msix(immediate)?,
            Opcode::Map => return self.map(a, b, c).map(Progress::Pending),
            Opcode::Unmap => return outbound.unmap(a).map(Progress::Pending),
            Opcode::Start => self.start(),
            Opcode::Stop => return Ok(Progress::Pending(self.stop())),
            Opcode::Reset => return Ok(Progress::Pending(self.power_on_reset())),
        }
        Ok(Progress::Done(Status::Ok))
    }

    /// Adds a translation, as far as the board lets the link decide about that.
    fn map(&self, window: u64, pci: u64, size: u64) -> Result<Ticket, Status> {
        let needs_link = self.fabric.settings.profile.outbound.needs_link;
        if needs_link && self.function.link() != LinkState::Up {
            return Err(Status::NoLink);
        }
        self.fabric.outbound.map(window, pci, size)
    }

    fn start(&self) {
        self.function.start();
        self.link.send(Input::Start);
    }

    fn stop(&self) -> Ticket {
        let ticket = self.function.stop();
        self.fabric.outbound.release_interrupt_window();
        self.link.send(Input::Stop);
        ticket
    }

    /// Stops the link and takes away all that the EP defined.
    pub(super) fn power_on_reset(&self) -> Ticket {
        self.stop();
        self.function.undefine();
        self.fabric.dma.reset();
        self.fabric.events.reset();
        self.fabric.outbound.clear()
    }
}
