// SPDX-License-Identifier: GPL-2.0

//! A queue over plain memory, from a kick to a signal, and what a broken rule does to it.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_bus_ring_queue)]
mod suite {
    use crate::{
        tests::running::{
            Setup,
            ANSWER, //
        },
        QueueState,
        Virtqueue, //
    };
    use kernel::{
        prelude::*,
        time::Delta, //
    };
    use virtio::{
        features,
        ring::{
            Area,
            Position, //
        },
        status::Status, //
    };

    /// The work item that tells of a fault needs no more than a scheduling delay.
    const REPORT_TIMEOUT: Delta = Delta::from_secs(2);

    #[test]
    fn request_and_answer() -> Result {
        let setup = Setup::new(c"test_request")?;
        let queue = &setup.queue;
        let mut batch = batch::new()?;
        assert!(queue.pop(&mut batch) == Ok(0));

        setup.request(0)?;
        assert_eq!(setup.kicks.get(), 1);
        assert!(queue.pop(&mut batch) == Ok(1));
        let chain = batch.get(0).ok_or(ENOENT)?;
        let mut bytes = [0; 32];
        assert!(queue.read(&chain, 10, &mut bytes) == Ok(6));
        assert!(bytes.starts_with(b"abcdef\0"));
        assert!(queue.write(&chain, 0, b"answer") == Ok(6));
        assert!(queue.push(&[chain.used(6)]) == Ok(()));

        let mut answer = [0; 6];
        setup.memory.read(ANSWER, &mut answer)?;
        assert!(answer == *b"answer");
        assert_eq!(setup.get(Area::Device, 2)?, 1);
        assert_eq!(setup.get(Area::Device, 4)?, 0);
        assert_eq!(setup.get(Area::Device, 8)?, 6);
        assert_eq!(setup.transport.signals.get(), 1);
        Ok(())
    }

    #[test]
    fn packed_request_and_answer() -> Result {
        let setup = Setup::new(c"test_packed")?;
        let queue = &setup.queue;
        let mut batch = batch::new()?;
        queue.deactivate();
        setup.activate_with(features::VERSION_1 | features::RING_PACKED)?;
        // Told once that this is another queue.
        assert!(queue.pop(&mut batch) == Err(EPIPE));
        assert!(queue.enable_notification() == Ok(false));

        setup.request_packed(7)?;
        assert!(queue.pop(&mut batch) == Ok(1));
        let chain = batch.get(0).ok_or(ENOENT)?;
        assert_eq!(chain.head(), 7);
        let mut bytes = [0; 16];
        assert!(queue.read(&chain, 0, &mut bytes) == Ok(16));
        assert!(bytes == *b"0123456789abcdef");
        assert!(queue.write(&chain, 0, b"answer") == Ok(6));
        assert!(queue.push(&[chain.used(6)]) == Ok(()));

        assert_eq!(setup.get(Area::Descriptor, 8)?, 6);
        assert_eq!(setup.get(Area::Descriptor, 12)?, 7);
        // Used in the first round, and written to.
        assert_eq!(setup.get(Area::Descriptor, 14)?, 0x8082);
        assert_eq!(setup.transport.signals.get(), 1);
        assert!(queue.deactivate() == Some(Position::packed(0x8002)));
        Ok(())
    }

    #[test]
    fn one_signal_if_wanted() -> Result {
        let setup = Setup::new(c"test_signal")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        setup.queue.pop(&mut batch)?;
        let used = batch.get(0).ok_or(ENOENT)?.used(0);
        // VIRTQ_AVAIL_F_NO_INTERRUPT
        setup.put(Area::Driver, 0, 1)?;
        assert!(setup.queue.push(&[used]) == Ok(()));
        assert_eq!(setup.transport.signals.get(), 0);
        Ok(())
    }

    #[test]
    fn what_was_not_taken_cannot_be_given_back() -> Result {
        let setup = Setup::new(c"test_taken")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        setup.queue.pop(&mut batch)?;
        let used = batch.get(0).ok_or(ENOENT)?.used(0);
        assert!(setup.queue.push(&[used, used]) == Err(EINVAL));
        assert!(setup.queue.is_ready());
        assert!(setup.queue.push(&[used]) == Ok(()));
        Ok(())
    }

    #[test]
    fn kicks_are_asked_for() -> Result {
        let setup = Setup::new(c"test_kicks")?;
        assert!(setup.queue.disable_notification() == Ok(()));
        // VIRTQ_USED_F_NO_NOTIFY
        assert_eq!(setup.get(Area::Device, 0)?, 1);
        setup.request(0)?;
        assert!(setup.queue.enable_notification() == Ok(true));
        assert_eq!(setup.get(Area::Device, 0)?, 0);
        Ok(())
    }

    #[test]
    fn more_is_looked_for_once_it_came_soon() -> Result {
        let setup = Setup::new(c"test_poll")?;
        let queue = &setup.queue;
        let mut batch = batch::new()?;
        queue.poll_for(REPORT_TIMEOUT);
        // Not at first, whatever is there.
        setup.request(0)?;
        assert!(queue.poll() == Ok(false));
        // It came soon after.
        assert!(queue.pop(&mut batch) == Ok(1));
        assert!(queue.push(&[batch.get(0).ok_or(ENOENT)?.used(0)]) == Ok(()));
        setup.put(Area::Driver, 6, 0)?;
        setup.put(Area::Driver, 2, 2)?;
        assert!(queue.poll() == Ok(true));
        assert!(queue.pop(&mut batch) == Ok(1));
        // There is an end to it, and a queue that is taken away is not looked at.
        assert!(queue.poll() == Ok(false));
        queue.deactivate();
        assert!(queue.poll() == Err(EPIPE));
        Ok(())
    }

    #[test]
    fn nothing_is_looked_for_by_default() -> Result {
        let setup = Setup::new(c"test_no_poll")?;
        for _ in 0..3 {
            setup.request(0)?;
            assert!(setup.queue.poll() == Ok(false));
        }
        assert!(setup.queue.pop(&mut *batch::new()?) == Ok(1));
        assert!(setup.queue.poll() == Ok(false));
        Ok(())
    }

    #[test]
    fn broken_rule_needs_reset() -> Result {
        let setup = Setup::new(c"test_rule")?;
        let device = setup.device();
        let mut batch = batch::new()?;
        setup.request(77)?;
        assert!(setup.queue.pop(&mut batch) == Err(EPIPE));
        assert!(setup.queue.state() == QueueState::Broken);
        assert!(setup.transport.needs_reset.wait_for(REPORT_TIMEOUT));
        assert!(device.status().contains(Status::DEVICE_NEEDS_RESET));

        device.reset();
        assert!(setup.queue.state() == QueueState::Stopped);
        assert!(device.status().is_reset());
        setup.activate()?;
        assert!(setup.queue.is_ready());
        Ok(())
    }

    #[test]
    fn backend_can_break_it() -> Result {
        let setup = Setup::new(c"test_fail")?;
        setup
            .queue
            .fail(fmt!("request of {} bytes, expected 16", 3));
        let mut batch = batch::new()?;
        assert!(setup.queue.pop(&mut batch) == Err(EPIPE));
        assert!(setup.queue.push(&[]) == Err(EPIPE));
        assert!(setup.transport.needs_reset.wait_for(REPORT_TIMEOUT));
        Ok(())
    }

    #[test]
    fn its_memory_can_go() -> Result {
        let setup = Setup::new(c"test_gone")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        setup.queue.break_if(|_| false, fmt!("none of it is gone"));
        assert!(setup.queue.pop(&mut batch) == Ok(1));
        let chain = batch.get(0).ok_or(ENOENT)?;
        setup.queue.break_if(|_| true, fmt!("some of it is gone"));
        assert!(setup.queue.state() == QueueState::Broken);
        assert!(setup.queue.read(&chain, 0, &mut [0; 4]) == Err(EPIPE));
        assert!(setup.queue.push(&[chain.used(0)]) == Err(EPIPE));
        assert!(setup.transport.needs_reset.wait_for(REPORT_TIMEOUT));
        assert_eq!(setup.transport.signals.get(), 0);
        Ok(())
    }

    #[test]
    fn a_suspended_one_stays_broken() -> Result {
        let setup = Setup::new(c"test_gone_suspended")?;
        setup.queue.suspend();
        setup.queue.break_if(|_| true, fmt!("some of it is gone"));
        setup.queue.resume();
        assert!(setup.queue.state() == QueueState::Broken);
        assert!(setup.transport.needs_reset.wait_for(REPORT_TIMEOUT));
        Ok(())
    }

    #[test]
    fn nothing_after_deactivation() -> Result {
        let setup = Setup::new(c"test_deactivate")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        setup.queue.pop(&mut batch)?;
        let chain = batch.get(0).ok_or(ENOENT)?;
        assert!(setup.activate() == Err(EBUSY));
        // The chain was not given back: it is the first one of the next life.
        assert!(setup.queue.deactivate() == Some(Position::split(0)));
        assert!(setup.queue.deactivate().is_none());
        assert!(setup.queue.state() == QueueState::Stopped);
        assert!(setup.queue.read(&chain, 0, &mut [0; 4]) == Err(EPIPE));
        assert!(setup.queue.push(&[chain.used(0)]) == Err(EPIPE));
        assert_eq!(setup.transport.signals.get(), 0);
        Ok(())
    }

    #[test]
    fn another_queue_is_told_once() -> Result {
        let setup = Setup::new(c"test_renewed")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        setup.queue.pop(&mut batch)?;
        setup.queue.deactivate();
        setup.activate()?;
        // What was taken from the queue before is not written to by way of this one.
        let chain = batch.get(0).ok_or(ENOENT)?;
        assert!(setup.queue.write(&chain, 0, b"late") == Err(EPIPE));
        assert!(setup.queue.pop(&mut batch) == Ok(1));
        let chain = batch.get(0).ok_or(ENOENT)?;
        assert!(setup.queue.write(&chain, 0, b"answer") == Ok(6));
        assert!(setup.queue.push(&[chain.used(6)]) == Ok(()));
        Ok(())
    }

    #[test]
    fn no_kick_once_retired() -> Result {
        let setup = Setup::new(c"test_retire")?;
        let queue = setup.queue.clone();
        let kicks = setup.kicks.clone();
        queue.kick();
        drop(setup);
        queue.kick();
        assert_eq!(kicks.get(), 1);
        assert!(queue.pop(&mut *batch::new()?) == Err(EPIPE));
        Ok(())
    }
}
