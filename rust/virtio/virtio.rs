// SPDX-License-Identifier: GPL-2.0
//! The words of the virtio specification, and the device side of a virtqueue.
//!
//! This crate is pure: it uses `core` alone, allocates nothing, never panics and has no `unsafe`. The
//! kernel modules and the host's tests compile these same files.
//!
//! It knows neither PCI nor any backend. How ring and payload memory is reached is up to the
//! implementation of [`ring::RingMemory`].
//!
//! Section numbers are those of the Virtual I/O Device (VIRTIO) specification, version 1.2. Only modern
//! devices are covered: everything is little-endian.

pub mod blk;
pub mod features;
pub mod ids;
pub mod net;
pub mod provision;
pub mod ring;
pub mod status;

mod wire;
