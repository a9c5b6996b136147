// SPDX-License-Identifier: GPL-2.0

//! The life of devices and drivers: who comes first, who goes first, and what that calls in which order.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_bus_life)]
mod suite {
    use crate::{
        bus::{
            Identity,
            VhostBus, //
        },
        tests::fixture::*,
        Device,
        DriverRegistration,
        Registration,
        THIS_MODULE, //
    };
    use ::bus::Bus;
    use kernel::{
        prelude::*,
        str::CString,
        sync::Arc, //
    };
    use virtio::{
        ids::DeviceId,
        status::Status, //
    };

    const PROBED: [&str; 4] = ["probe", "create_vqs", "offer", "bound"];
    const REMOVED: [&str; 3] = ["del_vqs", "withdraw", "drop backend"];

    struct Setup {
        journal: Arc<Journal>,
        transport: Arc<Transport>,
    }

    impl Setup {
        fn new() -> Result<Self> {
            let journal = Journal::new()?;
            let transport = Transport::new(&journal)?;
            Ok(Self { journal, transport })
        }

        fn add_device(&self) -> Result<Registration> {
            Device::register(self.transport.clone(), TEST_ID, c"test", None)
        }

        fn add_driver(&self, name: &'static CStr, is_lame: bool) -> Result<DriverRegistration> {
            let driver = TestDriver {
                name,
                journal: self.journal.clone(),
                kicks: Counter::new()?,
                is_lame,
            };
            DriverRegistration::new(Arc::new(driver, GFP_KERNEL)?, &THIS_MODULE)
        }

        fn start(&self, device: &Device) -> Result {
            device.driver_features(ACCEPTED)?;
            device.driver_ok()
        }
    }

    #[test]
    fn matches_by_device_type() -> Result {
        let setup = Setup::new()?;
        let driver = TestDriver {
            name: c"test_match",
            journal: setup.journal,
            kicks: Counter::new()?,
            is_lame: false,
        };
        let of = |id| -> Result<Arc<Identity>> {
            let identity = Identity {
                id,
                vendor: 0,
                instance: CString::try_from(c"test")?,
            };
            Ok(Arc::new(identity, GFP_KERNEL)?)
        };
        let test = of(TEST_ID)?;
        assert!(VhostBus::matches(&test, &driver));
        let net = of(DeviceId::NET)?;
        assert!(!VhostBus::matches(&net, &driver));
        Ok(())
    }

    #[test]
    fn device_before_driver() -> Result {
        let setup = Setup::new()?;
        let device = setup.add_device()?;
        assert!(!device.device().has_backend());
        assert!(setup.journal.was(&[]));

        let driver = setup.add_driver(c"test_late", false)?;
        assert!(device.device().has_backend());
        assert!(setup.journal.was(&PROBED));

        drop(device);
        assert!(setup
            .journal
            .was(&["publish reset", "del_vqs", "withdraw", "drop backend"]));
        drop(driver);
        assert!(setup.journal.was(&[]));
        Ok(())
    }

    #[test]
    fn driver_before_device() -> Result {
        let setup = Setup::new()?;
        let driver = setup.add_driver(c"test_early", false)?;
        let device = setup.add_device()?;
        assert!(device.device().has_backend());
        assert!(setup.journal.was(&PROBED));

        drop(driver);
        assert!(!device.device().has_backend());
        assert!(setup.journal.was(&REMOVED));

        let driver = setup.add_driver(c"test_again", false)?;
        assert!(setup.journal.was(&PROBED));
        drop(driver);
        assert!(setup.journal.was(&REMOVED));
        drop(device);
        Ok(())
    }

    #[test]
    fn without_backend_nothing_is_settled() -> Result {
        let setup = Setup::new()?;
        let device = setup.add_device()?;
        let device = device.device();
        let early = Status::ACKNOWLEDGE | Status::DRIVER;
        assert!(device.driver_status(early) == Ok(early));
        assert!(device.driver_features(ACCEPTED) == Err(ENODEV));
        assert!(device.driver_status(early | Status::FEATURES_OK) == Err(ENODEV));
        assert!(device.driver_ok() == Err(ENODEV));
        assert!(device.status() == early);
        Ok(())
    }

    #[test]
    fn reset_stops_before_it_is_seen() -> Result {
        let setup = Setup::new()?;
        let driver = setup.add_driver(c"test_reset", false)?;
        let registration = setup.add_device()?;
        let device = registration.device();
        setup.start(device)?;
        assert!(device.status().contains(Status::DRIVER_OK));
        setup.journal.clear();

        assert!(device.driver_status(Status::RESET) == Ok(Status::RESET));
        assert!(setup.journal.was(&["stop", "publish reset"]));
        device.reset();
        assert!(setup.journal.was(&["publish reset"]));

        setup.start(device)?;
        assert!(setup.journal.was(&["start"]));
        drop(driver);
        assert!(setup
            .journal
            .was(&["stop", "del_vqs", "withdraw", "drop backend"]));
        assert!(device.status().contains(Status::DEVICE_NEEDS_RESET));
        Ok(())
    }

    #[test]
    fn veto_of_backend_is_seen() -> Result {
        let setup = Setup::new()?;
        let _driver = setup.add_driver(c"test_veto", false)?;
        let registration = setup.add_device()?;
        let device = registration.device();
        let early = Status::ACKNOWLEDGE | Status::DRIVER;
        assert!(device.driver_features(ACCEPTED | VETOED) == Err(ENOTSUPP));
        assert!(device.driver_status(early | Status::FEATURES_OK) == Ok(early));
        assert!(device.driver_ok() == Err(EINVAL));
        assert!(device.driver_features(ACCEPTED) == Ok(()));
        assert!(device.driver_ok() == Ok(()));
        assert!(device.driver_features(ACCEPTED) == Err(EBUSY));
        Ok(())
    }

    #[test]
    fn failed_start_needs_reset() -> Result {
        let setup = Setup::new()?;
        let driver = setup.add_driver(c"test_lame", true)?;
        let registration = setup.add_device()?;
        let device = registration.device();
        assert!(setup.start(device) == Err(EIO));
        assert!(device.status().contains(Status::DEVICE_NEEDS_RESET));
        assert!(device.driver_status(Status::RESET) == Ok(Status::RESET));
        assert!(setup.journal.was(&[
            "probe",
            "create_vqs",
            "offer",
            "bound",
            "start",
            "publish reset"
        ]));
        drop(driver);
        assert!(setup.journal.was(&REMOVED));
        Ok(())
    }
}
