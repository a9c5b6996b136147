// SPDX-License-Identifier: GPL-2.0

//! What the user wants of a function: the values of its attributes, their ranges and defaults.
//!
//! Whether the controller can do it is seen when the function is bound.

use crate::dma::LANE_BYTES;
use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};
use transport::MAX_QUEUES;
use virtio::{
    ids::DeviceId,
    ring::{
        PushArea,
        SplitSize, //
    }, //
};

/// The words for device types; others are written as numbers.
const DEVICES: [(&str, DeviceId); 7] = [
    ("net", DeviceId::NET),
    ("blk", DeviceId::BLOCK),
    ("console", DeviceId::CONSOLE),
    ("rng", DeviceId::RNG),
    ("scsi", DeviceId::SCSI),
    ("vsock", DeviceId::VSOCK),
    ("fs", DeviceId::FS),
];

/// A virtio device type as a user writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceType(pub(crate) DeviceId);

impl DeviceType {
    /// Parses a word or a number, which is not 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let named = DEVICES.iter().find(|(name, _)| *name == text);
        let numbered = || parse_number(text).filter(|id| *id != 0).map(DeviceId::new);
        named.map(|(_, id)| *id).or_else(numbered).map(Self)
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DEVICES.iter().find(|(_, id)| *id == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0.get()),
        }
    }
}

/// Which doorbells the user wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoorbellChoice {
    /// The best that the controller has.
    Auto,
    /// Words in EP memory that the EP looks at.
    Polled,
    /// The controller's own register.
    Embedded,
    /// Messages to the EP's interrupt controller.
    Msi,
}

impl DoorbellChoice {
    const WORDS: [(&'static str, Self); 4] = [
        ("auto", Self::Auto),
        ("polled", Self::Polled),
        ("embedded", Self::Embedded),
        ("msi", Self::Msi),
    ];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        value_of(&Self::WORDS, text)
    }

    pub(crate) fn word(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }
}

/// Who moves the driver side's half of the queues across the link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataPath {
    /// The EP reads it.
    Pull,
    /// The RC writes it to EP memory.
    Push,
}

impl DataPath {
    const WORDS: [(&'static str, Self); 2] = [("pull", Self::Pull), ("push", Self::Push)];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        value_of(&Self::WORDS, text)
    }

    pub(crate) fn word(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }
}

/// Returns what a word stands for.
fn value_of<T: Copy>(words: &[(&'static str, T)], text: &str) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value)
}

/// Returns the word for a value, which has one.
fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    let found = words.iter().find(|(_, other)| *other == value);
    found.map_or("", |(word, _)| word)
}

/// A number with its range.
pub(crate) struct Limits {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// Only powers of two.
    pub(crate) power_of_two: bool,
}

impl Limits {
    /// The protocol's.
    pub(crate) const NUM_QUEUES: Self = Self::range(1, MAX_QUEUES as u32);
    /// The specification's, for split rings.
    pub(crate) const QUEUE_SIZE: Self = Self::powers(1, 32768);
    /// From the smallest page of a controller's windows to what 32-bit sizes hold.
    pub(crate) const WINDOW_SIZE: Self = Self::powers(4 << 10, 2 << 30);
    /// One is enough to work; no known controller has more than 256.
    pub(crate) const MAX_WINDOWS: Self = Self::range(1, 256);
    /// Up to the longest sleep that the protocol allows.
    pub(crate) const POLL_US: Self = Self::range(0, 10_000);
    /// 0: none; above a second the scan would be of no use to anybody.
    pub(crate) const SCAN_MS: Self = Self::range(0, 1_000);
    /// 0: no, 1: yes.
    pub(crate) const SWITCH: Self = Self::range(0, 1);
    /// 0: payload is read; no BAR of a known board has more for a queue.
    pub(crate) const PUSH_ROOM: Self = Self::range(0, 16 << 20);
    /// 0: the processor copies; no more than an engine of DesignWare has.
    pub(crate) const DMA: Self = Self::range(0, 8);
    /// 0: all payload; no more is moved at a time.
    pub(crate) const DMA_THRESHOLD: Self = Self::range(0, LANE_BYTES as u32);

    const fn range(min: u32, max: u32) -> Self {
        Self {
            min,
            max,
            power_of_two: false,
        }
    }

    const fn powers(min: u32, max: u32) -> Self {
        Self {
            min,
            max,
            power_of_two: true,
        }
    }

    /// Parses a number, decimal or with `0x`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not a number, or not a power of two where it has to be; `ERANGE`: out of range.
    pub(crate) fn parse(&self, text: &str) -> Result<u32> {
        self.check(parse_number(text).ok_or(EINVAL)?)
    }

    fn check(&self, number: u32) -> Result<u32> {
        if number < self.min || number > self.max {
            return Err(ERANGE);
        }
        if self.power_of_two && !number.is_power_of_two() {
            return Err(EINVAL);
        }
        Ok(number)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.power_of_two {
            "a power of two"
        } else {
            "a number"
        };
        write!(f, "{} from {} to {}", kind, self.min, self.max)
    }
}

fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The values of the attributes.
pub(crate) struct Settings {
    /// Not set: the function cannot be bound.
    pub(crate) device: Option<DeviceType>,
    /// Not set: the function cannot be bound.
    pub(crate) instance: Option<CString>,
    /// The most queues that the backend may have.
    pub(crate) num_queues: u32,
    /// The largest size of a queue, in descriptors.
    pub(crate) queue_size: u32,
    pub(crate) doorbell: DoorbellChoice,
    /// Size of the windows onto buffers in bytes; less if the controller does not have as much.
    pub(crate) window_size: u32,
    /// The most windows onto buffers at a time.
    pub(crate) max_windows: u32,
    /// How long the worker goes on without a sleep after it found something to do.
    pub(crate) poll_us: u32,
    /// How long a queue without anything available is looked at, at most; 0: never.
    pub(crate) queue_poll_us: u32,
    /// Period of the scan of all queues with polled doorbells; 0: none.
    pub(crate) scan_ms: u32,
    /// Whether the RC may rely on buffers being used in order.
    pub(crate) in_order: u32,
    pub(crate) data_path: DataPath,
    /// EP memory for payload that the RC pushes, of each queue in bytes.
    pub(crate) push_room: u32,
    /// Channels of the controller's DMA engine for each way, at most.
    pub(crate) dma: u32,
    /// The shortest payload in bytes that is read so.
    pub(crate) dma_read_threshold: u32,
    /// The shortest payload in bytes that is written so.
    pub(crate) dma_write_threshold: u32,
}

impl Settings {
    /// What a new function has.
    pub(crate) const DEFAULT: Self = Self {
        device: None,
        instance: None,
        num_queues: MAX_QUEUES as u32,
        // Four batches of the ring engine: one with the backend, one on its way each way, and one to spare.
        queue_size: 256,
        doorbell: DoorbellChoice::Auto,
        // Few windows have to reach all buffers: 16 of 64 MiB are 1 GiB.
        window_size: 64 << 20,
        max_windows: 16,
        // Several round trips of a request and its completion.
        poll_us: 200,
        queue_poll_us: 0,
        scan_ms: 0,
        // Saves reads and writes across the link, and costs nothing.
        in_order: 1,
        data_path: DataPath::Pull,
        // 43 packets, or 16 blocks of 4 KiB, in flight.
        push_room: 64 << 10,
        dma: 0,
        // On an RK3588 a transfer takes as long as 1200 bytes by loads, or 25000 by stores
        // (tools/testing/emulator/profiles/rk3588.toml).
        dma_read_threshold: 2 << 10,
        dma_write_threshold: 32 << 10,
    };

    /// Returns the length of the push area of each queue; 0: there are none.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the queues are of no size that a pushed queue can have.
    pub(crate) fn push_len(&self) -> Result<u32> {
        let size = u16::try_from(self.queue_size).ok().and_then(SplitSize::new);
        match self.data_path {
            DataPath::Pull => Ok(0),
            DataPath::Push => {
                let len = size.and_then(|size| PushArea::len_for(size, self.push_room));
                len.ok_or(EINVAL)
            }
        }
    }

    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let instance = match &self.instance {
            Some(instance) => Some(CString::try_from(&**instance)?),
            None => None,
        };
        Ok(Self { instance, ..*self })
    }
}

#[kunit_tests(pci_epf_vhost_settings)]
mod tests {
    use super::*;

    #[test]
    fn device_types_have_words_and_numbers() {
        assert!(DeviceType::parse("net") == Some(DeviceType(DeviceId::NET)));
        assert!(DeviceType::parse("2") == Some(DeviceType(DeviceId::BLOCK)));
        assert!(DeviceType::parse("0x2a") == Some(DeviceType(DeviceId::new(42))));
        for text in ["", "0", "block device", "-1", "0x", "4294967296"] {
            assert!(DeviceType::parse(text).is_none());
        }
    }

    #[test]
    fn words_are_read_as_they_are_shown() {
        for (word, choice) in DoorbellChoice::WORDS {
            assert!(DoorbellChoice::parse(word) == Some(choice));
            assert_eq!(choice.word(), word);
        }
        assert!(DoorbellChoice::parse("Auto").is_none());
        for (word, path) in DataPath::WORDS {
            assert!(DataPath::parse(word) == Some(path));
            assert_eq!(path.word(), word);
        }
        assert!(DataPath::parse("").is_none());
    }

    #[test]
    fn push_areas_have_rings_and_room() {
        let pushed = Settings {
            data_path: DataPath::Push,
            queue_size: 256,
            push_room: 1024,
            ..Settings::DEFAULT
        };
        assert_eq!(Settings::DEFAULT.push_len(), Ok(0));
        // 4096 and 518 bytes are 73 lines.
        assert_eq!(pushed.push_len(), Ok(73 * 64 + 1024));
    }

    #[test]
    fn numbers_keep_within_limits() {
        let limits = Limits::QUEUE_SIZE;
        assert_eq!(limits.parse("1"), Ok(1));
        assert_eq!(limits.parse("0x8000"), Ok(32768));
        assert_eq!(limits.parse("0"), Err(ERANGE));
        assert_eq!(limits.parse("65536"), Err(ERANGE));
        assert_eq!(limits.parse("48"), Err(EINVAL));
        assert_eq!(limits.parse("many"), Err(EINVAL));
        assert_eq!(Limits::NUM_QUEUES.parse("48"), Ok(48));
        assert_eq!(Limits::NUM_QUEUES.parse("65"), Err(ERANGE));
    }

    #[test]
    fn defaults_keep_within_limits() {
        let Settings {
            num_queues,
            queue_size,
            window_size,
            max_windows,
            poll_us,
            queue_poll_us,
            scan_ms,
            in_order,
            push_room,
            dma,
            dma_read_threshold,
            dma_write_threshold,
            ..
        } = Settings::DEFAULT;
        let all = [
            (Limits::NUM_QUEUES, num_queues),
            (Limits::QUEUE_SIZE, queue_size),
            (Limits::WINDOW_SIZE, window_size),
            (Limits::MAX_WINDOWS, max_windows),
            (Limits::POLL_US, poll_us),
            (Limits::POLL_US, queue_poll_us),
            (Limits::SCAN_MS, scan_ms),
            (Limits::SWITCH, in_order),
            (Limits::PUSH_ROOM, push_room),
            (Limits::DMA, dma),
            (Limits::DMA_THRESHOLD, dma_read_threshold),
            (Limits::DMA_THRESHOLD, dma_write_threshold),
        ];
        for (limits, value) in all {
            assert_eq!(limits.check(value), Ok(value));
        }
    }
}
