// SPDX-License-Identifier: GPL-2.0

//! Heartbeats: that of the EP (H1), and how long one of the peer has not changed (H2, H3).

use crate::offset;
use crate::registers::Registers;
use crate::time;

/// The EP's heartbeat, which changes at twice the rate that is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Heartbeat {
    number: u32,
    next_ms: u64,
}

impl Heartbeat {
    /// A heart that beats from `now_ms` on.
    pub(crate) const fn new(now_ms: u64) -> Self {
        Self {
            number: 0,
            next_ms: now_ms,
        }
    }

    /// Whether it has not beaten yet.
    pub(crate) const fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Whether it is time for the next beat.
    pub(crate) const fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ms
    }

    pub(crate) fn beat(&mut self, regs: &impl Registers, now_ms: u64) {
        self.number = self.number.wrapping_add(1);
        regs.write32(offset::HEARTBEAT, self.number);
        self.next_ms = now_ms.saturating_add(time::BEAT_MS / 2);
    }
}

/// The EP's heartbeat while its command loop is in a command (H1).
///
/// The loop gives it away when the command begins and takes it back when that is over. A loop that never
/// comes back is not covered up for: the pulse stops at the bound of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pulse {
    pub(crate) heart: Heartbeat,
    until_ms: u64,
}

impl Pulse {
    pub(crate) const fn new(heart: Heartbeat, until_ms: u64) -> Self {
        Self { heart, until_ms }
    }

    /// Whether there is no beat to come.
    pub fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.until_ms
    }

    /// Beats if it is time to; to be called every half of [`BEAT_MS`](crate::time::BEAT_MS).
    pub fn beat(&mut self, regs: &impl Registers, now_ms: u64) {
        if !self.is_over(now_ms) && self.heart.is_due(now_ms) {
            self.heart.beat(regs, now_ms);
        }
    }
}

/// The last change of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    beat: u32,
    since_ms: u64,
}

impl Watch {
    /// Starts to watch at `now_ms`.
    pub(crate) const fn new(beat: u32, now_ms: u64) -> Self {
        Self {
            beat,
            since_ms: now_ms,
        }
    }

    /// Milliseconds since `beat` changed.
    pub(crate) fn silence_ms(&mut self, beat: u32, now_ms: u64) -> u64 {
        if beat != self.beat {
            *self = Self::new(beat, now_ms);
        }
        now_ms.saturating_sub(self.since_ms)
    }
}
