// SPDX-License-Identifier: GPL-2.0

//! Memory of a process that `vhost_vdpa` pinned, for a device on a bus that translates addresses itself.
//!
//! It is mapped by the DMA API here and the driver is told of it. This crate keeps what is mapped, so that
//! the device reaches no memory that was given to somebody else: each mapping ends after the driver has seen
//! to it that the device does not touch it, and holds a reference to its pages until then.
//!
//! A driver that reads memory of the process itself does so through a [`KernelMap`]. Memory is in there for less
//! time than it is mapped: it goes before the device is told, and a copy in progress is waited for.
//!
//! Context: process. Locks: `mapped`, a mutex, held while the driver is told. It is taken inside the mutex
//! of `vhost_vdpa` and the `mmap` lock of the process; the lock of the `KernelMap` is taken inside it.

use crate::{
    bindings,
    config_ops::{
        ConfigOps,
        DmaRange,
        Permission, //
    },
    device::as_raw,
    map::{
        Area,
        KernelMap, //
    },
};
use kernel::{
    device,
    error::to_result,
    io::PhysAddr,
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
};

/// Whether `vhost_vdpa` can give memory of a process to `device` by the platform's IOMMU.
pub fn has_iommu(device: &device::Device) -> bool {
    // SAFETY: The device is a live one, and any may be asked about.
    unsafe { bindings::vdpa_has_iommu(as_raw(device)) }
}

/// What `vhost_vdpa` has mapped for a device.
#[pin_data]
pub(crate) struct PinnedMap {
    dma: ARef<device::Device>,
    /// By which the driver reads the memory itself.
    readable: Option<Arc<KernelMap>>,
    #[pin]
    mapped: Mutex<Mapped>,
}

/// Mappings by address space and highest IOVA; those of one space do not overlap.
type Mapped = RBTree<(u32, u64), Pinned>;

/// Dropped in the order of the fields: the driver leaves the memory before its pages go.
struct Pinned {
    first: u64,
    reach: Option<Reach>,
    _memory: DmaMapping,
}

/// Memory that is pinned.
pub(crate) struct Memory {
    pub(crate) address: PhysAddr,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) permission: Permission,
}

impl PinnedMap {
    /// Nothing is mapped. `dma` is bound as long as something is. The driver reads what is mapped through
    /// `readable`, if it does.
    pub(crate) fn new(
        dma: &device::Device,
        readable: Option<Arc<KernelMap>>,
    ) -> impl PinInit<Self> + '_ {
        pin_init!(Self {
            dma: dma.into(),
            readable,
            mapped <- new_mutex!(RBTree::new(), "vdpa::PinnedMap::mapped"),
        })
    }

    /// Maps memory at `iova` of an address space and tells the driver.
    ///
    /// # Errors
    ///
    /// `EEXIST`: some of it is mapped; `EINVAL`: it is empty or reaches beyond the highest IOVA;
    /// `EOPNOTSUPP`: the device would have to be given a copy; `ENOMEM`; and the driver's.
    ///
    /// # Safety
    ///
    /// The memory must be pages that are pinned.
    pub(crate) unsafe fn map<T: ConfigOps>(
        &self,
        driver: &T,
        space: u32,
        iova: u64,
        memory: Memory,
    ) -> Result {
        let Memory {
            address,
            size,
            permission,
        } = memory;
        let last = iova
            .checked_add(size.checked_sub(1).ok_or(EINVAL)?)
            .ok_or(EINVAL)?;
        let mapped = &mut *self.mapped.lock();
        let next = mapped.cursor_lower_bound(&(space, iova));
        let is_hit =
            |((of, _), pinned): (&(u32, u64), &Pinned)| *of == space && pinned.first <= last;
        if next.is_some_and(|next| is_hit(next.current())) {
            return Err(EEXIST);
        }
        // SAFETY: The caller's promise.
        let memory = unsafe { DmaMapping::new(&self.dma, address, size.try_into()?, permission)? };
        let range = DmaRange {
            space,
            iova,
            size,
            address: memory.address,
            permission,
        };
        let pinned = Pinned {
            first: iova,
            // SAFETY: `memory` has the pages, and is dropped later.
            reach: unsafe { self.reach(&range, last, address)? },
            _memory: memory,
        };
        let node = RBTreeNode::new((space, last), pinned, GFP_KERNEL)?;
        driver.dma_map(&range)?;
        // Nothing is replaced: no mapping has this address.
        mapped.insert(node);
        Ok(())
    }

    /// Lets the driver read memory at the physical address `first`, if it does so and this processor can.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    ///
    /// # Safety
    ///
    /// The memory must stay until what is returned is dropped.
    unsafe fn reach(&self, range: &DmaRange, last: u64, first: PhysAddr) -> Result<Option<Reach>> {
        let area = Area::physical(first, range.size, range.permission).ok();
        let (Some(map), Some(area)) = (&self.readable, area) else {
            return Ok(None);
        };
        // SAFETY: `Reach` takes the memory out again, until when it stays by the caller's promise.
        unsafe { map.insert_at(range.space, range.iova, area)? };
        Ok(Some(Reach {
            map: map.clone(),
            space: range.space,
            first: range.iova,
            last,
        }))
    }

    /// Takes all mappings at any of `first..=last` of a space away, each after driver and device have left it.
    pub(crate) fn unmap<T: ConfigOps>(&self, driver: &T, space: u32, first: u64, last: u64) {
        let mapped = &mut *self.mapped.lock();
        // Bounded by the number of mappings: each round removes one.
        while let Some(mut cursor) = mapped.cursor_lower_bound_mut(&(space, first)) {
            let (&(of, end), pinned) = cursor.current_mut();
            if of != space || pinned.first > last {
                break;
            }
            pinned.reach = None;
            driver.dma_unmap(space, pinned.first, end - pinned.first + 1);
            drop(cursor.remove_current());
        }
    }
}

/// Memory that the driver reads through a map, which it does no longer when this is dropped.
struct Reach {
    map: Arc<KernelMap>,
    space: u32,
    first: u64,
    last: u64,
}

impl Drop for Reach {
    fn drop(&mut self) {
        // Mappings do not overlap, so it is the only one there.
        self.map.remove_at(self.space, self.first, self.last);
    }
}

/// Memory that a device reaches by its address, without a copy; it is not freed as long as this exists.
///
/// # Invariants
///
/// `address` is what `vdpa_map_pinned` returned for `size` bytes of `memory` and this permission.
struct DmaMapping {
    device: ARef<device::Device>,
    memory: PhysAddr,
    address: bindings::dma_addr_t,
    size: usize,
    permission: Permission,
}

impl DmaMapping {
    /// # Safety
    ///
    /// The memory must be pages that are pinned now, and the device bound as long as this exists.
    unsafe fn new(
        device: &ARef<device::Device>,
        memory: PhysAddr,
        size: usize,
        permission: Permission,
    ) -> Result<Self> {
        let mut address = 0;
        // SAFETY: The device is bound and the pages are there, as the caller promises.
        to_result(unsafe {
            bindings::vdpa_map_pinned(
                as_raw(device),
                memory,
                size,
                permission.as_raw(),
                &mut address,
            )
        })?;
        // INVARIANT: It returned this address just now.
        Ok(Self {
            device: device.clone(),
            memory,
            address,
            size,
            permission,
        })
    }
}

impl Drop for DmaMapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this is what `vdpa_map_pinned` did, which is undone once.
        unsafe {
            bindings::vdpa_unmap_pinned(
                as_raw(&self.device),
                self.memory,
                self.address,
                self.size,
                self.permission.as_raw(),
            )
        };
    }
}
