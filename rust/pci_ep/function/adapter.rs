// SPDX-License-Identifier: GPL-2.0

//! From the callbacks of the framework to a [`Function`]. Which locks are held in which callback is
//! said in the parent module.

use super::{
    Device,
    Function, //
};
use crate::{
    bindings,
    configfs::Group,
    controller::Endpoint, //
};
use core::ptr::NonNull;
use kernel::{
    device,
    driver,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    str::CStr,
    sync::{
        Arc,
        Completion, //
    },
    types::Opaque,
    ThisModule, //
};

/// What is attached to a function device; nothing that a driver can use.
#[doc(hidden)]
pub struct Attached<T: Function> {
    // Fields are dropped in this order: the module is let go of last.
    binding: Option<Binding<T>>,
    group: Option<Group<T>>,
    function: Arc<T>,
    header: KBox<Opaque<bindings::pci_epf_header>>,
    _module: ModuleReference,
}

/// What exists from bind to unbind.
struct Binding<T: Function> {
    bound: T::Bound,
    released: Arc<Completion>,
}

// SAFETY: The header is plain data which the framework accesses from any thread; everything else is
// `Send`.
unsafe impl<T: Function> Send for Attached<T> {}

impl<T: Function> Attached<T> {
    fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            binding: None,
            group: None,
            _module: ModuleReference::of_driver(device)?,
            header: KBox::new(Opaque::new(T::HEADER.to_raw()), GFP_KERNEL)?,
            function: Arc::pin_init(T::probe(device), GFP_KERNEL)?,
        })
    }

    fn bind(&mut self, device: &Device) -> Result {
        // SAFETY: The framework calls this to bind, and `unbind` as well as the failure path here
        // wait for the signal.
        let (endpoint, released) = unsafe { Endpoint::new(device)? };
        let bound =
            T::bind(&self.function, endpoint).inspect_err(|_| released.wait_for_completion())?;
        self.binding = Some(Binding { bound, released });
        Ok(())
    }

    fn unbind(&mut self) {
        if let Some(Binding { bound, released }) = self.binding.take() {
            T::unbind(&self.function, bound);
            released.wait_for_completion();
        }
    }

    fn event(
        &mut self,
        name: &str,
        device: &Device,
        handle: fn(&Arc<T>, &mut T::Bound) -> Result,
    ) -> Result {
        // An event may come before `bind` or after its failure: the function is on the
        // controller's list already.
        let Some(binding) = &mut self.binding else {
            return Ok(());
        };
        handle(&self.function, &mut binding.bound)
            .inspect_err(|error| dev_err!(device, "Event {} failed: {:?}\n", name, error))
    }
}

/// A reference to the module of a function's driver, so that it stays while the function exists.
struct ModuleReference(NonNull<bindings::module>);

impl ModuleReference {
    /// Fails with `ENODEV` when the module is being unloaded.
    fn of_driver(device: &Device) -> Result<Self> {
        // SAFETY: A device that is being probed has a driver, whose module is there as long as the
        // driver is registered.
        unsafe {
            let module = (*(*device.as_raw()).driver).driver.owner;
            if !bindings::try_module_get(module) {
                return Err(ENODEV);
            }
            NonNull::new(module).map(Self).ok_or(ENODEV)
        }
    }
}

impl Drop for ModuleReference {
    fn drop(&mut self) {
        // SAFETY: `of_driver` took the reference.
        unsafe { bindings::module_put(self.0.as_ptr()) }
    }
}

/// The registration of a [`Function`] with the driver core; see [`module_pci_epf_driver!`].
///
/// [`module_pci_epf_driver!`]: crate::module_pci_epf_driver
pub struct Adapter<T: Function>(T);

// SAFETY: `struct pci_epf_driver` is `repr(C)` and embeds the `struct device_driver` at this offset;
// `probe_callback` attaches an `Attached<T>`.
unsafe impl<T: Function> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_epf_driver;
    type DriverData<'bound> = Attached<T>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(bindings::pci_epf_driver, driver);
}

// SAFETY: `unregister` undoes `register`.
unsafe impl<T: Function> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<bindings::pci_epf_driver>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let raw = driver.get();
        // SAFETY: Nobody else knows the structure yet.
        unsafe {
            (*raw).driver.name = name.as_char_ptr();
            // Unbinding by hand would take the driver from under a bound function.
            (*raw).driver.suppress_bind_attrs = true;
            (*raw).probe = Some(Self::probe_callback);
            (*raw).remove = Some(Self::remove_callback);
            (*raw).ops = &Self::OPS;
            (*raw).id_table = Self::IDS.as_ptr();
        }
        // SAFETY: The structure is complete, and stays where it is until `unregister`.
        to_result(unsafe { bindings::__pci_epf_register_driver(raw, module.as_ptr()) })
    }

    unsafe fn unregister(driver: &Opaque<bindings::pci_epf_driver>) {
        // SAFETY: By the requirements of this function, the driver is registered.
        unsafe { bindings::pci_epf_unregister_driver(driver.get()) }
    }
}

impl<T: Function> Adapter<T> {
    const IDS: &'static [bindings::pci_epf_device_id; 2] = &[device_id(T::NAME), device_id(c"")];

    const OPS: bindings::pci_epf_ops = bindings::pci_epf_ops {
        bind: Some(Self::bind_callback),
        unbind: Some(Self::unbind_callback),
        add_cfs: if T::ATTRIBUTES.is_empty() {
            None
        } else {
            Some(Self::add_cfs_callback)
        },
    };

    const EVENTS: bindings::pci_epc_event_ops = bindings::pci_epc_event_ops {
        epc_init: Some(Self::epc_init_callback),
        epc_deinit: if T::HAS_EPC_DEINIT {
            Some(Self::epc_deinit_callback)
        } else {
            None
        },
        link_up: if T::HAS_LINK_UP {
            Some(Self::link_up_callback)
        } else {
            None
        },
        link_down: if T::HAS_LINK_DOWN {
            Some(Self::link_down_callback)
        } else {
            None
        },
        bus_master_enable: if T::HAS_BUS_MASTER_ENABLE {
            Some(Self::bus_master_enable_callback)
        } else {
            None
        },
    };

    /// Runs `f` with a device and what is attached to it.
    ///
    /// # Safety
    ///
    /// `epf` must be valid, bound to the driver of `T`, and its lock be held; the framework's
    /// callbacks are called like this, except that a failed probe has attached nothing.
    unsafe fn with<R>(
        epf: *mut bindings::pci_epf,
        f: impl FnOnce(&mut Attached<T>, &Device) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: `epf` is valid. What is attached is an `Attached<T>`, and the lock makes this the
        // only reference to it.
        unsafe {
            let attached = bindings::dev_get_drvdata(&raw mut (*epf).dev).cast::<Attached<T>>();
            f(attached.as_mut().ok_or(ENODEV)?, Device::from_raw(epf))
        }
    }

    extern "C" fn probe_callback(
        epf: *mut bindings::pci_epf,
        _id: *const bindings::pci_epf_device_id,
    ) -> c_int {
        // SAFETY: The bus probes a valid device.
        let device = unsafe { Device::from_raw(epf) };
        from_result(|| {
            let attached = Attached::<T>::new(device)?;
            let header = attached.header.get();
            // SAFETY: This is the callback of a bus, for the device that it is given.
            let core: &device::Device<device::CoreInternal<'_>> =
                unsafe { &*core::ptr::from_ref::<device::Device>(device.as_ref()).cast() };
            core.set_drvdata(Ok::<_, Error>(attached))?;
            // SAFETY: `epf` is valid. The header lives as long as what is attached, the events as
            // long as the module.
            unsafe {
                (*epf).header = header;
                (*epf).event_ops = &Self::EVENTS;
            }
            Ok(0)
        })
    }

    extern "C" fn remove_callback(epf: *mut bindings::pci_epf) {
        // SAFETY: `epf` is valid. No function is bound or shown in configfs any more, so nobody
        // else looks at these; what is attached is dropped by the driver core afterwards.
        unsafe {
            (*epf).event_ops = core::ptr::null();
            (*epf).header = core::ptr::null_mut();
        }
    }

    extern "C" fn bind_callback(epf: *mut bindings::pci_epf) -> c_int {
        // SAFETY: The framework calls this with a valid device of this driver, and its lock held.
        from_result(|| unsafe { Self::with(epf, Attached::bind) }.map(|()| 0))
    }

    extern "C" fn unbind_callback(epf: *mut bindings::pci_epf) {
        // SAFETY: As in `bind_callback`.
        let unbound = unsafe {
            Self::with(epf, |attached, _| {
                attached.unbind();
                Ok(())
            })
        };
        // A device without anything attached was not bound either.
        let _ = unbound;
    }

    extern "C" fn add_cfs_callback(
        epf: *mut bindings::pci_epf,
        _parent: *mut bindings::config_group,
    ) -> *mut bindings::config_group {
        // SAFETY: As in `bind_callback`.
        let group = unsafe {
            Self::with(epf, |attached, device| {
                let group = Group::new(device, attached.function.clone(), T::ATTRIBUTES)?;
                Ok(attached.group.insert(group).as_raw())
            })
        };
        group.unwrap_or_else(|error| error.to_ptr())
    }

    /// # Safety
    ///
    /// As for `with`.
    unsafe fn event(
        epf: *mut bindings::pci_epf,
        name: &str,
        handle: fn(&Arc<T>, &mut T::Bound) -> Result,
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        from_result(|| unsafe {
            Self::with(epf, |attached, device| attached.event(name, device, handle))?;
            Ok(0)
        })
    }

    extern "C" fn epc_init_callback(epf: *mut bindings::pci_epf) -> c_int {
        // SAFETY: As in `bind_callback`.
        unsafe { Self::event(epf, "epc_init", T::epc_init) }
    }

    extern "C" fn epc_deinit_callback(epf: *mut bindings::pci_epf) {
        // SAFETY: As in `bind_callback`.
        unsafe { Self::event(epf, "epc_deinit", T::epc_deinit) };
    }

    extern "C" fn link_up_callback(epf: *mut bindings::pci_epf) -> c_int {
        // SAFETY: As in `bind_callback`.
        unsafe { Self::event(epf, "link_up", T::link_up) }
    }

    extern "C" fn link_down_callback(epf: *mut bindings::pci_epf) -> c_int {
        // SAFETY: As in `bind_callback`.
        unsafe { Self::event(epf, "link_down", T::link_down) }
    }

    extern "C" fn bus_master_enable_callback(epf: *mut bindings::pci_epf) -> c_int {
        // SAFETY: As in `bind_callback`.
        unsafe { Self::event(epf, "bus_master_enable", T::bus_master_enable) }
    }
}

/// Returns the entry of an id table for `name`, or its end for the empty name.
const fn device_id(name: &CStr) -> bindings::pci_epf_device_id {
    let bytes = name.to_bytes();
    let mut id = bindings::pci_epf_device_id {
        name: [0; 20],
        driver_data: 0,
    };
    assert!(
        bytes.len() < id.name.len(),
        "the name of a function is at most 19 bytes long"
    );
    let mut i = 0;
    while i < bytes.len() {
        id.name[i] = bytes[i];
        i += 1;
    }
    id
}
