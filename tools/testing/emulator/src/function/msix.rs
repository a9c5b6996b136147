// SPDX-License-Identifier: GPL-2.0
//! MSI-X table and pending bits of the endpoint function.
//!
//! The emulator keeps them, and sends messages itself, because QEMU is not told of the capability; see
//! `ConfigSpace::read_without_msix`.

use super::bars::MsixPlace;

/// Bytes of a table entry: address, data, vector control.
const ENTRY_SIZE: usize = 16;
/// Offset of vector control in an entry; bit 0 masks the vector.
const CONTROL: usize = 12;

/// An interrupt message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixMessage {
    /// PCI address that is written.
    pub address: u64,
    /// Value that is written.
    pub data: u32,
}

/// Table and pending bits.
#[derive(Clone, Debug, Default)]
pub struct Msix {
    place: Option<MsixPlace>,
    table: Vec<u8>,
    pending: Vec<u8>,
}

impl Msix {
    /// Makes a table of `count` masked vectors at an offset of a BAR.
    pub fn new(count: u16, bar: usize, table: u64) -> Self {
        let entries = usize::from(count);
        let mut msix = Self {
            place: Some(MsixPlace {
                bar,
                table,
                table_size: (entries * ENTRY_SIZE) as u64,
                pending_size: (entries.div_ceil(64) * 8) as u64,
            }),
            table: vec![0; entries * ENTRY_SIZE],
            pending: vec![0; entries.div_ceil(64) * 8],
        };
        msix.reset();
        msix
    }

    /// Where the table lies, `None` without the capability.
    pub fn place(&self) -> Option<&MsixPlace> {
        self.place.as_ref()
    }

    /// Where the table lies if it lies in this BAR.
    pub fn place_in(&self, bar: usize) -> Option<&MsixPlace> {
        self.place().filter(|place| place.bar == bar)
    }

    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.table.len() / ENTRY_SIZE
    }

    /// Masks all vectors and drops what is pending.
    pub fn reset(&mut self) {
        self.table.fill(0);
        self.pending.fill(0);
        for entry in self.table.chunks_exact_mut(ENTRY_SIZE) {
            entry
                .iter_mut()
                .skip(CONTROL)
                .take(1)
                .for_each(|control| *control = 1);
        }
    }

    /// Reads the table.
    pub fn read_table(&self, offset: u64, to: &mut [u8]) {
        read_bytes(&self.table, offset, to);
    }

    /// Reads the pending bits.
    pub fn read_pending(&self, offset: u64, to: &mut [u8]) {
        read_bytes(&self.pending, offset, to);
    }

    /// Writes the table.
    pub fn write_table(&mut self, offset: u64, from: &[u8]) {
        let to = usize::try_from(offset)
            .ok()
            .and_then(|at| self.table.get_mut(at..));
        let to = to.unwrap_or_default().iter_mut();
        to.zip(from).for_each(|(to, from)| *to = *from);
    }

    /// Returns the message of a vector, masked or not; `None` when there is no such vector.
    pub fn message(&self, vector: usize) -> Option<MsixMessage> {
        let word = |at| self.word(vector, at);
        Some(MsixMessage {
            address: u64::from(word(0)?) | (u64::from(word(4)?) << 32),
            data: word(8)?,
        })
    }

    /// Whether the RC has masked a vector; one that does not exist is.
    pub fn is_masked(&self, vector: usize) -> bool {
        self.word(vector, CONTROL)
            .is_none_or(|control| control & 1 != 0)
    }

    /// Returns a word of the entry of a vector.
    fn word(&self, vector: usize, at: usize) -> Option<u32> {
        let entry = self.table.chunks_exact(ENTRY_SIZE).nth(vector)?;
        let bytes = entry.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    /// Remembers that a masked vector was raised.
    pub fn set_pending(&mut self, vector: usize) {
        let byte = self.pending.get_mut(vector / 8);
        byte.into_iter().for_each(|byte| *byte |= 1 << (vector % 8));
    }

    /// Takes the vectors that are pending and no longer masked.
    pub fn take_deliverable(&mut self) -> Vec<usize> {
        let pending = |vector: &usize| {
            self.pending
                .get(vector / 8)
                .is_some_and(|byte| (byte >> (vector % 8)) & 1 != 0)
        };
        let ready: Vec<_> = (0..self.count())
            .filter(pending)
            .filter(|vector| !self.is_masked(*vector))
            .collect();
        for vector in &ready {
            let byte = self.pending.get_mut(vector / 8);
            byte.into_iter()
                .for_each(|byte| *byte &= !(1 << (vector % 8)));
        }
        ready
    }
}

fn read_bytes(bytes: &[u8], offset: u64, to: &mut [u8]) {
    let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
    to.fill(0);
    to.iter_mut()
        .zip(from.unwrap_or_default())
        .for_each(|(to, from)| *to = *from);
}
