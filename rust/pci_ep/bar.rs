// SPDX-License-Identifier: GPL-2.0

//! The base address registers of a function, and the EP memory behind them.
//!
//! What is behind a BAR lives in a [`Slot`], which memory and programmed BAR share: RC accesses may
//! arrive as long as the BAR is programmed, so its memory is freed after that.

use crate::{
    bindings,
    controller::Endpoint,
    doorbell::Messages,
    word::{
        checked_range,
        checked_word,
        Word, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Release, //
        },
        Arc, //
    },
};

/// The number of a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum BarNumber {
    /// BAR 0.
    Bar0,
    /// BAR 1.
    Bar1,
    /// BAR 2.
    Bar2,
    /// BAR 3.
    Bar3,
    /// BAR 4.
    Bar4,
    /// BAR 5.
    Bar5,
}

impl BarNumber {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Bar0,
        Self::Bar1,
        Self::Bar2,
        Self::Bar3,
        Self::Bar4,
        Self::Bar5,
    ];

    /// Returns the number as an index from 0.
    pub const fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn as_raw(self) -> bindings::pci_barno {
        bindings::pci_barno::from(self as u8)
    }
}

impl TryFrom<i32> for BarNumber {
    type Error = Error;

    /// Fails with `EINVAL` when there is no such BAR.
    fn try_from(number: i32) -> Result<Self> {
        let index = usize::try_from(number)?;
        Self::ALL.get(index).copied().ok_or(EINVAL)
    }
}

/// EP memory that a BAR can show to the RC: coherent, zeroed, of the size of the BAR.
///
/// It is shared with the RC, so nothing in it stays as it was read, and there are no references
/// into it. The memory is freed when this guard and the [`ProgrammedBar`] are dropped.
///
/// Accesses may be made from any context.
pub struct BarMemory {
    slot: Arc<Slot>,
    memory: NonNull<u8>,
}

// SAFETY: The memory is accessed through volatile or opaque accesses only, from any thread.
unsafe impl Send for BarMemory {}

// SAFETY: As above; concurrent accesses are what shared memory is for.
unsafe impl Sync for BarMemory {}

impl BarMemory {
    /// Allocates at least `size` bytes for `bar`; the controller's rules may make it more.
    ///
    /// # Errors
    ///
    /// - `EBUSY` when the BAR is in use.
    /// - `ENOMEM` when there is no such memory, or `size` is above the size of a fixed BAR.
    pub fn alloc(endpoint: &Endpoint, bar: BarNumber, size: usize) -> Result<Self> {
        let slot = Slot::claim(endpoint, bar, None)?;
        // SAFETY: The function is bound by the type invariant of `Endpoint`, and nobody else uses
        // the BAR because it is claimed.
        let memory = unsafe {
            bindings::pci_epf_alloc_space(
                endpoint.function().as_raw(),
                size,
                bar.as_raw(),
                endpoint.raw_features(),
                bindings::pci_epc_interface_type_PRIMARY_INTERFACE,
            )
        };
        Ok(Self {
            memory: NonNull::new(memory.cast()).ok_or(ENOMEM)?,
            slot,
        })
    }

    /// Returns the number of the BAR.
    pub fn bar(&self) -> BarNumber {
        self.slot.bar
    }

    /// Returns the size of the BAR in bytes.
    pub fn size(&self) -> usize {
        self.slot.size()
    }

    /// Programs the BAR, so that the RC reaches the memory.
    ///
    /// To be done in every [`epc_init`](crate::Function::epc_init).
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is programmed, and the controller's.
    pub fn program(&self) -> Result<ProgrammedBar> {
        Slot::program(&self.slot)
    }

    /// Reads a little-endian word at `offset` with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the word is not aligned or not inside the BAR.
    pub fn load<W: Word>(&self, offset: usize) -> Result<W> {
        checked_word::<W>(self.size(), offset)?;
        // SAFETY: The word is inside the memory and aligned, because the memory is to the page.
        Ok(W::from_le(unsafe {
            self.memory.add(offset).cast::<W>().read_volatile()
        }))
    }

    /// Writes a little-endian word at `offset` with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the word is not aligned or not inside the BAR.
    pub fn store<W: Word>(&self, offset: usize, value: W) -> Result {
        checked_word::<W>(self.size(), offset)?;
        // SAFETY: As in `load`.
        unsafe {
            self.memory
                .add(offset)
                .cast::<W>()
                .write_volatile(value.to_le())
        };
        Ok(())
    }

    /// Copies bytes out of the memory.
    ///
    /// # Errors
    ///
    /// `EINVAL` when they are not inside the BAR.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        checked_range(self.size(), offset, to.len())?;
        // SAFETY: Both ranges are valid; the C function is opaque, so that it sees what is there.
        unsafe {
            let from = self.memory.as_ptr().add(offset);
            bindings::pci_ep_read_memory(to.as_mut_ptr().cast(), from.cast(), to.len());
        }
        Ok(())
    }

    /// Copies bytes into the memory, in no particular order.
    ///
    /// # Errors
    ///
    /// `EINVAL` when they are not inside the BAR.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        checked_range(self.size(), offset, from.len())?;
        // SAFETY: Both ranges are valid; the C function is opaque, so that it is not left out.
        unsafe {
            let to = self.memory.as_ptr().add(offset);
            bindings::pci_ep_write_memory(to.cast(), from.as_ptr().cast(), from.len());
        }
        Ok(())
    }
}

/// A BAR which the RC can see; dropping it clears the BAR.
pub struct ProgrammedBar {
    slot: Arc<Slot>,
}

impl ProgrammedBar {
    /// Returns the number of the BAR.
    pub fn bar(&self) -> BarNumber {
        self.slot.bar
    }

    /// Programs the BAR again, after the controller was reset and lost it.
    ///
    /// # Errors
    ///
    /// The controller's; the BAR is as before then.
    pub fn program_again(&self) -> Result {
        self.slot.set()
    }
}

impl Drop for ProgrammedBar {
    fn drop(&mut self) {
        self.slot.clear();
    }
}

/// One BAR of a function with what is behind it.
///
/// # Invariants
///
/// The BAR is claimed, and its `struct pci_epf_bar` is used through this object only.
pub(crate) struct Slot {
    endpoint: Endpoint,
    bar: BarNumber,
    programmed: Atomic<bool>,
    _doorbells: Option<Arc<Messages>>,
}

impl Slot {
    /// Takes `bar`, with the next one when it is a 64-bit BAR, to show EP memory or `doorbells`.
    pub(crate) fn claim(
        endpoint: &Endpoint,
        bar: BarNumber,
        doorbells: Option<Arc<Messages>>,
    ) -> Result<Arc<Self>> {
        endpoint.claim_bars(claimed(endpoint, bar))?;
        let slot = Self {
            endpoint: endpoint.clone(),
            bar,
            programmed: Atomic::new(false),
            _doorbells: doorbells,
        };
        Ok(Arc::new(slot, GFP_KERNEL)?)
    }

    pub(crate) fn bar(&self) -> BarNumber {
        self.bar
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the size of the BAR in bytes.
    pub(crate) fn size(&self) -> usize {
        // SAFETY: The BAR is valid; its size does not change after it was set up.
        unsafe { (*self.as_raw()).size }
    }

    /// Returns the address at which the BAR begins.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: The BAR is valid; its address does not change after it was set up.
        unsafe { (*self.as_raw()).phys_addr }
    }

    /// Programs the BAR.
    pub(crate) fn program(this: &Arc<Self>) -> Result<ProgrammedBar> {
        if this.programmed.xchg(true, Full) {
            return Err(EBUSY);
        }
        this.set()
            .inspect_err(|_| this.programmed.store(false, Release))?;
        Ok(ProgrammedBar { slot: this.clone() })
    }

    fn set(&self) -> Result {
        let (epc, function, virtual_function) = self.endpoint.as_raw();
        // SAFETY: Both are valid, and the BAR stays where it is, in the function, until it is
        // cleared, which some controllers rely on.
        to_result(unsafe {
            bindings::pci_epc_set_bar(epc, function, virtual_function, self.as_raw())
        })
    }

    fn clear(&self) {
        let (epc, function, virtual_function) = self.endpoint.as_raw();
        // SAFETY: Both are valid.
        unsafe { bindings::pci_epc_clear_bar(epc, function, virtual_function, self.as_raw()) };
        self.programmed.store(false, Release);
    }

    fn as_raw(&self) -> *mut bindings::pci_epf_bar {
        let epf = self.endpoint.function().as_raw();
        // SAFETY: The function is valid, and the index is inside its array of BARs.
        unsafe {
            (&raw mut (*epf).bar)
                .cast::<bindings::pci_epf_bar>()
                .add(self.bar.index())
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: The BAR is not programmed, because that holds a reference. `addr` is what
        // `pci_epf_alloc_space()` returned, or null.
        unsafe {
            let bar = self.as_raw();
            bindings::pci_epf_free_space(
                self.endpoint.function().as_raw(),
                (*bar).addr,
                self.bar.as_raw(),
                bindings::pci_epc_interface_type_PRIMARY_INTERFACE,
            );
            bar.write(pin_init::zeroed());
        }
        self.endpoint
            .release_bars(claimed(&self.endpoint, self.bar));
    }
}

/// Returns the bit mask of the BARs which `bar` takes.
fn claimed(endpoint: &Endpoint, bar: BarNumber) -> u32 {
    let registers = if endpoint.features().bar(bar).only_64bit {
        0b11
    } else {
        0b01
    };
    registers << bar.index()
}
