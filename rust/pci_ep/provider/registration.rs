// SPDX-License-Identifier: GPL-2.0

//! The registration of a controller, and what happens at it.

use super::{
    device::ControllerDevice,
    operations::Operations,
    Controller, //
};
use crate::{
    bindings,
    features::Features, //
};
use core::ptr::NonNull;
use kernel::{
    device::Device,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::Arc, //
};

/// What the framework has to know of a controller.
pub struct Config<'a> {
    /// How many functions it has.
    pub functions: u8,
    /// What it can do for each of them.
    pub features: Features,
    /// The alignment in bytes of outbound mappings, a power of two.
    pub align: usize,
    /// The ranges of EP addresses through which RC memory can be mapped, in the order of their use.
    pub windows: &'a [Window],
}

/// A range of EP addresses for outbound mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The physical address, a multiple of `page_size`.
    pub address: u64,
    /// The size in bytes, a multiple of `page_size`.
    pub size: usize,
    /// The unit in bytes in which it is given away, a power of two from the page size.
    pub page_size: usize,
}

/// A registered controller; dropping it takes it from the functions and from configfs.
///
/// It must not be dropped in an operation or an event.
pub struct Registration<T: Controller> {
    notifier: Notifier,
    registered: Pin<KBox<Registered<T>>>,
    // Declared last: the controller is a child of it.
    _device: Arc<ControllerDevice>,
}

impl<T: Controller> Registration<T> {
    /// Registers `controller` under the name of `device`, and says that it is ready.
    ///
    /// The name is that of its directory in configfs, and unique. What functions look for at the device
    /// is to be there already.
    ///
    /// # Errors
    ///
    /// `EINVAL` without windows or when the alignment is not a power of two, `ENOMEM`.
    pub fn new(
        device: Arc<ControllerDevice>,
        controller: Arc<T>,
        config: &Config<'_>,
    ) -> Result<Self> {
        if !config.align.is_power_of_two() {
            return Err(EINVAL);
        }
        let registered = Registered {
            controller,
            features: config.features.to_raw(),
            align: config.align,
        };
        let registered = KBox::pin(registered, GFP_KERNEL)?;
        // SAFETY: The device is valid, and the table is a constant of the module that owns it.
        let epc = from_err_ptr(unsafe {
            bindings::__pci_epc_create(device.as_raw(), &Operations::<T>::TABLE, T::OWNER.as_ptr())
        })?;
        // SAFETY: `epc` is a valid controller.
        let notifier = unsafe { Notifier::new(NonNull::new(epc).ok_or(ENODEV)?) };
        let this = Self {
            notifier,
            registered,
            _device: device,
        };
        this.add_windows(config.windows)?;
        this.attach(config.functions);
        this.notifier.ready();
        Ok(this)
    }

    /// Returns what tells functions of events.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    fn add_windows(&self, windows: &[Window]) -> Result {
        let mut raw = KVec::with_capacity(windows.len(), GFP_KERNEL)?;
        for window in windows {
            raw.push(
                bindings::pci_epc_mem_window {
                    phys_base: window.address,
                    size: window.size,
                    page_size: window.page_size,
                },
                GFP_KERNEL,
            )?;
        }
        // SAFETY: The controller is valid; the windows are copied.
        to_result(unsafe {
            bindings::pci_epc_multi_mem_init(
                self.notifier.as_raw(),
                raw.as_mut_ptr(),
                raw.len().try_into()?,
            )
        })
    }

    /// Lets operations reach the controller, from here on.
    fn attach(&self, functions: u8) {
        let data = core::ptr::from_ref(&*self.registered).cast_mut();
        let epc = self.notifier.as_raw();
        // SAFETY: The controller is valid, and its lock orders this with operations. What is
        // attached lives until `detach`. Functions can be linked as soon as there are any.
        unsafe {
            bindings::pci_ep_lock(epc);
            bindings::dev_set_drvdata(&raw mut (*epc).dev, data.cast());
            (*epc).max_functions = functions;
            bindings::pci_ep_unlock(epc);
        }
    }

    /// Waits for running operations, and lets none reach the controller any more.
    fn detach(&self) {
        let epc = self.notifier.as_raw();
        // SAFETY: The controller is valid, and its lock orders this with operations.
        unsafe {
            bindings::pci_ep_lock(epc);
            bindings::dev_set_drvdata(&raw mut (*epc).dev, core::ptr::null_mut());
            bindings::pci_ep_unlock(epc);
        }
    }
}

impl<T: Controller> Drop for Registration<T> {
    fn drop(&mut self) {
        self.notifier.lost();
        let epc = self.notifier.as_raw();
        // SAFETY: The controller is registered until here; the notifier keeps its memory. It has no
        // directory any more when functions are unbound, so none is linked or unlinked meanwhile.
        let abandoned = unsafe {
            bindings::pci_epc_destroy(epc);
            bindings::pci_ep_unbind_functions(epc)
        };
        if abandoned {
            dev_warn!(
                self.notifier,
                "The controller went away with functions linked to it, which cannot be removed\n"
            );
        }
        self.detach();
        // SAFETY: No function is bound, so no window is mapped or will be.
        unsafe { bindings::pci_epc_mem_exit(epc) };
    }
}

/// What the operations find at a controller.
pub(super) struct Registered<T> {
    controller: Arc<T>,
    features: bindings::pci_epc_features,
    align: usize,
}

// SAFETY: The features are plain data; their pointers are null.
unsafe impl<T: Send + Sync> Send for Registered<T> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Registered<T> {}

impl<T> Registered<T> {
    pub(super) fn controller(&self) -> &T {
        &self.controller
    }

    pub(super) fn align(&self) -> usize {
        self.align
    }

    pub(super) fn features(&self) -> *const bindings::pci_epc_features {
        &self.features
    }
}

/// Tells the functions of a controller what happens at it.
///
/// The framework knows events of all functions only; those of one are called as it calls all.
///
/// Process context, and not in an operation: it takes `epc->list_lock`, then the functions' locks.
///
/// # Invariants
///
/// The object holds a reference to the controller.
pub struct Notifier(NonNull<bindings::pci_epc>);

// SAFETY: A controller is counted, and its events have a lock.
unsafe impl Send for Notifier {}

// SAFETY: As above.
unsafe impl Sync for Notifier {}

impl Notifier {
    /// # Safety
    ///
    /// `epc` must be valid.
    unsafe fn new(epc: NonNull<bindings::pci_epc>) -> Self {
        // SAFETY: By the requirements of this function.
        unsafe { bindings::get_device(&raw mut (*epc.as_ptr()).dev) };
        // INVARIANT: The reference was taken above.
        Self(epc)
    }

    /// The controller can be programmed: functions do so now, also when they did it before.
    pub fn ready(&self) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_epc_init_notify(self.as_raw()) }
    }

    /// The controller loses what was programmed, until it is [ready](Self::ready) again.
    pub fn lost(&self) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_epc_deinit_notify(self.as_raw()) }
    }

    /// The link came up.
    pub fn link_up(&self) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_epc_linkup(self.as_raw()) }
    }

    /// The link went down.
    pub fn link_down(&self) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_epc_linkdown(self.as_raw()) }
    }

    /// The same as [`link_up`](Self::link_up) for one function, which the RC has reset.
    pub fn link_up_of(&self, function: u8) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_ep_tell_link_up(self.as_raw(), function) }
    }

    /// The same as [`link_down`](Self::link_down) for one function, which the RC has reset.
    pub fn link_down_of(&self, function: u8) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_ep_tell_link_down(self.as_raw(), function) }
    }

    /// The RC allowed a function to access its memory.
    pub fn bus_master_enable_of(&self, function: u8) {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { bindings::pci_ep_tell_bus_master_enable(self.as_raw(), function) }
    }

    fn as_raw(&self) -> *mut bindings::pci_epc {
        self.0.as_ptr()
    }
}

impl AsRef<Device> for Notifier {
    fn as_ref(&self) -> &Device {
        // SAFETY: The controller is valid by the type invariant; `Device` wraps transparently.
        unsafe { &*(&raw const (*self.as_raw()).dev).cast() }
    }
}

impl Clone for Notifier {
    fn clone(&self) -> Self {
        // SAFETY: The controller is valid by the type invariant.
        unsafe { Self::new(self.0) }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        // SAFETY: The reference belongs to this object by the type invariant.
        unsafe { bindings::put_device(&raw mut (*self.as_raw()).dev) }
    }
}
