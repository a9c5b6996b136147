// SPDX-License-Identifier: GPL-2.0

//! The C declarations that a crate wraps, generated from its `bindings_helper.h`.
//!
//! Every crate with C declarations has this file as its module `bindings`; rust/Kbuild says which
//! generated file is whose. Private to the crate: drivers see the safe types only.
#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    improper_ctypes_definitions,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unknown_lints,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

// The kernel crate's own, so that users need not know where a declaration comes from.
pub(crate) use kernel::bindings::*;

include!(env!("CRATE_BINDINGS"));
