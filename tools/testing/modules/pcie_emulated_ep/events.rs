// SPDX-License-Identifier: GPL-2.0

//! What happens at the controller, passed on to functions.
//!
//! Context: the thread of the event vector, because functions may sleep in events.

use crate::hw::Hw;
use epc_regs::{
    event,
    FUNCTIONS_MAX, //
};
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
    /// How many functions there are.
    pub(crate) functions: u8,
}

/// Events of each function, bits of [`event::OF_FUNCTION`].
type OfFunctions = [u32; FUNCTIONS_MAX];

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
    /// up again. The other functions do not notice.
    fn pass_on(&self) -> Result<bool> {
        let events = self.hw.take_events()?;
        let of_functions = self.take_events_of_functions(events)?;
        let events = with_later(events, &of_functions);
        let reset = || having(&of_functions, event::FUNCTION_RESET);
        if events & event::LINK_DOWN != 0 {
            self.notifier.link_down();
        } else {
            reset().for_each(|function| self.notifier.link_down_of(function));
        }
        if events & (event::LINK_UP | event::FUNCTION_RESET) != 0 && self.hw.is_link_up()? {
            if events & event::LINK_UP != 0 {
                self.notifier.link_up();
            } else {
                reset().for_each(|function| self.notifier.link_up_of(function));
            }
        }
        for function in having(&of_functions, event::BUS_MASTER) {
            if self.hw.pci_command(function)? & COMMAND_MASTER != 0 {
                self.notifier.bus_master_enable_of(function);
            }
        }
        Ok(events != 0)
    }

    /// Takes the events of all functions, if there may be any.
    fn take_events_of_functions(&self, events: u32) -> Result<OfFunctions> {
        let mut all = OfFunctions::default();
        if events & event::OF_FUNCTION != 0 {
            for (function, events) in (0..self.functions).zip(&mut all) {
                *events = self.hw.take_events_of(function)?;
            }
        }
        Ok(all)
    }
}

/// Adds what happened to functions since the events of the controller were taken. It is taken with
/// them, and whoever looks for it in the next turn finds a function to which nothing happened.
fn with_later(events: u32, of_functions: &OfFunctions) -> u32 {
    of_functions.iter().fold(events, |all, events| all | events)
}

/// Returns the functions to which an event happened.
fn having(events: &OfFunctions, event: u32) -> impl Iterator<Item = u8> + '_ {
    let numbered = (0..).zip(events);
    numbered.filter_map(move |(function, events)| (events & event != 0).then_some(function))
}

#[kunit_tests(pcie_emulated_ep_events)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_of_their_own_events() {
        let mut events = OfFunctions::default();
        assert_eq!(having(&events, event::OF_FUNCTION).count(), 0);
        events[0] = event::BUS_MASTER;
        events[FUNCTIONS_MAX - 1] = event::OF_FUNCTION;
        assert!(having(&events, event::FUNCTION_RESET).eq([FUNCTIONS_MAX as u8 - 1]));
        assert!(having(&events, event::BUS_MASTER).eq([0, FUNCTIONS_MAX as u8 - 1]));
    }

    #[test]
    fn a_reset_while_events_are_taken_is_whole() {
        let mut events = OfFunctions::default();
        events[0] = event::BUS_MASTER | event::FUNCTION_RESET;
        assert_eq!(
            with_later(event::BUS_MASTER, &events),
            event::BUS_MASTER | event::FUNCTION_RESET
        );
    }
}
