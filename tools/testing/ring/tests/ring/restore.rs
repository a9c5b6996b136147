// SPDX-License-Identifier: GPL-2.0
//! A queue that is stopped and resumes elsewhere.

use virtio::ring::{Batch, QueueConfig, RingError};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::Link,
};

fn heads(batch: &Batch) -> Vec<u16> {
    batch.iter().map(|chain| chain.head()).collect()
}

#[test]
fn a_saved_queue_resumes_where_it_stopped() {
    let mut driver = DriverSide::starting_at(8, 65533);
    let config = QueueConfig::new(driver.size, 0);
    let mut queue = config.start_at(65533).start(Link(driver.clone()));
    let mut batch = Batch::new();
    for head in 0..6 {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(6));
    let used: Vec<_> = batch.iter().take(4).map(|chain| chain.used(0)).collect();
    queue.push(&used).unwrap();

    // Two chains were not worked on.
    assert_eq!(queue.in_flight(), 2);
    assert_eq!(queue.unpop(2), Ok(()));
    let saved = queue.avail_index();
    assert_eq!((saved, queue.in_flight()), (1, 0));

    let mut queue = config.start_at(saved).start(queue.stop());
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(heads(&batch), [4, 5]);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(9)).collect();
    queue.push(&used).unwrap();
    let seen = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 9), (5, 9)];
    assert_eq!(driver.take_used(), seen);
}

#[test]
fn chains_given_back_are_popped_again() {
    let mut driver = DriverSide::new(4);
    let mut queue = QueueConfig::new(driver.size, 0).start(Link(driver.clone()));
    let mut batch = Batch::new();
    for head in [2, 3, 1] {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(3));
    let (count, in_flight) = (4, 3);
    assert_eq!(
        queue.unpop(4),
        Err(RingError::UsedTooMany { count, in_flight })
    );
    assert_eq!(queue.unpop(2), Ok(()));
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(heads(&batch), [3, 1]);
}
