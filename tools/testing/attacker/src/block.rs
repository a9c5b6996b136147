// SPDX-License-Identifier: GPL-2.0
//! Requests to a block device (VIRTIO 1.2, section 5.2.6).

use anyhow::{ensure, Context, Result};
use virtio::blk::{features, request, RequestHeader, RequestStatus, SECTOR_SIZE};

use crate::dma::{Memory, Place};
use crate::driver::Driver;

/// Bytes of data of an honest request.
pub const DATA: usize = 4096;
/// Sectors of them.
const SECTORS: u64 = DATA as u64 / SECTOR_SIZE as u64;
/// What a status byte is before the device writes it.
pub const NO_STATUS: u8 = 0xff;

/// Memory for one request.
#[derive(Clone, Copy)]
pub struct Buffers {
    /// The header.
    pub header: Place,
    /// Data of [`DATA`] bytes.
    pub data: Place,
    /// The status byte.
    pub status: Place,
}

impl Buffers {
    /// Takes memory.
    pub fn new(memory: &Memory) -> Result<Self> {
        let header = memory.take(RequestHeader::LEN + 1)?;
        Ok(Self {
            header: header.part(0, RequestHeader::LEN),
            status: header.part(RequestHeader::LEN, 1),
            data: memory.take(DATA)?,
        })
    }

    /// Writes the header, and clears the status.
    pub fn prepare(&self, memory: &Memory, kind: u32, sector: u64) {
        let header = RequestHeader { kind, sector };
        memory.write(self.header, 0, &header.to_bytes());
        memory.store(self.status, 0, NO_STATUS);
    }
}

/// Executes a request on the pieces given and returns its status.
pub fn execute(
    driver: &mut Driver<'_>,
    queue: u16,
    buffers: &Buffers,
    readable: &[Place],
    writable: &[Place],
) -> Result<u8> {
    let head = driver.submit(queue, readable, writable)?;
    let used = driver.wait_used(queue)?;
    ensure!(
        used.head == u32::from(head),
        "expected the used buffer {head}, got {}",
        used.head
    );
    Ok(driver.target.memory.load(buffers.status, 0))
}

/// Reads or writes [`DATA`] bytes at a sector, which has to succeed.
pub fn transfer(
    driver: &mut Driver<'_>,
    queue: u16,
    buffers: &Buffers,
    kind: u32,
    sector: u64,
) -> Result<()> {
    let Buffers {
        header,
        data,
        status,
    } = *buffers;
    buffers.prepare(&driver.target.memory, kind, sector);
    let answer = if kind == request::IN {
        execute(driver, queue, buffers, &[header], &[data, status])?
    } else {
        execute(driver, queue, buffers, &[header, data], &[status])?
    };
    ensure!(
        answer == RequestStatus::Ok as u8,
        "request {kind} at sector {sector} of queue {queue} ended with status {answer:#x}"
    );
    Ok(())
}

/// Writes a pattern through a queue, reads it back and compares.
pub fn expect_queue_works(driver: &mut Driver<'_>, queue: u16) -> Result<()> {
    let memory = driver.target.memory.clone();
    let buffers = Buffers::new(&memory)?;
    let mut random = fastrand::Rng::new();
    for turn in 0..4 {
        let sector = (u64::from(queue) * 4 + turn) * SECTORS;
        let mut pattern = vec![0; DATA];
        random.fill(&mut pattern);
        memory.write(buffers.data, 0, &pattern);
        transfer(driver, queue, &buffers, request::OUT, sector)?;
        memory.write(buffers.data, 0, &[0; DATA]);
        transfer(driver, queue, &buffers, request::IN, sector)?;
        ensure!(
            memory.read(buffers.data) == pattern,
            "sector {sector} does not have what queue {queue} wrote there"
        );
    }
    Ok(())
}

/// Brings the disk up, writes and reads through each of its queues.
pub fn expect_usable(driver: &mut Driver<'_>) -> Result<()> {
    let accepted = driver.bring_up(features::MQ | features::RO | features::FLUSH)?;
    for queue in 0..driver.identity().num_queues() {
        if accepted & features::RO != 0 {
            let buffers = Buffers::new(&driver.target.memory)?;
            transfer(driver, queue, &buffers, request::IN, 0)?;
        } else {
            expect_queue_works(driver, queue).context("a disk that should work")?;
        }
    }
    driver.expect_working()
}
