// SPDX-License-Identifier: GPL-2.0
//! Little-endian structures as byte arrays, without `unsafe` and without an index.

/// Gathers the bytes of a structure.
///
/// Missing bytes are zero and surplus ones are dropped; each structure's test pins its layout.
pub(crate) fn gather<const N: usize>(bytes: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut gathered = [0; N];
    for (slot, byte) in gathered.iter_mut().zip(bytes) {
        *slot = byte;
    }
    gathered
}
