// SPDX-License-Identifier: GPL-2.0

//! What the driver side can change: which packets it receives and on how many queues, what is left
//! undone of them, and its address.
//!
//! Context: process, in the worker of the control queue.

use crate::{
    config::MAC_OFFSET,
    control::{
        Bytes,
        Obey, //
    },
    filter::{
        Address,
        Addresses,
        Filter,
        Kind, //
    },
    offloads::DriverOffloads,
    pairs::Pairs, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use vhost_bus::Device;
use virtio::net::control::Command;

/// Whom commands are for.
pub(crate) struct Orders {
    pub(crate) device: Arc<Device>,
    pub(crate) pairs: Arc<Pairs>,
    pub(crate) filter: Arc<Filter>,
    pub(crate) offloads: Arc<DriverOffloads>,
}

impl Obey for Orders {
    fn queue_pairs(&self) -> u16 {
        self.pairs.count()
    }

    fn obey(&self, command: Command, bytes: &Bytes<'_>) -> Result {
        match command {
            Command::SetAddress(address) => {
                publish_address(&self.device, &address)?;
                self.filter.set_address(address);
                Ok(())
            }
            Command::UsePairs(count) => self.pairs.use_first(count),
            Command::SetOffloads(features) => {
                self.offloads.take(features);
                Ok(())
            }
            command => filter_as(&self.filter, command, bytes),
        }
    }
}

/// Has the filter let pass what a command says.
///
/// # Errors
///
/// As for [`Addresses::read`]; `EINVAL`: it is a command for something else.
pub(crate) fn filter_as(filter: &Filter, command: Command, bytes: &Bytes<'_>) -> Result {
    match command {
        Command::Promiscuous(is_on) => filter.set_promiscuous(is_on),
        Command::AllMulticast(is_on) => filter.set_all_groups(is_on),
        Command::SetTables { unicast, multicast } => {
            let stations = Addresses::read(bytes, unicast, Kind::Station)?;
            let groups = Addresses::read(bytes, multicast, Kind::Group)?;
            filter.set_tables(stations, groups);
        }
        Command::SetAddress(_) | Command::UsePairs(_) | Command::SetOffloads(_) => {
            return Err(EINVAL);
        }
    }
    Ok(())
}

/// Shows the driver side's address in its configuration.
///
/// # Errors
///
/// `EINVAL`: the transport has no room for it.
pub(crate) fn publish_address(device: &Device, address: &Address) -> Result {
    device.set_config(MAC_OFFSET, address)
}
