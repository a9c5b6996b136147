// SPDX-License-Identifier: GPL-2.0
//! Offsets of the registers, and what is in them.

/// Offsets in [`bar::REGISTERS`](crate::bar::REGISTERS), in bytes.
pub mod reg {
    /// RO: [`MAGIC_VALUE`](crate::MAGIC_VALUE).
    pub const MAGIC: u64 = 0x00;
    /// RO: major version in bits 31:16, minor version in bits 15:0.
    pub const VERSION: u64 = 0x04;
    /// RO: bits of [`caps`](crate::caps).
    pub const CAPS: u64 = 0x08;
    /// RO: number of doorbells in the doorbell page.
    pub const DOORBELL_COUNT: u64 = 0x0c;
    /// RO, 64 bits: bytes of the outbound window.
    pub const WINDOW_SIZE: u64 = 0x10;
    /// RO: granularity in bytes of outbound mappings and of BAR backing.
    pub const PAGE_SIZE: u64 = 0x18;

    /// WO: opcode in bits 7:0, function in bits 15:8, immediate in bits 31:16; a write starts the
    /// command.
    pub const COMMAND: u64 = 0x20;
    /// RO: [`Status`](crate::Status) of the last command.
    pub const STATUS: u64 = 0x24;
    /// RW, 64 bits each: first of [`ARG_COUNT`](crate::ARG_COUNT) arguments.
    pub const ARG0: u64 = 0x40;

    /// RO: [`LinkState`](crate::LinkState).
    pub const LINK_STATE: u64 = 0x80;
    /// RW1C: bits of [`event`](crate::event) that happened.
    pub const EVENT_STATUS: u64 = 0x84;
    /// RW: bits of [`event`](crate::event) that raise [`vector::EVENT`](crate::vector::EVENT).
    pub const EVENT_ENABLE: u64 = 0x88;
    /// RO: [`FUNCTION_COMMAND`] of function 0, which versions before minor version 3 have alone.
    pub const PCI_COMMAND: u64 = 0x8c;
    /// RO: [`FUNCTION_MSI`] of function 0, likewise.
    pub const MSI_ENABLED: u64 = 0x90;
    /// RO: [`FUNCTION_MSIX`] of function 0, likewise.
    pub const MSIX_ENABLED: u64 = 0x94;

    /// RO, since minor version 1: bits of [`features`](crate::features).
    pub const FEATURES: u64 = 0x100;
    /// RO, since 1: number of MSI vectors that can be offered, 0 for none.
    pub const MSI_MAX: u64 = 0x104;
    /// RO, since 1: number of MSI-X vectors that can be offered, 0 for none.
    pub const MSIX_MAX: u64 = 0x108;
    /// RO, since 1: number of [`SPACE0`], at most [`SPACE_MAX`](crate::SPACE_MAX).
    pub const SPACE_COUNT: u64 = 0x10c;
    /// RO, 64 bits, since 1: alignment in bytes of what a BAR shows, 0 when there is no rule.
    pub const INBOUND_ALIGN: u64 = 0x110;
    /// RO, 64 bits, since 1: alignment in bytes of both addresses of an outbound mapping.
    pub const OUTBOUND_ALIGN: u64 = 0x118;
    /// RO, since minor version 2: number of DMA channels, at most
    /// [`DMA_CHANNELS_MAX`](crate::DMA_CHANNELS_MAX).
    pub const DMA_COUNT: u64 = 0x120;
    /// RO, since minor version 3: number of functions, 1 to [`FUNCTIONS_MAX`](crate::FUNCTIONS_MAX).
    pub const FUNCTION_COUNT: u64 = 0x124;
    /// RO, since 1: first of six descriptions of a BAR, [`BAR_STRIDE`] bytes apart.
    pub const BAR0: u64 = 0x140;
    /// RO, since 1: first of the spaces that make up the outbound window, [`SPACE_STRIDE`] bytes
    /// apart, in the order in which they are to be used.
    pub const SPACE0: u64 = 0x200;

    /// Distance in bytes between two descriptions of a BAR.
    pub const BAR_STRIDE: u64 = 16;
    /// In a description of a BAR: [`BarKind`](crate::BarKind) in bits 7:0, and
    /// [`BAR_ONLY_64BIT`](crate::BAR_ONLY_64BIT).
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

    /// Since 3: first of the functions, [`FUNCTION_STRIDE`] bytes apart.
    pub const FUNCTION0: u64 = 0x300;
    /// Distance in bytes between two functions.
    pub const FUNCTION_STRIDE: u64 = 0x20;
    /// RO, in a function: command register of its configuration header, as the RC wrote it.
    pub const FUNCTION_COMMAND: u64 = 0x00;
    /// RO, in a function: number of MSI vectors that the RC enabled, 0 when MSI is disabled.
    pub const FUNCTION_MSI: u64 = 0x04;
    /// RO, in a function: number of MSI-X vectors when the RC enabled MSI-X, else 0.
    pub const FUNCTION_MSIX: u64 = 0x08;
    /// RW1C, in a function: bits of [`event::OF_FUNCTION`](crate::event::OF_FUNCTION) that happened to
    /// it. Each is set before the same bit of [`EVENT_STATUS`].
    pub const FUNCTION_EVENTS: u64 = 0x0c;

    /// Since 2: first of the DMA channels, [`DMA_STRIDE`] bytes apart.
    pub const DMA0: u64 = 0x400;
    /// Distance in bytes between two DMA channels.
    pub const DMA_STRIDE: u64 = 0x20;
    /// RO, in a DMA channel: [`DmaKind`](crate::DmaKind).
    pub const DMA_KIND: u64 = 0x00;
    /// WO, in a DMA channel: [`DmaControl`](crate::DmaControl).
    pub const DMA_CONTROL: u64 = 0x04;
    /// RW, 64 bits, in a DMA channel: EP address of the list of the next transfer.
    pub const DMA_LIST: u64 = 0x08;
    /// RW, in a DMA channel: number of [`DmaEntry`](crate::DmaEntry) in that list.
    pub const DMA_ENTRIES: u64 = 0x10;
    /// RO, in a DMA channel: [`Status`](crate::Status) of the last transfer, `Busy` while it runs.
    pub const DMA_STATUS: u64 = 0x14;
    /// RO, 64 bits, in a DMA channel: bytes that the last transfer has moved.
    pub const DMA_MOVED: u64 = 0x18;
}

/// Value of [`reg::MAGIC`]: "EPCE" in little-endian ASCII.
pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"EPCE");
/// Major version: a driver refuses another one.
pub const VERSION_MAJOR: u16 = 1;
/// Minor version: a higher one only adds.
pub const VERSION_MINOR: u16 = 3;
/// Number of 64-bit argument registers.
pub const ARG_COUNT: usize = 4;

/// Bits of [`reg::CAPS`].
pub mod caps {
    /// The outbound window is a shared memory region of the window's virtio device.
    pub const MAPPED_WINDOW: u32 = 1 << 0;
    /// The outbound window is [`bar::WINDOW`](crate::bar::WINDOW); each access is trapped.
    pub const TRAPPED_WINDOW: u32 = 1 << 1;
    /// Every BAR of the function is trapped, so `SetBar` may move the backing of any BAR at any
    /// time. Without it, only BARs smaller than a page can be moved while the RC is attached.
    pub const DYNAMIC_INBOUND: u32 = 1 << 3;
}

/// Bits of [`reg::FEATURES`].
pub mod features {
    /// The controller says that it can raise INTx; some that can do not say so.
    pub const INTX: u32 = 1 << 0;
    /// The event `LINK_UP` happens.
    pub const LINK_UP: u32 = 1 << 1;
}

/// Bits of [`reg::EVENT_STATUS`] and [`reg::EVENT_ENABLE`].
pub mod event {
    /// The link came up.
    pub const LINK_UP: u32 = 1 << 0;
    /// The link went down.
    pub const LINK_DOWN: u32 = 1 << 1;
    /// The RC changed Bus Master Enable of a function; `FUNCTION_COMMAND` has the present value.
    pub const BUS_MASTER: u32 = 1 << 2;
    /// The RC reset a function (FLR or reset of the bus).
    pub const FUNCTION_RESET: u32 = 1 << 3;
    /// All of them.
    pub const ALL: u32 = LINK_UP | LINK_DOWN | OF_FUNCTION;
    /// Those that happen to one function, and are in [`reg::FUNCTION_EVENTS`](crate::reg::FUNCTION_EVENTS).
    pub const OF_FUNCTION: u32 = BUS_MASTER | FUNCTION_RESET;
}

/// Value of [`reg::LINK_STATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LinkState {
    /// Stopped.
    Down = 0,
    /// Started; the RC is not there or has not taken the functions yet.
    Waiting = 1,
    /// The functions are attached to the RC.
    Up = 2,
    /// Stopped, but the RC has not let go of all functions yet; it reads all-ones there.
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

/// Number of functions at most: those of a device (PCI Express Base Specification, 2.2.6.2).
pub const FUNCTIONS_MAX: usize = 8;
/// Number of BARs of a function.
pub const BAR_COUNT: usize = 6;
/// Number of spaces of the outbound window that can be described.
pub const SPACE_MAX: usize = 8;
/// Bit of [`reg::BAR_KIND`]: the BAR is a 64-bit BAR always.
pub const BAR_ONLY_64BIT: u32 = 1 << 8;

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
