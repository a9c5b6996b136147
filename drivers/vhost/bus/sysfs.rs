// SPDX-License-Identifier: GPL-2.0

//! What an operator sees of a device; Documentation/ABI/testing/sysfs-bus-vhost describes it.
//!
//! Context: process, in a read of the attribute. Some take the state lock.

use crate::{
    bus::VhostBus,
    Device,
    Virtqueue, //
};
use ::bus::{
    Attribute,
    Page, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

pub(crate) static ATTRIBUTES: [Attribute<VhostBus>; 7] = [
    Attribute::new(c"virtio_id", virtio_id),
    Attribute::new(c"vendor", vendor),
    Attribute::new(c"instance", instance),
    Attribute::new(c"status", status),
    Attribute::new(c"device_features", device_features),
    Attribute::new(c"features", features),
    Attribute::new(c"queues", queues),
];

fn virtio_id(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{}\n", device.id().get()));
    Ok(())
}

fn vendor(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{:#x}\n", device.vendor()));
    Ok(())
}

fn instance(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{}\n", device.instance()));
    Ok(())
}

fn status(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{:#04x}\n", device.status().bits()));
    Ok(())
}

fn device_features(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{:#018x}\n", device.device_features()));
    Ok(())
}

fn features(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    page.emit(fmt!("{:#018x}\n", device.features()));
    Ok(())
}

fn queues(device: &Arc<Device>, page: &mut Page<'_>) -> Result {
    let line = |queue: &dyn Virtqueue| {
        let (index, size) = (queue.index(), queue.size());
        page.emit(fmt!(
            "{index} {} {} {size}\n",
            queue.name(),
            queue.state().name()
        ));
    };
    device.control().for_each_queue(line);
    Ok(())
}
