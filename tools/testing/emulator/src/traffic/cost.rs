// SPDX-License-Identifier: GPL-2.0
//! What crossings cost on a board: a sum of times of primitives, which were measured there.
//!
//! Each side's time is that of its own processor: it waits for what is not posted, and issues what is. The
//! two sides work at the same time, so a transfer takes the longer of both, at best.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Initiator, Kind, Line};

/// Costs of primitives, in nanoseconds: the table `cost` of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// A load of up to 8 bytes, and an access to the configuration space.
    pub read: f64,
    /// A store of up to 8 bytes, to a doorbell as well.
    pub write: f64,
    /// An interrupt message, with what the controller's driver does for it.
    pub message: f64,
    /// A DMA transfer of no bytes, from its request to its end.
    pub dma: f64,
    /// A byte that DMA reads.
    pub dma_read_byte: f64,
    /// A byte that DMA writes.
    pub dma_write_byte: f64,
}

/// What crossings would take on a board, in nanoseconds of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Of the root complex.
    pub rc: f64,
    /// Of the endpoint.
    pub ep: f64,
}

impl Cost {
    /// Charges crossings to the sides that make them.
    pub fn charge(&self, lines: &[Line]) -> Predicted {
        let mut predicted = Predicted::default();
        for line in lines {
            let time = self.time(line);
            match line.initiator {
                Initiator::Rc => predicted.rc += time,
                Initiator::Ep => predicted.ep += time,
            }
        }
        predicted
    }

    fn time(&self, line: &Line) -> f64 {
        let operations = line.count.operations as f64;
        let bytes = line.count.bytes as f64;
        let words = line.count.words as f64;
        match line.kind {
            Kind::ConfigRead | Kind::ConfigWrite | Kind::Read => words * self.read,
            Kind::Write | Kind::Doorbell => words * self.write,
            Kind::Message | Kind::Intx => operations * self.message,
            Kind::DmaRead => operations * self.dma + bytes * self.dma_read_byte,
            Kind::DmaWrite => operations * self.dma + bytes * self.dma_write_byte,
        }
    }
}

impl fmt::Display for Predicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rc, ep) = (self.rc / 1e3, self.ep / 1e3);
        write!(f, "{rc:.1} us of the RC, {ep:.1} us of the EP")
    }
}
