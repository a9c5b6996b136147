// SPDX-License-Identifier: GPL-2.0
//! Register interface of the emulated endpoint controller.
//!
//! What it is: every offset, opcode, code and bit which the emulator and the EPC driver in the EP
//! guest share, `core` only. The text that goes with it is "Controller registers" in the
//! emulator's README; both change together.
//!
//! What it is not: it knows nothing of what an endpoint function does with the controller, and it
//! accesses no register.

/// PCI vendor id of the controller device in the EP.
pub const VENDOR_ID: u16 = 0x1234;
/// PCI device id of the controller device in the EP.
pub const DEVICE_ID: u16 = 0xec00;
/// PCI class code of the controller device: no class fits.
pub const CLASS_CODE: u32 = 0xff_0000;

/// Virtio device type of the device which carries the mapped outbound window (`ioMemory` in the
/// specification's list; no mainline driver binds to it).
pub const WINDOW_VIRTIO_ID: u32 = 6;
/// Identifier of the shared memory region of that device which is the window.
pub const WINDOW_SHM_ID: u8 = 0;

/// BARs of the controller device.
pub mod bar {
    /// Register page, then doorbell page.
    pub const REGISTERS: usize = 0;
    /// MSI-X table and pending bits of the controller device.
    pub const MSIX: usize = 1;
    /// Trapped outbound window, 64-bit, prefetchable; present with [`caps::TRAPPED_WINDOW`].
    ///
    /// [`caps::TRAPPED_WINDOW`]: super::caps::TRAPPED_WINDOW
    pub const WINDOW: usize = 2;
}

/// Bytes of [`bar::REGISTERS`].
pub const REGISTERS_BAR_SIZE: u64 = 0x2000;
/// Offset of the doorbell page in [`bar::REGISTERS`].
pub const DOORBELL_PAGE: u64 = 0x1000;
/// Bytes of the doorbell page.
pub const DOORBELL_PAGE_SIZE: u64 = 0x1000;
/// Distance in bytes between two doorbells of the doorbell page.
pub const DOORBELL_STRIDE: u64 = 4;

/// Offsets in [`bar::REGISTERS`], in bytes.
pub mod reg {
    /// RO: [`MAGIC_VALUE`](super::MAGIC_VALUE).
    pub const MAGIC: u64 = 0x00;
    /// RO: major version in bits 31:16, minor version in bits 15:0.
    pub const VERSION: u64 = 0x04;
    /// RO: bits of [`caps`](super::caps).
    pub const CAPS: u64 = 0x08;
    /// RO: number of doorbells in the doorbell page.
    pub const DOORBELL_COUNT: u64 = 0x0c;
    /// RO, 64 bits: bytes of the outbound window.
    pub const WINDOW_SIZE: u64 = 0x10;
    /// RO: granularity in bytes of outbound mappings and of BAR backing.
    pub const PAGE_SIZE: u64 = 0x18;

    /// WO: opcode in bits 15:0, immediate in bits 31:16; a write starts the command.
    pub const COMMAND: u64 = 0x20;
    /// RO: [`Status`](super::Status) of the last command.
    pub const STATUS: u64 = 0x24;
    /// RW, 64 bits each: first of [`ARG_COUNT`](super::ARG_COUNT) arguments.
    pub const ARG0: u64 = 0x40;

    /// RO: [`LinkState`](super::LinkState).
    pub const LINK_STATE: u64 = 0x80;
    /// RW1C: bits of [`event`](super::event) that happened.
    pub const EVENT_STATUS: u64 = 0x84;
    /// RW: bits of [`event`](super::event) that raise [`vector::EVENT`](super::vector::EVENT).
    pub const EVENT_ENABLE: u64 = 0x88;
    /// RO: command register of the function's configuration header, as the RC wrote it.
    pub const PCI_COMMAND: u64 = 0x8c;
    /// RO: number of MSI vectors that the RC enabled, 0 when MSI is disabled.
    pub const MSI_ENABLED: u64 = 0x90;
    /// RO: number of MSI-X vectors when the RC enabled MSI-X, else 0.
    pub const MSIX_ENABLED: u64 = 0x94;

    /// RO, since minor version 1: bits of [`features`](super::features).
    pub const FEATURES: u64 = 0x100;
    /// RO, since 1: number of MSI vectors that can be offered, 0 for none.
    pub const MSI_MAX: u64 = 0x104;
    /// RO, since 1: number of MSI-X vectors that can be offered, 0 for none.
    pub const MSIX_MAX: u64 = 0x108;
    /// RO, since 1: number of [`SPACE0`], at most [`SPACE_MAX`](super::SPACE_MAX).
    pub const SPACE_COUNT: u64 = 0x10c;
    /// RO, 64 bits, since 1: alignment in bytes of what a BAR shows, 0 when there is no rule.
    pub const INBOUND_ALIGN: u64 = 0x110;
    /// RO, 64 bits, since 1: alignment in bytes of both addresses of an outbound mapping.
    pub const OUTBOUND_ALIGN: u64 = 0x118;
    /// RO, since minor version 2: number of DMA channels, at most
    /// [`DMA_CHANNELS_MAX`](super::DMA_CHANNELS_MAX).
    pub const DMA_COUNT: u64 = 0x120;
    /// RO, since 1: first of six descriptions of a BAR, [`BAR_STRIDE`] bytes apart.
    pub const BAR0: u64 = 0x140;
    /// RO, since 1: first of the spaces that make up the outbound window, [`SPACE_STRIDE`] bytes
    /// apart, in the order in which they are to be used.
    pub const SPACE0: u64 = 0x200;

    /// Distance in bytes between two descriptions of a BAR.
    pub const BAR_STRIDE: u64 = 16;
    /// In a description of a BAR: [`BarKind`](super::BarKind) in bits 7:0, and
    /// [`BAR_ONLY_64BIT`](super::BAR_ONLY_64BIT).
    pub const BAR_KIND: u64 = 0;
    /// In a description of a BAR, 64 bits: the size of a fixed BAR in bytes, else 0.
    pub const BAR_SIZE: u64 = 8;

    /// Distance in bytes between two spaces.
    pub const SPACE_STRIDE: u64 = 32;
    /// In a space, 64 bits: its offset in the outbound window.
    pub const SPACE_OFFSET: u64 = 0;
    /// In a space, 64 bits: its bytes.
    pub const SPACE_SIZE: u64 = 8;
    /// In a space, 64 bits: the unit in bytes in which it is given away.
    pub const SPACE_PAGE: u64 = 16;

    /// Since 2: first of the DMA channels, [`DMA_STRIDE`] bytes apart.
    pub const DMA0: u64 = 0x400;
    /// Distance in bytes between two DMA channels.
    pub const DMA_STRIDE: u64 = 0x20;
    /// RO, in a DMA channel: [`DmaKind`](super::DmaKind).
    pub const DMA_KIND: u64 = 0x00;
    /// WO, in a DMA channel: [`DmaControl`](super::DmaControl).
    pub const DMA_CONTROL: u64 = 0x04;
    /// RW, 64 bits, in a DMA channel: EP address of the list of the next transfer.
    pub const DMA_LIST: u64 = 0x08;
    /// RW, in a DMA channel: number of [`DmaEntry`](super::DmaEntry) in that list.
    pub const DMA_ENTRIES: u64 = 0x10;
    /// RO, in a DMA channel: [`Status`](super::Status) of the last transfer, `Busy` while it runs.
    pub const DMA_STATUS: u64 = 0x14;
    /// RO, 64 bits, in a DMA channel: bytes that the last transfer has moved.
    pub const DMA_MOVED: u64 = 0x18;
}

/// Number of BARs of a function.
pub const BAR_COUNT: usize = 6;
/// Number of spaces of the outbound window that can be described.
pub const SPACE_MAX: usize = 8;
/// Bit of [`reg::BAR_KIND`]: the BAR is a 64-bit BAR always.
pub const BAR_ONLY_64BIT: u32 = 1 << 8;

/// Bits of [`reg::FEATURES`].
pub mod features {
    /// The controller says that it can raise INTx; some that can do not say so.
    pub const INTX: u32 = 1 << 0;
    /// The event `LINK_UP` happens.
    pub const LINK_UP: u32 = 1 << 1;
}

/// How far a BAR can be configured, bits 7:0 of [`reg::BAR_KIND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum BarKind {
    /// Any size.
    Programmable = 0,
    /// One size.
    Fixed = 1,
    /// Any size from [`RESIZABLE_MIN`].
    Resizable = 2,
    /// Used by the hardware itself.
    Reserved = 3,
    /// Does not exist.
    Disabled = 4,
}

impl BarKind {
    /// Returns the kind for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Programmable,
            1 => Self::Fixed,
            2 => Self::Resizable,
            3 => Self::Reserved,
            4 => Self::Disabled,
            _ => return None,
        })
    }
}

/// Smallest size in bytes of a resizable BAR (PCI Express Base Specification, Resizable BAR
/// Extended Capability).
pub const RESIZABLE_MIN: u64 = 1 << 20;

/// Value of [`reg::MAGIC`]: "EPCE" in little-endian ASCII.
pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"EPCE");
/// Major version: a driver refuses another one.
pub const VERSION_MAJOR: u16 = 1;
/// Minor version: a higher one only adds.
pub const VERSION_MINOR: u16 = 2;
/// Number of 64-bit argument registers.
pub const ARG_COUNT: usize = 4;

/// Bits of [`reg::CAPS`].
pub mod caps {
    /// The outbound window is a shared memory region of the window's virtio device.
    pub const MAPPED_WINDOW: u32 = 1 << 0;
    /// The outbound window is [`bar::WINDOW`](super::bar::WINDOW); each access is trapped.
    pub const TRAPPED_WINDOW: u32 = 1 << 1;
    /// Every BAR of the function is trapped, so `SetBar` may move the backing of any BAR at any
    /// time. Without it, only BARs smaller than a page can be moved while the RC is attached.
    pub const DYNAMIC_INBOUND: u32 = 1 << 3;
}

/// MSI-X vectors of the controller device.
pub mod vector {
    /// A bit of `EVENT_STATUS` that is enabled was set.
    pub const EVENT: u16 = 0;
    /// First doorbell; doorbell `n` raises vector `DOORBELL0 + n`, once per write. The vectors of
    /// DMA channels follow those of the doorbells.
    pub const DOORBELL0: u16 = 1;
}

/// Bits of [`reg::EVENT_STATUS`] and [`reg::EVENT_ENABLE`].
pub mod event {
    /// The link came up.
    pub const LINK_UP: u32 = 1 << 0;
    /// The link went down.
    pub const LINK_DOWN: u32 = 1 << 1;
    /// The RC changed Bus Master Enable; `PCI_COMMAND` has the present value.
    pub const BUS_MASTER: u32 = 1 << 2;
    /// The RC reset the function (FLR or reset of the bus).
    pub const FUNCTION_RESET: u32 = 1 << 3;
    /// All of them.
    pub const ALL: u32 = LINK_UP | LINK_DOWN | BUS_MASTER | FUNCTION_RESET;
}

/// Flags of a BAR, with the values that they have in a base address register.
pub mod bar_flags {
    /// 64-bit memory BAR; takes the next BAR's register as well.
    pub const MEM_64: u64 = 0x4;
    /// Prefetchable memory BAR.
    pub const PREFETCH: u64 = 0x8;
    /// All flags that are accepted.
    pub const ALL: u64 = MEM_64 | PREFETCH;
}

/// What stands behind a BAR or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Backing {
    /// Nothing: reads give zeroes, writes vanish.
    None = 0,
    /// EP memory; the address is a bus address of the controller device in the EP. Where there is no
    /// memory, reads give all-ones and writes vanish.
    Memory = 1,
    /// The doorbell page; the address is an offset in the doorbell page.
    Doorbell = 2,
}

impl Backing {
    /// Returns the backing for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        match raw {
            0 => Some(Self::None),
            1 => Some(Self::Memory),
            2 => Some(Self::Doorbell),
            _ => None,
        }
    }
}

/// Opcode of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Opcode {
    /// Sets the configuration header; see [`Header`].
    WriteHeader = 1,
    /// BAR, size, flags, backing, address: defines a BAR whose whole range has one backing.
    SetBar = 2,
    /// BAR, offset, size, backing, address: replaces the backing of a part of a BAR.
    SetBarRange = 3,
    /// BAR: takes the BAR away.
    ClearBar = 4,
    /// Count: offers 1, 2, 4, 8, 16 or 32 MSI vectors; 0 takes the capability away.
    SetMsi = 5,
    /// Count, BAR, table offset: offers 1 to 2048 MSI-X vectors; 0 takes the capability away.
    SetMsix = 6,
    /// Level: 1 asserts INTx, 0 deasserts it.
    SetIntx = 7,
    /// Vector: sends an MSI.
    RaiseMsi = 8,
    /// Vector: sends an MSI-X message, or sets its pending bit when the vector is masked.
    RaiseMsix = 9,
    /// Window offset, PCI address, size: maps RC memory into the outbound window.
    Map = 10,
    /// Window offset: undoes the `Map` of that offset.
    Unmap = 11,
    /// Lets the link come up.
    Start = 12,
    /// Takes the link down.
    Stop = 13,
    /// Brings the controller to its power-on state, link included.
    Reset = 14,
}

impl Opcode {
    /// Returns the opcode for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u16) -> Option<Self> {
        Some(match raw {
            1 => Self::WriteHeader,
            2 => Self::SetBar,
            3 => Self::SetBarRange,
            4 => Self::ClearBar,
            5 => Self::SetMsi,
            6 => Self::SetMsix,
            7 => Self::SetIntx,
            8 => Self::RaiseMsi,
            9 => Self::RaiseMsix,
            10 => Self::Map,
            11 => Self::Unmap,
            12 => Self::Start,
            13 => Self::Stop,
            14 => Self::Reset,
            _ => return None,
        })
    }

    /// Returns the word for [`reg::COMMAND`] that starts this command.
    pub const fn command(self, immediate: u16) -> u32 {
        ((immediate as u32) << 16) | self as u32
    }
}

/// Number of DMA channels at most.
pub const DMA_CHANNELS_MAX: usize = 16;
/// Entries of the list of one transfer at most: 24 KiB of EP memory.
pub const DMA_ENTRIES_MAX: usize = 1024;
/// Bytes that one transfer moves at most, so that it ends soon.
pub const DMA_BYTES_MAX: u64 = 16 << 20;

/// Between what a DMA channel moves data, value of [`reg::DMA_KIND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DmaKind {
    /// From RC memory, by PCI address, to EP memory.
    Read = 1,
    /// From EP memory to RC memory, by PCI address.
    Write = 2,
    /// Between EP memory and mappings of the outbound window, in any combination.
    Copy = 3,
}

impl DmaKind {
    /// Returns the kind for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Read,
            2 => Self::Write,
            3 => Self::Copy,
            _ => return None,
        })
    }
}

/// Value of [`reg::DMA_CONTROL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DmaControl {
    /// Starts the transfer that `DMA_LIST` and `DMA_ENTRIES` describe, unless one runs.
    Start = 1,
    /// Ends the transfer that runs; once this is written, it touches no memory.
    Abort = 2,
}

impl DmaControl {
    /// Returns the action for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Start,
            2 => Self::Abort,
            _ => return None,
        })
    }
}

/// One entry of the list of a transfer: three words of 64 bits in EP memory, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaEntry {
    /// Where the first byte comes from.
    pub source: u64,
    /// Where it goes.
    pub destination: u64,
    /// How many bytes, not 0.
    pub size: u32,
    /// Bits of [`dma_flags`].
    pub flags: u32,
}

/// Bits of [`DmaEntry::flags`]; a channel that is not `Copy` takes none.
pub mod dma_flags {
    /// The source is an offset in the outbound window, not an EP address.
    pub const SOURCE_IN_WINDOW: u32 = 1 << 0;
    /// The destination is an offset in the outbound window, not an EP address.
    pub const DESTINATION_IN_WINDOW: u32 = 1 << 1;
    /// All flags that are accepted.
    pub const ALL: u32 = SOURCE_IN_WINDOW | DESTINATION_IN_WINDOW;
}

impl DmaEntry {
    /// Words of 64 bits that an entry consists of.
    pub const WORDS: usize = 3;
    /// Bytes of an entry.
    pub const SIZE: usize = 8 * Self::WORDS;

    /// Returns the words of this entry.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        let last = self.size as u64 | ((self.flags as u64) << 32);
        [self.source, self.destination, last]
    }

    /// Returns the entry that consists of these words.
    pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [source, destination, last] = words;
        Self {
            source,
            destination,
            size: last as u32,
            flags: (last >> 32) as u32,
        }
    }
}

/// Value of [`reg::STATUS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// The command is done.
    Ok = 0,
    /// The command runs; read again. Writes to `COMMAND` and the arguments are ignored meanwhile.
    Busy = 1,
    /// There is no such opcode.
    UnknownCommand = 2,
    /// An argument is outside its range or conflicts with another one.
    BadArgument = 3,
    /// The EP address range is not EP memory, not aligned to a page where it must be, or wraps around.
    BadAddress = 4,
    /// The command needs the link to be down, or would move memory that the RC has mapped.
    LinkActive = 5,
    /// The command needs the link to be up.
    LinkDown = 6,
    /// The RC has not enabled this kind of interrupt, or not this vector, or not bus mastering.
    NotEnabled = 7,
    /// The window range overlaps a mapping, or there is no mapping at this offset.
    WindowConflict = 8,
    /// The driver of the window's virtio device has not set DRIVER_OK.
    WindowNotReady = 9,
    /// No part of the PCI address range is RC memory; for DMA, not all of it.
    NotRcMemory = 10,
    /// The virtual machine monitor refused, and the emulator's log has the reason; or a fault was asked for.
    Failed = 11,
    /// The board has no such BAR, size, alignment or interrupt.
    Unsupported = 12,
    /// All translation windows of the board are taken.
    NoWindow = 13,
    /// The board maps nothing while the link is not up.
    NoLink = 14,
    /// The EP ended the transfer.
    Aborted = 15,
}

impl Status {
    /// Returns the status for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Ok,
            1 => Self::Busy,
            2 => Self::UnknownCommand,
            3 => Self::BadArgument,
            4 => Self::BadAddress,
            5 => Self::LinkActive,
            6 => Self::LinkDown,
            7 => Self::NotEnabled,
            8 => Self::WindowConflict,
            9 => Self::WindowNotReady,
            10 => Self::NotRcMemory,
            11 => Self::Failed,
            12 => Self::Unsupported,
            13 => Self::NoWindow,
            14 => Self::NoLink,
            15 => Self::Aborted,
            _ => return None,
        })
    }
}

/// Value of [`reg::LINK_STATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LinkState {
    /// Stopped.
    Down = 0,
    /// Started; the RC is not there or has not taken the function yet.
    Waiting = 1,
    /// The function is attached to the RC.
    Up = 2,
    /// Stopped, but the RC has not let go of the function yet; it reads all-ones there.
    Leaving = 3,
}

impl LinkState {
    /// Returns the state for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Down,
            1 => Self::Waiting,
            2 => Self::Up,
            3 => Self::Leaving,
            _ => return None,
        })
    }
}

/// Fields of the configuration header which the endpoint function chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Revision id.
    pub revision: u8,
    /// Programming interface.
    pub prog_if: u8,
    /// Sub-class.
    pub subclass: u8,
    /// Base class.
    pub base_class: u8,
    /// Cache line size in units of 4 bytes.
    pub cache_line_size: u8,
    /// Interrupt pin: 0 for none, 1 to 4 for INTA to INTD.
    pub interrupt_pin: u8,
    /// Subsystem vendor id.
    pub subsystem_vendor: u16,
    /// Subsystem id.
    pub subsystem: u16,
}

impl Header {
    /// Returns the two arguments of `WriteHeader`.
    pub const fn to_args(self) -> [u64; 2] {
        let first = self.vendor as u64
            | ((self.device as u64) << 16)
            | ((self.revision as u64) << 32)
            | ((self.prog_if as u64) << 40)
            | ((self.subclass as u64) << 48)
            | ((self.base_class as u64) << 56);
        let second = self.cache_line_size as u64
            | ((self.interrupt_pin as u64) << 8)
            | ((self.subsystem_vendor as u64) << 16)
            | ((self.subsystem as u64) << 32);
        [first, second]
    }

    /// Returns the header that the two arguments of `WriteHeader` carry.
    pub const fn from_args(args: [u64; 2]) -> Self {
        let [first, second] = args;
        Self {
            vendor: first as u16,
            device: (first >> 16) as u16,
            revision: (first >> 32) as u8,
            prog_if: (first >> 40) as u8,
            subclass: (first >> 48) as u8,
            base_class: (first >> 56) as u8,
            cache_line_size: second as u8,
            interrupt_pin: (second >> 8) as u8,
            subsystem_vendor: (second >> 16) as u16,
            subsystem: (second >> 32) as u16,
        }
    }
}
