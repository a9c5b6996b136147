// SPDX-License-Identifier: GPL-2.0

//! Commands for the device config.

use crate::model::{Call, Rig, CONFIG_SIZE};
use transport::CommandError::BadArgument;
use transport::{Command, ConfigData};

fn write_config(offset: u32, length: usize) -> Command {
    let bytes: Vec<u8> = (1..=128).collect();
    let data = ConfigData::new(&bytes[..length]).expect("a legal length");
    Command::WriteConfig { offset, data }
}

#[test]
fn config_is_written_inside_the_config_space() {
    let size = CONFIG_SIZE as usize;
    for (offset, length) in [(0, 1), (0, size), (CONFIG_SIZE - 1, 1), (3, 7)] {
        let mut rig = Rig::connected();
        rig.okay(&write_config(offset, length));
        let bytes = (1..=length as u8).collect();
        assert_eq!(
            rig.backend.take_calls(),
            [Call::WriteConfig(offset as usize, bytes)]
        );
    }
    for (offset, length) in [
        (0, size + 1),
        (CONFIG_SIZE, 1),
        (CONFIG_SIZE - 1, 2),
        (u32::MAX, 128),
    ] {
        Rig::connected().refused(&write_config(offset, length), BadArgument);
    }
}

#[test]
fn config_data_has_1_to_128_bytes() {
    assert!(ConfigData::new(&[]).is_none());
    assert!(ConfigData::new(&[0; 128]).is_some());
    assert!(ConfigData::new(&[0; 129]).is_none());
}
