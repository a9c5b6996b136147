// SPDX-License-Identifier: GPL-2.0

//! How long a heartbeat of the peer has not changed (H2, H3).

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
