// SPDX-License-Identifier: GPL-2.0

//! `epf_vhost_reg`: where each word is, and how the regions lie in the BARs.
//!
//! The tables "Identity", "Command block" and "Queue table" of `Documentation/transport.rst` in
//! code. The only place that knows an offset.

use crate::queue::QueueIndex;
use crate::registers::Offset;

/// First word of the register BAR: the letters `EPFV`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"EPFV");
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

/// Offsets of the words.
pub mod offset {
    use crate::registers::Offset;

    macro_rules! offsets {
        ($($(#[$doc:meta])* $name:ident = $bytes:literal;)*) => {
            $($(#[$doc])* pub const $name: Offset = Offset::new($bytes);)*
        };
    }

    offsets! {
        /// Identity: magic.
        MAGIC = 0x00;
        /// Identity: major and minor version.
        VERSION = 0x04;
        /// Identity: the EP takes commands.
        READY = 0x08;
        /// Identity: session of the EP.
        EPOCH = 0x0c;
        /// Identity: counter of the EP's command loop.
        HEARTBEAT = 0x10;
        /// Identity: device status.
        DEVICE_STATUS = 0x14;
        /// Identity: generation of the device config.
        CONFIG_GENERATION = 0x18;
        /// Identity: transport features.
        TRANSPORT_FEATURES = 0x1c;
        /// Identity: device features, two words.
        DEVICE_FEATURES = 0x20;
        /// Identity: virtio device ID.
        DEVICE_ID = 0x28;
        /// Identity: virtio vendor ID.
        VENDOR_ID = 0x2c;
        /// Identity: number of queues.
        NUM_QUEUES = 0x30;
        /// Identity: largest size in the queue table.
        QUEUE_SIZE_MAX = 0x34;
        /// Identity: offset and size of the command block, two words.
        COMMAND_REGION = 0x40;
        /// Identity: offset and size of the queue table, two words.
        QUEUE_TABLE_REGION = 0x48;
        /// Identity: bytes per entry of the queue table.
        QUEUE_STRIDE = 0x50;
        /// Identity: offset and size of the device config, two words.
        CONFIG_REGION = 0x54;
        /// Identity: kind of the doorbells.
        DOORBELL_KIND = 0x5c;
        /// Identity: BAR of the doorbells.
        DOORBELL_BAR = 0x60;
        /// Identity: offset and size of the doorbells, two words.
        DOORBELL_REGION = 0x64;
        /// Identity: bytes from slot to slot.
        DOORBELL_STRIDE = 0x6c;
        /// Identity: period of the EP's scan of all queues.
        DOORBELL_SCAN_MS = 0x70;
        /// Identity: BAR of the MSI-X table.
        MSIX_BAR = 0x74;
        /// Identity: offset and size of the MSI-X table and pending bits, two words.
        MSIX_REGION = 0x78;
    }

    /// Offsets from the start of the command block.
    pub mod command {
        use crate::registers::Offset;

        offsets! {
            /// RC: sequence and opcode.
            CMD = 0x000;
            /// RC: epoch of the session.
            CMD_EPOCH = 0x004;
            /// RC: counter.
            RC_HEARTBEAT = 0x008;
            /// RC: arguments, 16 words.
            ARGUMENT = 0x010;
            /// RC: data, 32 words.
            DATA = 0x080;
            /// EP: copy of the answered `cmd`.
            ANSWER = 0x100;
            /// EP: epoch of the answer.
            ANSWER_EPOCH = 0x104;
            /// EP: status of the answer.
            CMD_STATUS = 0x108;
            /// EP: results, 4 words.
            RESULT = 0x110;
        }
    }

    /// Offsets from the start of a queue table entry.
    pub mod queue {
        use crate::registers::Offset;

        offsets! {
            /// EP: largest size of the queue.
            SIZE_MAX = 0x0;
            /// EP: bit 0, the queue is enabled.
            STATUS = 0x4;
            /// EP: value that kicks the queue.
            DOORBELL = 0x8;
        }
    }
}

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Another major number is refused.
    pub major: u16,
    /// Any minor number is accepted.
    pub minor: u16,
}

impl Version {
    /// The version that this crate implements.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// The version as it is written.
    pub const fn word(self) -> u32 {
        ((self.major as u32) << 16) | self.minor as u32
    }

    /// A version as it was read.
    pub const fn from_word(word: u32) -> Self {
        Self {
            major: (word >> 16) as u16,
            minor: word as u16,
        }
    }
}

/// A session of the EP; neither 0 nor all-ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u32);

impl Epoch {
    /// The session with this number, if it is a legal one.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            0 | u32::MAX => None,
            number => Some(Self(number)),
        }
    }

    /// The number of the session.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What the EP implements beyond the basic commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportFeatures(u32);

impl TransportFeatures {
    /// Nothing beyond the basic commands.
    pub const NONE: Self = Self(0);
    /// `SUSPEND` and `RESUME`.
    pub const SUSPEND: Self = Self(1 << 0);
    /// `MAP` and `UNMAP`.
    pub const MAP: Self = Self(1 << 1);

    /// Features as they were read; unknown bits are dropped.
    pub const fn from_word(word: u32) -> Self {
        Self(word & (Self::SUSPEND.0 | Self::MAP.0))
    }

    /// The features as they are written.
    pub const fn word(self) -> u32 {
        self.0
    }

    /// These features and the `other` ones.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all `other` features are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A part of a BAR, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Where the EP wants its doorbells.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    /// Polled slots in the register BAR, on pages of their own.
    Here {
        /// Page size to align to, a power of two.
        page_size: u32,
        /// Bytes from slot to slot.
        stride: u32,
        /// Period of the EP's own scan of all queues in milliseconds; 0: none.
        scan_ms: u32,
    },
    /// At a given place, which may be in the register BAR, behind all other regions.
    At(Doorbells),
}

/// What the EP needs room for.
#[derive(Clone, Copy, Debug)]
pub struct LayoutRequest {
    /// Number of the register BAR.
    pub register_bar: u8,
    /// Number of queues.
    pub num_queues: u16,
    /// Size of the device config in bytes.
    pub config_size: u32,
    /// Number of MSI-X vectors with a table in the register BAR; 0: none.
    pub msix_vectors: u16,
    /// The doorbells.
    pub doorbells: Placement,
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
/// [`Layout::check`] passed, at least for the sizes that the regions themselves need: there are 1
/// to [`MAX_QUEUES`] queues, all offsets are multiples of 4, and no regions overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(crate) register_bar: u8,
    pub(crate) num_queues: u16,
    pub(crate) command: Region,
    pub(crate) queue_table: Region,
    pub(crate) queue_stride: u32,
    pub(crate) config: Region,
    pub(crate) doorbells: Doorbells,
    pub(crate) msix: Option<Msix>,
}

impl Layout {
    /// Places what the EP needs: identity, command block, queue table, device config, MSI-X table,
    /// doorbells.
    ///
    /// # Errors
    ///
    /// Whatever [`LayoutError`] names; a doorbell place given with [`Placement::At`] may overlap.
    pub fn plan(request: &LayoutRequest) -> Result<Self, LayoutError> {
        if request.config_size > MAX_CONFIG_SIZE {
            return Err(LayoutError::ConfigSize);
        }
        let mut cursor = Cursor(IDENTITY_SIZE);
        let command = cursor.take(COMMAND_SIZE, 4);
        let queue_table = cursor.take(u32::from(request.num_queues) * QUEUE_STRIDE, 4);
        let config = cursor.take(request.config_size, 8);
        let msix = (request.msix_vectors != 0).then(|| Msix {
            bar: request.register_bar,
            region: cursor.take(Msix::size(request.msix_vectors), 8),
        });
        let layout = Self {
            register_bar: request.register_bar,
            num_queues: request.num_queues,
            command,
            queue_table,
            queue_stride: QUEUE_STRIDE,
            config,
            doorbells: place_doorbells(request, &mut cursor)?,
            msix,
        };
        // INVARIANT: Checked here; the BARs get the size that the regions need.
        layout.check(&[u64::MAX; NUM_BARS]).map(|()| layout)
    }

    /// Bytes that the register BAR must have at least.
    pub fn register_bar_size(&self) -> u64 {
        self.regions()
            .into_iter()
            .filter(|(bar, _)| *bar == self.register_bar)
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

    /// Place of the slot of `queue`, if slots are polled words of the register BAR.
    pub fn polled_slot(&self, queue: QueueIndex) -> Option<Offset> {
        let is_here =
            self.doorbells.bar == self.register_bar && self.doorbells.kind == DoorbellKind::Polled;
        let slot = u32::try_from(self.doorbells.slot(queue)).ok()?;
        is_here.then_some(Offset::new(slot))
    }

    /// Place of a word of the command block.
    pub(crate) fn command_word(&self, offset: Offset) -> Offset {
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
    fn regions(&self) -> [(u8, Region); 6] {
        let identity = Region {
            offset: 0,
            size: IDENTITY_SIZE,
        };
        let msix = self.msix.unwrap_or(Msix {
            bar: self.register_bar,
            region: Region::default(),
        });
        [
            (self.register_bar, identity),
            (self.register_bar, self.command),
            (self.register_bar, self.queue_table),
            (self.register_bar, words_of(self.config)),
            (self.doorbells.bar, self.doorbells.region),
            (msix.bar, msix.region),
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

/// The end of what is placed so far.
struct Cursor(u32);

impl Cursor {
    /// The next `size` bytes at a multiple of `align`. What does not fit 32 bits ends at the last
    /// byte, and fails the check of the layout.
    fn take(&mut self, size: u32, align: u32) -> Region {
        let offset = self.0.checked_next_multiple_of(align).unwrap_or(u32::MAX);
        self.0 = offset.saturating_add(size);
        Region { offset, size }
    }
}

fn place_doorbells(request: &LayoutRequest, cursor: &mut Cursor) -> Result<Doorbells, LayoutError> {
    match request.doorbells {
        Placement::At(doorbells) => Ok(doorbells),
        Placement::Here {
            page_size,
            stride,
            scan_ms,
        } => {
            let slots = stride.checked_mul(u32::from(request.num_queues));
            let size = slots.and_then(|slots| slots.checked_next_multiple_of(page_size));
            match size {
                Some(size) if page_size.is_power_of_two() => Ok(Doorbells {
                    kind: DoorbellKind::Polled,
                    bar: request.register_bar,
                    region: cursor.take(size, page_size),
                    stride,
                    scan_ms,
                }),
                _ => Err(LayoutError::Doorbells),
            }
        }
    }
}
