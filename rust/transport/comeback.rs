// SPDX-License-Identifier: GPL-2.0

//! What the RC sees of an EP that it lost, until a `RESET` can have it back (I1 to I5, H1).
//!
//! Words are read, and nothing is written: nobody may be there.

use crate::identity::Identity;
use crate::layout::BarSizes;
use crate::offset;
use crate::registers::Registers;
use crate::words::Epoch;

/// The looks at an EP that is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comeback {
    /// Session and heartbeat at the last look, if the EP was ready.
    seen: Option<(Epoch, u32)>,
}

impl Comeback {
    /// Looks at the EP in BAR `register_bar`; to be called every [`BEAT_MS`](crate::time::BEAT_MS) or so.
    ///
    /// Returns what the EP is if it is there: ready, and its heart has beaten since the last look, in
    /// the same session.
    pub fn look(
        &mut self,
        regs: &impl Registers,
        register_bar: u8,
        bars: &BarSizes,
    ) -> Option<Identity> {
        let last = self.seen.take();
        let identity = Identity::read(regs, register_bar, bars).ok()?;
        let beat = regs.read32(offset::HEARTBEAT);
        regs.read_barrier();
        identity.check_session(regs).ok()?;
        self.seen = Some((identity.epoch(), beat));
        let has_beaten =
            last.is_some_and(|(epoch, last)| epoch == identity.epoch() && last != beat);
        has_beaten.then_some(identity)
    }
}
