// SPDX-License-Identifier: GPL-2.0

//! Read-only sysfs attributes of devices, from a table.

use crate::{
    bindings,
    device::Node,
    Bus, //
};
use core::{
    fmt,
    ptr, //
};
use kernel::{
    error::from_result,
    ffi,
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::Arc, //
};

/// A read-only attribute of the devices on a bus.
#[repr(C)]
pub struct Attribute<B: Bus> {
    /// At offset zero: C hands it back to [`Self::show_raw`].
    raw: bindings::device_attribute,
    show: fn(&Arc<B::Device>, &mut Page<'_>) -> Result,
}

// SAFETY: Never written, and the pointer in it is to a static string.
unsafe impl<B: Bus> Sync for Attribute<B> {}

impl<B: Bus> Attribute<B> {
    /// Returns an attribute whose text `show` writes, with the line feed at its end.
    ///
    /// `show` is called in process context, while the device is registered.
    pub const fn new(
        name: &'static CStr,
        show: fn(&Arc<B::Device>, &mut Page<'_>) -> Result,
    ) -> Self {
        let mut raw: bindings::device_attribute = pin_init::zeroed();
        raw.attr.name = as_char_ptr_in_const_context(name);
        raw.attr.mode = 0o444;
        raw.__bindgen_anon_1.show = Some(Self::show_raw);
        Self { raw, show }
    }

    /// # Safety
    ///
    /// Called by sysfs with the `raw` of an `Attribute<B>`, a device of the bus `B` that is
    /// registered, and a page.
    unsafe extern "C" fn show_raw(
        device: *mut bindings::device,
        attribute: *mut bindings::device_attribute,
        buffer: *mut ffi::c_char,
    ) -> isize {
        // SAFETY: By the requirements above; `raw` is at offset zero of an attribute in a static.
        let attribute = unsafe { &*attribute.cast::<Self>() };
        // SAFETY: A registered device of this bus is a `Node<B>` with its payload.
        let device = unsafe { Node::<B>::payload(device) };
        let mut page = Page {
            buffer,
            len: 0,
            _buffer: core::marker::PhantomData,
        };
        from_result(|| {
            (attribute.show)(device.ok_or(ENODEV)?, &mut page)?;
            // CAST: At most a page.
            Ok(page.len as isize)
        })
    }
}

/// The text of an attribute that is being read; at most a page.
pub struct Page<'a> {
    buffer: *mut ffi::c_char,
    len: usize,
    _buffer: core::marker::PhantomData<&'a mut [u8]>,
}

impl Page<'_> {
    /// Appends text, as far as there is room.
    pub fn emit(&mut self, text: fmt::Arguments<'_>) {
        // SAFETY: `buffer` is the page that sysfs gave, `len` is within it, and "%pA" takes a
        // pointer to `fmt::Arguments`.
        let added = unsafe {
            bindings::sysfs_emit_at(
                self.buffer,
                self.len as ffi::c_int,
                c"%pA".as_char_ptr(),
                ptr::from_ref(&text).cast::<ffi::c_void>(),
            )
        };
        self.len += usize::try_from(added).unwrap_or(0);
    }
}

/// The lists of pointers that C walks to find the attributes of a table.
pub(crate) struct Groups {
    _attributes: KVec<*mut bindings::attribute>,
    _group: KBox<bindings::attribute_group>,
    groups: KBox<[*const bindings::attribute_group; 2]>,
}

// SAFETY: Never written once made; all pointers are to what the object owns or to statics.
unsafe impl Send for Groups {}

// SAFETY: As above.
unsafe impl Sync for Groups {}

impl Groups {
    pub(crate) fn new<B: Bus>(table: &'static [Attribute<B>]) -> Result<Self> {
        let mut attributes = KVec::with_capacity(table.len() + 1, GFP_KERNEL)?;
        for attribute in table {
            let raw = ptr::from_ref(&attribute.raw.attr).cast_mut();
            attributes.push(raw, GFP_KERNEL)?;
        }
        attributes.push(ptr::null_mut(), GFP_KERNEL)?;

        let mut group: bindings::attribute_group = pin_init::zeroed();
        group.__bindgen_anon_2.attrs = attributes.as_mut_ptr();
        let group = KBox::new(group, GFP_KERNEL)?;
        let groups = KBox::new([&raw const *group, ptr::null()], GFP_KERNEL)?;
        Ok(Self {
            _attributes: attributes,
            _group: group,
            groups,
        })
    }

    /// Returns the list of groups, which lives as long as `self`.
    pub(crate) fn as_ptr(&self) -> *const *const bindings::attribute_group {
        self.groups.as_ptr()
    }
}
