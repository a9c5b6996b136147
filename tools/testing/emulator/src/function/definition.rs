// SPDX-License-Identifier: GPL-2.0
//! What the EP chose for the function, and the shape that follows for the RC.

use epc_regs::{Header, Status};

use super::bars::{Bar, MsixPlace};
use super::msix::Msix;
use super::BAR_COUNT;
use crate::config_space::ConfigSpace;

/// What the EP chose; takes effect when the RC connects.
#[derive(Debug, Default)]
pub(super) struct Definition {
    pub(super) header: Header,
    pub(super) bars: [Option<Bar>; BAR_COUNT],
    pub(super) msi: u16,
    pub(super) msix: Option<MsixDefinition>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct MsixDefinition {
    pub(super) count: u16,
    pub(super) bar: usize,
    pub(super) table: u32,
}

impl Definition {
    pub(super) fn bar(&self, index: usize) -> Option<&Bar> {
        self.bars.get(index).and_then(Option::as_ref)
    }

    /// Number of inbound translations that all BARs take.
    pub(super) fn inbound_windows(&self) -> usize {
        self.bars.iter().flatten().map(Bar::inbound_windows).sum()
    }

    /// Number of inbound translations that all other BARs take.
    pub(super) fn inbound_windows_beside(&self, index: usize) -> usize {
        let others = self.bars.iter().enumerate().filter(|(at, _)| *at != index);
        others
            .filter_map(|(_, bar)| bar.as_ref())
            .map(Bar::inbound_windows)
            .sum()
    }

    /// Puts a BAR in its place, unless a neighbour has the register.
    pub(super) fn place_bar(&mut self, index: usize, bar: Bar) -> Result<(), Status> {
        let below = index.checked_sub(1).and_then(|below| self.bar(below));
        let above = self.bar(index + 1).filter(|_| bar.is_64());
        if below.is_some_and(Bar::is_64) || above.is_some() {
            return Err(Status::BadArgument);
        }
        *self.bars.get_mut(index).ok_or(Status::BadArgument)? = Some(bar);
        Ok(())
    }

    /// The MSI-X capability, if its table lies in a BAR.
    fn usable_msix(&self) -> Option<(MsixDefinition, Msix)> {
        let definition = self.msix?;
        let msix = Msix::new(definition.count, definition.bar, definition.table.into());
        let end = msix.place().map_or(0, MsixPlace::end);
        let fits = self
            .bar(definition.bar)
            .is_some_and(|bar| end <= bar.size());
        if !fits {
            tracing::warn!(
                "MSI-X left out: the table needs {end:#x} bytes of BAR {}",
                definition.bar
            );
        }
        fits.then_some((definition, msix))
    }

    /// Makes the configuration space and the MSI-X table that the RC will see.
    pub(super) fn shape(&self) -> (ConfigSpace, Msix) {
        let mut config = ConfigSpace::new(&self.header);
        for (index, bar) in self.bars.iter().enumerate() {
            if let Some(bar) = bar {
                config.add_bar(index, bar.size(), bar.flags());
            }
        }
        if self.msi > 0 {
            config.add_msi(self.msi);
        }
        let Some((definition, msix)) = self.usable_msix() else {
            return (config, Msix::default());
        };
        let pending = msix
            .place()
            .map_or(0, |place| place.table + place.table_size);
        config.add_msix(
            definition.count,
            definition.bar,
            definition.table,
            pending as u32,
        );
        (config, msix)
    }
}
