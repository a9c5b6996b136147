// SPDX-License-Identifier: GPL-2.0

//! Drivers of endpoint functions.
//!
//! A function device is made by `mkdir /sys/kernel/config/pci_ep/functions/<name>/<instance>`,
//! bound to a controller by a symbolic link in the controller's directory, unbound by removing that.
//!
//! Locking: all callbacks but [`Function::probe`] run under the function's mutex, `epf->lock`;
//! events under the controller's `epc->list_lock` as well. So callbacks of one function never run
//! at the same time, which is why they get `&mut` to what belongs to the binding; and they must not
//! wait for anything that needs one of these locks, such as another event. Operations on an
//! [`Endpoint`] take `epc->lock` inside. The order is: `list_lock`, `epf->lock`, `epc->lock`.
//! A function driver's own locks come after `epf->lock`.
//!
//! A module with a function driver cannot be unloaded as long as there are function devices.

use crate::{
    configfs::Entry,
    controller::Endpoint,
    header::Header, //
};
use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    prelude::*,
    str::CStr,
    sync::Arc, //
};

mod adapter;
mod device;

pub use self::{
    adapter::{
        Adapter,
        Attached, //
    },
    device::Device, //
};

/// The driver of an endpoint function, one object for each function device.
#[vtable]
pub trait Function: Send + Sync + Sized + 'static {
    /// The name of the function's directory in configfs; at most 19 bytes.
    const NAME: &'static CStr;

    /// The configuration header that the user starts from.
    const HEADER: Header;

    /// The attributes in the function's own group in configfs.
    const ATTRIBUTES: &'static [Entry<Self>] = &[];

    /// What the function holds while it is bound to a controller.
    type Bound: Send;

    /// Makes the object of a new function device, called from `mkdir`.
    fn probe(device: &Device) -> impl PinInit<Self, Error>;

    /// The function was bound to a controller.
    ///
    /// The place to look at the controller's features, and to allocate memory for BARs. Nothing is
    /// programmed yet: that is for [`Function::epc_init`].
    ///
    /// # Errors
    ///
    /// Any error refuses the binding, and the user's `ln -s` fails with it.
    fn bind(this: &Arc<Self>, endpoint: Endpoint) -> Result<Self::Bound>;

    /// The function is being unbound; nothing of `bound` may be in use when this returns.
    ///
    /// Clones of the endpoint, and guards, which live elsewhere are waited for; there is no limit,
    /// because a function that keeps one would use a controller it no longer has.
    fn unbind(this: &Arc<Self>, bound: Self::Bound);

    /// The controller is ready to be programmed: header, BARs, vectors.
    ///
    /// It may come several times, after each reset by the RC, with or without
    /// [`Function::epc_deinit`] in between; everything is to be programmed again.
    ///
    /// # Errors
    ///
    /// An error is logged; the framework has no other use for it. This holds for all events.
    fn epc_init(this: &Arc<Self>, bound: &mut Self::Bound) -> Result;

    /// The controller is about to lose what was programmed.
    fn epc_deinit(this: &Arc<Self>, bound: &mut Self::Bound) -> Result {
        let _ = (this, bound);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The link came up.
    fn link_up(this: &Arc<Self>, bound: &mut Self::Bound) -> Result {
        let _ = (this, bound);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The link went down; many controllers do not tell.
    fn link_down(this: &Arc<Self>, bound: &mut Self::Bound) -> Result {
        let _ = (this, bound);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The RC allowed the function to access its memory; few controllers tell.
    fn bus_master_enable(this: &Arc<Self>, bound: &mut Self::Bound) -> Result {
        let _ = (this, bound);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Declares a module that is one [`Function`] driver.
///
/// ```ignore
/// pci_ep::module_pci_epf_driver! {
///     type: MyFunction,
///     name: "pci_epf_mine",
///     authors: ["..."],
///     description: "My endpoint function",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_pci_epf_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::function::Adapter<T>, { $($f)* });
    };
}
