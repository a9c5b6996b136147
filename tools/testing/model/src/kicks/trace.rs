// SPDX-License-Identifier: GPL-2.0

//! What happened to kicks, in words.

use super::state::{Action, Kicks, Posted, State};
use crate::explore::Told;
use crate::property::Property;

impl Told for Kicks {
    fn violated(state: &State) -> Option<Property> {
        state.violated
    }

    fn tell(&self, before: &State, action: Action, after: &State) -> String {
        match action {
            Action::Add | Action::AddLate if after.available != before.available => {
                format!("RC    makes a buffer available: index {}", after.available)
            }
            Action::Add | Action::AddLate => "RC    kicks first".into(),
            Action::Wish if (&after.values, after.kickers) != (&before.values, before.kickers) => {
                "RC    sees that a kick is wanted".into()
            }
            Action::Wish => "RC    sees that no kick is wanted".into(),
            Action::Ring(at) => format!("RC    writes {} to the doorbell", before.values[at]),
            Action::Push | Action::PushLate if after.pushed != before.pushed => {
                format!("RC    pushes index {}", after.pushed)
            }
            Action::Push | Action::PushLate => "RC    has nothing to push now".into(),
            Action::Deliver => match before.posted[0] {
                Posted::Doorbell(value) => format!("link  delivers {value} to the doorbell"),
                Posted::Index(index) => format!("link  delivers index {index}"),
            },
            Action::Drain(_) => format!("EP    has written its wish {}", after.wish),
            Action::See => "EP    sees a kick".into(),
            Action::SeeAgain => "EP    touches the slot once more".into(),
            Action::Work => "EP    worker runs".into(),
            Action::Read if after.running.is_some() => {
                format!("EP    worker reads index {}", self.index(before))
            }
            Action::Read => format!(
                "EP    worker reads index {}; has seen {} buffers, and sleeps",
                self.index(before),
                after.next
            ),
            Action::Disable => "EP    disables the queue".into(),
            Action::Enable => format!("EP    enables the queue, with {} in the slot", after.slot),
            Action::Reload => format!("RC    driver is loaded again, counter {}", after.counter),
            Action::Stuck => format!(
                "all   wait, and {} of {} buffers were not seen; violates {}",
                before.available - before.next,
                before.available,
                Property::Kick.name()
            ),
        }
    }
}
