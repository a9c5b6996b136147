// SPDX-License-Identifier: GPL-2.0

//! The attributes of a function: `Documentation/ABI/testing/configfs-pci-epf-vhost`.
//!
//! Context: process, without `epf->lock`.

use crate::{
    doorbell,
    function::VhostFunction,
    settings::{
        DataPath,
        DeviceType,
        DoorbellChoice,
        Limits,
        Settings, //
    }, //
};
use kernel::{
    fmt::{
        Display,
        Write, //
    },
    prelude::*,
    str::CString, //
};
use pci_ep::configfs::{
    Attribute,
    Entry,
    Page, //
};

/// All of them.
pub(crate) const ATTRIBUTES: &[Entry<VhostFunction>] = &[
    Entry::new::<Device>(),
    Entry::new::<Instance>(),
    Entry::new::<NumQueues>(),
    Entry::new::<QueueSize>(),
    Entry::new::<Doorbell>(),
    Entry::new::<WindowSize>(),
    Entry::new::<MaxWindows>(),
    Entry::new::<PollUs>(),
    Entry::new::<QueuePollUs>(),
    Entry::new::<ScanMs>(),
    Entry::new::<InOrder>(),
    Entry::new::<DataPathChoice>(),
    Entry::new::<PushRoom>(),
    Entry::new::<DmaChannels>(),
    Entry::new::<DmaReadThreshold>(),
    Entry::new::<DmaWriteThreshold>(),
    Entry::new::<Epoch>(),
    Entry::new::<DoorbellKind>(),
];

/// Shows a value.
fn show(page: &mut Page<'_>, value: impl Display) -> Result {
    Ok(page.write_fmt(fmt!("{value}\n"))?)
}

/// Changes the settings, or says what was expected instead.
fn store(function: &VhostFunction, name: &CStr, change: impl FnOnce(&mut Settings)) -> Result {
    function.change(change).inspect_err(|_| {
        dev_err!(
            function.device(),
            "Attribute '{}' cannot be changed while the function is bound\n",
            name
        );
    })
}

/// Says what a value has to be.
fn refuse(function: &VhostFunction, name: &CStr, expected: impl Display, error: Error) -> Error {
    dev_err!(
        function.device(),
        "Attribute '{}': expected {}\n",
        name,
        expected
    );
    error
}

/// `device`: the virtio device type.
struct Device;

#[vtable]
impl Attribute<VhostFunction> for Device {
    const NAME: &'static CStr = c"device";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        function.with_settings(|settings| match settings.device {
            Some(device) => show(page, device),
            None => show(page, ""),
        })
    }

    fn store(function: &VhostFunction, text: &str) -> Result {
        let expected = "a virtio device type such as net or blk, or its number";
        let device = DeviceType::parse(text)
            .ok_or_else(|| refuse(function, Self::NAME, expected, EINVAL))?;
        store(function, Self::NAME, |settings| {
            settings.device = Some(device)
        })
    }
}

/// `instance`: the backend's instance.
struct Instance;

#[vtable]
impl Attribute<VhostFunction> for Instance {
    const NAME: &'static CStr = c"instance";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        function.with_settings(|settings| match &settings.instance {
            Some(instance) => show(page, &**instance),
            None => show(page, ""),
        })
    }

    fn store(function: &VhostFunction, text: &str) -> Result {
        if text.is_empty() {
            return Err(refuse(function, Self::NAME, "a name", EINVAL));
        }
        let instance = CString::try_from_fmt(fmt!("{text}"))?;
        store(function, Self::NAME, |settings| {
            settings.instance = Some(instance);
        })
    }
}

/// `doorbell`: how the EP learns of kicks.
struct Doorbell;

#[vtable]
impl Attribute<VhostFunction> for Doorbell {
    const NAME: &'static CStr = c"doorbell";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        let choice = function.with_settings(|settings| settings.doorbell);
        show(page, choice.word())
    }

    fn store(function: &VhostFunction, text: &str) -> Result {
        let expected = "auto, polled, embedded or msi";
        let choice = DoorbellChoice::parse(text)
            .ok_or_else(|| refuse(function, Self::NAME, expected, EINVAL))?;
        store(function, Self::NAME, |settings| settings.doorbell = choice)
    }
}

/// `data_path`: who moves the driver side's half of the queues.
struct DataPathChoice;

#[vtable]
impl Attribute<VhostFunction> for DataPathChoice {
    const NAME: &'static CStr = c"data_path";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        let path = function.with_settings(|settings| settings.data_path);
        show(page, path.word())
    }

    fn store(function: &VhostFunction, text: &str) -> Result {
        let path = DataPath::parse(text)
            .ok_or_else(|| refuse(function, Self::NAME, "pull or push", EINVAL))?;
        store(function, Self::NAME, |settings| settings.data_path = path)
    }
}

/// Attributes that are numbers.
macro_rules! numbers {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $field:ident, $limits:ident;)*) => {$(
        $(#[$doc])*
        struct $type;

        #[vtable]
        impl Attribute<VhostFunction> for $type {
            const NAME: &'static CStr = $name;

            fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
                let value = function.with_settings(|settings| settings.$field);
                show(page, value)
            }

            fn store(function: &VhostFunction, text: &str) -> Result {
                let limits = Limits::$limits;
                let value = limits
                    .parse(text)
                    .map_err(|error| refuse(function, Self::NAME, &limits, error))?;
                store(function, Self::NAME, |settings| settings.$field = value)
            }
        }
    )*};
}

numbers! {
    /// `num_queues`: the most queues.
    NumQueues = c"num_queues", num_queues, NUM_QUEUES;
    /// `queue_size`: the largest size of a queue.
    QueueSize = c"queue_size", queue_size, QUEUE_SIZE;
    /// `window_size`: the size of windows onto buffers.
    WindowSize = c"window_size", window_size, WINDOW_SIZE;
    /// `max_windows`: the most windows onto buffers.
    MaxWindows = c"max_windows", max_windows, MAX_WINDOWS;
    /// `poll_us`: how long to go on looking.
    PollUs = c"poll_us", poll_us, POLL_US;
    /// `queue_poll_us`: how long to look at a queue that has nothing.
    QueuePollUs = c"queue_poll_us", queue_poll_us, POLL_US;
    /// `scan_ms`: period of the scan of all queues.
    ScanMs = c"scan_ms", scan_ms, SCAN_MS;
    /// `in_order`: whether the order of buffers is offered.
    InOrder = c"in_order", in_order, SWITCH;
    /// `push_room`: memory for payload of each queue that is pushed.
    PushRoom = c"push_room", push_room, PUSH_ROOM;
    /// `dma`: how many channels move payload, each way.
    DmaChannels = c"dma", dma, DMA;
    /// `dma_read_threshold`: the shortest payload that is read by DMA.
    DmaReadThreshold = c"dma_read_threshold", dma_read_threshold, DMA_THRESHOLD;
    /// `dma_write_threshold`: the shortest payload that is written by DMA.
    DmaWriteThreshold = c"dma_write_threshold", dma_write_threshold, DMA_THRESHOLD;
}

/// `epoch`: the session, read-only.
struct Epoch;

#[vtable]
impl Attribute<VhostFunction> for Epoch {
    const NAME: &'static CStr = c"epoch";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        show(page, fmt!("{:#x}", function.epoch()))
    }
}

/// `doorbell_kind`: what `doorbell` led to, read-only.
struct DoorbellKind;

#[vtable]
impl Attribute<VhostFunction> for DoorbellKind {
    const NAME: &'static CStr = c"doorbell_kind";

    fn show(function: &VhostFunction, page: &mut Page<'_>) -> Result {
        let kind = function.layout().map(|layout| layout.doorbells().kind);
        show(page, kind.map_or("", doorbell::word))
    }
}
