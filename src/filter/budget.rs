//! What the searches on one line may cost together.

use super::backtrack::Machine;
use super::haystack::Text;
use super::pyregex::{Pattern, TooCostly, refill};

/// The searches on one line: all take from the same steps. The first for which too few are left is given up, and with it
/// all that follow.
#[derive(Debug)]
pub struct Costly {
    machine: Box<Machine>,
    given_up: Option<GivenUp>,
}

/// The kind of the expression, and its number from 0.
type GivenUp = (&'static str, usize);

impl Costly {
    /// With all the steps that this text is given.
    pub fn new(mut machine: Box<Machine>, text: &str) -> Costly {
        refill(&mut machine, text);
        Costly { machine, given_up: None }
    }

    /// The machine, for the next line, and what was given up first.
    pub fn end(self) -> (Box<Machine>, Option<GivenUp>) {
        (self.machine, self.given_up)
    }

    /// Whether an expression matches; one that is given up does not.
    pub fn matches(&mut self, kind: &'static str, number: usize, pattern: &Pattern, text: Text<'_>) -> bool {
        self.settle(kind, number, |machine| Ok(pattern.is_match_within(text, machine)?.then_some(()))).is_some()
    }

    /// What a search finds; nothing if it is given up.
    pub fn settle<T>(
        &mut self,
        kind: &'static str,
        number: usize,
        search: impl FnOnce(&mut Machine) -> Result<Option<T>, TooCostly>,
    ) -> Option<T> {
        search(&mut self.machine).unwrap_or_else(|TooCostly| {
            self.given_up.get_or_insert((kind, number));
            None
        })
    }
}
