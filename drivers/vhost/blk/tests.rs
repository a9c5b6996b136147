// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the request queue: whole requests, from a driver side in plain memory to a store
//! in memory and back.

mod worker;

use crate::{
    config::Offer,
    disk::Disk,
    queue::RequestQueue,
    request::Limits, //
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use storage::{
    Access,
    Store, //
};
use vhost_backend::{
    testing::DriverSide,
    Serve,
    StopFlag, //
};
use virtio::blk::{
    request,
    RangeSegment,
    RequestHeader,
    RequestStatus, //
};

const DISK_BYTES: u64 = 1 << 20;
const OK: u8 = RequestStatus::Ok as u8;
const IO_ERROR: u8 = RequestStatus::IoErr as u8;
const UNSUPPORTED: u8 = RequestStatus::Unsupp as u8;

/// A disk and its driver side.
struct Fixture {
    driver: Arc<DriverSide>,
    queue: RequestQueue,
}

impl Fixture {
    fn new() -> Result<Self> {
        Self::with(Access::ReadWrite)
    }

    fn with(access: Access) -> Result<Self> {
        let driver = DriverSide::new()?;
        let store = Arc::new(Store::in_memory(DISK_BYTES, access)?, GFP_KERNEL)?;
        let disk = Disk::new(store, c"serial");
        let offer = Offer::new(&disk.store, 1, 256);
        let features = offer.features();
        let limits = Limits { offer, features };
        let disk = Arc::new(disk, GFP_KERNEL)?;
        Ok(Self {
            queue: RequestQueue::new(driver.clone(), disk, limits, &idle_worker()?)?,
            driver,
        })
    }

    fn serve(&mut self) -> Result<bool> {
        self.queue.serve(&StopFlag::new(false))
    }

    /// Sends a request and returns its status; `None` when it was not answered.
    fn status(&mut self, readable: &[&[u8]], writable: &[usize]) -> Result<Option<u8>> {
        Ok(self
            .answer(readable, writable)?
            .and_then(|mut bytes| bytes.pop()))
    }

    /// Sends a request and returns its writable part, the status last.
    fn answer(&mut self, readable: &[&[u8]], writable: &[usize]) -> Result<Option<KVec<u8>>> {
        let head = self.driver.add(readable, writable)?;
        if self.serve().is_err() {
            return Ok(None);
        }
        match self.driver.used()? {
            Some(used) if used.head == head => Ok(Some(self.driver.written(head)?)),
            _ => Ok(None),
        }
    }
}

/// A worker for the ends of transfers, of which a store in memory has none.
fn idle_worker() -> Result<Arc<Worker>> {
    let workqueue = Arc::new(Workqueue::new(c"vhost_bus_blk_test")?, GFP_KERNEL)?;
    let idle = Arc::new(|| (), GFP_KERNEL)?;
    let worker = Worker::new(c"vhost_bus_blk::tests::idle", &workqueue, idle)?;
    Ok(Arc::new(worker, GFP_KERNEL)?)
}

fn header(kind: u32, sector: u64) -> [u8; RequestHeader::LEN] {
    RequestHeader { kind, sector }.to_bytes()
}

/// Bytes that differ from their neighbours and from those a block away.
fn pattern(len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
    for position in 0..len {
        bytes.push((position % 251) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

#[kunit_tests(vhost_bus_blk_queue)]
mod suite {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result {
        let mut disk = Fixture::new()?;
        let data = pattern(1024)?;
        let written = disk.status(&[&header(request::OUT, 7), &data], &[1])?;
        assert_eq!(written, Some(OK));
        let read = disk
            .answer(&[&header(request::IN, 7)], &[1024, 1])?
            .ok_or(EIO)?;
        assert_eq!(read[..1024], data[..]);
        assert_eq!(read[1024], OK);
        Ok(())
    }

    #[test]
    fn larger_than_a_transfer() -> Result {
        let mut disk = Fixture::new()?;
        let data = pattern(200 << 10)?;
        let out = header(request::OUT, 0);
        let (first, second) = data.split_at(65536);
        assert_eq!(disk.status(&[&out, first, second], &[1])?, Some(OK));
        let lens = [100 << 10, 100 << 10, 1];
        let read = disk.answer(&[&header(request::IN, 0)], &lens)?.ok_or(EIO)?;
        assert!(read[..data.len()] == data[..]);
        Ok(())
    }

    #[test]
    fn any_framing() -> Result {
        let mut disk = Fixture::new()?;
        let data = pattern(512)?;
        let out = header(request::OUT, 3);
        let (left, right) = out.split_at(5);
        let (one, two) = data.split_at(100);
        assert_eq!(disk.status(&[left, right, one, two], &[1])?, Some(OK));
        let read = disk
            .answer(&[&header(request::IN, 3)], &[500, 13])?
            .ok_or(EIO)?;
        assert!(read[..512] == data[..] && read[512] == OK);
        Ok(())
    }

    #[test]
    fn used_length_is_what_was_written() -> Result {
        let mut disk = Fixture::new()?;
        disk.driver.add(&[&header(request::IN, 0)], &[512, 1])?;
        disk.driver.add(&[&header(request::FLUSH, 0)], &[1])?;
        disk.serve()?;
        assert_eq!(disk.driver.used()?.map(|used| used.len), Some(513));
        assert_eq!(disk.driver.used()?.map(|used| used.len), Some(1));
        assert_eq!(disk.driver.used()?, None);
        Ok(())
    }

    #[test]
    fn identifier() -> Result {
        let mut disk = Fixture::new()?;
        let id = disk
            .answer(&[&header(request::GET_ID, 0)], &[20, 1])?
            .ok_or(EIO)?;
        assert_eq!(id[..8], *b"serial\0\0");
        assert_eq!(id[20], OK);
        Ok(())
    }

    #[test]
    fn zeroes_and_discard() -> Result {
        let mut disk = Fixture::new()?;
        let data = pattern(4096)?;
        for kind in [request::WRITE_ZEROES, request::DISCARD] {
            disk.status(&[&header(request::OUT, 0), &data], &[1])?;
            let range = RangeSegment {
                sector: 1,
                num_sectors: 2,
                flags: 0,
            };
            let zeroed = disk.status(&[&header(kind, 0), &range.to_bytes()], &[1])?;
            assert_eq!(zeroed, Some(OK));
            let read = disk
                .answer(&[&header(request::IN, 0)], &[4096, 1])?
                .ok_or(EIO)?;
            assert!(read[..512] == data[..512] && read[1536..4096] == data[1536..]);
            assert!(read[512..1536].iter().all(|byte| *byte == 0));
        }
        Ok(())
    }

    #[test]
    fn no_range_is_touched_when_one_is_bad() -> Result {
        let mut disk = Fixture::new()?;
        let data = pattern(512)?;
        disk.status(&[&header(request::OUT, 0), &data], &[1])?;
        let range = |sector| RangeSegment {
            sector,
            num_sectors: 1,
            flags: 0,
        };
        let (good, bad) = (range(0).to_bytes(), range(DISK_BYTES / 512).to_bytes());
        let status = disk.status(&[&header(request::DISCARD, 0), &good, &bad], &[1])?;
        assert_eq!(status, Some(IO_ERROR));
        let read = disk
            .answer(&[&header(request::IN, 0)], &[512, 1])?
            .ok_or(EIO)?;
        assert!(read[..512] == data[..]);
        Ok(())
    }

    #[test]
    fn malformed_requests_have_a_status() -> Result {
        let mut disk = Fixture::new()?;
        let last = DISK_BYTES / 512;
        let sector = [0; 512];
        assert_eq!(disk.status(&[&[0; 15]], &[1])?, Some(IO_ERROR));
        assert_eq!(disk.status(&[], &[1])?, Some(IO_ERROR));
        assert_eq!(disk.status(&[&header(99, 0)], &[1])?, Some(UNSUPPORTED));
        assert_eq!(
            disk.status(&[&header(request::IN, last)], &[512, 1])?,
            Some(IO_ERROR)
        );
        assert_eq!(
            disk.status(&[&header(request::IN, u64::MAX)], &[512, 1])?,
            Some(IO_ERROR)
        );
        assert_eq!(
            disk.status(&[&header(request::OUT, last), &sector], &[1])?,
            Some(IO_ERROR)
        );
        assert_eq!(
            disk.status(&[&header(request::IN, 0)], &[511, 1])?,
            Some(IO_ERROR)
        );
        assert_eq!(disk.status(&[&header(request::FLUSH, 0)], &[1])?, Some(OK));
        Ok(())
    }

    #[test]
    fn no_status_byte_breaks_the_queue() -> Result {
        let mut disk = Fixture::new()?;
        assert_eq!(disk.status(&[&header(request::FLUSH, 0)], &[])?, None);
        assert!(disk.serve() == Err(EPIPE));
        Ok(())
    }

    #[test]
    fn read_only() -> Result {
        let mut disk = Fixture::with(Access::ReadOnly)?;
        let sector = [0; 512];
        assert_eq!(
            disk.status(&[&header(request::OUT, 0), &sector], &[1])?,
            Some(IO_ERROR)
        );
        assert_eq!(
            disk.status(&[&header(request::IN, 0)], &[512, 1])?,
            Some(OK)
        );
        assert_eq!(
            disk.status(&[&header(request::DISCARD, 0), &[0; 16]], &[1])?,
            Some(UNSUPPORTED)
        );
        Ok(())
    }

    #[test]
    fn a_stop_ends_a_batch() -> Result {
        let mut disk = Fixture::new()?;
        disk.driver.add(&[&header(request::FLUSH, 0)], &[1])?;
        assert_eq!(disk.queue.serve(&StopFlag::new(true)), Ok(false));
        assert_eq!(disk.driver.used()?, None);
        Ok(())
    }
}
