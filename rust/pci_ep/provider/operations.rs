// SPDX-License-Identifier: GPL-2.0

//! The table of operations that the framework calls, over a [`Controller`].

use super::{
    registration::Registered,
    Bar,
    Controller, //
};
use crate::{
    bar::BarNumber,
    bindings,
    header::Header,
    interrupt::Interrupt,
    outbound::PciAddr, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*, //
};

/// The operations of a controller.
pub(super) struct Operations<T: Controller>(PhantomData<T>);

impl<T: Controller> Operations<T> {
    pub(super) const TABLE: bindings::pci_epc_ops = bindings::pci_epc_ops {
        write_header: Some(Self::write_header),
        set_bar: Some(Self::set_bar),
        clear_bar: Some(Self::clear_bar),
        align_addr: Some(Self::align_addr),
        map_addr: Some(Self::map_addr),
        unmap_addr: Some(Self::unmap_addr),
        set_msi: Some(Self::set_msi),
        get_msi: Some(Self::get_msi),
        set_msix: Some(Self::set_msix),
        get_msix: Some(Self::get_msix),
        raise_irq: Some(Self::raise_irq),
        map_msi_irq: None,
        start: Some(Self::start),
        stop: Some(Self::stop),
        get_features: Some(Self::get_features),
        get_aux_resources_count: Some(Self::get_aux_resources_count),
        get_aux_resources: Some(Self::get_aux_resources),
        owner: T::OWNER.as_ptr(),
    };

    /// Runs `f` with what is registered.
    ///
    /// # Safety
    ///
    /// `epc` must be a controller made with this table, and its lock held: the framework calls all
    /// operations but `align_addr` like this. A registration begins and ends under that lock. Instead
    /// of holding the lock, the caller may be a bound function: functions are bound after the
    /// registration has begun, and unbound before it ends.
    unsafe fn with<R>(
        epc: *mut bindings::pci_epc,
        f: impl FnOnce(&Registered<T>) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: By the requirements of this function; what is attached is a `Registered<T>`, or
        // nothing before the registration is complete and after its end.
        let registered = unsafe {
            bindings::dev_get_drvdata(&raw mut (*epc).dev)
                .cast::<Registered<T>>()
                .as_ref()
        };
        f(registered.ok_or(ENODEV)?)
    }

    /// As [`Self::with`], for operations that answer an errno or 0.
    ///
    /// # Safety
    ///
    /// As for [`Self::with`].
    unsafe fn call(epc: *mut bindings::pci_epc, f: impl FnOnce(&T) -> Result) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            unsafe { Self::with(epc, |registered| f(registered.controller()))? };
            Ok(0)
        })
    }

    extern "C" fn write_header(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        header: *mut bindings::pci_epf_header,
    ) -> c_int {
        // SAFETY: See `with`; the header is valid for the time of the call.
        unsafe {
            let header = Header::from_raw(&*header);
            Self::call(epc, |controller| controller.write_header(function, &header))
        }
    }

    extern "C" fn set_bar(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        bar: *mut bindings::pci_epf_bar,
    ) -> c_int {
        // SAFETY: See `with`; the BAR is valid for the time of the call.
        unsafe { Self::call(epc, |controller| controller.set_bar(function, &Bar(&*bar))) }
    }

    extern "C" fn clear_bar(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        bar: *mut bindings::pci_epf_bar,
    ) {
        // SAFETY: See `with`; the BAR is valid for the time of the call. There is nobody to tell
        // that the BAR or the controller does not exist.
        unsafe {
            Self::call(epc, |controller| {
                controller.clear_bar(function, (*bar).barno.try_into()?);
                Ok(())
            });
        }
    }

    /// The framework calls this without the lock, for a function that maps something.
    extern "C" fn align_addr(
        epc: *mut bindings::pci_epc,
        addr: u64,
        size: *mut usize,
        offset: *mut usize,
    ) -> u64 {
        // SAFETY: See `with`; the caller is a bound function. Of a controller that is not there,
        // nothing can be mapped, whatever the alignment.
        let align = unsafe { Self::with(epc, |registered| Ok(registered.align())) }.unwrap_or(1);
        let mask = align - 1;
        let misalignment = addr as usize & mask;
        // SAFETY: Both are valid for the time of the call. A size that wraps around becomes 0,
        // which nothing can be mapped with.
        unsafe {
            *offset = misalignment;
            *size = (*size).wrapping_add(misalignment).wrapping_add(mask) & !mask;
        }
        addr - misalignment as u64
    }

    extern "C" fn map_addr(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        window: bindings::phys_addr_t,
        addr: u64,
        size: usize,
    ) -> c_int {
        // SAFETY: See `with`.
        unsafe {
            Self::call(epc, |controller| {
                controller.map(function, window, PciAddr(addr), size)
            })
        }
    }

    extern "C" fn unmap_addr(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        window: bindings::phys_addr_t,
    ) {
        // SAFETY: See `with`. There is nobody to tell that the controller does not exist.
        unsafe {
            Self::call(epc, |controller| {
                controller.unmap(function, window);
                Ok(())
            });
        }
    }

    extern "C" fn set_msi(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        vectors: u8,
    ) -> c_int {
        // SAFETY: See `with`.
        unsafe { Self::call(epc, |controller| controller.set_msi(function, vectors)) }
    }

    extern "C" fn get_msi(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
    ) -> c_int {
        from_result(|| {
            // SAFETY: See `with`.
            unsafe { Self::with(epc, |registered| registered.controller().msi(function)) }
                .map(c_int::from)
        })
    }

    extern "C" fn set_msix(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        vectors: u16,
        bar: bindings::pci_barno,
        offset: u32,
    ) -> c_int {
        // SAFETY: See `with`.
        unsafe {
            Self::call(epc, |controller| {
                controller.set_msix(function, vectors, BarNumber::try_from(bar)?, offset)
            })
        }
    }

    extern "C" fn get_msix(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
    ) -> c_int {
        from_result(|| {
            // SAFETY: See `with`.
            unsafe { Self::with(epc, |registered| registered.controller().msix(function)) }
                .map(c_int::from)
        })
    }

    extern "C" fn raise_irq(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        kind: c_uint,
        number: u16,
    ) -> c_int {
        // SAFETY: See `with`.
        unsafe {
            Self::call(epc, |controller| {
                controller.raise(function, Interrupt::from_raw(kind, number)?)
            })
        }
    }

    extern "C" fn start(epc: *mut bindings::pci_epc) -> c_int {
        // SAFETY: See `with`; `epc` is valid.
        unsafe {
            let functions = bindings::pci_ep_functions(epc);
            Self::call(epc, |controller| controller.start(functions))
        }
    }

    extern "C" fn stop(epc: *mut bindings::pci_epc) {
        // SAFETY: See `with`. There is nobody to tell that the controller does not exist.
        unsafe {
            Self::call(epc, |controller| {
                controller.stop();
                Ok(())
            });
        }
    }

    extern "C" fn get_features(
        epc: *mut bindings::pci_epc,
        _function: u8,
        _virtual_function: u8,
    ) -> *const bindings::pci_epc_features {
        // SAFETY: See `with`.
        unsafe { Self::with(epc, |registered| Ok(registered.features())) }
            .unwrap_or(core::ptr::null())
    }

    extern "C" fn get_aux_resources_count(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
    ) -> c_int {
        from_result(|| {
            // SAFETY: See `with`.
            unsafe {
                Self::with(epc, |registered| {
                    Ok(registered.controller().doorbell(function))
                })
            }
            .map(|doorbell| c_int::from(doorbell.is_some()))
        })
    }

    extern "C" fn get_aux_resources(
        epc: *mut bindings::pci_epc,
        function: u8,
        _virtual_function: u8,
        resources: *mut bindings::pci_epc_aux_resource,
        _count: c_int,
    ) -> c_int {
        // SAFETY: See `with`; the framework gives room for one resource at least.
        unsafe {
            Self::call(epc, |controller| {
                let doorbell = controller.doorbell(function).ok_or(ENODEV)?;
                let mut resource = bindings::pci_epc_aux_resource {
                    type_: bindings::pci_epc_aux_resource_type_PCI_EPC_AUX_DOORBELL_MMIO,
                    phys_addr: doorbell.address,
                    size: core::mem::size_of::<u32>() as u64,
                    bar: bindings::pci_barno_NO_BAR,
                    ..Default::default()
                };
                let register = resource.u.db_mmio.as_mut();
                register.irq = doorbell.irq.try_into()?;
                register.data = doorbell.data;
                resources.write(resource);
                Ok(())
            })
        }
    }
}
