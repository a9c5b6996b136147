// SPDX-License-Identifier: GPL-2.0

//! What `vdpa dev del` leaves of a device that somebody still has a reference to.

use kernel::prelude::kunit_tests;

#[kunit_tests(vhost_loop_life)]
mod suite {
    use crate::{
        mgmt::LoopManagement,
        THIS_MODULE, //
    };
    use kernel::{
        device,
        faux,
        prelude::*,
        sync::Arc, //
    };
    use vdpa::Management;
    use vhost_bus::{
        Backend,
        Device,
        Driver,
        DriverRegistration, //
    };
    use virtio::{
        ids::DeviceId,
        provision::Request, //
    };

    /// A device type of no specification, so that no real driver takes a test's device.
    const TEST_ID: DeviceId = DeviceId::new(0xfff1);

    /// A driver whose backends do nothing.
    struct Idle;

    impl Driver for Idle {
        fn name(&self) -> &'static CStr {
            c"vhost_loop_test"
        }

        fn ids(&self) -> &[DeviceId] {
            &[TEST_ID]
        }

        fn probe(&self, _device: &Arc<Device>) -> Result<Arc<dyn Backend>> {
            Ok(Arc::new(Self, GFP_KERNEL)?)
        }
    }

    impl Backend for Idle {
        fn check_features(&self, _negotiated: u64) -> Result {
            Ok(())
        }

        fn start(&self, _negotiated: u64) -> Result {
            Ok(())
        }

        fn stop(&self) {}

        fn suspend(&self) {}

        fn resume(&self) {}

        fn write_config(&self, _offset: usize, _from: &[u8]) -> Result {
            Err(EINVAL)
        }
    }

    #[test]
    fn deleted_device_lets_its_backend_go() -> Result {
        let _driver = DriverRegistration::new(Arc::new(Idle, GFP_KERNEL)?, &THIS_MODULE)?;
        let parent = faux::Registration::new(c"vhost_loop_test", None)?;
        let parent: &device::Device = parent.as_ref();
        let management = LoopManagement {
            id: TEST_ID,
            parent: parent.into(),
        };
        let device = management.dev_add(c"test", &Request::default())?;
        assert!(device.device().has_backend());

        management.dev_del(&device);
        assert!(!device.device().has_backend());
        Ok(())
    }
}
