// SPDX-License-Identifier: GPL-2.0
//! The fuzzer's bytes as a row of choices.

use std::cell::RefCell;

use arbitrary::{Arbitrary, Unstructured};

/// Choices, each taken from the next bytes. A tape that is over goes on with the first choice, zero.
///
/// Shared by the test and by the memory that it works on, which changes between two accesses.
pub struct Tape<'a>(RefCell<Unstructured<'a>>);

impl<'a> Tape<'a> {
    /// A tape with these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(RefCell::new(Unstructured::new(bytes)))
    }

    /// Whether all bytes have been used.
    pub fn is_over(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Any value of a type.
    pub fn any<T: for<'b> Arbitrary<'b> + Default>(&self) -> T {
        self.0.borrow_mut().arbitrary().unwrap_or_default()
    }

    /// The next bytes.
    pub fn array<const N: usize>(&self) -> [u8; N] {
        self.0.borrow_mut().arbitrary().unwrap_or([0; N])
    }

    /// A number below `end`, which is not 0.
    pub fn below(&self, end: u32) -> u32 {
        let last = end.saturating_sub(1);
        self.0.borrow_mut().int_in_range(0..=last).unwrap_or(0)
    }

    /// True once in `times` on average, and never when the tape is over.
    pub fn once_in(&self, times: u8) -> bool {
        self.any::<u8>() % times == times - 1
    }

    /// One of the values, which are at least one.
    pub fn pick<T: Copy>(&self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// A number near the borders that 32-bit fields have, or any.
    pub fn word(&self) -> u32 {
        match self.below(8) {
            0..=2 => self.any::<u8>().into(),
            3 => self.any::<u16>().into(),
            4 => 1 << self.below(32),
            5 => u32::MAX - u32::from(self.any::<u8>()),
            6 => u32::from(self.any::<u16>()) << 12,
            _ => self.any(),
        }
    }

    /// The same for 64 bits.
    pub fn long(&self) -> u64 {
        match self.below(4) {
            0 => self.word().into(),
            1 => u64::from(self.word()) << 32,
            2 => u64::MAX - u64::from(self.word()),
            _ => self.any(),
        }
    }
}
