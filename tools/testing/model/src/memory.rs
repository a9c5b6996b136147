// SPDX-License-Identifier: GPL-2.0

//! The words of the register BAR, and the writes on their way to them.

use transport::Offset;

/// What the checker knows of a `cmd` or `answer` word besides its value; neither end sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Number of the command: counts what was issued, whoever issued it.
    pub serial: u8,
    /// The session that it was issued for.
    pub epoch: u8,
    /// Its place in the program of the driver.
    pub at: u8,
}

/// A write to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub offset: Offset,
    pub value: u32,
    pub tag: Option<Tag>,
}

/// The words that are not 0, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory(Vec<Write>);

impl Memory {
    pub fn get(&self, offset: Offset) -> (u32, Option<Tag>) {
        self.0
            .binary_search_by_key(&offset, |word| word.offset)
            .ok()
            .and_then(|at| self.0.get(at))
            .map_or((0, None), |word| (word.value, word.tag))
    }

    pub fn read(&self, offset: Offset) -> u32 {
        self.get(offset).0
    }

    pub fn set(&mut self, write: Write) {
        match self
            .0
            .binary_search_by_key(&write.offset, |word| word.offset)
        {
            Ok(at) if write.value == 0 => drop(self.0.remove(at)),
            Ok(at) => self.0[at] = write,
            Err(_) if write.value == 0 => {}
            Err(at) => self.0.insert(at, write),
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Item {
    Write(Write),
    /// Writes before it arrive before writes after it.
    Barrier,
}

/// Posted writes: they arrive late, and those without a barrier between them in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Posted(Vec<Item>);

impl Posted {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn post(&mut self, write: Write) {
        self.0.push(Item::Write(write));
    }

    pub fn has_barrier(&self) -> bool {
        self.0.contains(&Item::Barrier)
    }

    pub fn barrier(&mut self) {
        if matches!(self.0.last(), Some(Item::Write(_))) {
            self.0.push(Item::Barrier);
        }
    }

    /// What was written to a word last, if that is still on its way.
    pub fn latest(&self, offset: Offset) -> Option<Write> {
        self.0.iter().rev().find_map(|item| match item {
            Item::Write(write) if write.offset == offset => Some(*write),
            _ => None,
        })
    }

    /// The writes that can arrive next, by their places.
    pub fn next(&self) -> impl Iterator<Item = (usize, Write)> + '_ {
        let front = self.0.iter().map_while(|item| match item {
            Item::Write(write) => Some(*write),
            Item::Barrier => None,
        });
        front.enumerate().filter(|(at, write)| {
            let before = self.0.iter().take(*at);
            !before
                .into_iter()
                .any(|item| matches!(item, Item::Write(other) if other.offset == write.offset))
        })
    }

    /// Takes the write at a place that [`Posted::next`] named.
    pub fn take(&mut self, at: usize) -> Option<Write> {
        if at >= self.0.len() {
            return None;
        }
        let item = self.0.remove(at);
        if self.0.first() == Some(&Item::Barrier) {
            self.0.remove(0);
        }
        match item {
            Item::Write(write) => Some(write),
            Item::Barrier => None,
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
