// SPDX-License-Identifier: GPL-2.0

//! Attributes of a function in configfs, in a directory of their own below the function's.
//!
//! A function lists them in [`Function::ATTRIBUTES`](crate::Function::ATTRIBUTES):
//!
//! ```ignore
//! struct QueueSize;
//!
//! #[vtable]
//! impl Attribute<MyFunction> for QueueSize {
//!     const NAME: &'static CStr = c"queue_size";
//!
//!     fn show(function: &MyFunction, page: &mut Page<'_>) -> Result {
//!         Ok(writeln!(page, "{}", function.queue_size())?)
//!     }
//!
//!     fn store(function: &MyFunction, text: &str) -> Result {
//!         function.set_queue_size(text.parse().map_err(|_| EINVAL)?)
//!     }
//! }
//!
//! const ATTRIBUTES: &'static [Entry<Self>] = &[Entry::new::<QueueSize>()];
//! ```
//!
//! `kernel::configfs` has groups of its own making only; this one is added by the framework.
//! Limits: text attributes of up to 4096 bytes, no items, no links.
//!
//! Context: process. Accesses to different attributes, and through different open files to the same
//! one, are concurrent; `epf->lock` is not held.

use crate::{
    bindings,
    function::{
        Device,
        Function, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
    prelude::*,
    str::CStr,
    sync::Arc,
    types::Opaque, //
};

/// The size of the buffers which configfs reads and writes attributes with (fs/configfs/file.c).
const PAGE: usize = 4096;

/// An attribute of the function driver `F`.
///
/// One without `store` is read-only, one without `show` write-only.
#[vtable]
pub trait Attribute<F: Function>: 'static {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Writes the value to `page`, with a newline at its end.
    ///
    /// # Errors
    ///
    /// Any error is what `read()` answers.
    fn show(function: &F, page: &mut Page<'_>) -> Result {
        let _ = (function, page);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes the value that a user wrote, without the newline at its end.
    ///
    /// # Errors
    ///
    /// Any error is what `write()` answers.
    fn store(function: &F, text: &str) -> Result {
        let _ = (function, text);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// What an attribute is shown on; `write!` to it fails when it is full.
pub struct Page<'a> {
    bytes: &'a mut [u8; PAGE],
    used: usize,
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.used..).ok_or(fmt::Error)?;
        let to = free.get_mut(..text.len()).ok_or(fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
}

/// One attribute in the list of a function.
pub struct Entry<F: Function> {
    raw: bindings::configfs_attribute,
    _function: PhantomData<fn(&F)>,
}

// SAFETY: The pointers in it are to constants and functions.
unsafe impl<F: Function> Sync for Entry<F> {}

impl<F: Function> Entry<F> {
    /// Returns the entry for the attribute `A`.
    pub const fn new<A: Attribute<F>>() -> Self {
        let readable = if A::HAS_SHOW { 0o444 } else { 0 };
        let writable = if A::HAS_STORE { 0o200 } else { 0 };
        Self {
            raw: bindings::configfs_attribute {
                ca_name: A::NAME.to_bytes_with_nul().as_ptr(),
                ca_owner: core::ptr::null_mut(),
                ca_mode: readable | writable,
                show: if A::HAS_SHOW {
                    Some(show::<F, A>)
                } else {
                    None
                },
                store: if A::HAS_STORE {
                    Some(store::<F, A>)
                } else {
                    None
                },
            },
            _function: PhantomData,
        }
    }
}

/// # Safety
///
/// `item` must be in a [`Group<F>`](Allocation), `page` valid for writes of [`PAGE`] bytes: configfs
/// calls this for the attributes of the group's type.
unsafe extern "C" fn show<F: Function, A: Attribute<F>>(
    item: *mut bindings::config_item,
    page: *mut c_char,
) -> isize {
    // SAFETY: By the requirements of this function.
    let (function, bytes) = unsafe { (Allocation::<F>::function(item), &mut *page.cast()) };
    from_result(|| {
        let mut page = Page { bytes, used: 0 };
        A::show(function, &mut page)?;
        Ok(page.used as isize)
    })
}

/// # Safety
///
/// `item` must be in a [`Group<F>`](Allocation), `page` valid for reads of `size` bytes: configfs
/// calls this for the attributes of the group's type.
unsafe extern "C" fn store<F: Function, A: Attribute<F>>(
    item: *mut bindings::config_item,
    page: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: By the requirements of this function.
    let (function, bytes) = unsafe {
        (
            Allocation::<F>::function(item),
            core::slice::from_raw_parts(page.cast::<u8>(), size),
        )
    };
    from_result(|| {
        let text = core::str::from_utf8(bytes).map_err(|_| EINVAL)?;
        A::store(function, text.strip_suffix('\n').unwrap_or(text))?;
        Ok(size as isize)
    })
}

/// The group of a function; configfs may keep it longer than its owner does.
pub(crate) struct Group<F: Function>(NonNull<Allocation<F>>);

// SAFETY: A group is counted, and what is in it is `Send` and `Sync`.
unsafe impl<F: Function> Send for Group<F> {}

impl<F: Function> Group<F> {
    /// Makes a group named like `device` with the attributes in `entries`.
    pub(crate) fn new(
        device: &Device,
        function: Arc<F>,
        entries: &'static [Entry<F>],
    ) -> Result<Self> {
        let mut attributes = KVec::with_capacity(entries.len() + 1, GFP_KERNEL)?;
        for entry in entries {
            attributes.push(core::ptr::from_ref(&entry.raw).cast_mut(), GFP_KERNEL)?;
        }
        attributes.push(core::ptr::null_mut(), GFP_KERNEL)?;
        let allocation = Allocation {
            group: Opaque::zeroed(),
            kind: Opaque::new(bindings::config_item_type {
                ct_item_ops: &Allocation::<F>::ITEM_OPS,
                ct_attrs: attributes.as_mut_ptr(),
                ..pin_init::zeroed()
            }),
            function,
            _attributes: attributes,
        };
        let allocation = NonNull::from(KBox::leak(KBox::new(allocation, GFP_KERNEL)?));
        // SAFETY: `allocation` is valid, and does not move until the group is released. The name
        // of a device does not change here, and is copied.
        unsafe {
            bindings::config_group_init_type_name(
                (*allocation.as_ptr()).group.get(),
                (*device.as_raw()).dev.kobj.name,
                (*allocation.as_ptr()).kind.get(),
            );
        }
        Ok(Self(allocation))
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::config_group {
        // SAFETY: The group lives as long as this reference to it.
        unsafe { (*self.0.as_ptr()).group.get() }
    }
}

impl<F: Function> Drop for Group<F> {
    fn drop(&mut self) {
        // SAFETY: This gives up the reference that `config_group_init_type_name()` made.
        unsafe { bindings::config_item_put(&raw mut (*self.as_raw()).cg_item) };
    }
}

/// What configfs counts as one item.
#[repr(C)]
struct Allocation<F: Function> {
    // First, so that a pointer to the item, the first member of the group, is one to this.
    group: Opaque<bindings::config_group>,
    kind: Opaque<bindings::config_item_type>,
    function: Arc<F>,
    _attributes: KVec<*mut bindings::configfs_attribute>,
}

impl<F: Function> Allocation<F> {
    const ITEM_OPS: bindings::configfs_item_operations = bindings::configfs_item_operations {
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `item` must be in an `Allocation<F>` that lives for `'a`.
    unsafe fn function<'a>(item: *mut bindings::config_item) -> &'a F {
        // SAFETY: By the requirements of this function, and because the item is first in it.
        unsafe { &(*item.cast::<Self>()).function }
    }

    /// # Safety
    ///
    /// `item` must be in an `Allocation<F>`; configfs calls this when the last reference is gone.
    unsafe extern "C" fn release(item: *mut bindings::config_item) {
        // SAFETY: The item is first in an allocation that `Group::new` leaked; there are no
        // references left.
        drop(unsafe { KBox::from_raw(item.cast::<Self>()) });
    }
}
