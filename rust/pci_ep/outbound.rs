// SPDX-License-Identifier: GPL-2.0

//! Windows through which the EP's processor reaches RC memory.
//!
//! Mapping takes an address translation unit of the controller, of which there are few (4 to 32),
//! and a mutex: map at set-up, not per access. A read through a window waits for the link, about a
//! microsecond per 8 bytes; a write does not.

use crate::{
    bindings,
    controller::Endpoint,
    copy::Step,
    word::{
        checked_range,
        checked_word,
        Word, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// An address on the PCI bus of the RC, as the RC gave it; not an address of the EP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciAddr(pub u64);

impl PciAddr {
    /// Returns the address `offset` bytes further, `None` beyond the end of the address space.
    pub fn checked_add(self, offset: u64) -> Option<Self> {
        self.0.checked_add(offset).map(Self)
    }
}

/// A range of RC memory, mapped for the EP's processor; dropping it unmaps it.
///
/// It is made and dropped in process context, and accessed from any. The RC may change what is
/// there at any time. When the link is down, reads give all-ones or zeroes.
pub struct OutboundWindow {
    endpoint: Endpoint,
    map: bindings::pci_epc_map,
}

// SAFETY: The mapping is valid in every thread.
unsafe impl Send for OutboundWindow {}

// SAFETY: All accesses are I/O accesses, which may be concurrent.
unsafe impl Sync for OutboundWindow {}

impl OutboundWindow {
    /// Maps RC memory from `addr` on, `size` bytes or fewer: see [`OutboundWindow::len`].
    ///
    /// # Errors
    ///
    /// - `EINVAL` when `size` is 0 or the range passes the end of the address space.
    /// - `ENOMEM` when there is no window left.
    /// - The controller's.
    pub fn map(endpoint: &Endpoint, addr: PciAddr, size: usize) -> Result<Self> {
        addr.checked_add(size as u64).ok_or(EINVAL)?;
        let mut map = pin_init::zeroed();
        let (epc, function, virtual_function) = endpoint.as_raw();
        // SAFETY: `epc` is valid by the type invariant of `Endpoint`.
        to_result(unsafe {
            bindings::pci_epc_mem_map(epc, function, virtual_function, addr.0, size, &mut map)
        })?;
        Ok(Self {
            endpoint: endpoint.clone(),
            map,
        })
    }

    /// Maps all `size` bytes of RC memory from `addr` on in one window.
    ///
    /// # Errors
    ///
    /// `E2BIG` when the controller's windows are too small, and those of [`OutboundWindow::map`].
    pub fn map_all(endpoint: &Endpoint, addr: PciAddr, size: usize) -> Result<Self> {
        let window = Self::map(endpoint, addr, size)?;
        if window.len() < size {
            return Err(E2BIG);
        }
        Ok(window)
    }

    /// Returns where the window begins.
    pub fn addr(&self) -> PciAddr {
        PciAddr(self.map.pci_addr)
    }

    /// Returns how many bytes are mapped, which is never 0.
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.map.pci_size
    }

    /// Reads a little-endian word at `offset` with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the word is not inside the window, or its PCI address is not aligned.
    pub fn load<W: Word>(&self, offset: usize) -> Result<W> {
        self.check_word::<W>(offset)?;
        // SAFETY: The word is inside the mapping and aligned.
        Ok(unsafe { W::read_io(self.at(offset)) })
    }

    /// Writes a little-endian word at `offset` with one access, after all earlier writes.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the word is not inside the window, or its PCI address is not aligned.
    pub fn store<W: Word>(&self, offset: usize, value: W) -> Result {
        self.check_word::<W>(offset)?;
        // SAFETY: The word is inside the mapping and aligned.
        unsafe { value.write_io(self.at(offset)) };
        Ok(())
    }

    /// Copies bytes out of RC memory, in as few accesses as their alignment allows.
    ///
    /// # Errors
    ///
    /// `EINVAL` when they are not inside the window.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        checked_range(self.len(), offset, to.len())?;
        let mut done = 0;
        while let Some(step) = self.next_step(offset + done, to.len() - done) {
            let part = to.get_mut(done..done + step.size()).ok_or(EINVAL)?;
            self.read_step(offset + done, step, part)?;
            done += step.size();
        }
        Ok(())
    }

    /// Copies bytes into RC memory, in order and in as few accesses as their alignment allows.
    ///
    /// # Errors
    ///
    /// `EINVAL` when they are not inside the window.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        checked_range(self.len(), offset, from.len())?;
        let mut done = 0;
        while let Some(step) = self.next_step(offset + done, from.len() - done) {
            let part = from.get(done..done + step.size()).ok_or(EINVAL)?;
            self.write_step(offset + done, step, part)?;
            done += step.size();
        }
        Ok(())
    }

    fn next_step(&self, offset: usize, left: usize) -> Option<Step> {
        Step::next(self.at(offset) as usize, left)
    }

    /// Reads what `step` covers into `to`, which has its size.
    fn read_step(&self, offset: usize, step: Step, to: &mut [u8]) -> Result {
        let word = match step {
            Step::Byte => self.load::<u8>(offset)?.into(),
            Step::Half => self.load::<u16>(offset)?.into(),
            Step::Word => self.load::<u32>(offset)?,
            Step::Block(_) => {
                let (to, size) = (to.as_mut_ptr().cast(), to.len());
                // SAFETY: The caller checked that the range is inside the mapping; `to` is valid for
                // writes.
                unsafe { bindings::pci_ep_read_window(to, self.at(offset).cast(), size) };
                return Ok(());
            }
        };
        to.iter_mut()
            .zip(word.to_le_bytes())
            .for_each(|(to, byte)| *to = byte);
        Ok(())
    }

    /// Writes `from`, which has the size of what `step` covers.
    fn write_step(&self, offset: usize, step: Step, from: &[u8]) -> Result {
        let word = || {
            from.iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        };
        match step {
            Step::Byte => self.store(offset, word() as u8),
            Step::Half => self.store(offset, word() as u16),
            Step::Word => self.store(offset, word()),
            Step::Block(_) => {
                let (from, size) = (from.as_ptr().cast(), from.len());
                // SAFETY: The caller checked that the range is inside the mapping; `from` is valid
                // for reads.
                unsafe { bindings::pci_ep_write_window(self.at(offset).cast(), from, size) };
                Ok(())
            }
        }
    }

    fn check_word<W: Word>(&self, offset: usize) -> Result {
        let misalignment = self.map.virt_addr as usize % core::mem::size_of::<W>();
        checked_word::<W>(
            self.len().saturating_add(misalignment),
            offset.checked_add(misalignment).ok_or(EINVAL)?,
        )
    }

    /// Returns the address of the byte at `offset`, which is inside the window.
    fn at(&self, offset: usize) -> *mut u8 {
        self.map.virt_addr.cast::<u8>().wrapping_add(offset)
    }
}

impl Drop for OutboundWindow {
    fn drop(&mut self) {
        let (epc, function, virtual_function) = self.endpoint.as_raw();
        // SAFETY: `epc` is valid by the type invariant of `Endpoint`, and the mapping is undone
        // once.
        unsafe { bindings::pci_epc_mem_unmap(epc, function, virtual_function, &mut self.map) };
    }
}
