// SPDX-License-Identifier: GPL-2.0

//! Memory of a process that `vhost_vdpa` pinned, for a device on a bus that translates addresses itself.
//!
//! It is mapped by the DMA API here and the driver is told of it. This crate keeps what is mapped, so that
//! the device reaches no memory that was given to somebody else: each mapping ends after the driver has seen
//! to it that the device does not touch it, and holds a reference to its pages until then.
//!
//! Context: process. Locks: `mapped`, a mutex, held while the driver is told. It is taken inside the mutex
//! of `vhost_vdpa` and the `mmap` lock of the process.

use crate::{
    bindings,
    config_ops::{
        ConfigOps,
        DmaRange,
        Permission, //
    },
    device::as_raw, //
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
    #[pin]
    mapped: Mutex<Mapped>,
}

/// Mappings by address space and highest IOVA; those of one space do not overlap.
type Mapped = RBTree<(u32, u64), Pinned>;

struct Pinned {
    first: u64,
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
    /// Nothing is mapped. `dma` is bound as long as something is.
    pub(crate) fn new(dma: &device::Device) -> impl PinInit<Self> + '_ {
        pin_init!(Self {
            dma: dma.into(),
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
            _memory: memory,
        };
        let node = RBTreeNode::new((space, last), pinned, GFP_KERNEL)?;
        driver.dma_map(&range)?;
        // Nothing is replaced: no mapping has this address.
        mapped.insert(node);
        Ok(())
    }

    /// Takes all mappings at any of `first..=last` of a space away, each after the driver has had the device leave it.
    pub(crate) fn unmap<T: ConfigOps>(&self, driver: &T, space: u32, first: u64, last: u64) {
        let mapped = &mut *self.mapped.lock();
        // Bounded by the number of mappings: each round removes one.
        while let Some(cursor) = mapped.cursor_lower_bound_mut(&(space, first)) {
            let (&(of, end), pinned) = cursor.current();
            if of != space || pinned.first > last {
                break;
            }
            driver.dma_unmap(space, pinned.first, end - pinned.first + 1);
            drop(cursor.remove_current());
        }
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
