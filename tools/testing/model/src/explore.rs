// SPDX-License-Identifier: GPL-2.0

//! Runs a model to its end, or finds the shortest way to a violation.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::property::Property;

/// A model whose states know what they violate, and whose ways can be told.
pub trait Told:
    Model<State: Clone + Debug + Hash + PartialEq, Action: Copy + Debug + PartialEq>
{
    /// The property that a state violates.
    fn violated(state: &Self::State) -> Option<Property>;

    /// One line on what happened between two states.
    fn tell(&self, before: &Self::State, action: Self::Action, after: &Self::State) -> String;
}

/// What an exploration saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// States generated, those seen before included.
    pub generated: usize,
    pub distinct: usize,
    /// The longest of the shortest ways.
    pub depth: usize,
    pub took: Duration,
    /// Whether no state violates a property.
    pub is_good: bool,
}

/// Explores all states; calls `progress` from time to time.
pub fn all<M>(model: M, threads: usize, mut progress: impl FnMut(Figures)) -> Figures
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send,
{
    const PERIOD: Duration = Duration::from_millis(500);
    let begun = Instant::now();
    let mut checker = model
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs();
    let handles = checker.handles();
    let figures = |is_good| Figures {
        generated: checker.state_count(),
        distinct: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        is_good,
    };
    while handles.iter().any(|handle| !handle.is_finished()) {
        std::thread::sleep(PERIOD.min(begun.elapsed() / 4));
        progress(figures(true));
    }
    // A thread that panicked explored nothing.
    let is_whole = handles.into_iter().all(|handle| handle.join().is_ok());
    figures(is_whole && checker.discoveries().is_empty())
}

/// A way to a violation.
pub struct Counterexample {
    pub violated: Property,
    /// What happens, in order.
    pub steps: Vec<String>,
}

/// Finds the shortest way to a state that violates a property; `None`: there is no such state.
pub fn shortest<M: Told>(model: &M) -> Option<Counterexample> {
    let mut seen = HashSet::new();
    let mut ways: Vec<(usize, Option<M::Action>)> = Vec::new();
    let mut pending = VecDeque::new();
    for state in model.init_states() {
        seen.insert(fingerprint(&state));
        pending.push_back((state, ways.len()));
        ways.push((usize::MAX, None));
    }
    let mut actions = Vec::new();
    while let Some((state, at)) = pending.pop_front() {
        if let Some(violated) = M::violated(&state) {
            let steps = tell(model, &ways, at);
            return Some(Counterexample { violated, steps });
        }
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let next = model.next_state(&state, action);
            let Some(next) = next.filter(|next| seen.insert(fingerprint(next))) else {
                continue;
            };
            pending.push_back((next, ways.len()));
            ways.push((at, Some(action)));
        }
    }
    None
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Goes the way to state number `at` again, and tells of each step.
fn tell<M: Told>(model: &M, ways: &[(usize, Option<M::Action>)], at: usize) -> Vec<String> {
    let mut actions = Vec::new();
    let mut way = ways.get(at);
    while let Some((before, Some(action))) = way {
        actions.push(*action);
        way = ways.get(*before);
    }
    let mut states = model.init_states();
    let mut steps = Vec::new();
    for action in actions.into_iter().rev() {
        let Some(before) = states.pop() else { break };
        states.clear();
        if let Some(after) = model.next_state(&before, action) {
            steps.push(model.tell(&before, action, &after));
            states.push(after);
        }
    }
    steps
}
