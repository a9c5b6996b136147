// SPDX-License-Identifier: GPL-2.0
//! Suppression over many batches, against the wording of sections 2.7.7 and 2.7.10, with indexes that
//! wrap.

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::EVENT_IDX,
    ring::{Batch, Position, Queue, Used},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::Link,
};

/// Indexes that wrap soon.
fn start() -> impl Strategy<Value = u16> {
    prop_oneof![0xffe0..=u16::MAX, 0..4_u16, any::<u16>()]
}

fn size() -> impl Strategy<Value = u16> {
    (0..7_u32).prop_map(|log| 1 << log)
}

fn queue(driver: &DriverSide, start: u16, event_idx: bool) -> Queue<Link> {
    let features = if event_idx { EVENT_IDX } else { 0 };
    let config = driver.config(features).start_at(Position::split(start));
    config.start(Link(driver.clone())).unwrap()
}

/// The indexes of the entries from `old` up to `new`, that one left out.
fn placed(old: u16, new: u16) -> impl Iterator<Item = u16> {
    (0..new.wrapping_sub(old)).map(move |n| old.wrapping_add(n))
}

/// The driver side, which makes chains available as long as there is room, and kicks as it should.
struct Offering {
    driver: DriverSide,
    event_idx: bool,
    /// The available index.
    index: u16,
    kicks: usize,
}

impl Offering {
    fn new(size: u16, start: u16, event_idx: bool) -> Self {
        let driver = DriverSide::starting_at(size, start);
        for head in 0..size {
            driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        }
        Self {
            driver,
            event_idx,
            index: start,
            kicks: 0,
        }
    }

    /// Makes `count` chains available at once and returns whether to kick.
    fn offer(&mut self, count: u16) -> bool {
        let old = self.index;
        for index in placed(old, old.wrapping_add(count)) {
            self.driver.enter(index & (self.driver.size - 1));
        }
        self.driver.publish();
        self.index = old.wrapping_add(count);
        let is_wanted = match self.event_idx {
            // 2.7.10.2: a kick when the index that determined where an entry was placed was equal to
            // avail_event.
            true => placed(old, self.index).any(|index| index == self.driver.avail_event()),
            // 2.7.10: a kick when flags is 0, none when it is 1.
            false => count != 0 && self.driver.device_flags() == 0,
        };
        self.kicks += usize::from(is_wanted);
        is_wanted
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// 2.7.7.2, entry by entry.
    #[test]
    fn each_push_signals_as_the_last_wish_asks(
        (size, start, event_idx) in (size(), start(), any::<bool>()),
        steps in vec((0..9_u16, 0..9_u16, any::<u16>(), -9..9_i16), 1..60),
    ) {
        let mut offering = Offering::new(size, start, event_idx);
        let mut queue = queue(&offering.driver, start, event_idx);
        let (mut batch, mut used, mut in_flight) = (Batch::new(), start, Vec::new());
        for (offers, pushes, flags, ahead) in steps {
            let free = size - offering.index.wrapping_sub(used);
            offering.offer(offers.min(free));
            while queue.pop(&mut batch).unwrap() != 0 {
                in_flight.extend(batch.iter().map(|chain| chain.used(1)));
            }
            let event = used.wrapping_add_signed(ahead);
            offering.driver.set_flags(flags);
            offering.driver.set_used_event(event);
            let count = usize::from(pushes).min(in_flight.len());
            let pushed: Vec<Used> = in_flight.drain(..count).collect();
            let old = used;
            used = old.wrapping_add(count as u16);
            let is_asked = match event_idx {
                true => placed(old, used).any(|index| index == event),
                false => count != 0 && flags & 1 == 0,
            };
            prop_assert_eq!(queue.push(&pushed), Ok(is_asked));
            prop_assert_eq!(offering.driver.take_used().len(), count);
        }
    }

    /// A device side that went to sleep is kicked for the next chain, and not for each.
    #[test]
    fn a_device_side_that_sleeps_is_kicked(
        (size, start, event_idx) in (size(), start(), any::<bool>()),
        steps in vec(prop_oneof![(1..9_u16).prop_map(Some), Just(None)], 1..200),
    ) {
        let mut offering = Offering::new(size, start, event_idx);
        let mut queue = queue(&offering.driver, start, event_idx);
        let mut batch = Batch::new();
        let (mut is_asleep, mut is_kicked, mut sleeps) = (false, false, 0);
        for step in steps {
            if let Some(offers) = step {
                let outstanding = offering.index.wrapping_sub(queue.position().available);
                let outstanding = outstanding + queue.in_flight();
                is_kicked |= offering.offer(offers.min(size - outstanding));
            } else if !is_asleep || is_kicked {
                if is_asleep {
                    queue.disable_notification().unwrap();
                }
                (is_asleep, is_kicked) = (false, false);
                if queue.pop(&mut batch).unwrap() == 0 {
                    is_asleep = !queue.enable_notification().unwrap();
                    sleeps += 1;
                }
                let used: Vec<_> = batch.iter().map(|chain| chain.used(1)).collect();
                queue.push(&used).unwrap();
            }
            let has_more = offering.index != queue.position().available;
            prop_assert!(!(is_asleep && has_more) || is_kicked);
        }
        // With EVENT_IDX one kick answers each wish, and the memory of zeros is one.
        prop_assert!(!event_idx || offering.kicks <= sleeps + 1);
    }
}
