// SPDX-License-Identifier: GPL-2.0

//! What a transfer moves.

use kernel::dma::DmaAddress;

/// A piece of a transfer that is linear at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the first byte comes from: a bus address, or the address at the device.
    pub source: DmaAddress,
    /// Where it goes.
    pub destination: DmaAddress,
    /// How many bytes, not 0.
    pub size: u32,
}
