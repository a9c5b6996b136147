// SPDX-License-Identifier: GPL-2.0
//! The commands of the controller, one arm each.

use epc_regs::{Header, LinkState, Opcode, Status, ARG_COUNT};

use super::outbound::Ticket;
use super::regs::{Command, Progress};
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
        command: Command,
        args: &[u64; ARG_COUNT],
    ) -> Result<Progress, Status> {
        let [a, b, c, d] = *args;
        let (number, immediate) = (command.function, command.immediate);
        let opcode = command.opcode.ok_or(Status::UnknownCommand)?;
        let of_controller = matches!(opcode, Opcode::Start | Opcode::Stop | Opcode::Reset);
        if of_controller && number != 0 {
            return Err(Status::BadArgument);
        }
        let function = self.endpoint.function(number)?;
        let room = || self.endpoint.inbound_room(number);
        let bar = usize::from(immediate);
        match opcode {
            Opcode::WriteHeader => function.write_header(Header::from_args([a, b]))?,
            Opcode::SetBar => function.set_bar(bar, a, b, inbound::backing(c)?, d, room())?,
            Opcode::SetBarRange => {
                function.set_bar_range(bar, a, b, inbound::backing(c)?, d, room())?;
            }
            Opcode::ClearBar => function.clear_bar(bar)?,
            Opcode::SetMsi => function.set_msi(immediate)?,
            Opcode::SetMsix => function.set_msix(immediate, a, b)?,
            Opcode::SetIntx => function.set_intx(inbound::level(immediate)?)?,
            Opcode::RaiseMsi => function.raise_msi(immediate)?,
            Opcode::RaiseMsix => function.raise_msix(immediate)?,
            Opcode::Map => return self.map(number, a, b, c).map(Progress::Pending),
            Opcode::Unmap => {
                let ticket = self.fabric.outbound.unmap(number, a)?;
                return Ok(Progress::Pending(ticket));
            }
            Opcode::Start => self.start(immediate)?,
            Opcode::Stop => return Ok(Progress::Pending(self.stop())),
            Opcode::Reset => return Ok(Progress::Pending(self.power_on_reset())),
        }
        Ok(Progress::Done(Status::Ok))
    }

    /// Adds a translation, as far as the board lets the link decide about that.
    fn map(&self, function: u8, window: u64, pci: u64, size: u64) -> Result<Ticket, Status> {
        let needs_link = self.fabric.settings.profile.outbound.needs_link;
        if needs_link && self.endpoint.link() != LinkState::Up {
            return Err(Status::NoLink);
        }
        self.fabric.outbound.map(function, window, pci, size)
    }

    fn start(&self, functions: u16) -> Result<(), Status> {
        self.endpoint.check_map(functions)?;
        self.endpoint.start();
        self.link.send(Input::Start(functions));
        Ok(())
    }

    fn stop(&self) -> Ticket {
        let ticket = self.endpoint.stop();
        self.fabric.outbound.release_interrupt_window();
        self.link.send(Input::Stop);
        ticket
    }

    /// Stops the link and takes away all that the EP defined.
    pub(super) fn power_on_reset(&self) -> Ticket {
        self.stop();
        self.endpoint.undefine();
        self.fabric.dma.reset();
        self.fabric.events.reset();
        self.fabric.outbound.clear()
    }
}
