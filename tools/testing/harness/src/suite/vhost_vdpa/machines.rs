// SPDX-License-Identifier: GPL-2.0
//! Machines on which a process can drive a disk.

use std::marker::PhantomData;

use anyhow::Result;

use crate::commands::backend::Disk;
use crate::commands::modules;
use crate::commands::served::{Instance, ServedTo};
use crate::commands::vdpa::RcDevice;
use crate::commands::vhost_vdpa::{self, VhostVdpa};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::Bench;
use crate::workload::Ends;

/// The disk, on all of them.
pub static DISK: Disk = Disk {
    name: "disk0",
    mib: 128,
};

/// Machines that offer devices to processes, one at a time.
pub trait Offers: Bench + Ends {
    /// A device that is offered.
    type Offered;

    /// Offers a device, and returns the device node of it.
    fn offer_instance(&mut self, instance: Instance) -> Result<(Self::Offered, String)>;

    /// Offers the disk.
    fn offer(&mut self) -> Result<(Self::Offered, String)> {
        self.offer_instance(Instance::Disk(&DISK))
    }

    /// Takes the device away.
    fn withdraw(&mut self, offered: Self::Offered) -> Result<()>;
}

/// Process and backend on the stock Debian kernel, joined by vhost_loop.
pub struct OneKernel {
    /// The machine.
    pub guest: Guest,
}

impl OneKernel {
    /// Offers a device with attributes, e.g. "mtu 1400".
    pub fn offer_with(
        &mut self,
        instance: Instance,
        attributes: &str,
    ) -> Result<((VhostVdpa, Instance), String)> {
        instance.create_alone(&mut self.guest)?;
        let mgmtdev = match instance {
            Instance::Disk(_) | Instance::Kept(_) | Instance::Drive(_) => "faux/vhost_loop_blk",
            Instance::Nic(_) => "faux/vhost_loop_net",
        };
        let device = VhostVdpa::add_with(&mut self.guest, instance.name(), mgmtdev, attributes)?;
        let node = device.node.clone();
        Ok(((device, instance), node))
    }
}

impl Bench for OneKernel {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut guest = Guest::boot(layout, Model::RC)?;
        modules::load(&mut guest, &["vhost_loop"])?;
        vhost_vdpa::load_driver(&mut guest)?;
        Ok(Self { guest })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.guest]
    }
}

impl Ends for OneKernel {
    fn driver(&mut self) -> &mut Guest {
        &mut self.guest
    }

    fn backend(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

impl Offers for OneKernel {
    type Offered = (VhostVdpa, Instance);

    fn offer_instance(&mut self, instance: Instance) -> Result<(Self::Offered, String)> {
        self.offer_with(instance, "")
    }

    fn withdraw(&mut self, (device, instance): Self::Offered) -> Result<()> {
        device.delete(&mut self.guest)?;
        instance.remove_alone(&mut self.guest)
    }
}

/// Who translates the addresses of a process on its way to the endpoint and back.
pub trait Translator {
    /// The root complex.
    const RC: Model;
    /// Attributes of the function.
    const ATTRIBUTES: &[(&str, &str)] = &[];
}

/// The root complex.
pub struct Iommu;

impl Translator for Iommu {
    const RC: Model = Model::RC_WITH_IOMMU;
}

/// The endpoint.
pub struct Endpoint;

impl Translator for Endpoint {
    const RC: Model = Model::RC;
}

/// The endpoint what it is told, and the root complex what it pushes to it.
pub struct Both;

impl Translator for Both {
    const RC: Model = Model::RC;
    const ATTRIBUTES: &[(&str, &str)] = &[("data_path", "push")];
}

/// The endpoint, for a hypervisor of the root complex.
pub struct Nested;

impl Translator for Nested {
    const RC: Model = Model::RC_WITH_HYPERVISOR;
}

/// An endpoint and a root complex.
pub struct LinkOf<T> {
    /// The two machines.
    pub link: Link,
    translator: PhantomData<T>,
}

/// An endpoint, and a root complex whose IOMMU translates for it.
pub type LinkWithIommu = LinkOf<Iommu>;

/// An endpoint that translates, and a root complex that cannot.
pub type LinkWithoutIommu = LinkOf<Endpoint>;

/// The same, with queues that the root complex pushes.
pub type PushedLink = LinkOf<Both>;

impl<T: Translator> Bench for LinkOf<T> {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = Link::boot(layout, T::RC, Bars::Mapped)?;
        link.attributes = T::ATTRIBUTES;
        modules::load_epf_vdpa(&mut link.rc)?;
        vhost_vdpa::load_driver(&mut link.rc)?;
        vhost_vdpa::use_huge_pages(&mut link.rc)?;
        Ok(Self {
            link,
            translator: PhantomData,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

impl<T: Translator> Ends for LinkOf<T> {
    fn driver(&mut self) -> &mut Guest {
        &mut self.link.rc
    }

    fn backend(&mut self) -> &mut Guest {
        &mut self.link.ep
    }
}

impl<T: Translator> Offers for LinkOf<T> {
    type Offered = ServedTo<VhostVdpa>;

    fn offer_instance(&mut self, instance: Instance) -> Result<(Self::Offered, String)> {
        let served = ServedTo::<VhostVdpa>::start(&mut self.link, instance)?;
        let node = served.vdpa.node.clone();
        Ok((served, node))
    }

    fn withdraw(&mut self, served: ServedTo<VhostVdpa>) -> Result<()> {
        served.stop(&mut self.link)
    }
}
