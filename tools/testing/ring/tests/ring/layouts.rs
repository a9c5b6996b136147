// SPDX-License-Identifier: GPL-2.0
//! Chains of any shape anywhere in the table, many at a time.

use proptest::{collection::vec, prelude::*, sample::Index};
use virtio::{
    features::INDIRECT_DESC,
    ring::{Batch, Position, Segment},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS, INDIRECT, NEXT, WRITE},
    link::Link,
};

const SIZE: u16 = 64;

/// Lengths of buffers, how many of them are readable, and how many are in a table at the end.
#[derive(Clone, Debug)]
struct Shape {
    lens: Vec<u32>,
    readable: usize,
    in_table: Option<usize>,
    /// The order of the table's descriptors behind the first.
    table: Vec<u16>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let lens = vec(prop_oneof![3 => 1..5_000_u32, 1 => Just(0)], 1..9);
    (lens, any::<(Index, Option<Index>)>())
        .prop_flat_map(|(lens, (readable, in_table))| {
            let count = lens.len();
            let in_table = in_table.map(|index| 1 + index.index(count));
            let rest: Vec<u16> = (1..in_table.unwrap_or(1) as u16).collect();
            (
                Just((lens, readable.index(count + 1), in_table)),
                Just(rest).prop_shuffle(),
            )
        })
        .prop_map(|((lens, readable, in_table), rest)| Shape {
            lens,
            readable,
            in_table,
            table: [0].into_iter().chain(rest).collect(),
        })
}

impl Shape {
    /// How many descriptors it takes from the descriptor table.
    fn direct(&self) -> usize {
        match self.in_table {
            Some(count) => self.lens.len() - count + 1,
            None => self.lens.len(),
        }
    }

    /// Where the buffer with this number is.
    fn buffer(&self, base: u64, number: usize) -> Segment {
        Segment {
            addr: base + 0x2000 * number as u64,
            len: self.lens[number],
        }
    }

    /// Writes the chain, with these descriptors of the descriptor table.
    fn lay_out(&self, driver: &DriverSide, indexes: &[u16], base: u64) {
        let table = base + 0x1_f000;
        let direct = self.lens.len() - self.in_table.unwrap_or(0);
        for number in 0..self.lens.len() {
            let Segment { addr, len } = self.buffer(base, number);
            let write = if number < self.readable { 0 } else { WRITE };
            let next_flag = if number + 1 < self.lens.len() {
                NEXT
            } else {
                0
            };
            let (order, at) = match number.checked_sub(direct) {
                Some(at) => (&self.table[..], at),
                None => (indexes, number),
            };
            let next = order.get(at + 1).copied().unwrap_or(0);
            let desc = Desc::new(addr, len, write | next_flag, next);
            match number < direct {
                true => driver.describe(order[at], desc),
                false => driver.describe_in(table, order[at], desc),
            }
        }
        if let Some(count) = self.in_table {
            let desc = Desc::new(table, 16 * count as u32, INDIRECT, 0);
            driver.describe(indexes[direct], desc);
        }
    }

    /// The segments that a chain of this shape has.
    fn segments(&self, base: u64) -> (Vec<Segment>, Vec<Segment>) {
        let part = |numbers: std::ops::Range<usize>| -> Vec<_> {
            let buffers = numbers.map(|number| self.buffer(base, number));
            buffers.filter(|buffer| buffer.len != 0).collect()
        };
        (part(0..self.readable), part(self.readable..self.lens.len()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chains_are_found_as_they_were_laid_out(
        shapes in vec(shape(), 1..12),
        indexes in Just((0..SIZE).collect::<Vec<_>>()).prop_shuffle(),
        start in any::<u16>(),
        rounds in 1..4_usize,
    ) {
        let mut driver = DriverSide::starting_at(SIZE, start);
        let config = driver.config(INDIRECT_DESC).start_at(Position::split(start));
        let mut queue = config.start(Link(driver.clone())).unwrap();
        let mut batch = Batch::new();
        // The same chains again find a stride that was learnt from them.
        for _ in 0..rounds {
            let mut rest = &indexes[..];
            let mut expected = Vec::new();
            for (shape, base) in shapes.iter().zip((BUFFERS..).step_by(0x2_0000)) {
                let Some((mine, others)) = rest.split_at_checked(shape.direct()) else {
                    break;
                };
                shape.lay_out(&driver, mine, base);
                driver.enter(mine[0]);
                expected.push((mine[0], shape.segments(base)));
                rest = others;
            }
            driver.publish();
            prop_assert_eq!(queue.pop(&mut batch), Ok(expected.len()));
            for (chain, (head, (readable, writable))) in batch.iter().zip(&expected) {
                prop_assert_eq!(chain.head(), *head);
                prop_assert_eq!(chain.readable(), readable);
                prop_assert_eq!(chain.writable(), writable);
            }
            let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
            prop_assert!(queue.push(&used).is_ok());
        }
    }
}
