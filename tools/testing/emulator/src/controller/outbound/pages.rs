// SPDX-License-Identifier: GPL-2.0
//! The pages that are in the mapped window, and how they follow the translations.
//!
//! State of the worker thread alone, so there is no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Translation;
use crate::memory::{FilePiece, GuestMemory};
use crate::trace::{Trace, Transaction};
use crate::vhost_user::WindowChannel;

/// Pieces of RC memory in the window at one time. QEMU ends with a failed assertion when a machine with a
/// vhost-user device has more pieces of memory than 256 (VHOST_USER_MAX_RAM_SLOTS); some are the
/// machine's own.
pub const MAX_PIECES: usize = 240;

/// What the worker shall reach.
pub(super) struct Goal {
    /// How to reach the monitor; `None` when the window takes no pages.
    pub(super) channel: Option<Arc<WindowChannel>>,
    /// Counts the times that the window lost its pages.
    pub(super) session: u64,
    /// Counts the times that the window stood still; it may have the pages from before.
    pub(super) pauses: u64,
    /// Translations that shall have pages.
    pub(super) translations: BTreeMap<u64, Translation>,
}

/// Pages in the window.
pub(super) struct Pages {
    rc_memory: Arc<[GuestMemory]>,
    trace: Arc<Trace>,
    session: u64,
    pauses: u64,
    present: Vec<Run>,
    /// Each hole is traced once.
    holes: Vec<Hole>,
}

/// A run of pages that is, or shall be, in the window.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    window: u64,
    translation: u64,
    piece: FilePiece,
}

/// A part of a translation without RC memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    window: u64,
    pci: u64,
    size: u64,
}

impl Pages {
    /// An empty window.
    pub(super) fn new(rc_memory: Arc<[GuestMemory]>, trace: Arc<Trace>) -> Self {
        Self {
            rc_memory,
            trace,
            session: 0,
            pauses: 0,
            present: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// Brings the pages in line with a goal; returns the translations that have a page which the monitor
    /// refused, or for which there is no room.
    pub(super) fn reach(&mut self, goal: &Goal) -> BTreeSet<u64> {
        if self.session != goal.session {
            self.session = goal.session;
            self.present.clear();
        }
        let Some(channel) = goal.channel.as_ref() else {
            return BTreeSet::new();
        };
        if self.pauses != goal.pauses {
            self.pauses = goal.pauses;
            for run in std::mem::take(&mut self.present) {
                self.withdraw(channel, &run);
            }
        }
        let wanted = self.wanted(&goal.translations);
        let (kept, surplus) = std::mem::take(&mut self.present)
            .into_iter()
            .partition(|run| wanted.contains(run));
        self.present = kept;
        surplus.iter().for_each(|run| self.withdraw(channel, run));
        let mut failed = BTreeSet::new();
        for run in wanted {
            if self.present.contains(&run) {
                continue;
            }
            if self.insert(channel, &run) {
                self.present.push(run);
            } else {
                failed.insert(run.translation);
            }
        }
        failed
    }

    /// Finds the memory behind the translations, and traces where there is none.
    fn wanted(&mut self, translations: &BTreeMap<u64, Translation>) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut holes = Vec::new();
        for (&window, translation) in translations {
            self.resolve(window, translation, &mut runs, &mut holes);
        }
        for hole in holes.iter().filter(|hole| !self.holes.contains(hole)) {
            let Hole { window, pci, size } = *hole;
            self.trace.record(&Transaction::Hole { window, pci, size });
        }
        self.holes = holes;
        runs
    }

    fn resolve(
        &self,
        translation: u64,
        range: &Translation,
        runs: &mut Vec<Run>,
        holes: &mut Vec<Hole>,
    ) {
        let Translation { pci, size, .. } = *range;
        let window_of = |address: u64| translation + (address - pci);
        let mut next = pci;
        let mut skip_to = |address: u64, next: u64| {
            if address > next {
                let (window, size) = (window_of(next), address - next);
                holes.push(Hole {
                    window,
                    pci: next,
                    size,
                });
            }
        };
        let pieces = range.pieces(&self.rc_memory);
        for piece in pieces.into_iter().filter_map(FilePiece::whole_pages) {
            skip_to(piece.base, next);
            next = piece.base + piece.size;
            let window = window_of(piece.base);
            runs.push(Run {
                window,
                translation,
                piece,
            });
        }
        skip_to(pci + size, next);
    }

    fn insert(&self, channel: &WindowChannel, run: &Run) -> bool {
        let (window, pci, size) = (run.window, run.piece.base, run.piece.size);
        if self.present.len() >= MAX_PIECES {
            tracing::debug!("No room for {pci:#x}: {MAX_PIECES} pieces are in the window");
            return false;
        }
        if let Err(error) = channel.map(window, &run.piece) {
            tracing::error!("Cannot map {pci:#x} into the window at {window:#x}: {error}");
            return false;
        }
        self.trace.record(&Transaction::Map { window, pci, size });
        true
    }

    fn withdraw(&self, channel: &WindowChannel, run: &Run) {
        let (window, pci, size) = (run.window, run.piece.base, run.piece.size);
        if let Err(error) = channel.unmap(window, size) {
            tracing::error!("Cannot withdraw {pci:#x} from the window at {window:#x}: {error}");
        }
        self.trace.record(&Transaction::Unmap { window, pci, size });
    }
}
