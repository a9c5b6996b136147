// SPDX-License-Identifier: GPL-2.0

//! The controller, as seen by a function that is bound to it.
//!
//! Locking: `Binding::bars` protects which BARs are in use; it is a leaf lock. Every operation takes
//! the controller's own mutex, `epc->lock`, inside the framework.

use crate::{
    bar::BarNumber,
    bindings,
    features::Features,
    function::Device, //
};
use core::ptr::NonNull;
use kernel::{
    device,
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Completion,
        Mutex, //
    },
};

/// A function's place on the controller it is bound to.
///
/// It is cheap to clone. A clone, or a guard made from one, keeps the function bound: unbinding
/// waits until all of them are gone.
///
/// # Invariants
///
/// The function is bound to the controller, and both exist.
#[derive(Clone)]
pub struct Endpoint(Arc<Binding>);

impl Endpoint {
    /// Returns the endpoint of a function, and what is signalled when its last clone is dropped.
    ///
    /// # Safety
    ///
    /// The function must be bound to its controller, and remain so until the signal.
    pub(crate) unsafe fn new(device: &Device) -> Result<(Self, Arc<Completion>)> {
        let released = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        // SAFETY: `device` is valid; the framework sets these fields before it binds a function.
        let (epc, function, virtual_function) = unsafe {
            let epf = device.as_raw();
            ((*epf).epc, (*epf).func_no, (*epf).vfunc_no)
        };
        let epc = NonNull::new(epc).ok_or(ENODEV)?;
        // SAFETY: `epc` is the controller to which the function is bound.
        let features =
            unsafe { bindings::pci_epc_get_features(epc.as_ptr(), function, virtual_function) };
        // SAFETY: When not null, these are features which are valid as long as the controller.
        let described = unsafe { features.as_ref() }.ok_or(EINVAL)?;
        let signal = released.clone();
        let binding = Arc::pin_init(
            try_pin_init!(Binding {
                epf: device.into(),
                epc,
                function,
                virtual_function,
                raw_features: features,
                features: Features::from_raw(described),
                bars <- new_mutex!(0, "pci_ep::bars"),
                released: signal,
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: By the requirements of this function, because `binding` signals when it ends.
        Ok((Self(binding), released))
    }

    /// Returns what the controller can do for this function.
    pub fn features(&self) -> &Features {
        &self.0.features
    }

    /// Returns the function.
    pub fn function(&self) -> &Device {
        &self.0.epf
    }

    /// Returns the device that the controller's driver drives, which its DMA channels are of.
    pub fn controller(&self) -> Option<&device::Device> {
        let (epc, ..) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant.
        let parent = unsafe { (*epc).dev.parent };
        // SAFETY: A controller's parent is null or exists as long as it.
        (!parent.is_null()).then(|| unsafe { device::Device::from_raw(parent) })
    }

    /// Says whether this is a virtual function; those get no events.
    pub fn is_virtual(&self) -> bool {
        self.0.virtual_function != 0
    }

    /// Writes the configuration header, as [`Device::header`] has it now.
    ///
    /// To be done in every [`epc_init`](crate::Function::epc_init), for functions and for the first
    /// virtual function of each.
    ///
    /// # Errors
    ///
    /// The controller's.
    pub fn write_header(&self) -> Result {
        let mut header: bindings::pci_epf_header = self.function().header().to_raw();
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant; controllers read the header only now.
        to_result(unsafe {
            bindings::pci_epc_write_header(epc, function, virtual_function, &mut header)
        })
    }

    /// Offers `vectors` MSI vectors to the RC, 1 to 32.
    ///
    /// # Errors
    ///
    /// `EINVAL` for another number, and the controller's.
    pub fn set_msi(&self, vectors: u8) -> Result {
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant.
        to_result(unsafe { bindings::pci_epc_set_msi(epc, function, virtual_function, vectors) })
    }

    /// Returns how many MSI vectors the RC has enabled; 0 as long as it has not.
    pub fn msi(&self) -> u8 {
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant.
        let vectors = unsafe { bindings::pci_epc_get_msi(epc, function, virtual_function) };
        vectors.try_into().unwrap_or(0)
    }

    /// Offers `vectors` MSI-X vectors to the RC, 1 to 2048, whose table is in `bar` at `offset`.
    ///
    /// The controller uses 16 bytes per vector there, and the pending bits right behind, 8-aligned:
    /// [`msix_table_size`] is what to reserve.
    ///
    /// # Errors
    ///
    /// `EINVAL` for another number, and the controller's.
    pub fn set_msix(&self, vectors: u16, bar: BarNumber, offset: u32) -> Result {
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant.
        to_result(unsafe {
            bindings::pci_epc_set_msix(
                epc,
                function,
                virtual_function,
                vectors,
                bar.as_raw(),
                offset,
            )
        })
    }

    /// Returns how many MSI-X vectors the RC has enabled; 0 as long as it has not.
    pub fn msix(&self) -> u16 {
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant.
        let vectors = unsafe { bindings::pci_epc_get_msix(epc, function, virtual_function) };
        vectors.try_into().unwrap_or(0)
    }

    /// Returns the controller with the numbers of the function, which every operation takes.
    pub(crate) fn as_raw(&self) -> (*mut bindings::pci_epc, u8, u8) {
        (
            self.0.epc.as_ptr(),
            self.0.function,
            self.0.virtual_function,
        )
    }

    /// Returns the features as the framework knows them.
    pub(crate) fn raw_features(&self) -> *const bindings::pci_epc_features {
        self.0.raw_features
    }

    /// Takes BARs, given as a bit mask, for one user.
    ///
    /// # Errors
    ///
    /// `EBUSY` when one of them is in use.
    pub(crate) fn claim_bars(&self, mask: u32) -> Result {
        let mut bars = self.0.bars.lock();
        if *bars & mask != 0 {
            return Err(EBUSY);
        }
        *bars |= mask;
        Ok(())
    }

    /// Gives up BARs that were taken with [`Endpoint::claim_bars`].
    pub(crate) fn release_bars(&self, mask: u32) {
        *self.0.bars.lock() &= !mask;
    }
}

impl AsRef<device::Device> for Endpoint {
    fn as_ref(&self) -> &device::Device {
        self.function().as_ref()
    }
}

/// Returns the bytes which the table and the pending bits of `vectors` MSI-X vectors take.
///
/// PCI Express Base Specification, 7.7.2: 16 bytes per entry, then one pending bit per vector in
/// words of 64.
pub const fn msix_table_size(vectors: u16) -> usize {
    vectors as usize * 16 + (vectors as usize).div_ceil(64) * 8
}

/// What all clones of an endpoint share; it ends with the last one.
#[pin_data(PinnedDrop)]
struct Binding {
    epf: ARef<Device>,
    epc: NonNull<bindings::pci_epc>,
    function: u8,
    virtual_function: u8,
    raw_features: *const bindings::pci_epc_features,
    features: Features,
    #[pin]
    bars: Mutex<u32>,
    released: Arc<Completion>,
}

// SAFETY: The framework's objects have their own locks, and may be used from any thread.
unsafe impl Send for Binding {}

// SAFETY: As above; everything else is `Sync`.
unsafe impl Sync for Binding {}

#[pinned_drop]
impl PinnedDrop for Binding {
    fn drop(self: Pin<&mut Self>) {
        self.released.complete_all();
    }
}
