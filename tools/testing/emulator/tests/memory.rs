// SPDX-License-Identifier: GPL-2.0
//! Guest memory from DMA_MAP: ranges, pieces, bounds.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use common::memfd;
use epc_emulator::memory::{FilePiece, GuestMemory, MemoryError};

const PAGE: u64 = 4096;

fn map(memory: &GuestMemory, base: u64, size: u64, file: &File, offset: u64) {
    let fd = file.try_clone().expect("clone").into();
    memory.map(base, size, Some(fd), offset, true).expect("map");
}

/// Address, size and file offset of each piece.
fn places(pieces: &[FilePiece]) -> Vec<(u64, u64, u64)> {
    pieces
        .iter()
        .map(|piece| (piece.base, piece.size, piece.offset))
        .collect()
}

#[test]
fn neighbours_in_address_and_file_are_one_piece() {
    let (memory, file) = (GuestMemory::default(), memfd(8 * PAGE));
    map(&memory, 0, PAGE, &file, 0);
    map(&memory, 2 * PAGE, PAGE, &file, 2 * PAGE);
    map(&memory, PAGE, PAGE, &file, PAGE);
    map(&memory, 3 * PAGE, PAGE, &file, 7 * PAGE);
    let pieces = memory.pieces(0, 8 * PAGE);
    assert_eq!(
        places(&pieces),
        [(0, 3 * PAGE, 0), (3 * PAGE, PAGE, 7 * PAGE)]
    );
    assert!(
        Arc::ptr_eq(&pieces[0].file, &pieces[1].file),
        "one descriptor for one file"
    );
    assert_eq!(
        places(&memory.pieces(PAGE + 8, PAGE)),
        [(PAGE + 8, PAGE, PAGE + 8)]
    );
}

#[test]
fn neighbours_in_different_files_are_two_pieces() {
    let memory = GuestMemory::default();
    map(&memory, 0, PAGE, &memfd(PAGE), 0);
    map(&memory, PAGE, PAGE, &memfd(2 * PAGE), PAGE);
    assert_eq!(memory.pieces(0, 2 * PAGE).len(), 2);
    assert!(memory.contains(0, 2 * PAGE));
}

#[test]
fn accesses_cross_mappings_but_not_gaps() {
    let memory = GuestMemory::default();
    let (low, high) = (memfd(PAGE), memfd(PAGE));
    map(&memory, 0, PAGE, &low, 0);
    map(&memory, PAGE, PAGE, &high, 0);
    memory
        .write(PAGE - 2, &[1, 2, 3, 4])
        .expect("across the border");
    let mut data = [0; 2];
    low.read_exact_at(&mut data, PAGE - 2).expect("read");
    assert_eq!(data, [1, 2]);
    high.read_exact_at(&mut data, 0).expect("read");
    assert_eq!(data, [3, 4]);

    let outside = memory.write(2 * PAGE - 2, &[9; 4]);
    assert!(matches!(outside, Err(MemoryError::NotMemory { .. })));
    high.read_exact_at(&mut data, PAGE - 2).expect("read");
    assert_eq!(data, [0, 0], "nothing is written in part");
    assert!(memory.read(2 * PAGE, &mut data).is_err());
    assert!(memory.read(u64::MAX, &mut data).is_err());
    assert!(memory.pieces(u64::MAX, 2).is_empty());
    assert!(!memory.contains(0, 0));
}

#[test]
fn only_whole_mappings_are_unmapped() {
    let (memory, file) = (GuestMemory::default(), memfd(4 * PAGE));
    map(&memory, 0, 2 * PAGE, &file, 0);
    map(&memory, 2 * PAGE, 2 * PAGE, &file, 2 * PAGE);
    assert_eq!(memory.unmap(0, PAGE), 0);
    assert_eq!(memory.unmap(0, 2 * PAGE), 1);
    assert!(!memory.contains(0, 1));
    assert!(memory.contains(2 * PAGE, 2 * PAGE));
    assert_eq!(memory.unmap(0, u64::MAX), 1);
}

#[test]
fn a_file_that_is_too_short_is_refused() {
    let memory = GuestMemory::default();
    let fd = || Some(memfd(PAGE).into());
    for (offset, size) in [(0, 2 * PAGE), (PAGE, PAGE), (u64::MAX & !(PAGE - 1), PAGE)] {
        let result = memory.map(0, size, fd(), offset, true);
        assert!(
            matches!(result, Err(MemoryError::TooShort { .. })),
            "{offset:#x} {size:#x}"
        );
    }
}

#[test]
fn pieces_are_cut_to_whole_pages() {
    let (memory, file) = (GuestMemory::default(), memfd(4 * PAGE));
    map(&memory, PAGE, 3 * PAGE, &file, PAGE);
    let cut = |base, size| {
        let piece = memory.pieces(base, size).remove(0).whole_pages();
        piece.map(|piece| places(&[piece]).remove(0))
    };
    assert_eq!(cut(PAGE + 1, 2 * PAGE), Some((2 * PAGE, PAGE, 2 * PAGE)));
    assert_eq!(cut(PAGE + 1, PAGE), None);
    assert_eq!(cut(PAGE, 2 * PAGE), Some((PAGE, 2 * PAGE, PAGE)));
}
