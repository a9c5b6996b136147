// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the pipeline on a store in memory, whose transfers end at once.

use super::{
    Pipeline,
    DEPTH,
    MAX_TRANSFER, //
};
use crate::{
    Access,
    Store, //
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const STORE_BYTES: u64 = 1 << 20;

fn pipeline(access: Access) -> Result<Pipeline> {
    let workqueue = Arc::new(Workqueue::new(c"storage_test")?, GFP_KERNEL)?;
    let idle = Arc::new(|| (), GFP_KERNEL)?;
    let worker = Worker::new(c"storage::pipeline::tests", &workqueue, idle)?;
    let store = Arc::new(Store::in_memory(STORE_BYTES, access)?, GFP_KERNEL)?;
    Pipeline::new(store, &Arc::new(worker, GFP_KERNEL)?)
}

/// How the oldest transfer ended, and its first byte.
fn oldest(pipeline: &mut Pipeline) -> Option<Result<u8>> {
    let mut ended = pipeline.oldest()?;
    Some(ended.bytes().map(|bytes| bytes[0]))
}

#[kunit_tests(storage_pipeline)]
mod suite {
    use super::*;

    #[test]
    fn transfers_end_in_the_order_in_which_they_began() -> Result {
        let mut pipeline = pipeline(Access::ReadWrite)?;
        for byte in 1..=3 {
            let mut prepared = pipeline.prepare(512).ok_or(ENOSPC)?;
            prepared.memory().fill(byte);
            prepared.write(u64::from(byte) * 512);
        }
        for byte in [3, 1, 2, 0] {
            pipeline.prepare(512).ok_or(ENOSPC)?.read(byte * 512);
        }
        for byte in [1, 2, 3, 3, 1, 2, 0] {
            assert_eq!(oldest(&mut pipeline), Some(Ok(byte)));
        }
        assert_eq!(oldest(&mut pipeline), None);
        assert!(pipeline.is_empty());
        Ok(())
    }

    #[test]
    fn room_and_number_of_transfers_are_bounded() -> Result {
        let mut pipeline = pipeline(Access::ReadWrite)?;
        for _ in 0..DEPTH {
            pipeline.prepare(1).ok_or(ENOSPC)?.read(0);
        }
        assert!(pipeline.prepare(1).is_none());
        pipeline.clear();
        let mut longest = 0;
        while let Some(prepared) = pipeline.prepare(MAX_TRANSFER) {
            prepared.read(0);
            longest += 1;
        }
        assert_eq!(longest, 8);
        assert!(oldest(&mut pipeline).is_some());
        assert!(pipeline.prepare(MAX_TRANSFER).is_some());
        Ok(())
    }

    #[test]
    fn what_is_prepared_and_not_started_takes_no_room() -> Result {
        let mut pipeline = pipeline(Access::ReadWrite)?;
        for _ in 0..2 * DEPTH {
            assert!(pipeline.prepare(MAX_TRANSFER).is_some());
        }
        assert!(pipeline.is_empty());
        Ok(())
    }

    #[test]
    fn transfers_fail_alone() -> Result {
        let mut pipeline = pipeline(Access::ReadOnly)?;
        pipeline.prepare(512).ok_or(ENOSPC)?.read(STORE_BYTES - 512);
        pipeline.prepare(512).ok_or(ENOSPC)?.read(STORE_BYTES - 511);
        pipeline.prepare(512).ok_or(ENOSPC)?.write(0);
        pipeline.prepare(512).ok_or(ENOSPC)?.read(0);
        for end in [Ok(0), Err(EINVAL), Err(EROFS), Ok(0)] {
            assert_eq!(oldest(&mut pipeline), Some(end));
        }
        Ok(())
    }
}
