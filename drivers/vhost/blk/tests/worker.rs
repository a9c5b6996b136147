// SPDX-License-Identifier: GPL-2.0

//! The worker of a queue, which is `vhost_backend`'s, through suspensions.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_bus_blk_worker)]
mod suite {
    use concurrency::{
        Event,
        Queue as Workqueue, //
    };
    use kernel::{
        prelude::*,
        static_lock_class,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::Delta, //
    };
    use vhost_backend::{
        QueueWorker,
        Serve,
        StopFlag, //
    };
    use vhost_bus::Kicked;

    /// Long enough for any scheduling delay.
    const SOON: Delta = Delta::from_secs(2);
    /// Long enough to see that something does not happen.
    const A_WHILE: Delta = Delta::from_millis(30);

    /// What the slow server has done.
    #[pin_data]
    struct Progress {
        #[pin]
        has_begun: Event,
        #[pin]
        never: Event,
        begun: Atomic<u32>,
        ended: Atomic<u32>,
        seen_stops: Atomic<u32>,
    }

    /// Serves a request that takes a while.
    struct Slow(Arc<Progress>);

    impl Serve for Slow {
        fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
            self.0.begun.fetch_add(1, Relaxed);
            self.0.has_begun.signal();
            self.0.never.wait_for(A_WHILE);
            self.0.seen_stops.fetch_add(stop.is_set().into(), Relaxed);
            self.0.ended.fetch_add(1, Relaxed);
            Ok(false)
        }
    }

    struct Setup {
        progress: Arc<Progress>,
        kicked: Arc<dyn Kicked>,
        worker: QueueWorker<Slow>,
    }

    impl Setup {
        /// A worker that serves.
        fn new() -> Result<Self> {
            let progress = pin_init!(Progress {
                has_begun <- Event::new(),
                never <- Event::new(),
                begun: Atomic::new(0),
                ended: Atomic::new(0),
                seen_stops: Atomic::new(0),
            });
            let progress = Arc::pin_init(progress, GFP_KERNEL)?;
            let workqueue = Arc::new(Workqueue::new(c"vhost_bus_blk_test")?, GFP_KERNEL)?;
            let worker = QueueWorker::new(
                (c"vhost_bus_blk::tests::Slow", static_lock_class!()),
                &workqueue,
            )?;
            worker.attach(Slow(progress.clone()));
            worker.start(|_| ());
            Ok(Self {
                progress,
                kicked: worker.kicked()?,
                worker,
            })
        }

        /// Waits until serving has begun once more.
        fn has_begun(&self) -> bool {
            let has_begun = self.progress.has_begun.wait_for(SOON);
            self.progress.has_begun.reset();
            has_begun
        }
    }

    #[test]
    fn stop_waits_for_the_request_in_flight() -> Result {
        let setup = Setup::new()?;
        assert!(setup.has_begun());
        setup.worker.stop();
        assert_eq!(setup.progress.ended.load(Relaxed), 1);
        // The server was told that somebody waits.
        assert_eq!(setup.progress.seen_stops.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn kick_while_stopped_is_made_up_for() -> Result {
        let setup = Setup::new()?;
        assert!(setup.has_begun());
        setup.worker.stop();
        setup.kicked.kicked(0);
        assert!(!setup.progress.has_begun.wait_for(A_WHILE));
        setup.worker.resume();
        assert!(setup.has_begun());
        setup.worker.stop();
        assert_eq!(setup.progress.begun.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn second_stop_is_none() -> Result {
        let setup = Setup::new()?;
        assert!(setup.has_begun());
        setup.worker.stop();
        setup.worker.stop();
        setup.worker.resume();
        assert!(setup.has_begun());
        Ok(())
    }
}
