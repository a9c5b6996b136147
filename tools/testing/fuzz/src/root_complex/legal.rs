// SPDX-License-Identifier: GPL-2.0
//! The rules for an identity, as section "Where things are" of the protocol has them: written a second
//! time, from the document.

use transport::{feature, offset, BarSizes, Offset};

/// Whether an RC may use an EP with these words, its register BAR being BAR 0.
pub fn is_legal(word: impl Fn(Offset) -> u32, bars: &BarSizes) -> bool {
    let long = |at: Offset| u64::from(word(at)) | (u64::from(word(at.word(1))) << 32);
    let size = u128::from(word(offset::NUM_QUEUES));
    let queues = 1..=64_u128;
    let largest = word(offset::QUEUE_SIZE_MAX);
    let is_device = long(offset::DEVICE_FEATURES) & feature::OFFERED == feature::OFFERED
        && word(offset::DEVICE_ID) != 0
        && largest.is_power_of_two()
        && largest <= 32768
        && queues.contains(&size);
    is_device
        && has_legal_groups(&word)
        && has_legal_push_areas(&word, size)
        && has_legal_sizes(&word, size)
        && has_legal_places(&word, bars)
}

/// With `GROUPS`.
fn has_legal_groups(word: &impl Fn(Offset) -> u32) -> bool {
    let has_groups = word(offset::TRANSPORT_FEATURES) & 4 != 0;
    let counts = [offset::NUM_GROUPS, offset::NUM_SPACES];
    !has_groups || counts.iter().all(|at| (1..=8).contains(&word(*at)))
}

/// With `PUSH`.
fn has_push(word: &impl Fn(Offset) -> u32) -> bool {
    word(offset::TRANSPORT_FEATURES) & 8 != 0
}

fn has_legal_push_areas(word: &impl Fn(Offset) -> u32, queues: u128) -> bool {
    let stride = word(offset::PUSH_STRIDE);
    let is_legal = stride != 0
        && (stride | word(offset::PUSH_REGION)) % 64 == 0
        && u128::from(stride) * queues <= u128::from(word(offset::PUSH_REGION.word(1)));
    !has_push(word) || is_legal
}

fn has_legal_sizes(word: &impl Fn(Offset) -> u32, queues: u128) -> bool {
    let stride = u128::from(word(offset::QUEUE_STRIDE));
    let slots = u128::from(word(offset::DOORBELL_STRIDE));
    let is_polled = word(offset::DOORBELL_KIND) == 1;
    word(offset::COMMAND_REGION.word(1)) >= 0x200
        && stride >= 16
        && stride % 4 == 0
        && u128::from(word(offset::QUEUE_TABLE_REGION.word(1))) >= stride * queues
        && word(offset::CONFIG_REGION.word(1)) <= 4096
        && (1..=3).contains(&word(offset::DOORBELL_KIND))
        && slots % 4 == 0
        && u128::from(word(offset::DOORBELL_REGION.word(1))) >= slots * (queues - 1) + 4
        && !(is_polled && slots == 0 && queues > 1)
}

fn has_legal_places(word: &impl Fn(Offset) -> u32, bars: &BarSizes) -> bool {
    let place = |bar: u32, at: Offset| {
        let size = u64::from(word(at.word(1))).next_multiple_of(4);
        (bar, u64::from(word(at)), size)
    };
    let exact = |bar: u32, at: Offset| (bar, u64::from(word(at)), u64::from(word(at.word(1))));
    let mut places = vec![
        (0, 0, 0x100),
        exact(0, offset::COMMAND_REGION),
        exact(0, offset::QUEUE_TABLE_REGION),
        place(0, offset::CONFIG_REGION),
        exact(word(offset::DOORBELL_BAR), offset::DOORBELL_REGION),
        exact(word(offset::MSIX_BAR), offset::MSIX_REGION),
    ];
    if has_push(word) {
        places.push(exact(word(offset::PUSH_BAR), offset::PUSH_REGION));
    }
    places.retain(|(.., size)| *size != 0);
    places.sort_unstable();
    let is_inside = |(bar, start, size): &(u32, u64, u64)| {
        let end = bars.get(*bar as usize).copied().unwrap_or(0);
        start % 4 == 0 && start + size <= end
    };
    let is_apart = |pair: &[(u32, u64, u64)]| {
        pair[0].0 != pair[1].0 || pair[0].1 + pair[0].2 <= pair[1].1 //
    };
    places.iter().all(is_inside) && places.windows(2).all(is_apart)
}
