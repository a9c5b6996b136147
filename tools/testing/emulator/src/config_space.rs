// SPDX-License-Identifier: GPL-2.0
//! Configuration space of a type 0 PCI Express function: bytes, and which bits the guest may write.
//!
//! What it is: standard header, PCI Express, MSI and MSI-X capabilities. What it is not: it does not
//! know what a write means; its owner compares before and after.
//!
//! ```text
//! 0x00  standard header            0x80  MSI (64-bit addresses, no per-vector mask)
//! 0x40  PCI Express, version 2     0x90  MSI-X
//! ```

use epc_regs::Header;

/// Bytes of a PCI Express configuration space.
pub const SIZE: usize = 4096;

/// Bits of the command register.
pub mod command {
    /// Bus Master Enable.
    pub const BUS_MASTER: u16 = 1 << 2;
    /// Interrupt Disable.
    pub const INTX_DISABLE: u16 = 1 << 10;
    /// Bits that a guest may write: I/O, memory, bus master, parity, SERR, interrupt disable.
    pub const WRITABLE: u16 = 0x0547;
}

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const STATUS_INTX: u8 = 1 << 3;
const STATUS_CAPABILITIES: u8 = 1 << 4;
const BAR0: usize = 0x10;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;

const PCIE: usize = 0x40;
const DEVICE_CONTROL: usize = PCIE + 0x08;
const FLR: u16 = 1 << 15;
const MSI: usize = 0x80;
const MSIX: usize = 0x90;
const ID_PCIE: u8 = 0x10;
const ID_MSI: u8 = 0x05;
const ID_MSIX: u8 = 0x11;
const ID_VENDOR: u8 = 0x09;
const MSIX_LENGTH: u8 = 12;
const MSI_ENABLE: u16 = 1 << 0;
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK: u16 = 1 << 14;

/// A configuration space.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    last_capability: usize,
    has_msi: bool,
    has_msix: bool,
}

impl ConfigSpace {
    /// Makes a space with a header and a PCI Express capability.
    pub fn new(header: &Header) -> Self {
        let mut space = Self {
            bytes: vec![0; SIZE],
            writable: vec![0; SIZE],
            last_capability: CAPABILITIES,
            has_msi: false,
            has_msix: false,
        };
        space.set(0x00, &header.vendor.to_le_bytes());
        space.set(0x02, &header.device.to_le_bytes());
        space.set(STATUS, &[STATUS_CAPABILITIES]);
        space.set(
            0x08,
            &[
                header.revision,
                header.prog_if,
                header.subclass,
                header.base_class,
            ],
        );
        space.set(0x0c, &[header.cache_line_size]);
        space.set(0x2c, &header.subsystem_vendor.to_le_bytes());
        space.set(0x2e, &header.subsystem.to_le_bytes());
        space.set(0x3d, &[header.interrupt_pin]);
        space.allow(COMMAND, &command::WRITABLE.to_le_bytes());
        space.allow(0x0c, &[0xff]);
        space.allow(INTERRUPT_LINE, &[0xff]);
        space.add_pcie();
        space
    }

    /// Adds a base address register; `size` is a power of two, `flags` are the register's low bits.
    pub fn add_bar(&mut self, index: usize, size: u64, flags: u64) {
        let mask = !(size - 1) & !0xf;
        let at = BAR0 + 4 * index;
        self.set(at, &(flags as u32).to_le_bytes());
        self.allow(at, &(mask as u32).to_le_bytes());
        if flags & epc_regs::bar_flags::MEM_64 != 0 {
            self.allow(at + 4, &((mask >> 32) as u32).to_le_bytes());
        }
    }

    /// Adds an MSI capability; `count` is a power of two up to 32.
    pub fn add_msi(&mut self, count: u16) {
        const ADDRESS_64: u16 = 1 << 7;
        const MULTIPLE_ENABLE: u16 = 7 << 4;
        let capable = count.trailing_zeros() as u16;
        self.add_capability(MSI, ID_MSI);
        self.set(MSI + 2, &(ADDRESS_64 | (capable << 1)).to_le_bytes());
        self.allow(MSI + 2, &(MSI_ENABLE | MULTIPLE_ENABLE).to_le_bytes());
        self.allow(
            MSI + 4,
            &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        );
        self.has_msi = true;
    }

    /// Adds an MSI-X capability; table and pending bits are given by BAR and offset.
    pub fn add_msix(&mut self, count: u16, bar: usize, table: u32, pending: u32) {
        self.add_capability(MSIX, ID_MSIX);
        self.set(MSIX + 2, &(count - 1).to_le_bytes());
        self.set(MSIX + 4, &(table | bar as u32).to_le_bytes());
        self.set(MSIX + 8, &(pending | bar as u32).to_le_bytes());
        self.allow(MSIX + 2, &(MSIX_ENABLE | MSIX_MASK).to_le_bytes());
        self.has_msix = true;
    }

    /// Reads; bytes outside the space read as all-ones.
    pub fn read(&self, offset: u64, to: &mut [u8]) {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|at| self.bytes.get(at..));
        to.fill(0xff);
        to.iter_mut()
            .zip(from.unwrap_or_default())
            .for_each(|(to, from)| *to = *from);
    }

    /// Reads the whole space with the MSI-X capability under the id of a vendor-specific one.
    ///
    /// QEMU 11.1 looks for capabilities once, in one read of the whole space, and aborts when it
    /// unplugs a vfio-user device of which it knows the MSI-X capability. Left alone, it forwards
    /// each access of the guest, which finds the capability as it is.
    pub fn read_without_msix(&self, to: &mut [u8]) {
        self.read(0, to);
        if let (true, Some(start)) = (self.has_msix, to.get_mut(MSIX..MSIX + 4)) {
            let next = self.bytes.get(MSIX + 1).copied().unwrap_or(0);
            start.copy_from_slice(&[ID_VENDOR, next, MSIX_LENGTH, 0]);
        }
    }

    /// Writes the bits that may be written.
    pub fn write(&mut self, offset: u64, from: &[u8]) {
        let at = usize::try_from(offset).unwrap_or(SIZE);
        let bytes = self.bytes.get_mut(at..).unwrap_or_default().iter_mut();
        let masks = self.writable.get(at..).unwrap_or_default();
        for ((byte, mask), value) in bytes.zip(masks).zip(from) {
            *byte = *byte & !mask | value & mask;
        }
    }

    /// Takes a function level reset that the guest asked for.
    pub fn take_function_reset(&mut self) -> bool {
        let control = self.u16(DEVICE_CONTROL);
        self.set(DEVICE_CONTROL, &(control & !FLR).to_le_bytes());
        control & FLR != 0
    }

    /// The command register.
    pub fn command(&self) -> u16 {
        self.u16(COMMAND)
    }

    /// Whether Bus Master Enable is set.
    pub fn is_bus_master(&self) -> bool {
        self.command() & command::BUS_MASTER != 0
    }

    /// Number of MSI vectors which the guest enabled, 0 when MSI is disabled.
    pub fn msi_enabled(&self) -> u32 {
        let control = self.u16(MSI + 2);
        let offered = 1 << ((control >> 1) & 7).min(5);
        let enabled = 1 << ((control >> 4) & 7).min(5);
        if self.has_msi && control & MSI_ENABLE != 0 {
            enabled.min(offered)
        } else {
            0
        }
    }

    /// Size of the MSI-X table when the guest enabled MSI-X, else 0.
    pub fn msix_enabled(&self) -> u32 {
        let control = self.u16(MSIX + 2);
        let enabled = self.has_msix && control & MSIX_ENABLE != 0;
        if enabled {
            u32::from(control & 0x7ff) + 1
        } else {
            0
        }
    }

    /// Whether all MSI-X vectors are masked by the capability.
    pub fn msix_masked(&self) -> bool {
        self.u16(MSIX + 2) & MSIX_MASK != 0
    }

    /// Sets or clears the interrupt bit of the status register.
    pub fn set_intx_status(&mut self, level: bool) {
        let status = STATUS_CAPABILITIES | if level { STATUS_INTX } else { 0 };
        self.set(STATUS, &[status]);
    }

    fn add_pcie(&mut self) {
        const VERSION_2_ENDPOINT: u16 = 2;
        const ROLE_BASED_ERRORS: u32 = 1 << 15;
        const FLR_CAPABLE: u32 = 1 << 28;
        const GEN1_X1: u16 = 0x11;
        self.add_capability(PCIE, ID_PCIE);
        self.set(PCIE + 0x02, &VERSION_2_ENDPOINT.to_le_bytes());
        self.set(
            PCIE + 0x04,
            &(ROLE_BASED_ERRORS | FLR_CAPABLE).to_le_bytes(),
        );
        self.allow(DEVICE_CONTROL, &0xffffu16.to_le_bytes());
        self.set(PCIE + 0x0c, &u32::from(GEN1_X1).to_le_bytes());
        self.allow(PCIE + 0x10, &0x00c3u16.to_le_bytes());
        self.set(PCIE + 0x12, &GEN1_X1.to_le_bytes());
    }

    /// Links a capability into the list, in order of the calls.
    fn add_capability(&mut self, at: usize, id: u8) {
        let link = match self.last_capability {
            CAPABILITIES => CAPABILITIES,
            capability => capability + 1,
        };
        self.set(link, &[at as u8]);
        self.set(at, &[id, 0]);
        self.last_capability = at;
    }

    fn set(&mut self, at: usize, value: &[u8]) {
        let to = self.bytes.get_mut(at..).unwrap_or_default();
        to.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        let to = self.writable.get_mut(at..).unwrap_or_default();
        to.iter_mut().zip(mask).for_each(|(to, from)| *to = *from);
    }

    fn u16(&self, at: usize) -> u16 {
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or(0);
        u16::from_le_bytes([byte(at), byte(at + 1)])
    }
}
