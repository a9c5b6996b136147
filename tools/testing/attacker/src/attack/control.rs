// SPDX-License-Identifier: GPL-2.0
//! Commands of the control queue that make no sense (VIRTIO 1.2, section 5.1.6.5).
//!
//! Those that are no commands are answered by an error and change nothing; a device that cannot answer
//! says that it gave up.

use anyhow::{ensure, Context, Result};
use virtio::net::control::{ack, class, control_queue, guest_offloads, mac, mq, rx, ADDRESS_LEN};
use virtio::net::features;

use super::{Attack, Device};
use crate::dma::Place;
use crate::driver::Driver;
use crate::packet::{self, add_buffer, question, send, with_header, RECEIVE};
use crate::target::Target;

/// All that a network device offers for its control queue.
const ALL: u64 = features::MRG_RXBUF
    | features::CTRL_VQ
    | features::CTRL_RX
    | features::CTRL_MAC_ADDR
    | features::CTRL_GUEST_OFFLOADS
    | features::GUEST_CSUM
    | features::MQ;

/// The pairs of queues that the endpoint offers.
const PAIRS: u16 = 2;

/// Before an acknowledgement is written.
const NOT_YET: u8 = 0xa5;

const STATION: [u8; ADDRESS_LEN] = [2, 0, 0, 0, 0, 7];
const GROUP: [u8; ADDRESS_LEN] = [1, 0, 0x5e, 0, 0, 1];

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "commands_of_all_lengths",
            about: "each command of the control queue has any length but its own",
            device: Device::Network,
            run: commands_of_all_lengths,
        },
        Attack {
            name: "commands_of_no_meaning",
            about: "classes, commands and values of the control queue that there are not",
            device: Device::Network,
            run: commands_of_no_meaning,
        },
        Attack {
            name: "address_tables_that_lie",
            about: "tables of addresses are cut off, or say that they have billions",
            device: Device::Network,
            run: address_tables_that_lie,
        },
        Attack {
            name: "address_tables_that_are_long",
            about: "tables of addresses have as many as fit into the memory of the root complex",
            device: Device::Network,
            run: address_tables_that_are_long,
        },
        Attack {
            name: "commands_without_their_features",
            about: "commands of features that were not negotiated, at the queue that is then the control queue",
            device: Device::Network,
            run: commands_without_their_features,
        },
        Attack {
            name: "pairs_without_queues",
            about: "pairs of queues are to be used that were not set up",
            device: Device::Network,
            run: pairs_without_queues,
        },
        Attack {
            name: "command_without_room_for_its_answer",
            about: "a command has nothing for the device to write: the queue stops",
            device: Device::Network,
            run: |target| expect_broken(target, |driver, place| {
                driver.submit(control()?, &[place], &[]).map(drop)
            }),
        },
        Attack {
            name: "answer_at_nothing",
            about: "a command is to be acknowledged where no memory is: the queue stops",
            device: Device::Network,
            run: |target| expect_broken(target, |driver, place| {
                let nowhere = place.part(0, 1).elsewhere(1 << 52);
                driver.submit(control()?, &[place], &[nowhere]).map(drop)
            }),
        },
        Attack {
            name: "command_at_nothing",
            about: "a command is where no memory is; it is answered by an error",
            device: Device::Network,
            run: command_at_nothing,
        },
        Attack {
            name: "command_of_many_pieces",
            about: "each byte of a command is a descriptor of its own",
            device: Device::Network,
            run: command_of_many_pieces,
        },
        Attack {
            name: "commands_under_traffic",
            about: "the number of pairs and the filter change while packets come and go",
            device: Device::Network,
            run: commands_under_traffic,
        },
        Attack {
            name: "resets_under_commands",
            about: "the device is reset while it has commands",
            device: Device::Network,
            run: resets_under_commands,
        },
    ]
}

/// The index of the control queue of a driver with all features.
fn control() -> Result<u16> {
    control_queue(ALL, PAIRS).context("there is no control queue")
}

fn running(target: &Target) -> Result<Driver<'_>> {
    let mut driver = target.driver()?;
    let features = driver.bring_up(ALL)?;
    ensure!(
        features & ALL == ALL,
        "the device offers {features:#x}, expected {ALL:#x} among it"
    );
    Ok(driver)
}

fn command(class: u8, command: u8, data: &[u8]) -> Vec<u8> {
    [&[class, command], data].concat()
}

fn tables(unicast: &[u8], multicast: &[u8]) -> Vec<u8> {
    command(class::MAC, mac::TABLE_SET, &[unicast, multicast].concat())
}

fn table(count: u32, addresses: &[[u8; ADDRESS_LEN]]) -> Vec<u8> {
    [&count.to_le_bytes()[..], &addresses.concat()].concat()
}

/// Sends a command on a queue by way of memory that it may have, and returns the acknowledgement.
fn answer_on(driver: &mut Driver<'_>, queue: u16, room: Place, bytes: &[u8]) -> Result<u8> {
    let memory = driver.target.memory.clone();
    let ack = room.part(0, 1);
    let place = room.part(1, bytes.len());
    memory.write(ack, 0, &[NOT_YET]);
    memory.write(place, 0, bytes);
    let readable: &[Place] = match bytes {
        [] => &[],
        _ => &[place],
    };
    driver.submit(queue, readable, &[ack])?;
    let used = driver.wait_used(queue)?;
    ensure!(used.len == 1, "expected one byte written, got {}", used.len);
    Ok(memory.read(ack)[0])
}

/// Sends commands that are none, each of which is answered by an error and does not stop the device.
fn expect_errors(driver: &mut Driver<'_>, commands: &[Vec<u8>]) -> Result<()> {
    let longest = commands.iter().map(Vec::len).max().unwrap_or(0);
    let room = driver.target.memory.take(1 + longest)?;
    let queue = control()?;
    for bytes in commands {
        let found = answer_on(driver, queue, room, bytes)?;
        ensure!(
            found == ack::ERR,
            "expected an error for {bytes:02x?}, got {found:#x}"
        );
    }
    Ok(())
}

fn expect_okay(driver: &mut Driver<'_>, bytes: &[u8]) -> Result<()> {
    let room = driver.target.memory.take(1 + bytes.len())?;
    let queue = control()?;
    let found = answer_on(driver, queue, room, bytes)?;
    ensure!(
        found == ack::OK,
        "expected that {bytes:02x?} is carried out, got {found:#x}"
    );
    Ok(())
}

/// Nothing was changed: packets for all stations come, and the device works.
fn expect_going_on(mut driver: Driver<'_>) -> Result<()> {
    packet::expect_echo(&mut driver)?;
    driver.expect_working()
}

fn commands_of_all_lengths(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let known = [
        (class::RX, rx::PROMISC, 1),
        (class::RX, rx::ALLMULTI, 1),
        (class::MAC, mac::TABLE_SET, 8),
        (class::MAC, mac::ADDR_SET, ADDRESS_LEN),
        (class::MQ, mq::VQ_PAIRS_SET, 2),
        (class::GUEST_OFFLOADS, guest_offloads::SET, 8),
    ];
    let mut wrong = vec![vec![], vec![class::RX]];
    for (class, kind, right) in known {
        let lengths = (0..24).filter(|len| *len != right);
        wrong.extend(lengths.map(|len| command(class, kind, &vec![0; len])));
    }
    expect_errors(&mut driver, &wrong)?;
    expect_going_on(driver)
}

fn commands_of_no_meaning(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let known = [class::RX, class::MAC, class::MQ, class::GUEST_OFFLOADS];
    let mut wrong = Vec::new();
    for class in (0..=u8::MAX).filter(|class| !known.contains(class)) {
        wrong.push(command(class, 0, &[1]));
    }
    for kind in 2..=u8::MAX {
        wrong.push(command(class::RX, kind, &[1]));
        wrong.push(command(class::MAC, kind, &STATION));
        wrong.push(command(class::MQ, kind, &[1, 0]));
        wrong.push(command(class::GUEST_OFFLOADS, kind, &[0; 8]));
    }
    // Offloads that were not negotiated, and features that are none.
    for value in [features::GUEST_TSO4, features::CSUM, features::MQ, u64::MAX] {
        let bytes = value.to_le_bytes();
        wrong.push(command(class::GUEST_OFFLOADS, guest_offloads::SET, &bytes));
    }
    for value in [2, 0xff] {
        wrong.push(command(class::RX, rx::PROMISC, &[value]));
    }
    for address in [GROUP, [0; ADDRESS_LEN], [0xff; ADDRESS_LEN]] {
        wrong.push(command(class::MAC, mac::ADDR_SET, &address));
    }
    for pairs in [0, PAIRS + 1, 0x8000, u16::MAX] {
        wrong.push(command(class::MQ, mq::VQ_PAIRS_SET, &pairs.to_le_bytes()));
    }
    expect_errors(&mut driver, &wrong)?;
    expect_going_on(driver)
}

fn address_tables_that_lie(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    // From here on only what is for all stations comes, and what an effect of a table would add.
    expect_okay(&mut driver, &command(class::RX, rx::PROMISC, &[0]))?;
    let none = table(0, &[]);
    let mut wrong = vec![
        tables(&table(1, &[]), &none),
        tables(&none, &table(2, &[GROUP])),
        tables(&table(u32::MAX, &[STATION]), &none),
        tables(&none, &table(u32::MAX, &[GROUP])),
        tables(&table(0x2aaa_aaab, &[STATION]), &none),
        tables(&none, &table(0, &[GROUP])),
        tables(&none, &[]),
        // The right lengths, with addresses of the wrong kind.
        tables(&table(1, &[GROUP]), &none),
        tables(&none, &table(1, &[STATION])),
    ];
    let whole = tables(&table(1, &[STATION]), &table(1, &[GROUP]));
    wrong.extend((2..whole.len()).map(|len| whole[..len].to_vec()));
    expect_errors(&mut driver, &wrong)?;
    expect_okay(&mut driver, &whole)?;
    expect_going_on(driver)
}

fn address_tables_that_are_long(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    for count in [64, 65, 10_000, 100_000] {
        let long = table(count, &vec![STATION; count as usize]);
        expect_okay(&mut driver, &tables(&long, &table(0, &[])))?;
    }
    expect_going_on(driver)
}

fn commands_without_their_features(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let negotiated = driver.bring_up(features::MRG_RXBUF | features::CTRL_VQ)?;
    let queue = control_queue(negotiated, PAIRS).context("there is no control queue")?;
    let room = target.memory.take(64)?;
    for bytes in [
        command(class::RX, rx::PROMISC, &[0]),
        command(class::MAC, mac::ADDR_SET, &STATION),
        command(class::MQ, mq::VQ_PAIRS_SET, &[1, 0]),
        command(class::GUEST_OFFLOADS, guest_offloads::SET, &[0; 8]),
        tables(&table(0, &[]), &table(0, &[])),
    ] {
        let found = answer_on(&mut driver, queue, room, &bytes)?;
        ensure!(
            found == ack::ERR,
            "expected an error for {bytes:02x?}, got {found:#x}"
        );
    }
    expect_going_on(driver)
}

fn pairs_without_queues(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.negotiate(ALL)?;
    let queue = control()?;
    for index in [0, 1, 2, queue] {
        driver.add_queue(index)?;
    }
    driver.start()?;
    let use_pairs = |count: u16| command(class::MQ, mq::VQ_PAIRS_SET, &count.to_le_bytes());
    expect_errors(&mut driver, &[use_pairs(PAIRS)])?;
    expect_okay(&mut driver, &use_pairs(1))?;
    expect_going_on(driver)
}

/// The control queue is broken; the device says so, and was not changed.
fn expect_broken(
    target: &Target,
    break_it: impl FnOnce(&mut Driver<'_>, Place) -> Result<()>,
) -> Result<()> {
    let mut driver = running(target)?;
    let queue = control()?;
    let bytes = command(class::RX, rx::ALLMULTI, &[0]);
    let place = target.memory.take(bytes.len())?;
    target.memory.write(place, 0, &bytes);
    break_it(&mut driver, place)?;
    driver.expect_needs_reset()?;
    ensure!(
        driver.ring(queue)?.take_used().is_none(),
        "a command that cannot be answered was used"
    );
    Ok(())
}

fn command_at_nothing(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let queue = control()?;
    let ack = target.memory.take(1)?;
    let nowhere = target.memory.take(3)?.elsewhere(1 << 52);
    driver.submit(queue, &[nowhere], &[ack])?;
    driver.wait_used(queue)?;
    let found = target.memory.read(ack)[0];
    ensure!(found == ack::ERR, "expected an error, got {found:#x}");
    expect_going_on(driver)
}

fn command_of_many_pieces(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let queue = control()?;
    let bytes = tables(&table(1, &[STATION]), &table(1, &[GROUP]));
    let place = target.memory.take(bytes.len())?;
    let ack = target.memory.take(1)?;
    target.memory.write(place, 0, &bytes);
    let pieces: Vec<_> = (0..bytes.len()).map(|at| place.part(at, 1)).collect();
    target.memory.write(ack, 0, &[NOT_YET]);
    driver.submit(queue, &pieces, &[ack])?;
    driver.wait_used(queue)?;
    let found = target.memory.read(ack)[0];
    ensure!(
        found == ack::OK,
        "expected that it is obeyed, got {found:#x}"
    );
    expect_going_on(driver)
}

fn commands_under_traffic(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    for _ in 0..32 {
        add_buffer(&mut driver)?;
    }
    driver.kick(RECEIVE)?;
    let packet = with_header(&question());
    let room = target.memory.take(16)?;
    let queue = control()?;
    for round in 0..32u8 {
        let pairs = u16::from(round % 2) + 1;
        for bytes in [
            command(class::MQ, mq::VQ_PAIRS_SET, &pairs.to_le_bytes()),
            command(class::RX, rx::PROMISC, &[round % 2]),
        ] {
            let found = answer_on(&mut driver, queue, room, &bytes)?;
            ensure!(found == ack::OK, "round {round}: got {found:#x}");
        }
        let place = target.memory.take(packet.len())?;
        target.memory.write(place, 0, &packet);
        driver.submit(packet::TRANSMIT, &[place], &[])?;
        driver.wait_used(packet::TRANSMIT)?;
    }
    driver.expect_working()
}

fn resets_under_commands(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let place = target.memory.take(8)?;
    let ack = target.memory.take(1)?;
    for _ in 0..8 {
        let queue = control()?;
        let bytes = command(class::MAC, mac::ADDR_SET, &STATION);
        target.memory.write(place, 0, &bytes);
        for _ in 0..16 {
            driver.submit(queue, &[place], &[ack])?;
        }
        driver.reset()?;
        driver.bring_up(ALL)?;
    }
    send(&mut driver, &with_header(&question()))?;
    expect_going_on(driver)
}
