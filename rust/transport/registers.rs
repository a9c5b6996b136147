// SPDX-License-Identifier: GPL-2.0

//! Access to the words of the register BAR.
//!
//! Not here: doorbells, which the RC writes directly, and what the words mean.

/// Place of a word, in bytes from the start of the register BAR; a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u32);

impl Offset {
    /// The word at `bytes`, which is rounded down to a multiple of 4.
    pub const fn new(bytes: u32) -> Self {
        Self(bytes & !3)
    }

    /// Bytes from the start of the BAR.
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// The word `count` words after this one.
    pub const fn word(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count.wrapping_mul(4)))
    }

    /// The word `offset` after this one.
    pub(crate) const fn plus(self, offset: Offset) -> Self {
        Self(self.0.wrapping_add(offset.0))
    }
}

/// The words of the register BAR, as one end reaches them.
///
/// The RC implements it over its mapping of the BAR, the EP over the memory behind the BAR. Values
/// are in CPU byte order; the implementation converts from and to little-endian.
pub trait Registers {
    /// Reads a word by one 32-bit access. Answers all-ones when the link is dead or the offset is
    /// outside the mapping.
    fn read32(&self, offset: Offset) -> u32;

    /// Writes a word by one 32-bit access. A write outside the mapping is dropped.
    fn write32(&self, offset: Offset, value: u32);

    /// Reads before it are done before reads after it (`dma_rmb()`).
    fn read_barrier(&self);

    /// Writes before it become visible to the peer before writes after it (`dma_wmb()`).
    fn write_barrier(&self);
}

/// Writes a 64-bit value as two words, low half first.
pub(crate) fn write64(regs: &impl Registers, offset: Offset, value: u64) {
    let (low, high) = halves(value);
    regs.write32(offset, low);
    regs.write32(offset.word(1), high);
}

/// Reads a 64-bit value, low half first.
pub(crate) fn read64(regs: &impl Registers, offset: Offset) -> u64 {
    let low = regs.read32(offset);
    join(low, regs.read32(offset.word(1)))
}

/// The low and the high half of a 64-bit value.
pub(crate) const fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// The 64-bit value with the given low and high half.
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}
