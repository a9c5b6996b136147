// SPDX-License-Identifier: GPL-2.0

//! The vDPA device and its registration outside of a management device.
//!
//! The driver's data lies behind the C structure in one allocation, which the driver core frees
//! with the last reference.

use crate::{
    bindings,
    config_ops::ConfigOps,
    map::{
        self,
        KernelMap, //
    },
    pinned::PinnedMap,
    vtable::Vtable, //
};
use core::{
    mem::{
        align_of,
        offset_of,
        size_of,
        MaybeUninit, //
    },
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    device,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc, //
    },
    types::Opaque,
};
use virtio::provision::QueueMap;

/// How the driver side makes its memory reachable for the device.
pub enum Memory<'a> {
    /// Through the DMA API of this device, which must be bound until the vDPA device is
    /// unregistered. Addresses are DMA addresses.
    Dma(&'a device::Device),
    /// As `Dma` for drivers of the kernel. The memory of a process is mapped by the DMA API as well, and
    /// the driver is told where: the device translates the addresses of the process by itself. For types
    /// that implement [`dma_map`](ConfigOps::dma_map).
    Translated {
        /// As for `Dma`.
        dma: &'a device::Device,
        /// Through this map the driver reads memory of the process itself, if it has to.
        readable: Option<Arc<KernelMap>>,
    },
    /// Through this map, by which the device side finds the driver side's memory.
    Kernel(Arc<KernelMap>),
}

/// What a [`Device`] is made from, besides the driver's data.
pub struct Options<'a> {
    /// The name of the device; `None`: `vdpa<number>`.
    pub name: Option<&'a CStr>,
    /// The parent in the device hierarchy.
    pub parent: &'a device::Device,
    /// The virtqueues that the user is shown, see [`Chosen::queues`](crate::Chosen::queues).
    pub queues: QueueMap,
    /// The number of groups of virtqueues, and of address spaces. [`Memory::Dma`] has one of each only, as all
    /// processes and drivers use the address space of the IOMMU.
    pub groups: u32,
    /// See [`groups`](Self::groups).
    pub spaces: u32,
    /// How the device reaches memory.
    pub memory: Memory<'a>,
    /// Whether the device implements [`suspend`](ConfigOps::suspend) and [`resume`](ConfigOps::resume),
    /// if its type does.
    pub can_suspend: bool,
}

/// A vDPA device with the driver's data `T`.
///
/// # Invariants
///
/// The object was made by `__vdpa_alloc_device` and `inner.data` is initialised: only
/// [`Unregistered::new`] sees it before, and gives no reference to it away.
#[repr(transparent)]
pub struct Device<T: ConfigOps> {
    inner: Opaque<Inner<T>>,
}

/// The allocation; zeroed until [`Unregistered::new`] has filled it.
#[repr(C)]
struct Inner<T> {
    vdpa: bindings::vdpa_device,
    own: Option<Own>,
    data_is_initialised: bool,
    data: MaybeUninit<T>,
}

/// What the device needs besides the driver's data.
struct Own {
    /// The parent, needed until the driver core takes its own reference at registration.
    _parent: ARef<device::Device>,
    /// The device whose DMA API is used; the C structure has an uncounted pointer to it.
    _dma: ARef<device::Device>,
    map: Map,
    queues: QueueMap,
}

/// What is mapped by operations of this crate.
enum Map {
    /// Nothing.
    None,
    /// What virtio drivers have a token of.
    Kernel(Arc<KernelMap>),
    /// Memory of a process, for a device that translates addresses.
    Pinned(Arc<PinnedMap>),
}

// SAFETY: A vDPA device is reference counted and may be released by any thread; the data is `Send`.
unsafe impl<T: ConfigOps> Send for Device<T> {}

// SAFETY: What is reached through a shared reference has its own synchronisation or is constant;
// the data is `Sync`.
unsafe impl<T: ConfigOps> Sync for Device<T> {}

impl<T: ConfigOps> Device<T> {
    /// Allocates a zeroed device. The result must not be dereferenced to the data yet.
    fn alloc(options: &Options<'_>) -> Result<ARef<Self>> {
        let map: *const _ = match options.memory {
            Memory::Dma(_) | Memory::Translated { .. } => ptr::null(),
            Memory::Kernel(_) => &map::OPS,
        };
        // SAFETY: `parent` outlives the call, and `new` keeps it alive until it is counted; the
        // tables are constants; the name is copied.
        let vdpa = from_err_ptr(unsafe {
            bindings::__vdpa_alloc_device(
                as_raw(options.parent),
                Vtable::<T>::of(options),
                map,
                options.groups,
                options.spaces,
                size_of::<Inner<T>>(),
                options.name.map_or(ptr::null(), |name| name.as_char_ptr()),
                false,
            )
        })?;
        let device = NonNull::new(vdpa.cast::<Self>()).ok_or(ENOMEM)?;
        // SAFETY: The device has the one reference that its allocation gives.
        Ok(unsafe { ARef::from_raw(device) })
    }

    /// Returns the device of an operation.
    ///
    /// # Safety
    ///
    /// `vdpa` must be a device that `Unregistered::<T>::new` returned, and live for `'a`.
    pub(crate) unsafe fn from_raw<'a>(vdpa: *const bindings::vdpa_device) -> &'a Self {
        // CAST: The C structure is the first member of `Inner`, which `Self` is transparent over.
        //
        // SAFETY: The caller's promise.
        unsafe { &*vdpa.cast::<Self>() }
    }

    /// Destroys the data: the operation `free`.
    ///
    /// # Safety
    ///
    /// `vdpa` must be a device that [`Device::alloc`] made, without any reference left.
    pub(crate) unsafe fn free(vdpa: *mut bindings::vdpa_device) {
        let inner = vdpa.cast::<Inner<T>>();
        // SAFETY: Nobody else uses the object any more. The members are zero, which is `None` and
        // `false`, or initialised by `new`.
        unsafe {
            if (*inner).data_is_initialised {
                (*inner).data.assume_init_drop();
            }
            ptr::drop_in_place(ptr::addr_of_mut!((*inner).own));
        }
    }

    fn as_inner(&self) -> *mut Inner<T> {
        self.inner.get()
    }

    pub(crate) fn as_vdpa(&self) -> *mut bindings::vdpa_device {
        self.as_inner().cast()
    }

    /// Returns the map that the device was made with.
    pub(crate) fn kernel_map(&self) -> Option<&Arc<KernelMap>> {
        // SAFETY: By the type invariant `new` has set the member, which is constant since.
        match unsafe { &(*self.as_inner()).own.as_ref()?.map } {
            Map::Kernel(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the memory that a process has given to the device.
    pub(crate) fn pinned_map(&self) -> Option<&PinnedMap> {
        // SAFETY: As for `kernel_map`.
        match unsafe { &(*self.as_inner()).own.as_ref()?.map } {
            Map::Pinned(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the virtqueues that the user is shown.
    #[inline]
    pub(crate) fn queues(&self) -> QueueMap {
        // SAFETY: By the type invariant `new` has set the member, which is constant since.
        let own = unsafe { (*self.as_inner()).own.as_ref() };
        own.map_or(QueueMap::unmoved(0), |own| own.queues)
    }
}

impl<T: ConfigOps> Deref for Device<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant the data is initialised; it is shared from then on.
        unsafe { (*self.as_inner()).data.assume_init_ref() }
    }
}

impl<T: ConfigOps> AsRef<device::Device> for Device<T> {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: By the type invariant `vdpa.dev` is an initialised device that lives as long as
        // `self`.
        unsafe { device::Device::from_raw(ptr::addr_of_mut!((*self.as_vdpa()).dev)) }
    }
}

// SAFETY: The driver core counts the references of each `vdpa_device`.
unsafe impl<T: ConfigOps> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        // SAFETY: `self` is a live device by the type invariant.
        unsafe { bindings::get_device(ptr::addr_of_mut!((*self.as_vdpa()).dev)) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        let vdpa = obj.cast::<bindings::vdpa_device>().as_ptr();
        // SAFETY: The caller gives one reference up, hence the device lives until here.
        unsafe { bindings::put_device(ptr::addr_of_mut!((*vdpa).dev)) };
    }
}

/// A device that was never registered; it can be, once.
pub struct Unregistered<T: ConfigOps>(ARef<Device<T>>);

impl<T: ConfigOps> Unregistered<T> {
    /// Makes a device that is not registered yet.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; and what `data` fails with.
    pub fn new(options: &Options<'_>, data: impl PinInit<T, Error>) -> Result<Self> {
        const {
            // `vdpa_release_dev` frees the address of the C structure.
            assert!(offset_of!(Inner<T>, vdpa) == 0);
            // What `kzalloc` guarantees on every architecture.
            assert!(align_of::<Inner<T>>() <= align_of::<u64>());
        }
        let device = Device::<T>::alloc(options)?;
        let inner = device.as_inner();
        let (dma, map) = match &options.memory {
            Memory::Dma(dma) => (*dma, Map::None),
            Memory::Translated { dma, readable } => {
                let map = Arc::pin_init(PinnedMap::new(dma, readable.clone()), GFP_KERNEL)?;
                (*dma, Map::Pinned(map))
            }
            // The device is not used: there are operations for all that needs one.
            Memory::Kernel(map) => (options.parent, Map::Kernel(map.clone())),
        };
        // SAFETY: The memory is ours alone: no other reference exists yet, and the operations are
        // not called before registration.
        unsafe {
            (*inner).vdpa.vmap.dma_dev = as_raw(dma);
            (*inner).vdpa.nvqs = options.queues.count().into();
            ptr::addr_of_mut!((*inner).own).write(Some(Own {
                _parent: options.parent.into(),
                _dma: dma.into(),
                map,
                queues: options.queues,
            }));
            data.__pinned_init(ptr::addr_of_mut!((*inner).data).cast::<T>())?;
            // INVARIANT: The data is initialised from here on.
            (*inner).data_is_initialised = true;
        }
        Ok(Self(device))
    }

    /// Gives up that the device is unregistered.
    pub(crate) fn into_device(self) -> ARef<Device<T>> {
        self.0
    }
}

impl<T: ConfigOps> Deref for Unregistered<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        &self.0
    }
}

/// The registration of a device outside of [`Management::dev_add`](crate::Management::dev_add).
///
/// # Invariants
///
/// The device is registered, and the registration owns one reference to it.
pub struct Registration<T: ConfigOps> {
    device: NonNull<Device<T>>,
}

// SAFETY: A device may be unregistered by any thread.
unsafe impl<T: ConfigOps> Send for Registration<T> {}

// SAFETY: A shared registration only gives a shared device.
unsafe impl<T: ConfigOps> Sync for Registration<T> {}

impl<T: ConfigOps> Registration<T> {
    /// Registers `device`, which a driver then binds to before this returns.
    ///
    /// The user cannot delete such a device with the `vdpa` tool.
    ///
    /// Context: process; takes `vdpa_dev_lock`.
    ///
    /// # Errors
    ///
    /// `EEXIST`: there is a vDPA device of this name; and those of the driver core.
    pub fn new(device: Unregistered<T>) -> Result<Self> {
        let device = device.into_device();
        // SAFETY: The device was never registered, as its type said.
        to_result(unsafe {
            bindings::vdpa_register_device(device.as_vdpa(), device.queues().count().into())
        })?;
        // INVARIANT: Registered just now, with the reference of the argument.
        Ok(Self {
            device: ARef::into_raw(device),
        })
    }
}

impl<T: ConfigOps> Deref for Registration<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        // SAFETY: The registration owns a reference by the type invariant.
        unsafe { self.device.as_ref() }
    }
}

impl<T: ConfigOps> Drop for Registration<T> {
    /// Context: process; takes `vdpa_dev_lock`. Waits for users of `/dev/vhost-vdpa-*` to close.
    fn drop(&mut self) {
        // SAFETY: The device is registered by the type invariant; this gives the reference up.
        unsafe { bindings::vdpa_unregister_device(self.as_vdpa()) };
    }
}

/// Returns the C structure of a device.
pub(crate) fn as_raw(device: &device::Device) -> *mut bindings::device {
    // CAST: `device::Device` is transparent over `struct device`.
    ptr::from_ref(device).cast_mut().cast()
}
