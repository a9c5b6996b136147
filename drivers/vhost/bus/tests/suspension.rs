// SPDX-License-Identifier: GPL-2.0

//! Suspending a device: what that calls in which order, and what becomes of a queue.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_bus_suspension)]
mod suite {
    use crate::{
        tests::running::Setup,
        QueueState,
        Virtqueue, //
    };
    use kernel::prelude::*;
    use virtio::{
        ring::{
            Area,
            Position, //
        },
        status::Status, //
    };

    #[test]
    fn backend_stands_still_before_its_queues_go() -> Result {
        let setup = Setup::new(c"test_suspend")?;
        let device = setup.device();
        setup.journal.clear();
        assert!(device.suspend() == Ok(()));
        assert!(setup.journal.was(&["suspend", "hold queues"]));
        assert!(device.resume() == Ok(()));
        assert!(setup.journal.was(&["release queues", "resume"]));
        assert!(device.status().contains(Status::DRIVER_OK));
        Ok(())
    }

    #[test]
    fn order_matters() -> Result {
        let setup = Setup::new(c"test_suspend_order")?;
        let device = setup.device();
        setup.journal.clear();
        assert!(device.resume() == Err(EBUSY));
        assert!(device.suspend() == Ok(()));
        assert!(device.suspend() == Err(EBUSY));
        device.reset();
        assert!(setup
            .journal
            .was(&["suspend", "hold queues", "stop", "publish reset"]));
        assert!(setup.queue.state() == QueueState::Stopped);
        // Neither before the driver side is ready.
        assert!(device.suspend() == Err(EBUSY));
        assert!(device.resume() == Err(EBUSY));
        assert!(setup.journal.was(&[]));
        Ok(())
    }

    #[test]
    fn backend_may_leave_meanwhile() -> Result {
        let setup = Setup::new(c"test_suspend_leave")?;
        setup.device().suspend()?;
        setup.journal.clear();
        let Setup {
            driver,
            registration,
            journal,
            ..
        } = setup;
        drop(driver);
        assert!(journal.was(&["stop", "del_vqs", "withdraw", "drop backend"]));
        assert!(registration.device().resume() == Err(EBUSY));
        Ok(())
    }

    #[test]
    fn nothing_in_flight() -> Result {
        let setup = Setup::new(c"test_suspend_idle")?;
        let mut batch = batch::new()?;
        setup.device().suspend()?;
        assert!(setup.queue.state() == QueueState::Suspended);
        assert!(setup.queue.position() == Some(Position::split(0)));
        assert!(setup.queue.pop(&mut batch) == Err(EPIPE));
        assert!(setup.queue.enable_notification() == Err(EPIPE));
        setup.device().resume()?;
        // There is nothing to forget, so the backend is told nothing.
        assert!(setup.queue.pop(&mut batch) == Ok(0));
        Ok(())
    }

    #[test]
    fn what_is_in_flight_is_available_again() -> Result {
        let setup = Setup::new(c"test_suspend_flight")?;
        let mut batch = batch::new()?;
        setup.request(0)?;
        assert!(setup.queue.pop(&mut batch) == Ok(1));
        assert!(setup.queue.position() == Some(Position::split(1)));
        setup.device().suspend()?;
        assert!(setup.queue.position() == Some(Position::split(0)));
        let used = batch.get(0).ok_or(ENOENT)?.used(0);
        assert!(setup.queue.push(&[used]) == Err(EPIPE));
        setup.device().resume()?;
        // Told once, lest it gives back what it has no longer.
        assert!(setup.queue.push(&[used]) == Err(EPIPE));
        assert!(setup.queue.push(&[used]) == Err(EINVAL));
        assert!(setup.queue.pop(&mut batch) == Ok(1));
        assert!(setup.queue.push(&[used]) == Ok(()));
        assert_eq!(setup.get(Area::Device, 2)?, 1);
        assert_eq!(setup.transport.signals.get(), 1);
        Ok(())
    }

    #[test]
    fn what_comes_meanwhile_is_left_alone() -> Result {
        let setup = Setup::new(c"test_suspend_kick")?;
        let mut batch = batch::new()?;
        setup.device().suspend()?;
        let before = setup.memory.read_all()?;
        setup.request(0)?;
        let requested = setup.memory.read_all()?;
        assert!(before != requested);
        assert!(setup.queue.pop(&mut batch) == Err(EPIPE));
        assert!(setup.queue.disable_notification() == Err(EPIPE));
        assert!(setup.queue.position() == Some(Position::split(0)));
        assert!(setup.memory.read_all()? == requested);
        assert_eq!(setup.transport.signals.get(), 0);
        setup.device().resume()?;
        assert!(setup.queue.pop(&mut batch) == Ok(1));
        Ok(())
    }

    #[test]
    fn queue_goes_on_where_it_is_told() -> Result {
        let setup = Setup::new(c"test_suspend_index")?;
        // Not while it works.
        setup.queue.set_position(Position::split(7))?;
        assert!(setup.queue.position() == Some(Position::split(0)));
        setup.device().suspend()?;
        setup.queue.set_position(Position::split(0xffff))?;
        assert!(setup.queue.position() == Some(Position::split(0xffff)));
        // The request is at index 0, behind one that the driver side has at 0xffff.
        setup.request(0)?;
        setup.device().resume()?;
        assert!(setup.queue.pop(&mut *batch::new()?) == Ok(2));
        Ok(())
    }

    #[test]
    fn suspended_queue_can_be_taken_away() -> Result {
        let setup = Setup::new(c"test_suspend_stop")?;
        setup.device().suspend()?;
        assert!(setup.queue.deactivate() == Some(Position::split(0)));
        setup.device().resume()?;
        assert!(setup.queue.state() == QueueState::Stopped);
        // One that is set up meanwhile works after the resume.
        setup.device().suspend()?;
        setup.activate()?;
        setup.device().resume()?;
        assert!(setup.queue.is_ready());
        Ok(())
    }
}
