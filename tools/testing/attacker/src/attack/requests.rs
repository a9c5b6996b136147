// SPDX-License-Identifier: GPL-2.0
//! Block requests that make no sense. Each is answered with a status; the queue goes on.

use anyhow::{ensure, Context, Result};
use virtio::blk::{features, request, RangeSegment, RequestHeader, RequestStatus};

use super::{Attack, Device};
use crate::block::{self, Buffers, DATA};
use crate::dma::Place;
use crate::driver::Driver;
use crate::ring::{Descriptor, NEXT, WRITE};
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "request_header_is_short",
            about: "headers have 0 to 15 bytes",
            device: Device::Disk,
            run: request_header_is_short,
        },
        Attack {
            name: "request_types_unknown",
            about: "requests are of types that do not exist or were not negotiated",
            device: Device::Disk,
            run: request_types_unknown,
        },
        Attack {
            name: "sectors_beyond_the_end",
            about: "sectors are at, across and far beyond the end of the disk",
            device: Device::Disk,
            run: sectors_beyond_the_end,
        },
        Attack {
            name: "request_lengths_are_odd",
            about: "data is no multiple of a sector, none, or in the wrong direction",
            device: Device::Disk,
            run: request_lengths_are_odd,
        },
        Attack {
            name: "requests_are_huge",
            about: "a request has as much data as 32 bits hold",
            device: Device::Disk,
            run: requests_are_huge,
        },
        Attack {
            name: "request_data_at_nothing",
            about: "header or data of a request are where no memory is",
            device: Device::Disk,
            run: request_data_at_nothing,
        },
        Attack {
            name: "ranges_are_malformed",
            about: "ranges to discard or to zero are ragged, too many, too large, outside",
            device: Device::Disk,
            run: ranges_are_malformed,
        },
        Attack {
            name: "read_only_disk_is_written",
            about: "a read-only disk gets writes, discards and zeroes",
            device: Device::ReadOnlyDisk,
            run: read_only_disk_is_written,
        },
    ]
}

const QUEUE: u16 = 0;
const WANTED: u64 =
    features::MQ | features::RO | features::FLUSH | features::DISCARD | features::WRITE_ZEROES;
const OK: u8 = RequestStatus::Ok as u8;
const IO_ERROR: u8 = RequestStatus::IoErr as u8;
const UNSUPPORTED: u8 = RequestStatus::Unsupp as u8;

/// A disk at work, and memory for one request.
struct Session<'a> {
    driver: Driver<'a>,
    buffers: Buffers,
}

impl<'a> Session<'a> {
    fn new(target: &'a Target) -> Result<Self> {
        let mut driver = target.driver()?;
        driver.bring_up(WANTED)?;
        Ok(Self {
            driver,
            buffers: Buffers::new(&target.memory)?,
        })
    }

    /// Executes a request with these pieces behind the header and before the status.
    fn status(
        &mut self,
        kind: u32,
        sector: u64,
        readable: &[Place],
        writable: &[Place],
    ) -> Result<u8> {
        let Buffers { header, status, .. } = self.buffers;
        self.buffers
            .prepare(&self.driver.target.memory, kind, sector);
        let readable: Vec<_> = [&[header], readable].concat();
        let writable: Vec<_> = [writable, &[status]].concat();
        block::execute(&mut self.driver, QUEUE, &self.buffers, &readable, &writable)
    }

    /// The same, which has to end with this status.
    fn expect(
        &mut self,
        expected: u8,
        kind: u32,
        sector: u64,
        readable: &[Place],
        writable: &[Place],
    ) -> Result<()> {
        let status = self.status(kind, sector, readable, writable)?;
        ensure!(
            status == expected,
            "request {kind:#x} at sector {sector:#x} with {} and {} pieces: expected status {expected}, \
             got {status:#x}",
            readable.len(),
            writable.len()
        );
        Ok(())
    }

    /// The first bytes of the data.
    fn data(&self, len: usize) -> Place {
        self.buffers.data.part(0, len)
    }

    /// The same queue carries data.
    fn expect_going_on(mut self) -> Result<()> {
        block::expect_queue_works(&mut self.driver, QUEUE).context("after bad requests")?;
        self.driver.expect_working()
    }
}

fn request_header_is_short(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let Buffers { header, status, .. } = session.buffers;
    for len in 0..RequestHeader::LEN {
        session.buffers.prepare(&target.memory, request::IN, 0);
        let readable = [header.part(0, len)];
        let readable = if len == 0 { &[] } else { &readable[..] };
        let answer = block::execute(
            &mut session.driver,
            QUEUE,
            &session.buffers,
            readable,
            &[status],
        )?;
        ensure!(
            answer == IO_ERROR,
            "a header of {len} bytes: expected status {IO_ERROR}, got {answer:#x}"
        );
    }
    session.expect_going_on()
}

fn request_types_unknown(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let data = session.data(512);
    for kind in [2, 3, 5, 7, 9, 10, 12, 15, 0x8000_0000, u32::MAX] {
        session.expect(UNSUPPORTED, kind, 0, &[], &[data])?;
        session.expect(UNSUPPORTED, kind, 0, &[data], &[])?;
    }
    session.expect(
        UNSUPPORTED,
        request::SECURE_ERASE,
        0,
        &[session.data(16)],
        &[],
    )?;
    session.expect_going_on()
}

fn sectors_beyond_the_end(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let capacity = capacity(&session.driver)?;
    let data = session.data(1024);
    let half = u64::MAX / 512;
    for sector in [
        capacity - 1,
        capacity,
        capacity + 1,
        half,
        half + 1,
        u64::MAX - 1,
        u64::MAX,
    ] {
        session.expect(IO_ERROR, request::IN, sector, &[], &[data])?;
        session.expect(IO_ERROR, request::OUT, sector, &[data], &[])?;
    }
    session.expect(OK, request::IN, capacity - 2, &[], &[data])?;
    session.expect_going_on()
}

/// The first word of a disk's config.
fn capacity(driver: &Driver<'_>) -> Result<u64> {
    let mut bytes = [0; 8];
    transport::read_config(driver.identity(), driver.target.registers(), 0, &mut bytes)
        .map_err(|error| anyhow::anyhow!("the config cannot be read: {error:?}"))?;
    Ok(u64::from_le_bytes(bytes))
}

fn request_lengths_are_odd(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    for len in [1, 511, 513, DATA - 1] {
        let data = session.data(len);
        session.expect(IO_ERROR, request::IN, 0, &[], &[data])?;
        session.expect(IO_ERROR, request::OUT, 0, &[data], &[])?;
    }
    let data = session.data(512);
    session.expect(IO_ERROR, request::IN, 0, &[data], &[])?;
    session.expect(IO_ERROR, request::OUT, 0, &[], &[data])?;
    session.expect(IO_ERROR, request::IN, 0, &[data], &[data])?;
    session.expect(IO_ERROR, request::FLUSH, 0, &[data], &[])?;
    session.expect(IO_ERROR, request::FLUSH, 0, &[], &[data])?;
    session.expect(IO_ERROR, request::GET_ID, 0, &[data], &[])?;
    session.expect(OK, request::GET_ID, 0, &[], &[session.data(1)])?;
    session.expect(OK, request::GET_ID, 0, &[], &[data])?;
    session.expect_going_on()
}

fn requests_are_huge(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let Buffers {
        header,
        data,
        status,
    } = session.buffers;
    for (kind, flags) in [(request::IN, WRITE), (request::OUT, 0)] {
        for len in [1 << 24, 1 << 31, u32::MAX & !511, u32::MAX - 64] {
            session.buffers.prepare(&target.memory, kind, 0);
            let ring = session.driver.ring(QUEUE)?;
            ring.describe(0, Descriptor::of(header, NEXT, 1));
            ring.describe(
                1,
                Descriptor {
                    address: data.address,
                    len,
                    flags: NEXT | flags,
                    next: 2,
                },
            );
            ring.describe(2, Descriptor::of(status, WRITE, 0));
            ring.offer(0);
            session.driver.kick(QUEUE)?;
            session.driver.wait_used(QUEUE)?;
            let answer: u8 = target.memory.load(status, 0);
            ensure!(
                answer == IO_ERROR,
                "a request of {len:#x} bytes: expected status {IO_ERROR}, got {answer:#x}"
            );
        }
    }
    session.expect_going_on()
}

fn request_data_at_nothing(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let nowhere = session.data(512).elsewhere(1 << 52);
    session.expect(IO_ERROR, request::IN, 0, &[], &[nowhere])?;
    session.expect(IO_ERROR, request::OUT, 0, &[nowhere], &[])?;
    let header = session.buffers.header;
    session.buffers.header = nowhere.part(0, RequestHeader::LEN);
    let status = session.buffers.status;
    let answer = block::execute(
        &mut session.driver,
        QUEUE,
        &session.buffers,
        &[session.buffers.header],
        &[status],
    )?;
    ensure!(
        answer == IO_ERROR,
        "a header at nothing: expected status {IO_ERROR}, got {answer:#x}"
    );
    session.buffers.header = header;
    session.expect_going_on()
}

fn ranges_are_malformed(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let memory = target.memory.clone();
    let write_range = |session: &Session<'_>, sector, num_sectors, flags| {
        let range = RangeSegment {
            sector,
            num_sectors,
            flags,
        };
        memory.write(session.buffers.data, 0, &range.to_bytes());
    };
    for kind in [request::DISCARD, request::WRITE_ZEROES] {
        write_range(&session, 0, 8, 0);
        for len in [1, 15, 17, 17 * RangeSegment::LEN] {
            let ranges = session.data(len);
            session.expect(IO_ERROR, kind, 0, &[ranges], &[])?;
        }
        session.expect(IO_ERROR, kind, 0, &[], &[])?;
        let range = session.data(RangeSegment::LEN);
        session.expect(IO_ERROR, kind, 0, &[range], &[session.data(512)])?;
        let outside = [
            (u64::MAX, 1),
            (u64::MAX - 1, 2),
            (1 << 60, 8),
            (0, u32::MAX),
        ];
        for (sector, count) in outside {
            write_range(&session, sector, count, 0);
            session.expect(IO_ERROR, kind, 0, &[range], &[])?;
        }
        for flags in [2, 1 << 31, u32::MAX] {
            write_range(&session, 0, 8, flags);
            session.expect(UNSUPPORTED, kind, 0, &[range], &[])?;
        }
    }
    session.expect_going_on()
}

fn read_only_disk_is_written(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    let data = session.data(DATA);
    target.memory.write(data, 0, &[0xa5; DATA]);
    session.expect(IO_ERROR, request::OUT, 0, &[data], &[])?;
    for kind in [request::DISCARD, request::WRITE_ZEROES] {
        session.expect(UNSUPPORTED, kind, 0, &[session.data(16)], &[])?;
    }
    session.expect(OK, request::IN, 0, &[], &[data])?;
    ensure!(
        target.memory.read(data).iter().all(|byte| *byte == 0),
        "a read-only disk was changed"
    );
    session.driver.expect_working()
}
