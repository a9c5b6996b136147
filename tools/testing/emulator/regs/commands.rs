// SPDX-License-Identifier: GPL-2.0
//! Commands: their opcodes, what their arguments mean, and how they end.

/// Opcode of a command. All but the last three are about one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
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
    /// Functions, bit n for function n: lets the link come up with these, and with function 0.
    Start = 12,
    /// Takes the link down.
    Stop = 13,
    /// Brings the controller to its power-on state, link included.
    Reset = 14,
}

impl Opcode {
    /// Returns the opcode for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u8) -> Option<Self> {
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

    /// Returns the word for [`reg::COMMAND`](crate::reg::COMMAND) that starts this command of a function.
    pub const fn command(self, function: u8, immediate: u16) -> u32 {
        ((immediate as u32) << 16) | ((function as u32) << 8) | self as u32
    }
}

/// Value of [`reg::STATUS`](crate::reg::STATUS).
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
