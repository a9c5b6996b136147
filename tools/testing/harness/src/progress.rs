// SPDX-License-Identifier: GPL-2.0
//! What the user sees while something takes long: a spinner on a terminal, a line now and then
//! elsewhere.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Redraw interval of the spinner.
const TICK: Duration = Duration::from_millis(200);

/// How often a line says that a step still runs, where there is no spinner.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Prints lines and shows the present step between them.
pub struct Progress {
    bar: ProgressBar,
    step: Arc<Mutex<Step>>,
    // Its end tells the thread that prints lines to stop.
    _stop: Sender<()>,
}

struct Step {
    what: String,
    since: Instant,
}

impl Progress {
    /// Starts to show.
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(TICK);
        let step = Arc::new(Mutex::new(Step {
            what: String::new(),
            since: Instant::now(),
        }));
        let (stop, stopped) = mpsc::channel();
        if bar.is_hidden() {
            let step = step.clone();
            thread::spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LINE_EVERY) {
                    let step = step.lock().unwrap_or_else(PoisonError::into_inner);
                    if step.since.elapsed() >= LINE_EVERY {
                        println!("# ... {}: {} s", step.what, step.since.elapsed().as_secs());
                    }
                }
            });
        }
        Self {
            bar,
            step,
            _stop: stop,
        }
    }

    /// Names what is done from now on.
    pub fn step(&self, what: &str) {
        self.bar.reset_elapsed();
        self.bar.set_message(what.to_owned());
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        *step = Step {
            what: what.to_owned(),
            since: Instant::now(),
        };
    }

    /// Prints a line that stays.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
