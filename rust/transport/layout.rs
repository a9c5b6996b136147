// SPDX-License-Identifier: GPL-2.0

//! `epf_vhost_reg`: the regions, how they lie in the BARs, and the words that have a type.
//!
//! Section "Where things are" of `Documentation/transport.rst`. Offsets of words are `offset.rs`.

use crate::push::PushAreas;
use crate::queue::QueueIndex;
use crate::registers::Offset;

/// Most queues of a device in this version.
pub const MAX_QUEUES: usize = 64;
/// Number of BARs of a PCI function.
pub const NUM_BARS: usize = 6;
/// Largest device config in bytes.
pub(crate) const MAX_CONFIG_SIZE: u32 = 4096;
/// Size of the identity.
pub(crate) const IDENTITY_SIZE: u32 = 0x100;
/// Size of the command block.
pub(crate) const COMMAND_SIZE: u32 = 0x200;
/// Size of a queue table entry.
pub(crate) const QUEUE_STRIDE: u32 = 16;

/// A part of a BAR, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// From the start of the BAR.
    pub offset: u32,
    /// Number of bytes.
    pub size: u32,
}

impl Region {
    /// First byte after the region.
    pub const fn end(self) -> u64 {
        self.offset as u64 + self.size as u64
    }

    /// Place of the first word.
    pub(crate) const fn start(self) -> Offset {
        Offset::new(self.offset)
    }

    fn overlaps(self, other: Self) -> bool {
        u64::from(self.offset) < other.end() && u64::from(other.offset) < self.end()
    }
}

/// How the EP learns of a kick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum DoorbellKind {
    /// The EP looks at the slots; the RC writes a counter.
    Polled = 1,
    /// The controller's own doorbell: one interrupt for all queues.
    Embedded = 2,
    /// A write to an MSI controller: one interrupt per queue.
    Msi = 3,
}

impl DoorbellKind {
    /// The kind with the given number.
    pub const fn from_word(word: u32) -> Option<Self> {
        match word {
            1 => Some(Self::Polled),
            2 => Some(Self::Embedded),
            3 => Some(Self::Msi),
            _ => None,
        }
    }
}

/// Where the doorbell slots are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Doorbells {
    /// How the EP learns of a kick.
    pub kind: DoorbellKind,
    /// BAR of the slots.
    pub bar: u8,
    /// The slots.
    pub region: Region,
    /// Bytes from slot to slot; 0: all queues share one slot.
    pub stride: u32,
    /// Period of the EP's own scan of all queues in milliseconds; 0: none.
    pub scan_ms: u32,
}

impl Doorbells {
    /// Place of the slot of `queue`, in bytes from the start of the doorbell BAR.
    pub const fn slot(&self, queue: QueueIndex) -> u64 {
        self.region.offset as u64 + self.stride as u64 * queue.get() as u64
    }

    /// Whether each slot is alone on its pages and may be given to user space.
    pub const fn is_mappable(&self, page_size: u32) -> bool {
        page_size.is_power_of_two()
            && self.stride != 0
            && (self.region.offset | self.stride) & (page_size - 1) == 0
            && (self.scan_ms != 0 || !matches!(self.kind, DoorbellKind::Polled))
    }

    /// Whether the slots of `num_queues` queues are words in the region.
    fn is_legal(&self, num_queues: u16) -> bool {
        let last = u64::from(self.stride) * u64::from(num_queues.saturating_sub(1));
        self.stride & 3 == 0
            && last + 4 <= u64::from(self.region.size)
            && (self.stride != 0 || num_queues == 1 || self.kind != DoorbellKind::Polled)
    }
}

/// Where the MSI-X table and the pending bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Msix {
    /// Their BAR.
    pub bar: u8,
    /// The table, followed by the pending bits.
    pub region: Region,
}

impl Msix {
    /// Bytes of a table for `vectors` vectors and of its pending bits, which follow at a multiple
    /// of 8.
    pub const fn size(vectors: u16) -> u32 {
        vectors as u32 * 16 + (vectors as u32).div_ceil(64) * 8
    }
}

/// Why a layout is not legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// No queue, or more than [`MAX_QUEUES`].
    QueueCount,
    /// The command block is too small.
    CommandSize,
    /// The queue table or its stride is too small or not in whole words.
    QueueTable,
    /// The device config is too large.
    ConfigSize,
    /// A doorbell slot is not a word inside the region, or a polled slot is shared.
    Doorbells,
    /// Push areas are not aligned, or not all in their region.
    PushAreas,
    /// A region does not begin at a multiple of 4.
    Misaligned,
    /// A region reaches beyond its BAR, or the BAR does not exist.
    OutsideBar,
    /// Two regions overlap.
    Overlap,
}

/// Sizes of the BARs in bytes; 0 for one that does not exist or is no memory BAR.
pub type BarSizes = [u64; NUM_BARS];

/// Where the regions are.
///
/// # Invariants
///
/// `Layout::check` passed, at least for the sizes that the regions themselves need: there are 1
/// to [`MAX_QUEUES`] queues, all offsets are multiples of 4, and no regions overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub(crate) register_bar: u8,
    pub(crate) num_queues: u16,
    pub(crate) command: Region,
    pub(crate) queue_table: Region,
    pub(crate) queue_stride: u32,
    pub(crate) config: Region,
    pub(crate) doorbells: Doorbells,
    pub(crate) msix: Option<Msix>,
    pub(crate) push: Option<PushAreas>,
}

impl Layout {
    /// Bytes that the register BAR must have at least.
    pub fn register_bar_size(&self) -> u64 {
        self.bar_size(self.register_bar)
    }

    /// Bytes that a BAR must have at least; 0 for one that has no region.
    pub fn bar_size(&self, number: u8) -> u64 {
        self.regions()
            .into_iter()
            .filter(|(bar, region)| *bar == number && region.size != 0)
            .fold(0, |size, (_, region)| size.max(region.end()))
    }

    /// Number of the register BAR.
    pub fn register_bar(&self) -> u8 {
        self.register_bar
    }

    /// Number of queues.
    pub fn num_queues(&self) -> u16 {
        self.num_queues
    }

    /// The queues, in order.
    pub fn queues(&self) -> impl Iterator<Item = QueueIndex> {
        let num_queues = self.num_queues;
        (0..u32::from(num_queues)).filter_map(move |index| QueueIndex::new(index, num_queues))
    }

    /// Size of the device config in bytes.
    pub fn config_size(&self) -> u32 {
        self.config.size
    }

    /// The doorbells.
    pub fn doorbells(&self) -> &Doorbells {
        &self.doorbells
    }

    /// The MSI-X table and pending bits.
    pub fn msix(&self) -> Option<Msix> {
        self.msix
    }

    /// The push areas.
    pub fn push(&self) -> Option<PushAreas> {
        self.push
    }

    /// Place of the slot of `queue`, if slots are polled words of the register BAR.
    pub fn polled_slot(&self, queue: QueueIndex) -> Option<Offset> {
        let is_here =
            self.doorbells.bar == self.register_bar && self.doorbells.kind == DoorbellKind::Polled;
        let slot = u32::try_from(self.doorbells.slot(queue)).ok()?;
        is_here.then_some(Offset::new(slot))
    }

    /// Place of a word of the command block.
    pub fn command_word(&self, offset: Offset) -> Offset {
        self.command.start().plus(offset)
    }

    /// Place of a word of a queue table entry.
    pub(crate) fn queue_word(&self, queue: QueueIndex, offset: Offset) -> Offset {
        let entry = self.queue_stride.wrapping_mul(u32::from(queue.get()));
        self.queue_table
            .start()
            .plus(Offset::new(entry))
            .plus(offset)
    }

    /// All regions with their BARs; those that do not exist have size 0.
    fn regions(&self) -> [(u8, Region); 7] {
        let identity = Region {
            offset: 0,
            size: IDENTITY_SIZE,
        };
        let msix = self.msix.unwrap_or(Msix {
            bar: self.register_bar,
            region: Region::default(),
        });
        let push = self.push.unwrap_or(PushAreas::NONE);
        [
            (self.register_bar, identity),
            (self.register_bar, self.command),
            (self.register_bar, self.queue_table),
            (self.register_bar, words_of(self.config)),
            (self.doorbells.bar, self.doorbells.region),
            (msix.bar, msix.region),
            (push.bar, push.region),
        ]
    }

    /// Checks all invariants, and that the regions are inside BARs of the given sizes.
    pub(crate) fn check(&self, bars: &BarSizes) -> Result<(), LayoutError> {
        if self.num_queues == 0 || usize::from(self.num_queues) > MAX_QUEUES {
            return Err(LayoutError::QueueCount);
        }
        if self.command.size < COMMAND_SIZE {
            return Err(LayoutError::CommandSize);
        }
        let table_size = u64::from(self.queue_stride) * u64::from(self.num_queues);
        if self.queue_stride < QUEUE_STRIDE
            || self.queue_stride & 3 != 0
            || u64::from(self.queue_table.size) < table_size
        {
            return Err(LayoutError::QueueTable);
        }
        if self.config.size > MAX_CONFIG_SIZE {
            return Err(LayoutError::ConfigSize);
        }
        if !self.doorbells.is_legal(self.num_queues) {
            return Err(LayoutError::Doorbells);
        }
        let is_legal = |push: PushAreas| push.is_legal(self.num_queues);
        if !self.push.is_none_or(is_legal) {
            return Err(LayoutError::PushAreas);
        }
        self.check_regions(bars)
    }

    fn check_regions(&self, bars: &BarSizes) -> Result<(), LayoutError> {
        let regions = self.regions();
        for (n, (bar, region)) in regions.iter().enumerate() {
            if region.size == 0 {
                continue;
            }
            if region.offset & 3 != 0 {
                return Err(LayoutError::Misaligned);
            }
            let bar_size = bars.get(usize::from(*bar)).copied().unwrap_or(0);
            if region.end() > bar_size {
                return Err(LayoutError::OutsideBar);
            }
            let is_hit = |(other_bar, other): &(u8, Region)| {
                bar == other_bar && other.size != 0 && region.overlaps(*other)
            };
            if regions.iter().skip(n + 1).any(is_hit) {
                return Err(LayoutError::Overlap);
            }
        }
        Ok(())
    }
}

/// A region that is extended to whole words.
fn words_of(region: Region) -> Region {
    Region {
        size: region.size.next_multiple_of(4),
        ..region
    }
}
