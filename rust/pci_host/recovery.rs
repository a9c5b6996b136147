// SPDX-License-Identifier: GPL-2.0

//! Errors of the bus, and resets behind a driver's back, as the PCI core reports them.
//!
//! `kernel::pci` does not pass them on; the [`Adapter`] here is the kernel crate's, and adds that.
//!
//! C header: `include/linux/pci.h`, `struct pci_error_handlers`; rules:
//! `Documentation/PCI/pci-error-recovery.rst` of the kernel.
//!
//! Context: process, with the lock of the device held, as in probe and unbind.

use crate::{
    bindings,
    vectors::as_raw, //
};
use core::marker::PhantomData;
use kernel::{
    device::{
        Core,
        CoreInternal, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::to_result,
    pci,
    prelude::*,
    str::CStr,
    types::Opaque,
    ThisModule, //
};

/// What an error did to the accesses between processor and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Nothing: accesses go on.
    Normal,
    /// None arrives until the bus is reset.
    Frozen,
    /// None will ever arrive.
    Dead,
}

/// How a driver wants to go on after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Without a reset.
    GoOn,
    /// With a reset of the bus.
    Reset,
    /// Not at all.
    GiveUp,
}

impl Verdict {
    const fn as_raw(self) -> bindings::pci_ers_result_t {
        match self {
            Self::GoOn => bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER,
            Self::Reset => bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
            Self::GiveUp => bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
        }
    }
}

/// A driver that is told of errors and resets.
///
/// After a reset the configuration of the device is what [`save_config`] saved.
pub trait Recover: pci::Driver {
    /// An error was found on the way to the device.
    fn error_detected(data: Pin<&Self::Data<'_>>, channel: Channel) -> Verdict;

    /// The function is about to be reset, by a user or another driver.
    fn reset_prepare(data: Pin<&Self::Data<'_>>);

    /// The reset is over, successful or not.
    fn reset_done(data: Pin<&Self::Data<'_>>);
}

/// Whether accesses to `pdev` arrive: it was not unplugged, and no recovery of its bus is under way.
///
/// Context: any. A function that is being reset alone does not show here, but by [`Recover::reset_prepare`].
pub fn is_reachable(pdev: &pci::Device) -> bool {
    // SAFETY: The device is valid; its state is one word, which may change at any time.
    !unsafe { bindings::pci_host_channel_offline(as_raw(pdev)) }
}

/// Saves the configuration of `pdev`, for it to be restored after a reset.
///
/// # Errors
///
/// `ENOMEM`: no memory.
pub fn save_config(pdev: &pci::Device<Core<'_>>) -> Result {
    // SAFETY: The device is valid, and nobody else saves its state during probe.
    to_result(unsafe { bindings::pci_save_state(as_raw(pdev)) })
}

/// Registers a driver that is told of errors; for `kernel::module_driver!`.
pub struct Adapter<T: Recover>(PhantomData<T>);

// SAFETY: All is the kernel crate's adapter's.
unsafe impl<T: Recover> DriverLayout for Adapter<T> {
    type DriverType = <pci::Adapter<T> as DriverLayout>::DriverType;
    type DriverData<'bound> = <pci::Adapter<T> as DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = <pci::Adapter<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: Registered is what the kernel crate's adapter registers.
unsafe impl<T: Recover> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: Nobody knows the driver before it is registered. The handlers are constant.
        unsafe { (*driver.get()).err_handler = Self::HANDLERS };
        // SAFETY: The caller's promise.
        unsafe { <pci::Adapter<T> as RegistrationOps>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The caller's promise.
        unsafe { <pci::Adapter<T> as RegistrationOps>::unregister(driver) }
    }
}

impl<T: Recover> Adapter<T> {
    const HANDLERS: &'static bindings::pci_error_handlers = &bindings::pci_error_handlers {
        error_detected: Some(Self::error_detected),
        slot_reset: Some(Self::slot_reset),
        reset_prepare: Some(Self::reset_prepare),
        reset_done: Some(Self::reset_done),
        ..pin_init::zeroed()
    };

    /// Calls `call` with the data of the driver.
    ///
    /// # Safety
    ///
    /// `pdev` must be a device that is bound to this driver, and its lock held.
    unsafe fn with_data<R>(
        pdev: *mut bindings::pci_dev,
        call: impl FnOnce(Pin<&T::Data<'_>>) -> R,
    ) -> R {
        // CAST: `pci::Device` is a transparent wrapper of `Opaque<pci_dev>`.
        //
        // SAFETY: The caller's promise; with the lock held the context is that of probe and unbind.
        let pdev = unsafe { &*pdev.cast::<pci::Device<CoreInternal<'_>>>() };
        // SAFETY: A device is bound, for who has its lock, from the end of a successful probe on,
        // which stored the data, until it is unbound.
        call(unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() })
    }

    /// # Safety
    ///
    /// As for [`Self::with_data`]; the PCI core calls it so.
    unsafe extern "C" fn error_detected(
        pdev: *mut bindings::pci_dev,
        state: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        let channel = match state {
            bindings::pci_channel_io_normal => Channel::Normal,
            bindings::pci_channel_io_frozen => Channel::Frozen,
            _ => Channel::Dead,
        };
        // SAFETY: The caller's promise.
        unsafe { Self::with_data(pdev, |data| T::error_detected(data, channel)) }.as_raw()
    }

    /// # Safety
    ///
    /// As for [`Self::with_data`]; the PCI core calls it so, after it has reset the device.
    unsafe extern "C" fn slot_reset(pdev: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: The device is valid, and with its lock held nobody else restores its state.
        unsafe { bindings::pci_restore_state(pdev) };
        bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED
    }

    /// # Safety
    ///
    /// As for [`Self::with_data`]; the PCI core calls it so.
    unsafe extern "C" fn reset_prepare(pdev: *mut bindings::pci_dev) {
        // SAFETY: The caller's promise.
        unsafe { Self::with_data(pdev, T::reset_prepare) }
    }

    /// # Safety
    ///
    /// As for [`Self::with_data`]; the PCI core calls it so, after it has restored the device.
    unsafe extern "C" fn reset_done(pdev: *mut bindings::pci_dev) {
        // SAFETY: The caller's promise.
        unsafe { Self::with_data(pdev, T::reset_done) }
    }
}
