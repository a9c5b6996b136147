// SPDX-License-Identifier: GPL-2.0

//! Words that are shared with the RC: little-endian, and accessed as a whole.

mod sealed {
    pub trait Sealed {}
}

/// An unsigned word that both sides access with one access each.
pub trait Word: Copy + sealed::Sealed {
    /// Returns the value of a word read from shared memory.
    fn from_le(raw: Self) -> Self;
    /// Returns what is to be written to shared memory.
    fn to_le(self) -> Self;
    /// Reads I/O memory.
    ///
    /// # Safety
    ///
    /// `from` must be aligned to the word, and valid for I/O reads of it.
    #[doc(hidden)]
    unsafe fn read_io(from: *const u8) -> Self;
    /// Writes I/O memory.
    ///
    /// # Safety
    ///
    /// `to` must be aligned to the word, and valid for I/O writes of it.
    #[doc(hidden)]
    unsafe fn write_io(self, to: *mut u8);
}

macro_rules! impl_word {
    ($($word:ident: $read:ident, $write:ident;)*) => {$(
        impl sealed::Sealed for $word {}

        impl Word for $word {
            fn from_le(raw: Self) -> Self {
                <$word>::from_le(raw)
            }

            fn to_le(self) -> Self {
                <$word>::to_le(self)
            }

            unsafe fn read_io(from: *const u8) -> Self {
                // SAFETY: By the requirements of this function. It converts from little-endian.
                unsafe { kernel::bindings::$read(from.cast()) }
            }

            unsafe fn write_io(self, to: *mut u8) {
                // SAFETY: By the requirements of this function. It converts to little-endian.
                unsafe { kernel::bindings::$write(self, to.cast()) }
            }
        }
    )*};
}

impl_word! {
    u8: readb, writeb;
    u16: readw, writew;
    u32: readl, writel;
}

#[cfg(CONFIG_64BIT)]
impl_word! {
    u64: readq, writeq;
}

/// Returns the range `offset..offset + len` of memory of `size` bytes.
///
/// # Errors
///
/// `EINVAL` when it is not inside the memory.
pub(crate) fn checked_range(size: usize, offset: usize, len: usize) -> kernel::error::Result {
    match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(kernel::error::code::EINVAL),
    }
}

/// Checks that a word at `offset` is inside memory of `size` bytes and naturally aligned.
///
/// # Errors
///
/// `EINVAL` when it is not.
pub(crate) fn checked_word<W: Word>(size: usize, offset: usize) -> kernel::error::Result {
    let len = core::mem::size_of::<W>();
    if offset % len != 0 {
        return Err(kernel::error::code::EINVAL);
    }
    checked_range(size, offset, len)
}
