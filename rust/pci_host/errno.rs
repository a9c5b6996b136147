// SPDX-License-Identifier: GPL-2.0

//! Error codes for what a peer answers, which the kernel crate does not name.

use kernel::{
    bindings,
    error::Error, //
};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:ident;)*) => {
        $($(#[$doc])* pub fn $name() -> Error {
            Error::from_errno(-(bindings::$code as i32))
        })*
    };
}

errors! {
    /// `ENOSYS`: the peer does not know the function.
    not_implemented = ENOSYS;
    /// `ENOTCONN`: the session with the peer is over.
    not_connected = ENOTCONN;
    /// `EOPNOTSUPP`: the peer knows the operation but does not offer it.
    not_supported = EOPNOTSUPP;
    /// `EPROTO`: what the peer says makes no sense.
    protocol = EPROTO;
    /// `ESTALE`: meant for a session that is over.
    stale = ESTALE;
}
