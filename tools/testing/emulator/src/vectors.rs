// SPDX-License-Identifier: GPL-2.0
//! Interrupt vectors that a virtual machine monitor gave as eventfds.

use std::os::fd::OwnedFd;

use crate::vfio_user::message::{IrqAction, SetIrqs};
use crate::vfio_user::Refusal;

/// The vectors of one interrupt index.
#[derive(Debug, Default)]
pub struct Vectors {
    fds: Vec<Option<OwnedFd>>,
}

impl Vectors {
    /// Makes `count` vectors without eventfds.
    pub fn new(count: usize) -> Self {
        Self {
            fds: std::iter::repeat_with(|| None).take(count).collect(),
        }
    }

    /// Number of vectors.
    pub fn count(&self) -> u32 {
        self.fds.len() as u32
    }

    /// Does what a request says: assigns eventfds, takes them away, or triggers.
    ///
    /// # Errors
    ///
    /// There are no such vectors, or the number of file descriptors does not fit.
    pub fn apply(&mut self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        let range = self.range(request)?;
        match request.action {
            IrqAction::Assign => self.assign(range, fds)?,
            IrqAction::Disable => self.fds.iter_mut().for_each(|fd| *fd = None),
            IrqAction::Trigger { chosen } => {
                for (at, vector) in range.enumerate() {
                    if chosen.includes(at) && !self.signal(vector) {
                        tracing::debug!("Vector {vector} has nothing to trigger");
                    }
                }
            }
            IrqAction::Mask { .. } => {}
        }
        Ok(())
    }

    /// Interrupts the guest; false when the vector has no eventfd.
    pub fn signal(&self, vector: usize) -> bool {
        let Some(Some(fd)) = self.fds.get(vector) else {
            return false;
        };
        // A full counter means that the guest has an interrupt to take already.
        !matches!(rustix::io::write(fd, &1u64.to_ne_bytes()), Err(error) if error != rustix::io::Errno::AGAIN)
    }

    /// Says whether a vector has an eventfd.
    pub fn is_assigned(&self, vector: usize) -> bool {
        matches!(self.fds.get(vector), Some(Some(_)))
    }

    fn range(&self, request: &SetIrqs<'_>) -> Result<std::ops::Range<usize>, Refusal> {
        let SetIrqs {
            index,
            start,
            count,
            ..
        } = *request;
        let end = start.checked_add(count).filter(|end| *end <= self.count());
        let end = end.ok_or(Refusal::Vectors {
            index,
            start,
            count,
        })?;
        Ok(start as usize..end as usize)
    }

    /// No descriptors at all take away those of the range.
    fn assign(&mut self, range: std::ops::Range<usize>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        let (expected, actual) = (range.len(), fds.len());
        if actual != expected && actual != 0 {
            return Err(Refusal::Descriptors { expected, actual });
        }
        let fds = fds
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat_with(|| None));
        let slots = self.fds.get_mut(range).unwrap_or_default();
        slots.iter_mut().zip(fds).for_each(|(slot, fd)| *slot = fd);
        Ok(())
    }
}
