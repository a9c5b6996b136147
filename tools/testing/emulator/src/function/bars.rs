// SPDX-License-Identifier: GPL-2.0
//! BARs of the endpoint function: what stands behind each byte, and which pages the RC may map.
//!
//! ```text
//! BAR   0        table     pba            size
//!       |--- backing ranges (memory, doorbell, nothing), covering the whole BAR ---|
//!                |--- MSI-X overlay ---|
//! ```
//!
//! Mapped are whole pages whose every byte is EP memory at one distance between BAR and file
//! offset, since a client maps one file linearly per BAR, and which hold nothing of MSI-X.

use std::sync::Arc;

use epc_regs::{bar_flags, Backing};

use crate::memory::{FilePiece, GuestMemory};
use crate::vfio_user::device::Mappable;
use crate::PAGE_SIZE;

/// Smallest memory BAR of the PCI specification.
const MIN_SIZE: u64 = 16;
/// Largest BAR that is accepted.
const MAX_SIZE: u64 = 1 << 40;
/// Largest BAR below 4 GiB.
const MAX_SIZE_32: u64 = 1 << 31;
/// Ranges that a BAR can be split into; an EPC has far fewer inbound windows.
pub const MAX_RANGES: usize = 64;

/// A BAR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    size: u64,
    flags: u64,
    ranges: Vec<Range>,
}

/// A run of bytes with one backing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Offset in the BAR.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// What is there.
    pub target: Target,
}

/// What stands behind a byte of a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Nothing,
    /// EP memory at this bus address.
    Memory(u64),
    /// The doorbell page at this offset.
    Doorbell(u64),
    /// The MSI-X table at this offset.
    MsixTable(u64),
    /// The MSI-X pending bits at this offset.
    MsixPending(u64),
}

/// Where MSI-X table and pending bits lie in a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixPlace {
    /// The BAR.
    pub bar: usize,
    /// Offset of the table.
    pub table: u64,
    /// Bytes of the table; the pending bits follow.
    pub table_size: u64,
    /// Bytes of the pending bits.
    pub pending_size: u64,
}

impl Target {
    /// Returns the target for register values.
    pub fn new(backing: Backing, address: u64) -> Self {
        match backing {
            Backing::None => Self::Nothing,
            Backing::Memory => Self::Memory(address),
            Backing::Doorbell => Self::Doorbell(address),
        }
    }

    fn advance(self, by: u64) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Memory(address) => Self::Memory(address.wrapping_add(by)),
            Self::Doorbell(offset) => Self::Doorbell(offset.wrapping_add(by)),
            Self::MsixTable(offset) => Self::MsixTable(offset + by),
            Self::MsixPending(offset) => Self::MsixPending(offset + by),
        }
    }
}

impl Range {
    fn end(&self) -> u64 {
        self.offset + self.size
    }

    /// Returns the part of this range inside `[start, end)`.
    fn clip(&self, start: u64, end: u64) -> Option<Self> {
        let first = self.offset.max(start);
        let size = self
            .end()
            .min(end)
            .checked_sub(first)
            .filter(|size| *size > 0)?;
        let target = self.target.advance(first - self.offset);
        Some(Self {
            offset: first,
            size,
            target,
        })
    }
}

impl MsixPlace {
    fn ranges(&self) -> [Range; 2] {
        let table = Range {
            offset: self.table,
            size: self.table_size,
            target: Target::MsixTable(0),
        };
        let pending = Range {
            offset: table.end(),
            size: self.pending_size,
            target: Target::MsixPending(0),
        };
        [table, pending]
    }

    /// First byte behind the pending bits.
    pub fn end(&self) -> u64 {
        self.table + self.table_size + self.pending_size
    }
}

impl Bar {
    /// Makes a BAR with one backing; `None` when size and flags are not possible.
    pub fn new(index: usize, size: u64, flags: u64, target: Target) -> Option<Self> {
        let wide = flags & bar_flags::MEM_64 != 0;
        let limit = if wide { MAX_SIZE } else { MAX_SIZE_32 };
        let possible = size.is_power_of_two()
            && (MIN_SIZE..=limit).contains(&size)
            && flags & !bar_flags::ALL == 0
            && index < if wide { 5 } else { 6 };
        let whole = Range {
            offset: 0,
            size,
            target,
        };
        possible.then(|| Self {
            size,
            flags,
            ranges: vec![whole],
        })
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Flags of the base address register.
    pub fn flags(&self) -> u64 {
        self.flags
    }

    /// Whether the BAR takes the next register as well.
    pub fn is_64(&self) -> bool {
        self.flags & bar_flags::MEM_64 != 0
    }

    /// Number of inbound translations that this takes: one for each part that shows something.
    pub fn inbound_windows(&self) -> usize {
        let runs = merged(self.ranges.clone());
        let shows = |run: &&Range| run.target != Target::Nothing;
        runs.iter().filter(shows).count()
    }

    /// Returns this BAR with another backing of a part; `None` when the part is not in the BAR, or
    /// the BAR is in too many parts.
    pub fn with_range(&self, offset: u64, size: u64, target: Target) -> Option<Self> {
        let end = offset
            .checked_add(size)
            .filter(|end| *end <= self.size && size > 0)?;
        let before = self.ranges.iter().filter_map(|range| range.clip(0, offset));
        let after = self
            .ranges
            .iter()
            .filter_map(|range| range.clip(end, self.size));
        let ranges: Vec<_> = before
            .chain([Range {
                offset,
                size,
                target,
            }])
            .chain(after)
            .collect();
        (ranges.len() <= MAX_RANGES).then(|| Self {
            ranges,
            ..self.clone()
        })
    }

    /// Returns the runs of one target that make up an access, in order.
    pub fn resolve(&self, offset: u64, size: u64, msix: Option<&MsixPlace>) -> Vec<Range> {
        let end = offset.saturating_add(size).min(self.size);
        let overlay: Vec<_> = msix.into_iter().flat_map(MsixPlace::ranges).collect();
        let mut runs: Vec<_> = overlay
            .iter()
            .filter_map(|run| run.clip(offset, end))
            .collect();
        let start = runs.first().map_or(end, |run| run.offset);
        let stop = runs.last().map_or(end, Range::end);
        runs.extend(self.ranges.iter().filter_map(|run| run.clip(offset, start)));
        runs.extend(self.ranges.iter().filter_map(|run| run.clip(stop, end)));
        runs.sort_by_key(|run| run.offset);
        runs
    }

    /// Returns what of this BAR a client may map; `None` when it must trap all of it.
    pub fn mappable(&self, memory: &GuestMemory, msix: Option<&MsixPlace>) -> Option<Mappable> {
        let mut found: Vec<Mappable> = Vec::new();
        for range in self.mappable_ranges(msix) {
            let Target::Memory(address) = range.target else {
                continue;
            };
            let pieces = memory.pieces(address, range.size).into_iter();
            for piece in pieces.filter_map(FilePiece::whole_pages) {
                let offset = range.offset + (piece.base - address);
                let Some(origin) = piece.offset.checked_sub(offset) else {
                    continue;
                };
                let same = |known: &&mut Mappable| {
                    known.offset == origin && Arc::ptr_eq(&known.file, &piece.file)
                };
                let area = (offset, piece.size);
                match found.iter_mut().find(same) {
                    Some(known) => known.areas.push(area),
                    None => found.push(Mappable {
                        file: piece.file,
                        offset: origin,
                        areas: vec![area],
                    }),
                }
            }
        }
        found
            .into_iter()
            .max_by_key(|known| known.areas.iter().map(|area| area.1).sum::<u64>())
    }

    /// Whole pages of memory at page-aligned addresses, without MSI-X.
    fn mappable_ranges(&self, msix: Option<&MsixPlace>) -> Vec<Range> {
        let hole = msix.map_or(self.size..self.size, |place| {
            page_down(place.table)..page_up(place.end())
        });
        let parts = self
            .ranges
            .iter()
            .flat_map(|range| [range.clip(0, hole.start), range.clip(hole.end, self.size)]);
        parts
            .flatten()
            .filter_map(|range| whole_pages(&range))
            .collect()
    }
}

fn whole_pages(range: &Range) -> Option<Range> {
    let pages = range.clip(page_up(range.offset), page_down(range.end()))?;
    match pages.target {
        Target::Memory(address) if address % PAGE_SIZE == 0 => Some(pages),
        _ => None,
    }
}

fn page_down(offset: u64) -> u64 {
    offset & !(PAGE_SIZE - 1)
}

fn page_up(offset: u64) -> u64 {
    page_down(offset.saturating_add(PAGE_SIZE - 1))
}

/// Says whether a mapped page would change its backing between two states of a BAR.
pub fn moves_mapped_page(old: &Bar, new: &Bar, mapped: Option<&Mappable>) -> bool {
    mapped.is_some_and(|mapped| {
        mapped.areas.iter().any(|&(offset, size)| {
            merged(old.resolve(offset, size, None)) != merged(new.resolve(offset, size, None))
        })
    })
}

/// Joins neighbours that continue each other, so that equal layouts compare equal.
fn merged(runs: Vec<Range>) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.target.advance(last.size) == run.target => last.size += run.size,
            _ => joined.push(run),
        }
    }
    joined
}
