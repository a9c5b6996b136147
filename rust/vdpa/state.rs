// SPDX-License-Identifier: GPL-2.0

//! Where a virtqueue stands, as C has it: in one of two forms, of which the negotiated features tell which.

use crate::bindings::vdpa_vq_state;
use virtio::{
    features::RING_PACKED,
    ring::Position, //
};

/// The wrap counter in a word of a [`Position`]; the offset is below it.
const WRAP: u16 = 1 << 15;

fn word(offset: u16, wrap_counter: u16) -> u16 {
    offset | if wrap_counter != 0 { WRAP } else { 0 }
}

fn offset(word: u16) -> u16 {
    word & !WRAP
}

fn wrap_counter(word: u16) -> u16 {
    u16::from(word & WRAP != 0)
}

/// Returns the position that a queue with these features has.
pub(crate) fn load(state: &vdpa_vq_state, features: u64) -> Position {
    let state = &state.__bindgen_anon_1;
    if features & RING_PACKED == 0 {
        // SAFETY: Every bit pattern is a split state.
        return Position::split(unsafe { state.split.as_ref() }.avail_index);
    }
    // SAFETY: Every bit pattern is a packed state.
    let packed = unsafe { state.packed.as_ref() };
    Position {
        available: word(packed.last_avail_idx(), packed.last_avail_counter()),
        used: word(packed.last_used_idx(), packed.last_used_counter()),
    }
}

/// Stores the position of a queue with these features.
pub(crate) fn store(state: &mut vdpa_vq_state, features: u64, position: Position) {
    let state = &mut state.__bindgen_anon_1;
    let Position { available, used } = position;
    if features & RING_PACKED == 0 {
        // SAFETY: Every bit pattern is a split state.
        unsafe { state.split.as_mut() }.avail_index = available;
        return;
    }
    // SAFETY: Every bit pattern is a packed state.
    let packed = unsafe { state.packed.as_mut() };
    packed.set_last_avail_idx(offset(available));
    packed.set_last_avail_counter(wrap_counter(available));
    packed.set_last_used_idx(offset(used));
    packed.set_last_used_counter(wrap_counter(used));
}

#[cfg(CONFIG_KUNIT = "y")]
#[kernel::prelude::kunit_tests(vdpa_state)]
mod tests {
    use super::*;

    #[test]
    fn each_form_comes_back() {
        let words = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
        for available in words {
            let mut state = vdpa_vq_state::default();
            store(&mut state, 0, Position::split(available));
            assert!(load(&state, 0) == Position::split(available));
            for used in words {
                let position = Position { available, used };
                store(&mut state, RING_PACKED, position);
                assert!(load(&state, RING_PACKED) == position);
            }
        }
    }
}
