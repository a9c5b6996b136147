// SPDX-License-Identifier: GPL-2.0
//! The device config is read as it was before a change, or as it is after it (G1 to G6).

use loom::thread;
use memory_order::{holds, Missing};
use transport::{read_config, ConfigReadError};

use crate::ends::{Ends, CONFIG_SIZE};

/// The RC reads while the EP changes all bytes from 0 to 7.
fn read_while_published(rc_missing: Missing, ep_missing: Missing) -> bool {
    let Ends {
        bar,
        mut config,
        rc,
        ..
    } = Ends::connected();
    let bar = bar.share();
    let ep_side = bar.without(ep_missing);
    let other = thread::spawn(move || config.publish(&ep_side, 0, &[7; CONFIG_SIZE]));
    let mut bytes = [0; CONFIG_SIZE];
    let result = read_config(rc.identity(), &bar.without(rc_missing), 0, &mut bytes);
    assert!(other.join().expect("the EP"));
    match result {
        Ok(0) => bytes == [0; CONFIG_SIZE],
        Ok(2) => bytes == [7; CONFIG_SIZE],
        result => result == Err(ConfigReadError::Changing),
    }
}

#[test]
fn config_is_of_one_generation() {
    assert!(holds(|| read_while_published(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn config_needs_the_barriers_of_both() {
    assert!(!holds(|| read_while_published(
        Missing::Read,
        Missing::Nothing
    )));
    assert!(!holds(|| read_while_published(
        Missing::Nothing,
        Missing::Write
    )));
}
