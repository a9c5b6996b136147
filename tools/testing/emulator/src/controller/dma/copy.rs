// SPDX-License-Identifier: GPL-2.0
//! What a transfer moves: its list, checked, and each chunk of it.

use epc_regs::{dma_flags, DmaEntry, DmaKind, Status, DMA_BYTES_MAX, DMA_ENTRIES_MAX};

use super::channel::{Order, Sums};
use super::{Engine, Gates};
use crate::memory::GuestMemory;
use crate::sync::read;
use crate::trace::WindowTarget;

/// Bytes that are moved at a time, with the locks held.
const CHUNK: u64 = 64 << 10;

/// An address, with what it is an address of.
#[derive(Clone, Copy, Debug)]
enum Address {
    Ep(u64),
    Pci(u64),
    Window(u64),
}

/// Where data is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In EP memory.
    Ep(u64),
    /// In RC memory, as a function reaches it.
    Rc { function: u8, address: u64 },
}

/// An entry of a list, or a chunk of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    source: Address,
    destination: Address,
    size: u64,
}

/// Returns room for a chunk.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; CHUNK as usize]
}

impl Address {
    fn checked_add(self, offset: u64) -> Option<Self> {
        Some(match self {
            Self::Ep(address) => Self::Ep(address.checked_add(offset)?),
            Self::Pci(address) => Self::Pci(address.checked_add(offset)?),
            Self::Window(address) => Self::Window(address.checked_add(offset)?),
        })
    }

    fn crosses(self) -> bool {
        !matches!(self, Self::Ep(_))
    }
}

impl Piece {
    fn new(kind: DmaKind, entry: DmaEntry) -> Result<Self, Status> {
        let allowed = match kind {
            DmaKind::Read | DmaKind::Write => 0,
            DmaKind::Copy => dma_flags::ALL,
        };
        if entry.size == 0 || entry.flags & !allowed != 0 {
            return Err(Status::BadArgument);
        }
        let local = |address, flag| match entry.flags & flag {
            0 => Address::Ep(address),
            _ => Address::Window(address),
        };
        let mut source = local(entry.source, dma_flags::SOURCE_IN_WINDOW);
        let mut destination = local(entry.destination, dma_flags::DESTINATION_IN_WINDOW);
        match kind {
            DmaKind::Read => source = Address::Pci(entry.source),
            DmaKind::Write => destination = Address::Pci(entry.destination),
            DmaKind::Copy => {}
        }
        let size = entry.size.into();
        let ends = source.checked_add(size).and(destination.checked_add(size));
        ends.ok_or(Status::BadArgument)?;
        Ok(Self {
            source,
            destination,
            size,
        })
    }

    /// Returns the chunks that this consists of.
    pub(super) fn chunks(self) -> impl Iterator<Item = Self> {
        (0..self.size)
            .step_by(CHUNK as usize)
            .filter_map(move |at| {
                Some(Self {
                    source: self.source.checked_add(at)?,
                    destination: self.destination.checked_add(at)?,
                    size: (self.size - at).min(CHUNK),
                })
            })
    }
}

impl Engine {
    /// Reads the list of a transfer, as a whole and once.
    ///
    /// # Errors
    ///
    /// `BadAddress` when it is not in EP memory; `BadArgument` when it is empty, too long, or moves too much,
    /// or an entry moves nothing, has flags that this kind of channel does not take, or wraps around.
    pub(super) fn list(&self, kind: DmaKind, order: &Order) -> Result<Vec<Piece>, Status> {
        let count = order.entries as usize;
        if !(1..=DMA_ENTRIES_MAX).contains(&count) {
            return Err(Status::BadArgument);
        }
        let mut bytes = vec![0; count * DmaEntry::SIZE];
        let memory = &self.surroundings.ep_memory;
        let read = memory.read(order.list, &mut bytes);
        read.map_err(|_| Status::BadAddress)?;
        let pieces = bytes.chunks_exact(DmaEntry::SIZE).map(|bytes| {
            let mut words = [0; DmaEntry::WORDS];
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            }
            Piece::new(kind, DmaEntry::from_words(words))
        });
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        let total: u64 = pieces.iter().map(|piece| piece.size).sum();
        if total > DMA_BYTES_MAX {
            return Err(Status::BadArgument);
        }
        Ok(pieces)
    }

    /// Moves a chunk, and adds it to what the transfer has moved.
    ///
    /// # Errors
    ///
    /// `NotEnabled` when the link is not up, bus mastering is off, or was since the transfer began;
    /// `BadAddress` when an EP address is not memory or an offset in the window is not mapped;
    /// `NotRcMemory`. Nothing was written then.
    pub(super) fn copy(
        &self,
        chunk: &Piece,
        order: &Order,
        buffer: &mut [u8],
        sums: &mut Sums,
    ) -> Result<(), Status> {
        let Piece {
            source,
            destination,
            size,
        } = *chunk;
        let gates = read(&self.gates);
        let (from, to) = (self.place(source, size)?, self.place(destination, size)?);
        for place in [from, to] {
            check_open(place, &gates, order)?;
        }
        let buffer = buffer.get_mut(..size as usize).unwrap_or_default();
        self.load(from, buffer)?;
        self.store(to, buffer)?;
        sums.moved += size;
        sums.read += if source.crosses() { size } else { 0 };
        sums.written += if destination.crosses() { size } else { 0 };
        Ok(())
    }

    fn load(&self, from: Place, data: &mut [u8]) -> Result<(), Status> {
        let (memory, address, otherwise) = self.memory(from)?;
        memory.read(address, data).map_err(|_| otherwise)
    }

    fn store(&self, to: Place, data: &[u8]) -> Result<(), Status> {
        let (memory, address, otherwise) = self.memory(to)?;
        memory.write(address, data).map_err(|_| otherwise)
    }

    /// The memory that a place is in, the address there, and how an access fails that finds none.
    fn memory(&self, place: Place) -> Result<(&GuestMemory, u64, Status), Status> {
        let around = &self.surroundings;
        match place {
            Place::Ep(address) => Ok((&around.ep_memory, address, Status::BadAddress)),
            Place::Rc { function, address } => {
                let memory = around.rc_memory.get(usize::from(function));
                let memory = memory.ok_or(Status::NotRcMemory)?;
                Ok((memory, address, Status::NotRcMemory))
            }
        }
    }

    /// Says where an address leads.
    fn place(&self, address: Address, size: u64) -> Result<Place, Status> {
        Ok(match address {
            Address::Ep(address) => Place::Ep(address),
            Address::Pci(address) => Place::Rc {
                function: 0,
                address,
            },
            Address::Window(offset) => {
                let target = self.surroundings.outbound.translate(offset, size);
                let WindowTarget { function, pci, .. } = target.ok_or(Status::BadAddress)?;
                Place::Rc {
                    function,
                    address: pci,
                }
            }
        })
    }
}

/// Checks that the way to a place is open, and was since the transfer began.
fn check_open(place: Place, gates: &Gates, order: &Order) -> Result<(), Status> {
    let Place::Rc { function, .. } = place else {
        return Ok(());
    };
    let gate = |gates: &Gates| gates.get(usize::from(function)).copied();
    let open = gate(gates).is_some_and(|gate| gate.open);
    let unbroken = gate(gates) == gate(&order.gates);
    (open && unbroken).then_some(()).ok_or(Status::NotEnabled)
}
