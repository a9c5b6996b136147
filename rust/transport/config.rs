// SPDX-License-Identifier: GPL-2.0

//! The device config: published by the EP (G1 to G3), read by the RC (G4 to G7).
//!
//! Context: `ConfigSpace` is used by one thread at a time. It shares no word with `EndpointPort`
//! and may be used while that one executes a command.

use crate::identity::Identity;
use crate::layout::{
    Layout,
    Region, //
};
use crate::offset;
use crate::registers::{
    Offset,
    Registers, //
};

/// The EP's device config as the RC can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigSpace {
    region: Region,
    generation: u32,
}

impl ConfigSpace {
    /// An empty device config; clears its words. To be made before a session starts.
    pub fn new(layout: &Layout, regs: &impl Registers) -> Self {
        let region = layout.config;
        for word in 0..region.size.div_ceil(4) {
            regs.write32(region.start().word(word), 0);
        }
        regs.write32(offset::CONFIG_GENERATION, 0);
        Self {
            region,
            generation: 0,
        }
    }

    /// Publishes `from` at byte `offset` (G1 to G3). The caller then raises the config vector.
    ///
    /// Answers whether it was inside the device config; nothing is written otherwise.
    #[must_use]
    pub fn publish(&mut self, regs: &impl Registers, offset: usize, from: &[u8]) -> bool {
        let Some(range) = ByteRange::new(self.region, offset, from.len()) else {
            return false;
        };
        self.advance(regs);
        regs.write_barrier();
        for word in range.words() {
            let merged = range.merge(word, regs.read32(word), from);
            regs.write32(word, merged);
        }
        regs.write_barrier();
        self.advance(regs);
        true
    }

    fn advance(&mut self, regs: &impl Registers) {
        self.generation = self.generation.wrapping_add(1);
        regs.write32(offset::CONFIG_GENERATION, self.generation);
    }
}

/// Why the RC has not read the device config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigReadError {
    /// The EP is changing it: try again, within [`time::CONFIG_MS`](crate::time::CONFIG_MS).
    Changing,
    /// Not inside the device config.
    OutOfRange,
    /// The link is dead.
    LinkDead,
    /// The EP is in another session.
    Restarted,
}

/// Reads device config on the RC, once (G4 to G6); answers its generation.
///
/// # Errors
///
/// Whatever [`ConfigReadError`] names; `to` has no meaning then.
pub fn read_config(
    identity: &Identity,
    regs: &impl Registers,
    offset: usize,
    to: &mut [u8],
) -> Result<u32, ConfigReadError> {
    let region = identity.layout().config;
    let range = ByteRange::new(region, offset, to.len()).ok_or(ConfigReadError::OutOfRange)?;
    let generation = regs.read32(offset::CONFIG_GENERATION);
    regs.read_barrier();
    for word in range.words() {
        range.extract(word, regs.read32(word), to);
    }
    regs.read_barrier();
    let again = regs.read32(offset::CONFIG_GENERATION);
    regs.read_barrier();
    identity.check_session(regs)?;
    if generation & 1 == 1 || again != generation {
        return Err(ConfigReadError::Changing);
    }
    Ok(generation)
}

/// After so many changes in a row the driver side is told of none. An honest EP does not change its
/// config space as often as it is read.
const MAX_CHANGES: u32 = 4;

/// What the RC tells its driver side of `config_generation` (G7).
///
/// A driver side that reads several fields does so again as long as it is told another generation
/// each time. That has no bound of its own, so it gets one here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Generations {
    told: u32,
    changes: u32,
}

impl Generations {
    /// What to tell when `seen` is the generation.
    pub fn tell(&mut self, seen: u32) -> u32 {
        let is_change = seen != self.told && self.changes < MAX_CHANGES;
        self.changes = if is_change { self.changes + 1 } else { 0 };
        if is_change {
            self.told = seen;
        }
        self.told
    }
}

/// Bytes of a BAR.
struct ByteRange {
    start: u32,
    length: u32,
}

impl ByteRange {
    /// `length` bytes at `offset` of `region`, if they are inside.
    fn new(region: Region, offset: usize, length: usize) -> Option<Self> {
        let offset = u32::try_from(offset).ok()?;
        let length = u32::try_from(length).ok()?;
        let is_inside = offset.checked_add(length)? <= region.size;
        let start = region.offset.checked_add(offset)?;
        is_inside.then_some(Self { start, length })
    }

    /// The words that have at least one of the bytes.
    fn words(&self) -> impl Iterator<Item = Offset> {
        let end = self.start.saturating_add(self.length);
        let first = if self.length == 0 {
            end
        } else {
            self.start & !3
        };
        (first..end).step_by(4).map(Offset::new)
    }

    /// Index in the caller's slice of the byte at `lane` of `word`.
    fn index(&self, word: Offset, lane: u32) -> Option<usize> {
        let index = (word.bytes() + lane).checked_sub(self.start)?;
        (index < self.length).then_some(index as usize)
    }

    /// The value of `word` with the bytes of `from` that lie in it.
    fn merge(&self, word: Offset, value: u32, from: &[u8]) -> u32 {
        let mut bytes = value.to_le_bytes();
        for (lane, byte) in (0..).zip(bytes.iter_mut()) {
            if let Some(new) = self.index(word, lane).and_then(|index| from.get(index)) {
                *byte = *new;
            }
        }
        u32::from_le_bytes(bytes)
    }

    /// Copies the bytes of the value of `word` that lie in the range.
    fn extract(&self, word: Offset, value: u32, to: &mut [u8]) {
        for (lane, byte) in (0..).zip(value.to_le_bytes()) {
            if let Some(old) = self.index(word, lane).and_then(|index| to.get_mut(index)) {
                *old = byte;
            }
        }
    }
}
