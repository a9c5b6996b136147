// SPDX-License-Identifier: GPL-2.0
//! The sums of crossings since the start, or since they were taken last.
//!
//! Locking: a leaf lock around the sums; any thread.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::combining::Combining;
use super::{Crossing, Initiator, Kind, Place};
use crate::sync::lock;

/// Places that are told apart at most: a guest chooses them, and may choose as many as BARs and windows have
/// pages.
pub const MAX_PLACES: usize = 1 << 14;

/// Bytes that one load or store carries at most.
const WORD: u64 = 8;

/// Sizes that are told apart: 1, 2, 4, 8 and more bytes.
const SIZES: [u64; 4] = [1, 2, 4, 8];

/// A sum of crossings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many.
    pub operations: u64,
    /// Bytes that they carried.
    pub bytes: u64,
    /// Loads or stores of up to 8 bytes that they take.
    pub words: u64,
    /// Transactions that they are where the processor combines stores to lines.
    pub lines: u64,
    /// How many of 1, 2, 4, 8 and of any other number of bytes.
    pub sizes: [u64; SIZES.len() + 1],
}

/// Crossings of one kind to one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who makes them.
    pub initiator: Initiator,
    /// What they are.
    pub kind: Kind,
    /// Where they go, a [`Place`] in words.
    pub place: String,
    /// Their sum.
    #[serde(flatten)]
    pub count: Count,
}

/// Counts what crosses the link.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sums: Sums,
    combining: Combining,
}

type Sums = BTreeMap<(Initiator, Kind, Place), Count>;

impl Count {
    fn add(&mut self, bytes: u64, lines: u64) {
        self.operations += 1;
        self.lines += lines;
        self.bytes += bytes;
        self.words += bytes.div_ceil(WORD).max(1);
        let class = SIZES.iter().position(|size| *size == bytes);
        if let Some(sizes) = self.sizes.get_mut(class.unwrap_or(SIZES.len())) {
            *sizes += 1;
        }
    }
}

impl Counters {
    /// Counts one crossing.
    pub fn add(&self, crossing: &Crossing) {
        let Counts { sums, combining } = &mut *lock(&self.counts);
        let mut key = (crossing.initiator, crossing.kind, crossing.place);
        if sums.len() >= MAX_PLACES && !sums.contains_key(&key) {
            key.2 = Place::Elsewhere;
        }
        let lines = combining.lines(crossing);
        sums.entry(key).or_default().add(crossing.bytes, lines);
    }

    /// Says where the counters stand, ordered by initiator, kind and place.
    pub fn read(&self) -> Vec<Line> {
        lines(lock(&self.counts).sums.clone())
    }

    /// Says where the counters stand and sets them to zero, with nothing counted in between.
    pub fn take(&self) -> Vec<Line> {
        lines(std::mem::take(&mut lock(&self.counts).sums))
    }
}

fn lines(sums: Sums) -> Vec<Line> {
    let line = |((initiator, kind, place), count): ((_, _, Place), _)| Line {
        initiator,
        kind,
        place: place.to_string(),
        count,
    };
    sums.into_iter().map(line).collect()
}
