// SPDX-License-Identifier: GPL-2.0

//! A piece of memory that is given out in order and comes back in the same order.
//!
//! ```text
//!   0      first            next          len
//!   |  free  | span | span | |   free     |
//! ```
//!
//! Pure. Spans do not wrap around: what is too short at the end stays free until it is passed.

use core::ops::Range;
use kernel::prelude::*;

/// Which parts of `len` bytes are given out.
pub(super) struct Room {
    len: usize,
    /// Where the oldest span is, or a gap before it.
    first: usize,
    /// Where the next span would be.
    next: usize,
    spans: usize,
}

impl Room {
    pub(super) const fn new(len: usize) -> Self {
        Self {
            len,
            first: 0,
            next: 0,
            spans: 0,
        }
    }

    /// Returns where the next span can be, of `len` bytes, which are not zero.
    pub(super) fn find(&self, len: usize) -> Option<Range<usize>> {
        let start = self.place(len)?;
        Some(start..start.checked_add(len)?)
    }

    /// Gives out a span that was just found.
    pub(super) fn take(&mut self, span: &Range<usize>) {
        self.next = span.end;
        self.spans = self.spans.saturating_add(1);
    }

    fn place(&self, len: usize) -> Option<usize> {
        let fits = |start: usize, end: usize| end.saturating_sub(start) >= len;
        let has_wrapped = self.spans > 0 && self.next <= self.first;
        match has_wrapped {
            true => fits(self.next, self.first).then_some(self.next),
            false if fits(self.next, self.len) => Some(self.next),
            false => fits(0, self.first).then_some(0),
        }
    }

    /// Takes the oldest span back.
    pub(super) fn give(&mut self, span: Range<usize>) {
        self.spans = self.spans.saturating_sub(1);
        match self.spans {
            0 => *self = Self::new(self.len),
            _ => self.first = span.end,
        }
    }
}

#[kunit_tests(storage_room)]
mod tests {
    use super::*;

    fn take(room: &mut Room, len: usize) -> Option<Range<usize>> {
        let span = room.find(len)?;
        room.take(&span);
        Some(span)
    }

    #[test]
    fn spans_follow_each_other_and_begin_anew() {
        let mut room = Room::new(100);
        assert_eq!(take(&mut room, 101), None);
        assert_eq!(take(&mut room, 100), Some(0..100));
        assert_eq!(take(&mut room, 1), None);
        room.give(0..100);
        assert_eq!(take(&mut room, 40), Some(0..40));
        assert_eq!(take(&mut room, 40), Some(40..80));
        // Neither the end nor the beginning is free.
        assert_eq!(take(&mut room, 21), None);
        room.give(0..40);
        assert_eq!(take(&mut room, 41), None);
        assert_eq!(take(&mut room, 40), Some(0..40));
        assert_eq!(take(&mut room, 1), None);
        // The gap at the end is passed with the span before it.
        room.give(40..80);
        assert_eq!(take(&mut room, 40), Some(40..80));
        assert_eq!(take(&mut room, 1), None);
        room.give(0..40);
        assert_eq!(take(&mut room, 20), Some(80..100));
        room.give(40..80);
        room.give(80..100);
        assert_eq!(take(&mut room, 100), Some(0..100));
    }

    #[test]
    fn no_two_spans_overlap() -> Result {
        const LENS: [usize; 7] = [1, 30, 7, 50, 2, 19, 33];

        let mut room = Room::new(100);
        let mut is_given = [false; 100];
        let mut spans: KVec<Range<usize>> = KVec::new();
        for len in LENS.iter().cycle().take(1000) {
            let span = loop {
                if let Some(span) = take(&mut room, *len) {
                    break span;
                }
                let oldest = spans.remove(0)?;
                is_given[oldest.clone()].fill(false);
                room.give(oldest);
            };
            assert!(!is_given[span.clone()].contains(&true));
            is_given[span.clone()].fill(true);
            spans.push(span, GFP_KERNEL)?;
        }
        Ok(())
    }
}
