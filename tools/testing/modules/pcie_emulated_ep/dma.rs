// SPDX-License-Identifier: GPL-2.0

//! The controller's DMA engine, as one of the kernel.
//!
//! Channels that reach RC memory by its PCI addresses are slaves; those that copy are for
//! memory, and what they are given of the outbound window is RC memory, too. The two kinds are two
//! engines, because clients choose by what all channels of an engine can do.
//!
//! Context: [`Engine`] is called under the lock of a channel, with interrupts off.

use crate::hw::{
    Hw,
    Identity, //
};
use core::ops::Range;
use epc_regs::{
    dma_flags,
    DmaEntry,
    DmaKind,
    Status,
    DMA_BYTES_MAX,
    DMA_ENTRIES_MAX, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::Coherent,
    dma_write,
    irq::IrqReturn,
    pci,
    prelude::*,
    sync::Arc, //
};
use pci_host::{
    IrqHandler,
    Vectors, //
};
use virt_dma::{
    Config,
    Direction,
    Engine,
    Fault,
    Progress,
    Registration,
    Segment,
    State, //
};

/// The engines of a controller, without interrupts after they are dropped.
pub(crate) struct Dma {
    // Dropped first.
    _handlers: KVec<IrqHandler>,
    _engines: KVec<Registration<EmulatedDma>>,
}

impl Dma {
    /// Registers the engines for clients of `device`; their vectors begin at `vector`, and `window` is
    /// where the outbound window is.
    pub(crate) fn new(
        pdev: &pci::Device<Bound>,
        device: &Device,
        hw: &Arc<Hw>,
        identity: &Identity,
        window: Range<u64>,
        vectors: (&Vectors, u32),
    ) -> Result<Self> {
        let mut slaves = KVec::new();
        let mut copies = KVec::new();
        for number in 0..identity.dma_channels {
            let Some(kind) = hw.dma_kind(number)? else {
                continue;
            };
            let group = match kind {
                DmaKind::Read | DmaKind::Write => &mut slaves,
                DmaKind::Copy => &mut copies,
            };
            group.push(Channel::new(pdev, number, kind)?, GFP_KERNEL)?;
        }
        let mut this = Self {
            _handlers: KVec::new(),
            _engines: KVec::new(),
        };
        for channels in [slaves, copies] {
            if !channels.is_empty() {
                let engine = EmulatedDma {
                    hw: hw.clone(),
                    channels,
                    window: window.clone(),
                };
                this.register(device, engine, vectors)?;
            }
        }
        Ok(this)
    }

    fn register(
        &mut self,
        device: &Device,
        engine: EmulatedDma,
        (vectors, first): (&Vectors, u32),
    ) -> Result {
        let mut directions = KVec::with_capacity(engine.channels.len(), GFP_KERNEL)?;
        for channel in &engine.channels {
            directions.push(channel.direction(), GFP_KERNEL)?;
        }
        let config = Config {
            channels: &directions,
            max_segments: DMA_ENTRIES_MAX,
            max_size: DMA_BYTES_MAX.try_into()?,
        };
        let engine = Arc::new(engine, GFP_KERNEL)?;
        let registration = Registration::new(device, engine.clone(), &config)?;
        for (index, channel) in engine.channels.iter().enumerate() {
            let handler = registration.interrupt(index);
            let handle = move || {
                handler.handle();
                IrqReturn::Handled
            };
            let name = c"pcie_emulated_ep-dma";
            let handler = vectors.request(first + channel.number, name, handle)?;
            self._handlers.push(handler, GFP_KERNEL)?;
        }
        self._engines.push(registration, GFP_KERNEL)?;
        Ok(())
    }
}

/// Channels of the controller that can do the same.
struct EmulatedDma {
    hw: Arc<Hw>,
    channels: KVec<Channel>,
    window: Range<u64>,
}

/// A channel of the controller, and room for the list of one transfer.
struct Channel {
    number: u32,
    kind: DmaKind,
    list: Coherent<[u64]>,
}

impl Channel {
    fn new(pdev: &pci::Device<Bound>, number: u32, kind: DmaKind) -> Result<Self> {
        let words = DMA_ENTRIES_MAX * DmaEntry::WORDS;
        Ok(Self {
            number,
            kind,
            list: Coherent::zeroed_slice(pdev.as_ref(), words, GFP_KERNEL)?,
        })
    }

    fn direction(&self) -> Direction {
        match self.kind {
            DmaKind::Read => Direction::DeviceToMemory,
            DmaKind::Write => Direction::MemoryToDevice,
            DmaKind::Copy => Direction::MemoryToMemory,
        }
    }

    /// Writes the list of a transfer.
    fn fill(&self, entries: impl Iterator<Item = DmaEntry>) -> Result {
        for (at, word) in entries.flat_map(DmaEntry::to_words).enumerate() {
            dma_write!(self.list, [try: at], word.to_le());
        }
        Ok(())
    }
}

impl Engine for EmulatedDma {
    const OWNER: &'static ThisModule = &crate::THIS_MODULE;

    fn start(&self, channel: usize, segments: &[Segment]) -> Result {
        let channel = self.channels.get(channel).ok_or(EINVAL)?;
        let entry = |segment: &Segment| entry(channel.kind, segment, &self.window);
        channel.fill(segments.iter().map(entry))?;
        let (list, entries) = (channel.list.dma_handle(), segments.len().try_into()?);
        self.hw.start_dma(channel.number, list, entries)
    }

    fn progress(&self, channel: usize) -> Progress {
        let Some(channel) = self.channels.get(channel) else {
            return Progress::NONE;
        };
        // A controller that is not there any more has ended everything.
        let progress = self.hw.dma_progress(channel.number);
        let (status, moved) = progress.unwrap_or((None, 0));
        Progress {
            moved: moved.try_into().unwrap_or(0),
            state: state(channel.kind, status),
        }
    }

    fn abort(&self, channel: usize) {
        if let Some(channel) = self.channels.get(channel) {
            // A controller that is not there any more has ended it.
            let _ = self.hw.abort_dma(channel.number);
        }
    }
}

/// Returns the entry of a list for a segment. A channel that copies has the window at `window`.
fn entry(kind: DmaKind, segment: &Segment, window: &Range<u64>) -> DmaEntry {
    let (mut source, mut destination) = (segment.source, segment.destination);
    let mut flags = 0;
    if kind == DmaKind::Copy {
        for (address, flag) in [
            (&mut source, dma_flags::SOURCE_IN_WINDOW),
            (&mut destination, dma_flags::DESTINATION_IN_WINDOW),
        ] {
            if window.contains(address) {
                *address -= window.start;
                flags |= flag;
            }
        }
    }
    DmaEntry {
        source,
        destination,
        size: segment.size,
        flags,
    }
}

/// Returns what a status says of a transfer; one that is not known has failed.
fn state(kind: DmaKind, status: Option<Status>) -> State {
    match (status, kind) {
        (Some(Status::Busy), _) => State::Running,
        (Some(Status::Ok), _) => State::Done,
        (Some(Status::NotRcMemory | Status::NotEnabled), DmaKind::Read) => {
            State::Failed(Fault::Read)
        }
        (Some(Status::NotRcMemory | Status::NotEnabled), DmaKind::Write) => {
            State::Failed(Fault::Write)
        }
        _ => State::Failed(Fault::Aborted),
    }
}

#[kunit_tests(pcie_emulated_ep_dma)]
mod tests {
    use super::*;

    const WINDOW: Range<u64> = 0x8000..0x1_0000;

    fn made(kind: DmaKind, source: u64, destination: u64) -> (u64, u64, u32) {
        let segment = Segment {
            source,
            destination,
            size: 16,
        };
        let entry = entry(kind, &segment, &WINDOW);
        assert_eq!(entry.size, 16);
        (entry.source, entry.destination, entry.flags)
    }

    #[test]
    fn copies_find_the_window() {
        let (from, to) = (
            dma_flags::SOURCE_IN_WINDOW,
            dma_flags::DESTINATION_IN_WINDOW,
        );
        let copy = |source, destination| made(DmaKind::Copy, source, destination);
        assert_eq!(copy(0x7fff, 0x1_0000), (0x7fff, 0x1_0000, 0));
        assert_eq!(copy(0x8000, 0x100), (0, 0x100, from));
        assert_eq!(copy(0x100, 0xffff), (0x100, 0x7fff, to));
        assert_eq!(copy(0x9000, 0xa000), (0x1000, 0x2000, from | to));
    }

    #[test]
    fn slaves_have_no_window() {
        for kind in [DmaKind::Read, DmaKind::Write] {
            assert_eq!(made(kind, 0x9000, 0xa000), (0x9000, 0xa000, 0));
        }
    }

    #[test]
    fn what_is_not_known_has_failed() {
        let read = |status| state(DmaKind::Read, status);
        assert_eq!(read(Some(Status::Busy)), State::Running);
        assert_eq!(read(Some(Status::Ok)), State::Done);
        let not_memory = Some(Status::NotRcMemory);
        assert_eq!(read(not_memory), State::Failed(Fault::Read));
        let write = state(DmaKind::Write, not_memory);
        assert_eq!(write, State::Failed(Fault::Write));
        assert_eq!(read(None), State::Failed(Fault::Aborted));
        assert_eq!(read(Some(Status::Aborted)), State::Failed(Fault::Aborted));
    }
}
