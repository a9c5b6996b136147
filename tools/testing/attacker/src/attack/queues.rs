// SPDX-License-Identifier: GPL-2.0
//! Queues that are set up where no queue can be.

use anyhow::{ensure, Context, Result};
use transport::{
    AnswerError, Command, CommandError, DeviceStatus, InterruptMode, QueueRequest, QueueState,
    NO_VECTOR,
};

use super::{Attack, Device};
use crate::block;
use crate::driver::Driver;
use crate::ring::Ring;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "queue_indexes_out_of_range",
            about: "each command for queues names one that does not exist",
            device: Device::Disk,
            run: queue_indexes_out_of_range,
        },
        Attack {
            name: "queue_sizes_out_of_range",
            about: "a queue has 0, 3, too many descriptors",
            device: Device::Disk,
            run: queue_sizes_out_of_range,
        },
        Attack {
            name: "queue_vectors_out_of_range",
            about: "a queue interrupts by a vector that was not enabled",
            device: Device::Disk,
            run: queue_vectors_out_of_range,
        },
        Attack {
            name: "areas_are_misaligned",
            about: "areas begin at each address that is not aligned",
            device: Device::Disk,
            run: areas_are_misaligned,
        },
        Attack {
            name: "areas_wrap_around",
            about: "areas reach beyond 2^64",
            device: Device::Disk,
            run: areas_wrap_around,
        },
        Attack {
            name: "areas_at_the_top",
            about: "areas end just below 2^64, where nothing is",
            device: Device::Disk,
            run: areas_at_the_top,
        },
        Attack {
            name: "areas_at_nothing",
            about: "areas lie where the root complex has no memory",
            device: Device::Disk,
            run: areas_at_nothing,
        },
        Attack {
            name: "areas_in_registers",
            about: "areas lie in BARs of the function itself, and where interrupts are written to",
            device: Device::Disk,
            run: areas_in_registers,
        },
        Attack {
            name: "areas_in_one_place",
            about: "table and rings are the same memory, which the endpoint writes to",
            device: Device::Disk,
            run: areas_in_one_place,
        },
        Attack {
            name: "queues_share_a_ring",
            about: "both queues have the same table and rings",
            device: Device::Disk,
            run: queues_share_a_ring,
        },
        Attack {
            name: "queue_begins_in_the_future",
            about: "a queue goes on from an available index that the driver has not reached",
            device: Device::Disk,
            run: queue_begins_in_the_future,
        },
    ]
}

/// A value of a doorbell that is not the next one of its counter, so that the next kick is seen.
const NEVER_NEXT: u32 = 0x8000_0000;

/// A driver with settled features, and a set-up of queue 0 that is legal.
fn settled(target: &Target) -> Result<(Driver<'_>, QueueRequest)> {
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    let request = Ring::new(&target.memory, 64)?.request(0);
    Ok((driver, request))
}

fn queue_indexes_out_of_range(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let count = u32::from(driver.identity().num_queues());
    for queue in [count, count + 1, 63, 64, 65, 0xffff, 1 << 31, u32::MAX] {
        let commands = [
            Command::SetupQueue(QueueRequest { queue, ..request }),
            Command::EnableQueue(queue),
            Command::DisableQueue(queue),
            Command::SetQueueState(queue, QueueState::initial(false)),
            Command::GetQueueState(queue),
        ];
        for command in commands {
            driver.refused(&command, CommandError::BadArgument)?;
        }
    }
    Ok(())
}

fn queue_sizes_out_of_range(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let queue = driver.identity().queue(0).context("no queue")?;
    let max = driver.identity().queue_size(target.registers(), queue);
    let max = u32::from(max.context("no largest size")?.get());
    let sizes = [0, 3, max - 1, max + 1, 2 * max, 1 << 15, 1 << 16, 1 << 31];
    for size in sizes.into_iter().chain([u32::MAX]) {
        let request = QueueRequest { size, ..request };
        driver.refused(&Command::SetupQueue(request), CommandError::BadArgument)?;
    }
    Ok(())
}

fn queue_vectors_out_of_range(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let refuse = |driver: &mut Driver<'_>, vector| {
        let request = QueueRequest { vector, ..request };
        driver.refused(&Command::SetupQueue(request), CommandError::BadArgument)
    };
    for vector in [0, 1, 0xfffe, 0x1_0000, u32::MAX] {
        refuse(&mut driver, vector)?;
    }
    driver.command(&Command::SetInterrupts {
        mode: InterruptMode::MsiX as u32,
        vectors: 1,
        config_vector: NO_VECTOR,
    })?;
    for vector in [1, 2, 2047, 0xfffe] {
        refuse(&mut driver, vector)?;
    }
    Ok(())
}

fn areas_are_misaligned(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let mut refuse =
        |request| driver.refused(&Command::SetupQueue(request), CommandError::BadArgument);
    for offset in 1..16 {
        let desc_area = request.desc_area + offset;
        refuse(QueueRequest {
            desc_area,
            ..request
        })?;
    }
    for offset in 1..4 {
        let device_area = request.device_area + offset;
        refuse(QueueRequest {
            device_area,
            ..request
        })?;
    }
    let driver_area = request.driver_area + 1;
    refuse(QueueRequest {
        driver_area,
        ..request
    })
}

fn areas_wrap_around(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    for area in [u64::MAX & !0xf, u64::MAX & !0x7f] {
        let requests = [
            QueueRequest {
                desc_area: area,
                ..request
            },
            QueueRequest {
                driver_area: area,
                ..request
            },
            QueueRequest {
                device_area: area,
                ..request
            },
        ];
        for request in requests {
            driver.refused(&Command::SetupQueue(request), CommandError::BadArgument)?;
        }
    }
    Ok(())
}

fn areas_at_the_top(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    // Legal, as far as anybody can know without looking.
    let top = u64::MAX & !0xffff;
    areas_lead_nowhere(&mut driver, request, top, [0, 0x4000, 0x8000])
}

fn areas_at_nothing(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    // More than any machine of today decodes.
    areas_lead_nowhere(&mut driver, request, 1 << 52, [0, 1 << 40, 1 << 44])?;
    areas_lead_nowhere(&mut driver, request, 1 << 52, [0, 0x1000, 0x2000])
}

fn areas_in_registers(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let bar = target.function.bar_address(target.register_bar())?;
    areas_lead_nowhere(&mut driver, request, bar, [0, 0x1000, 0x2000])?;
    /// Where an x86 takes interrupts.
    const INTERRUPTS: u64 = 0xfee0_0000;
    areas_lead_nowhere(&mut driver, request, INTERRUPTS, [0, 0x1000, 0x2000])
}

/// Sets queue 0 up where no ring is, and enables it. The endpoint either cannot map the areas, or
/// finds nonsense there.
fn areas_lead_nowhere(
    driver: &mut Driver<'_>,
    request: QueueRequest,
    base: u64,
    offsets: [u64; 3],
) -> Result<()> {
    let [desc, available, used] = offsets.map(|offset| base + offset);
    let request = QueueRequest {
        desc_area: desc,
        driver_area: available,
        device_area: used,
        ..request
    };
    driver.command(&Command::SetupQueue(request))?;
    match driver.answer(&Command::EnableQueue(0))? {
        Err(AnswerError::Refused(CommandError::NoResources)) => Ok(()),
        Ok(_) => {
            driver.start()?;
            driver.expect_needs_reset()?;
            driver.reset()?;
            driver.negotiate(0).map(drop)
        }
        answer => anyhow::bail!("a queue at {base:#x}: unexpected answer {answer:?}"),
    }
}

fn areas_in_one_place(target: &Target) -> Result<()> {
    let (mut driver, request) = settled(target)?;
    let same = request.desc_area;
    driver.command(&Command::SetupQueue(QueueRequest {
        driver_area: same,
        device_area: same,
        ..request
    }))?;
    driver.command(&Command::EnableQueue(0))?;
    driver.add_queue(1)?;
    driver.start()?;
    super::doorbells::write_all(target, NEVER_NEXT)?;
    block::expect_queue_works(&mut driver, 1)
}

fn queues_share_a_ring(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    driver.add_queue(0)?;
    let shared = driver.ring(0)?.request(1);
    driver.command(&Command::SetupQueue(shared))?;
    driver.command(&Command::EnableQueue(1))?;
    driver.start()?;
    let buffers = block::Buffers::new(&target.memory)?;
    buffers.prepare(&target.memory, virtio::blk::request::IN, 0);
    // Both queues take the request and answer it: the used index is what either of them says.
    driver.submit(0, &[buffers.header], &[buffers.data, buffers.status])?;
    super::doorbells::write_all(target, NEVER_NEXT)?;
    let used = driver.wait_used(0)?;
    ensure!(used.head == 0, "expected the used buffer 0, got {used:?}");
    driver.expect_working()
}

fn queue_begins_in_the_future(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    driver.add_queue(1)?;
    let ring = Ring::new(&target.memory, 64)?;
    driver.command(&Command::SetupQueue(ring.request(0)))?;
    let state = QueueState {
        available: 1000,
        used: 0,
    };
    driver.command(&Command::SetQueueState(0, state))?;
    driver.command(&Command::EnableQueue(0))?;
    driver.start()?;
    driver.expect_needs_reset()?;
    ensure!(
        driver.status().contains(DeviceStatus::DRIVER_OK),
        "the device lost DRIVER_OK"
    );
    block::expect_queue_works(&mut driver, 1)
}
