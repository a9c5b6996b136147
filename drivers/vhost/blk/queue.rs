// SPDX-License-Identifier: GPL-2.0

//! Serving a request queue: requests in, their data moved by many transfers at a time, their status out.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`. The end of a transfer wakes the worker.

use crate::{
    disk::Disk,
    execute::Execution,
    request::Limits,
    round::{
        Means,
        Round,
        Step, //
    },
};
use concurrency::Worker;
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use storage::Pipeline;
use vhost_backend::{
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::ring::Used;

/// How many answered requests wait for the next publication, which reads across the link: half of a batch, so that
/// the first of many slow requests is not held up by the last.
const PUBLISH: usize = 32;

/// A request queue and what requests need, allocated once.
pub(crate) struct RequestQueue {
    means: Means,
    pipeline: Pipeline,
    /// What is answered next.
    older: Round,
    /// What was taken while transfers for that are under way.
    newer: Round,
    used: KVec<Used>,
}

impl RequestQueue {
    /// Makes what serves a queue on `worker`.
    pub(crate) fn new(
        queue: Arc<dyn Virtqueue>,
        disk: Arc<Disk>,
        limits: Limits,
        worker: &Arc<Worker>,
    ) -> Result<Self> {
        Ok(Self {
            pipeline: Pipeline::new(disk.store.clone(), worker)?,
            means: Means {
                queue,
                disk,
                limits,
            },
            older: Round::new()?,
            newer: Round::new()?,
            used: KVec::with_capacity(PUBLISH, GFP_KERNEL)?,
        })
    }

    /// The device is started with these features.
    pub(crate) fn start(&mut self, negotiated: u64) {
        self.forget();
        self.means.limits.features = negotiated;
        self.means.disk.start();
    }

    /// Takes what is available, if there is a round for it, and returns how many requests that is.
    fn take(&mut self) -> Result<Option<usize>> {
        if !self.can_take() {
            return Ok(None);
        }
        let round = match self.older.is_empty() {
            true => &mut self.older,
            false => &mut self.newer,
        };
        round.take(&self.means).map(Some)
    }

    /// Whether there is a round for more. What was read ahead for one is used before the next one is taken.
    fn can_take(&self) -> bool {
        self.newer.is_empty() && self.older.is_begun()
    }

    /// Begins and ends transfers until all of them are under way, or as many as there is room for.
    ///
    /// Each turn begins a transfer or takes an end, of which two batches have a bounded number.
    fn run(&mut self, stop: &StopFlag) -> Result {
        loop {
            let has_begun = self.begin()?;
            let has_ended = self.end(stop)?;
            if stop.is_set() || !(has_begun || has_ended) {
                return Ok(());
            }
        }
    }

    /// Begins a transfer, if there is one and room for it.
    fn begin(&mut self) -> Result<bool> {
        Ok(self.older.begin(&self.means, &mut self.pipeline)?
            || self.newer.begin(&self.means, &mut self.pipeline)?)
    }

    /// Sees to what has ended, and answers; returns whether there was anything.
    fn end(&mut self, stop: &StopFlag) -> Result<bool> {
        let mut has_ended = false;
        while !stop.is_set() {
            match self.older.step(&self.means, &mut self.pipeline)? {
                Step::Nothing if self.newer.is_empty() => break,
                Step::Nothing => mem::swap(&mut self.older, &mut self.newer),
                Step::Wait => break,
                Step::Again => has_ended = true,
                Step::Answer => {
                    self.answer()?;
                    has_ended = true;
                }
            }
        }
        Ok(has_ended)
    }

    fn answer(&mut self) -> Result {
        if let Some((chain, request)) = self.older.answer() {
            let used = Execution::new(&self.means, &chain)?.answer(request)?;
            self.used.push_within_capacity(used)?;
        }
        if self.used.len() == PUBLISH {
            self.publish()?;
        }
        Ok(())
    }

    /// Nothing is available: looks for more, unless the end of a transfer may come, and asks for kicks.
    fn rest(&self) -> Result<bool> {
        let queue = &self.means.queue;
        Ok((self.pipeline.is_empty() && queue.poll()?) || queue.enable_notification()?)
    }

    fn publish(&mut self) -> Result {
        if !self.used.is_empty() {
            self.means.queue.push(&self.used)?;
            self.used.clear();
        }
        Ok(())
    }
}

impl Serve for RequestQueue {
    /// Answers what has ended, takes what is available, at most a batch, and begins with it; a stop waits for one request
    /// at most, besides for what is under way.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        self.means.queue.disable_notification()?;
        self.end(stop)?;
        self.publish()?;
        let taken = self.take()?;
        self.run(stop)?;
        self.publish()?;
        if stop.is_set() {
            return Ok(false);
        }
        match taken {
            Some(0) => self.rest(),
            // Where there is no round for more, the end of a transfer wakes the worker.
            _ => Ok(self.can_take()),
        }
    }

    fn settle(&mut self) {
        self.pipeline.wait();
    }

    fn forget(&mut self) {
        self.pipeline.clear();
        self.older.clear();
        self.newer.clear();
        self.used.clear();
    }
}
