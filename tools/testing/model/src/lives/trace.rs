// SPDX-License-Identifier: GPL-2.0

//! What happened to lives, in words.

use super::state::{Action, Lives, State};
use crate::explore::Told;
use crate::property::Property;

impl Told for Lives {
    fn violated(state: &State) -> Option<Property> {
        state.violated
    }

    fn tell(&self, _: &State, action: Action, after: &State) -> String {
        let what = match action {
            Action::Tick => "clock goes on",
            Action::Poll => "EP    looks for a command, and beats",
            Action::Begin => "EP    begins a command",
            Action::Pulse => "EP    beats in the command",
            Action::Watch => "RC    looks after the EP, and beats",
            Action::Look => "RC    looks for the answer",
            Action::Issue(_) => "RC    issues a command",
            Action::EpDies => "EP    dies",
            Action::EpHangs => "EP    does not come back from the command",
            Action::RcDies => "RC    dies",
        };
        let told = if after.is_told {
            "; takes the other end for dead"
        } else {
            ""
        };
        match after.violated {
            Some(property) => format!(
                "{:>6} ms  {what}{told}; violates {}",
                after.now,
                property.name()
            ),
            None => format!("{:>6} ms  {what}{told}", after.now),
        }
    }
}
