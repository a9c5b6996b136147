// SPDX-License-Identifier: GPL-2.0

//! The crate `concurrency`, which is no module of its own: work that is woken, delayed and cancelled.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_bus_concurrency)]
mod suite {
    use concurrency::{
        new_irq_lock,
        Event,
        IrqLock,
        Queue,
        Run,
        Worker, //
    };
    use kernel::{
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::{
            Delta,
            Instant,
            Monotonic, //
        },
    };

    /// Long enough for any scheduling delay.
    const SOON: Delta = Delta::from_secs(2);
    /// Long enough to see that something does not happen.
    const A_WHILE: Delta = Delta::from_millis(30);

    /// Work that counts its runs, and asks for `more` of them.
    #[pin_data]
    struct Count {
        #[pin]
        ran: Event,
        #[pin]
        runs: IrqLock<u32>,
        more: Atomic<u32>,
    }

    impl Run for Count {
        fn run(&self) {
            *self.runs.lock() += 1;
            self.ran.signal();
        }

        fn again(&self) -> Option<Delta> {
            let more = self.more.load(Relaxed);
            self.more.store(more.saturating_sub(1), Relaxed);
            // Both by the timer and without it.
            (more != 0).then_some(Delta::from_micros(i64::from(more % 2)))
        }
    }

    fn setup(more: u32) -> Result<(Arc<Count>, Worker)> {
        let count = pin_init!(Count {
            ran <- Event::new(),
            runs <- new_irq_lock!(0),
            more: Atomic::new(more),
        });
        let count = Arc::pin_init(count, GFP_KERNEL)?;
        let queue = Arc::new(Queue::new(c"vhost_bus_test")?, GFP_KERNEL)?;
        let worker = Worker::new(c"vhost_bus::tests::Count", &queue, count.clone())?;
        Ok((count, worker))
    }

    #[test]
    fn runs_when_woken() -> Result {
        let (count, worker) = setup(0)?;
        assert!(!count.ran.wait_for(A_WHILE));
        for runs in 1..=3 {
            count.ran.reset();
            worker.wake();
            assert!(count.ran.wait_for(SOON));
            assert_eq!(*count.runs.lock(), runs);
        }
        Ok(())
    }

    #[test]
    fn sleeps_while_disabled() -> Result {
        let (count, worker) = setup(0)?;
        worker.disable_and_wait();
        worker.wake();
        worker.wake_after(Delta::from_millis(1));
        assert!(!count.ran.wait_for(A_WHILE));
        worker.enable();
        assert!(!count.ran.wait_for(A_WHILE));
        worker.wake();
        assert!(count.ran.wait_for(SOON));
        Ok(())
    }

    #[test]
    fn runs_after_a_delay() -> Result {
        let (count, worker) = setup(0)?;
        let delay = Delta::from_millis(5);
        let start = Instant::<Monotonic>::now();
        worker.wake_after(delay);
        assert!(count.ran.wait_for(SOON));
        assert!(start.elapsed() >= delay);
        Ok(())
    }

    #[test]
    fn runs_again_as_it_asks() -> Result {
        let (count, worker) = setup(9)?;
        worker.wake();
        let start = Instant::<Monotonic>::now();
        while *count.runs.lock() < 10 && start.elapsed() < SOON {
            count.ran.reset();
            count.ran.wait_for(A_WHILE);
        }
        assert_eq!(*count.runs.lock(), 10);
        count.ran.reset();
        assert!(!count.ran.wait_for(A_WHILE));
        Ok(())
    }

    #[test]
    fn drop_cancels_a_delay() -> Result {
        let (count, worker) = setup(0)?;
        worker.wake_after(Delta::from_millis(10));
        drop(worker);
        assert!(!count.ran.wait_for(A_WHILE));
        Ok(())
    }

    /// Work that takes a while.
    #[pin_data]
    struct Slow {
        #[pin]
        has_begun: Event,
        #[pin]
        never: Event,
        has_ended: Atomic<bool>,
    }

    impl Run for Slow {
        fn run(&self) {
            self.has_begun.signal();
            self.never.wait_for(A_WHILE);
            self.has_ended.store(true, Relaxed);
        }
    }

    #[test]
    fn drop_waits_for_a_run() -> Result {
        let slow = pin_init!(Slow {
            has_begun <- Event::new(),
            never <- Event::new(),
            has_ended: Atomic::new(false),
        });
        let slow = Arc::pin_init(slow, GFP_KERNEL)?;
        let queue = Arc::new(Queue::system()?, GFP_KERNEL)?;
        let worker = Worker::new(c"vhost_bus::tests::Slow", &queue, slow.clone())?;
        worker.wake();
        assert!(slow.has_begun.wait_for(SOON));
        assert!(!slow.has_ended.load(Relaxed));
        drop(worker);
        assert!(slow.has_ended.load(Relaxed));
        Ok(())
    }
}
