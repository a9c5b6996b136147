// SPDX-License-Identifier: GPL-2.0
//! Time per buffer to pop a batch and to push it, beside rust-vmm's `virtio-queue` over the same memory.
//!
//! The packed ring is beside both, and has no peer. Its driver side has to write the flags of each descriptor
//! in each round, which is measured with it.
//!
//! Only the ratio of the two counts, and only within one run: the memory is local here, while the ring is
//! built for memory across a link, where reads cost what `tests/ring/budget.rs` counts.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use virtio::ring::{Area, Batch, Chain, Used};
use virtio_queue::{QueueOwnedT, QueueT};

#[path = "../tests/ring/driver.rs"]
#[allow(dead_code, reason = "the tests need more of the driver side than this")]
mod driver;
#[path = "../tests/ring/link.rs"]
#[allow(dead_code, reason = "nothing is traced here")]
mod link;
#[path = "../tests/ring/packed/driver.rs"]
#[allow(dead_code, reason = "the tests need more of the driver side than this")]
mod packed;
#[path = "../tests/ring/peer.rs"]
mod peer;

use driver::{DriverSide, BUFFERS, NEXT, WRITE};
use link::Link;
use packed::{PackedSide, Place};

const SIZE: u16 = 256;
const BATCH: u16 = 32;

/// A driver side whose ring is laid out once: each round then publishes an index alone.
fn driver(chain_len: u16) -> DriverSide {
    let mut driver = DriverSide::new(SIZE);
    let chain: Vec<_> = (0..chain_len)
        .map(|n| (BUFFERS + u64::from(n), 64, n + 1 == chain_len))
        .collect();
    for n in 0..SIZE {
        let head = n * chain_len % SIZE;
        driver.describe_chain(head, &chain);
        driver.enter(head);
    }
    driver
}

fn publish(driver: &DriverSide, index: &mut u16) {
    *index = index.wrapping_add(BATCH);
    driver.store(Area::Driver, 2, *index);
}

fn ours(driver: &DriverSide) -> impl FnMut() {
    let driver = driver.clone();
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Box::new(Batch::new());
    let mut index = 0;
    let mut used = Vec::with_capacity(BATCH.into());
    move || {
        publish(&driver, &mut index);
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        used.clear();
        used.extend(batch.iter().map(look));
        black_box(queue.push(&used)).unwrap();
    }
}

/// Looks at all of a chain, and hands it back.
fn look(chain: Chain<'_>) -> Used {
    black_box((chain.readable(), chain.writable()));
    chain.used(64)
}

/// A packed driver side whose ring is laid out once, to be made available by `publish_packed`.
fn packed_driver(chain_len: u16) -> PackedSide {
    let mut driver = PackedSide::new(SIZE, 0);
    for _ in 0..SIZE / chain_len {
        let chain: Vec<_> = (0..chain_len)
            .map(|n| (BUFFERS + u64::from(n), 64, n + 1 == chain_len))
            .collect();
        driver.enter(&chain);
    }
    driver
}

/// Makes the next chains available, the first descriptor of each last.
fn publish_packed(driver: &PackedSide, place: &mut Place, chain_len: u16) {
    for _ in 0..BATCH {
        let places: Vec<_> = (0..chain_len).map(|n| place.after(n, SIZE)).collect();
        for (n, at) in places.iter().enumerate().rev() {
            let next = if n + 1 < places.len() { NEXT } else { 0 };
            let write = if n + 1 < places.len() { 0 } else { WRITE };
            driver.set_flags(at.offset, at.available() | next | write);
        }
        *place = place.after(chain_len, SIZE);
    }
}

fn ours_packed(driver: PackedSide, chain_len: u16) -> impl FnMut() {
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Box::new(Batch::new());
    let mut place = Place::FIRST;
    let mut used = Vec::with_capacity(BATCH.into());
    move || {
        publish_packed(&driver, &mut place, chain_len);
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        used.clear();
        used.extend(batch.iter().map(look));
        black_box(queue.push(&used)).unwrap();
    }
}

fn rust_vmm(driver: &DriverSide) -> impl FnMut() {
    let driver = driver.clone();
    let mut queue = peer::queue(&driver);
    let mut index = 0;
    let mut heads = Vec::with_capacity(BATCH.into());
    move || {
        publish(&driver, &mut index);
        heads.clear();
        heads.extend(queue.iter(&driver.memory).unwrap().map(|chain| {
            let head = chain.head_index();
            chain.for_each(|desc| {
                black_box(desc);
            });
            head
        }));
        assert_eq!(heads.len(), usize::from(BATCH));
        for head in &heads {
            queue.add_used(&driver.memory, *head, 64).unwrap();
        }
        black_box(queue.needs_notification(&driver.memory)).unwrap();
    }
}

fn pop_push(criterion: &mut Criterion) {
    for chain_len in [1, 4] {
        let mut group = criterion.benchmark_group(format!("{chain_len} descriptors"));
        group.throughput(Throughput::Elements(BATCH.into()));
        let mut round = ours(&driver(chain_len));
        group.bench_function("virtio", |bench| bench.iter(&mut round));
        let mut round = ours_packed(packed_driver(chain_len), chain_len);
        group.bench_function("virtio, packed", |bench| bench.iter(&mut round));
        let mut round = rust_vmm(&driver(chain_len));
        group.bench_function("rust-vmm", |bench| bench.iter(&mut round));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .configure_from_args();
    pop_push(&mut criterion);
    criterion.final_summary();
}
