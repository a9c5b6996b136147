// SPDX-License-Identifier: GPL-2.0
//! The kernel's own non-transparent bridge on the EP, its driver on the RC, and its clients on both, all of
//! them unmodified. It asks of an emulator what no other function does: a BAR that shows nothing at first
//! and moves while the link is up, windows that stay, a PCI bus of the EP's own.
//!
//! What the kernel's parts cannot do is in Documentation/testing.rst. So all cases have the same bridge, which
//! is bound once; only the RC takes its link down and up; and how a doorbell is told at the EP depends on
//! whether the controller has one.

mod clients;
mod registers;

use anyhow::Result;

use crate::commands::ntb;
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Suite};

/// Two machines with a bridge. The EP has a doorbell, or looks for rings every 5 ms.
struct Machines<const POLLED: bool> {
    link: Link,
}

impl<const POLLED: bool> Bench for Machines<POLLED> {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = if POLLED {
            Link::boot_without_doorbells(layout, Model::RC_WITH_MSI)?
        } else {
            Link::boot(layout, Model::RC_WITH_MSI, Bars::Mapped)?
        };
        ntb::start(&mut link)?;
        Ok(Self { link })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

/// The suite with a doorbell.
pub fn suite() -> impl AnySuite {
    of_doorbells::<false>(
        "ntb",
        "the kernel's own non-transparent bridge, on the emulator",
    )
}

/// The suite of a controller that has none.
pub fn polled_suite() -> impl AnySuite {
    of_doorbells::<true>("ntb_polled", "the same, on a controller without doorbells")
}

fn of_doorbells<const POLLED: bool>(name: &'static str, about: &'static str) -> impl AnySuite {
    let mut cases = registers::cases::<POLLED>();
    cases.extend(clients::cases::<POLLED>());
    Suite { name, about, cases }
}
