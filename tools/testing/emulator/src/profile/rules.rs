// SPDX-License-Identifier: GPL-2.0
//! What a board refuses, with the status that the EP gets.

use epc_regs::{bar_flags, event, BarKind, Status, RESIZABLE_MIN};

use super::{BarRule, Event, Inbound, Interrupts, Intx, Outbound, Profile};

fn require(holds: bool, otherwise: Status) -> Result<(), Status> {
    holds.then_some(()).ok_or(otherwise)
}

impl Profile {
    /// Bits of `EVENT_STATUS` that can be set.
    pub fn event_bits(&self) -> u32 {
        let bit = |event: &Event| match event {
            Event::LinkUp => event::LINK_UP,
            Event::LinkDown => event::LINK_DOWN,
            Event::BusMaster => event::BUS_MASTER,
            Event::FunctionReset => event::FUNCTION_RESET,
        };
        self.events.iter().map(bit).fold(0, |all, bit| all | bit)
    }
}

impl BarRule {
    /// Checks size and flags of a BAR.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check(&self, size: u64, flags: u64) -> Result<(), Status> {
        let fits = match self.kind {
            BarKind::Programmable => true,
            BarKind::Fixed => self.size.is_some_and(|fixed| fixed.bytes() == size),
            BarKind::Resizable => size >= RESIZABLE_MIN,
            BarKind::Reserved | BarKind::Disabled => false,
        };
        let wide = flags & bar_flags::MEM_64 != 0;
        require(fits && (wide || !self.only_64bit), Status::Unsupported)
    }
}

impl Inbound {
    /// Checks memory that a whole BAR is to show.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check_whole(&self, address: u64, size: u64) -> Result<(), Status> {
        let aligned = address % size.max(1) == 0 && self.is_aligned(address);
        require(aligned || !self.align_checked, Status::Unsupported)
    }

    /// Checks memory that a part of a BAR is to show.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check_part(&self, offset: u64, address: u64, size: u64) -> Result<(), Status> {
        let aligned = self.is_aligned(offset | address | size);
        require(aligned || !self.align_checked, Status::Unsupported)
    }

    fn is_aligned(&self, value: u64) -> bool {
        self.align.is_none_or(|align| value % align.bytes() == 0)
    }
}

impl Outbound {
    /// Checks the range of a mapping: in one space, and aligned.
    ///
    /// # Errors
    ///
    /// `BadArgument` when it is in no space, `Unsupported` when it is not aligned.
    pub fn check(&self, window: u64, pci: u64, size: u64) -> Result<(), Status> {
        let end = window.checked_add(size).ok_or(Status::BadArgument)?;
        let inside = |space: &super::Space| {
            let from_start = space.page < space.size || window == space.offset;
            from_start && space.offset <= window && end <= space.offset + space.size
        };
        require(self.layout().iter().any(inside), Status::BadArgument)?;
        require(
            (window | pci) % self.align.bytes() == 0,
            Status::Unsupported,
        )
    }
}

impl Interrupts {
    /// Checks that INTx can be raised.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check_intx(&self) -> Result<(), Status> {
        require(self.intx != Intx::None, Status::Unsupported)
    }

    /// Checks that so many MSI vectors can be offered.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check_msi(&self, count: u16) -> Result<(), Status> {
        require(count <= self.msi, Status::Unsupported)
    }

    /// Checks that so many MSI-X vectors can be offered.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn check_msix(&self, count: u16) -> Result<(), Status> {
        let max = self.msix.map_or(0, |msix| msix.vectors);
        require(count <= max, Status::Unsupported)
    }
}
