// SPDX-License-Identifier: GPL-2.0
//! Two machines, joined by the PCI endpoint emulator.

use anyhow::Result;

use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Suite};

impl Bench for Link {
    fn set_up(layout: &Layout) -> Result<Self> {
        Self::boot(layout, Model::Rc)
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.ep, &mut self.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Link> {
        name: "link",
        about: "an endpoint and a stock Debian root complex, joined by the emulator",
        cases: vec![],
    }
}
