// SPDX-License-Identifier: GPL-2.0
//! Which bytes of the room are taken. They are given back in the order in which they were taken.

/// What places in the room are aligned to: the longest access.
const ALIGN: u32 = 8;

/// The room, as a ring. Both counts run freely, and what lies between them is taken.
///
/// # Invariants
///
/// `given_back <= taken <= given_back + len`.
pub(super) struct Room {
    len: u32,
    taken: u64,
    given_back: u64,
}

impl Room {
    pub(super) fn new(len: u32) -> Self {
        Self {
            len,
            taken: 0,
            given_back: 0,
        }
    }

    /// Takes `len` bytes that lie side by side, and returns where in the room they begin; none when there
    /// are no such bytes.
    pub(super) fn take(&mut self, len: u32) -> Option<u32> {
        let at = self.place();
        let left = self.len.checked_sub(at)?;
        // What is left before the end is passed over, if it is too little.
        let (start, passed) = if len <= left { (at, 0) } else { (0, left) };
        let taken = u64::from(passed) + u64::from(len);
        let taken = self.taken.checked_add(taken)?;
        let taken = taken.checked_next_multiple_of(ALIGN.into())?;
        if taken.checked_sub(self.given_back)? > self.len.into() {
            return None;
        }
        // INVARIANT: Just checked.
        self.taken = taken;
        Some(start)
    }

    /// Returns how far has been taken, for [`give_back`](Self::give_back).
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Gives all back that had been taken when [`taken`](Self::taken) was `until`.
    pub(super) fn give_back(&mut self, until: u64) {
        // INVARIANT: Between the two, whatever the caller says.
        self.given_back = until.clamp(self.given_back, self.taken);
    }

    /// Returns where the next byte is. The length is a multiple of the alignment but for a rest, which is
    /// not used.
    fn place(&self) -> u32 {
        // CAST: Less than the length.
        self.taken.checked_rem(self.len.into()).unwrap_or(0) as u32
    }
}
