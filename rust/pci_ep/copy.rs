// SPDX-License-Identifier: GPL-2.0

//! How bytes are copied through a window: in as few accesses as their alignment allows.
//!
//! `memcpy_fromio()` and `memcpy_toio()` take single bytes up to the first multiple of 8, and after
//! the last one (lib/iomem_copy.c of the kernel). On the link each of them is a transaction, so a
//! used ring entry would be eight writes, and an available ring entry two reads of a microsecond.

/// The next access of a copy, naturally aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
    /// So many bytes, a multiple of 8 that is not 0.
    Block(usize),
}

impl Step {
    /// Returns the next access to `left` bytes from `address` on; `None` when none is left.
    pub(crate) fn next(address: usize, left: usize) -> Option<Self> {
        let fits = |size: usize| address % size == 0 && left >= size;
        match left {
            0 => None,
            _ if fits(8) => Some(Self::Block(left & !7)),
            _ if fits(4) => Some(Self::Word),
            _ if fits(2) => Some(Self::Half),
            _ => Some(Self::Byte),
        }
    }

    /// Returns how many bytes it covers.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
            Self::Block(size) => size,
        }
    }
}

#[cfg(CONFIG_KUNIT = "y")]
mod tests;
