// SPDX-License-Identifier: GPL-2.0

//! The device config: whole, or told that it is not.

use crate::model::{Rig, CONFIG_SIZE, EPOCH};
use transport::{offset, read_config, ConfigReadError, ConfigSpace, Generations};

struct Published {
    rig: Rig,
    space: ConfigSpace,
}

impl Published {
    /// An EP that published 1, 2, 3, ... up to the end of its config space.
    fn new() -> Self {
        let mut rig = Rig::cold(3);
        let mut space = ConfigSpace::new(rig.ep.layout(), &rig.link.ep());
        let bytes: Vec<u8> = (1..=CONFIG_SIZE as u8).collect();
        assert!(space.publish(&rig.link.ep(), 0, &bytes));
        rig.start(EPOCH);
        Self { rig, space }
    }

    fn read(&self, offset: usize, length: usize) -> Result<(u32, Vec<u8>), ConfigReadError> {
        let identity = self.rig.identify().expect("a legal identity");
        let mut to = vec![0xee; length];
        let generation = read_config(&identity, &self.rig.link.rc(), offset, &mut to)?;
        Ok((generation, to))
    }
}

#[test]
fn config_is_read_as_published() {
    let published = Published::new();
    for offset in 0..CONFIG_SIZE as usize {
        for length in 0..=CONFIG_SIZE as usize - offset {
            let bytes = (1..).skip(offset).take(length).collect();
            assert_eq!(published.read(offset, length), Ok((2, bytes)));
        }
    }
}

#[test]
fn config_is_changed_bytewise() {
    let mut published = Published::new();
    let link = &published.rig.link;
    assert!(published.space.publish(&link.ep(), 3, &[0xa3, 0xa4, 0xa5]));
    assert!(published
        .space
        .publish(&link.ep(), CONFIG_SIZE as usize, &[]));
    let bytes = [3, 0xa3, 0xa4, 0xa5, 7];
    assert_eq!(
        published.read(2, 5).map(|(_, read)| read),
        Ok([&bytes[..1], &bytes[1..4], &bytes[4..]].concat())
    );
}

#[test]
fn config_ends_at_its_size() {
    let mut published = Published::new();
    let size = CONFIG_SIZE as usize;
    for (offset, length) in [
        (size, 1),
        (0, size + 1),
        (usize::MAX, 1),
        (u32::MAX as usize, 2),
    ] {
        assert_eq!(
            published.read(offset, length),
            Err(ConfigReadError::OutOfRange)
        );
        let link = &published.rig.link;
        assert!(!published
            .space
            .publish(&link.ep(), offset, &vec![0; length]));
    }
    assert_eq!(
        published.read(size, 0).map(|(generation, _)| generation),
        Ok(2)
    );
}

#[test]
fn a_change_is_noticed() {
    let published = Published::new();
    published.rig.link.store(offset::CONFIG_GENERATION, 3);
    assert_eq!(published.read(0, 4), Err(ConfigReadError::Changing));
}

#[test]
fn old_and_new_config_are_not_mixed() {
    for read in 1..20 {
        let published = Published::new();
        let link = &published.rig.link;
        let first = transport::Offset::new(0x330);
        let identity = published.rig.identify().expect("a legal identity");
        let bytes = [9; 8];
        for (offset, value) in [
            (offset::CONFIG_GENERATION, 4),
            (first, 0x0909_0909),
            (first.word(1), 0x0909_0909),
        ] {
            link.change_before(read, offset, value);
        }
        let mut to = [0; 8];
        match read_config(&identity, &link.rc(), 0, &mut to) {
            Ok(2) => assert_eq!(to, [1, 2, 3, 4, 5, 6, 7, 8]),
            Ok(generation) => assert_eq!((generation, to), (4, bytes)),
            Err(error) => assert_eq!(error, ConfigReadError::Changing),
        }
    }
}

#[test]
fn config_of_a_dead_or_restarted_endpoint_is_not_read() {
    let published = Published::new();
    let link = &published.rig.link;
    let identity = published.rig.identify().expect("a legal identity");
    let mut to = [0; 4];
    link.set_dead(true);
    let dead = read_config(&identity, &link.rc(), 0, &mut to);
    assert_eq!(dead, Err(ConfigReadError::LinkDead));
    link.set_dead(false);
    link.store(offset::EPOCH, EPOCH + 1);
    let restarted = read_config(&identity, &link.rc(), 0, &mut to);
    assert_eq!(restarted, Err(ConfigReadError::Restarted));
}

/// What `virtio_cread()` does: it reads again until the generation stays; returns how often.
fn read_fields(generations: &mut Generations, mut look: impl FnMut() -> u32) -> Option<u32> {
    let mut before = generations.tell(look());
    (1..100).find(|_| {
        let after = generations.tell(look());
        core::mem::replace(&mut before, after) == after
    })
}

#[test]
fn a_driver_side_notices_changes_while_it_reads() {
    let mut generations = Generations::default();
    for start in [0, 2, 4] {
        assert_eq!(read_fields(&mut generations, || start), Some(1));
        let mut looks = [start, start + 2].into_iter();
        let look = || looks.next().unwrap_or(start + 2);
        assert_eq!(read_fields(&mut generations, look), Some(2));
    }
}

#[test]
fn a_driver_side_comes_to_an_end_when_the_config_changes_all_the_time() {
    let mut generations = Generations::default();
    let mut generation = 0;
    for _ in 0..10 {
        let rounds = read_fields(&mut generations, || {
            generation += 2;
            generation
        });
        assert!(rounds.is_some_and(|rounds| rounds <= 5), "{rounds:?}");
    }
}
