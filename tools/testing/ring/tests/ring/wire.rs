// SPDX-License-Identifier: GPL-2.0
//! Layouts of sections 5.1 and 5.2, byte by byte.

use virtio::{blk, ids::DeviceId, net, status::Status};

/// Returns the little-endian number of `len` bytes at `offset`.
fn field(bytes: &[u8], offset: usize, len: usize) -> u64 {
    let bytes = &bytes[offset..offset + len];
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

#[test]
fn net_config() {
    let config = net::Config {
        mac: [1, 2, 3, 4, 5, 6],
        status: 0x0708,
        max_virtqueue_pairs: 0x090a,
        mtu: 0x0b0c,
        speed: 0x0d0e_0f10,
        duplex: 0x11,
        rss_max_key_size: 0x12,
        rss_max_indirection_table_length: 0x1314,
        supported_hash_types: 0x1516_1718,
    };
    let bytes = config.to_bytes();
    assert_eq!(net::Config::from_bytes(&bytes), config);
    assert_eq!(bytes[..6], config.mac);
    let fields = [
        (6, 2, 0x0708),
        (8, 2, 0x090a),
        (10, 2, 0x0b0c),
        (12, 4, 0x0d0e_0f10),
    ];
    let more = [
        (16, 1, 0x11),
        (17, 1, 0x12),
        (18, 2, 0x1314),
        (20, 4, 0x1516_1718),
    ];
    for (offset, len, value) in fields.into_iter().chain(more) {
        assert_eq!(field(&bytes, offset, len), value, "at {offset}");
    }
}

#[test]
fn net_header() {
    let header = net::Header {
        flags: 1,
        gso_type: 2,
        hdr_len: 0x0403,
        gso_size: 0x0605,
        csum_start: 0x0807,
        csum_offset: 0x0a09,
        num_buffers: 0x0c0b,
    };
    let bytes = header.to_bytes();
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(net::Header::from_bytes(&bytes), header);
}

#[test]
fn blk_config() {
    let config = blk::Config {
        capacity: 0x0102_0304_0506_0708,
        size_max: 0x11,
        seg_max: 0x12,
        geometry: blk::Geometry {
            cylinders: 0x1314,
            heads: 0x15,
            sectors: 0x16,
        },
        blk_size: 0x17,
        topology: blk::Topology {
            physical_block_exp: 0x18,
            alignment_offset: 0x19,
            min_io_size: 0x1a1b,
            opt_io_size: 0x1c,
        },
        writeback: 1,
        num_queues: 0x1d1e,
        discard: blk::DiscardLimits {
            max_sectors: 0x20,
            max_seg: 0x21,
            sector_alignment: 0x22,
        },
        write_zeroes: blk::WriteZeroesLimits {
            max_sectors: 0x23,
            max_seg: 0x24,
            may_unmap: 1,
        },
        secure_erase: blk::DiscardLimits {
            max_sectors: 0x25,
            max_seg: 0x26,
            sector_alignment: 0x27,
        },
    };
    let bytes = config.to_bytes();
    let fields = [
        (0, 8, 0x0102_0304_0506_0708),
        (8, 4, 0x11),
        (12, 4, 0x12),
        (16, 2, 0x1314),
        (18, 1, 0x15),
        (19, 1, 0x16),
        (20, 4, 0x17),
        (24, 1, 0x18),
        (25, 1, 0x19),
        (26, 2, 0x1a1b),
        (28, 4, 0x1c),
        (blk::Config::WRITEBACK_OFFSET, 1, 1),
        (33, 1, 0),
        (34, 2, 0x1d1e),
        (36, 4, 0x20),
        (40, 4, 0x21),
        (44, 4, 0x22),
        (48, 4, 0x23),
        (52, 4, 0x24),
        (56, 1, 1),
        (57, 3, 0),
        (60, 4, 0x25),
        (64, 4, 0x26),
        (68, 4, 0x27),
    ];
    for (offset, len, value) in fields {
        assert_eq!(field(&bytes, offset, len), value, "at {offset}");
    }
}

#[test]
fn blk_request() {
    let header = blk::RequestHeader {
        kind: blk::request::OUT,
        sector: 0x0102_0304_0506_0708,
    };
    let bytes = header.to_bytes();
    assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(blk::RequestHeader::from_bytes(&bytes), header);
    let range = blk::RangeSegment {
        sector: 3,
        num_sectors: 0x0201,
        flags: blk::RangeSegment::UNMAP,
    };
    let bytes = range.to_bytes();
    assert_eq!(bytes, [3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 1, 0, 0, 0]);
    assert_eq!(blk::RangeSegment::from_bytes(&bytes), range);
}

#[test]
fn status_and_ids() {
    let status = Status::ACKNOWLEDGE | Status::DRIVER;
    assert_eq!((status.bits(), status.is_reset()), (3, false));
    assert!(status.contains(Status::DRIVER) && !status.contains(Status::DRIVER_OK));
    assert_eq!(status.without(status), Status::RESET);
    assert_eq!(Status::from_bits(0x4f).to_string(), "0x4f");
    assert_eq!(
        [DeviceId::NET, DeviceId::new(99)].map(|id| id.to_string()),
        ["net", "device 99"]
    );
}
