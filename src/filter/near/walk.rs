//! All ways of an expression through a text at once, character by character, in a bounded number of steps.

use super::track::{Kind, Track, holds};

/// The furthest point that an expression reached in a text.
pub struct Furthest {
    /// Pieces that had matched.
    pub rank: usize,
    /// Where in the text.
    pub at: usize,
    /// It might have gone on anywhere behind.
    pub anywhere: bool,
    /// Pieces that had matched and that every match has.
    sure: usize,
    /// The steps that would have had to be taken there; none if all of it matched.
    steps: Vec<usize>,
}

impl Furthest {
    /// Whether the line nearly matched, see [`super`].
    pub fn is_near(&self, track: &Track) -> bool {
        let half = self.sure > 0 && self.sure * 2 >= track.least;
        half || track.phrase.is_some_and(|end| self.rank >= end)
    }

    /// What would have had to come, for a person.
    pub fn expected(&self, track: &Track) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for text in self.steps.iter().map(|step| track.says(*step)) {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        said
    }
}

impl Track {
    /// Follows the expression from every place of `text`.
    pub fn furthest(&self, text: &str) -> Furthest {
        let count = self.steps.len();
        let (seen, places) = (vec![0; count], vec![None; count]);
        let mut walk = Walk { track: self, text, seen, round: 1, left: STEPS, rank: 0, top: Vec::new(), places };
        let (mut live, mut next) = (Vec::new(), Vec::new());
        let ends = text.char_indices().map(|(at, c)| (at, Some(c))).chain([(text.len(), None)]);
        for (at, c) in ends {
            walk.enter(self.start, at, &mut live);
            let Some(c) = c.filter(|_| walk.left > 0 && !walk.done()) else { break };
            walk.round += 1;
            for step in live.drain(..) {
                if let Kind::Char(set, then) = &self.steps[step].kind
                    && set.contains(c)
                {
                    walk.enter(*then, at + c.len_utf8(), &mut next);
                }
            }
            std::mem::swap(&mut live, &mut next);
        }
        walk.finish()
    }
}

/// All ways of an expression through a text.
struct Walk<'a> {
    track: &'a Track,
    text: &'a str,
    /// In which round a step was entered last.
    seen: Vec<usize>,
    round: usize,
    left: usize,
    /// The highest rank so far.
    rank: usize,
    /// The steps of that rank.
    top: Vec<usize>,
    /// The first and the last place where those were entered.
    places: Vec<Option<(usize, usize)>>,
}

impl Walk<'_> {
    /// Stands before `step` at a place, and before whatever can be reached from there without a character.
    fn enter(&mut self, step: usize, at: usize, live: &mut Vec<usize>) {
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            if std::mem::replace(&mut self.seen[step], self.round) == self.round {
                continue;
            }
            self.left = self.left.saturating_sub(1);
            match &self.track.steps[step].kind {
                Kind::Fork(ways) => open.extend(ways),
                Kind::Char(..) => {
                    self.reached(step, at);
                    live.push(step);
                }
                Kind::Look(look, then) => {
                    self.reached(step, at);
                    if holds(*look, self.text, at) {
                        open.push(*then);
                    }
                }
                Kind::End => self.reached(step, at),
            }
        }
    }

    fn reached(&mut self, step: usize, at: usize) {
        let rank = self.track.steps[step].rank;
        if rank > self.rank {
            self.rank = rank;
            self.top.drain(..).for_each(|step| self.places[step] = None);
        }
        if rank == self.rank {
            match &mut self.places[step] {
                Some((_, last)) => *last = at,
                none => {
                    *none = Some((at, at));
                    self.top.push(step);
                }
            }
        }
    }

    /// Whether all of the expression matched.
    fn done(&self) -> bool {
        self.places[Track::END].is_some()
    }

    fn finish(self) -> Furthest {
        let place = |step: &usize| {
            let (first, last) = self.places[*step].unwrap_or_default();
            if self.track.steps[*step].roams { first } else { last }
        };
        let at = self.top.iter().map(place).max().unwrap_or(0);
        let mut steps: Vec<usize> = self.top.iter().copied().filter(|step| place(step) == at).collect();
        // The steps were made from the last one to the first.
        steps.sort_unstable_by(|a, b| b.cmp(a));
        let sure = steps.iter().map(|step| self.track.steps[*step].sure).max().unwrap_or(0);
        let anywhere = steps.iter().any(|step| self.track.steps[*step].roams);
        if self.done() {
            steps.clear();
        }
        Furthest { rank: self.rank, sure, at, steps, anywhere }
    }
}

/// Steps that are taken through one text, at most; some hundredths of a second.
const STEPS: usize = 500_000;
