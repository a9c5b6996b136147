// SPDX-License-Identifier: GPL-2.0

//! What happens at the controller, passed on to functions.
//!
//! Context: the thread of the event vector, because functions may sleep in events.

use crate::hw::Hw;
use epc_regs::event;
use kernel::{
    irq::IrqReturn,
    prelude::*,
    sync::Arc, //
};
use pci_ep::provider::Notifier;

/// Bus Master Enable in the command register of a configuration header.
const COMMAND_MASTER: u32 = 0x4;

/// Passes events on.
pub(crate) struct Events {
    pub(crate) hw: Arc<Hw>,
    pub(crate) notifier: Notifier,
}

impl Events {
    /// Handles all events that have happened.
    pub(crate) fn handle(&self) -> IrqReturn {
        match self.pass_on() {
            Ok(true) => IrqReturn::Handled,
            Ok(false) => IrqReturn::None,
            Err(error) => {
                dev_err!(self.notifier, "Failed to handle an event: {:?}\n", error);
                IrqReturn::None
            }
        }
    }

    /// Passes events on in the order in which they must have happened; says whether there were any.
    ///
    /// A reset by the RC is to a function what it is on most hardware: the link goes down and comes
    /// up again.
    fn pass_on(&self) -> Result<bool> {
        let events = self.hw.take_events()?;
        if events & (event::LINK_DOWN | event::FUNCTION_RESET) != 0 {
            self.notifier.link_down();
        }
        if events & (event::LINK_UP | event::FUNCTION_RESET) != 0 && self.hw.is_link_up()? {
            self.notifier.link_up();
        }
        if events & event::BUS_MASTER != 0 && self.hw.pci_command()? & COMMAND_MASTER != 0 {
            self.notifier.bus_master_enable();
        }
        Ok(events != 0)
    }
}
