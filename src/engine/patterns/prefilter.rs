//! The automaton that finds all literals of all patterns in one walk over a value.
//!
//! It is walked state by state instead of match by match: nothing is asked about a match but whose literal it is, and
//! literals inside others count as well.

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::{contiguous, noncontiguous};
use aho_corasick::{Anchored, MatchKind, StartKind, dfa};

/// Literals, each belonging to a pattern.
#[derive(Debug)]
pub(super) struct Prefilter {
    automaton: Either,
    /// The pattern that the n-th literal belongs to.
    owners: Vec<u32>,
}

/// The fastest automaton while it stays small, the smallest one beyond.
#[derive(Debug)]
enum Either {
    Dfa(Box<dfa::DFA>),
    Nfa(Box<contiguous::NFA>),
}

/// Up to this size of all literals together the automaton is a DFA.
const DFA_LITERAL_BYTES: usize = 16 << 10;

impl Prefilter {
    /// The automaton of these literals in ASCII lower case; each belongs to the owner at its position.
    ///
    /// # Errors
    /// When they are too many for one automaton.
    pub(super) fn new(literals: &[Vec<u8>], owners: Vec<u32>) -> Result<Self, String> {
        let bytes: usize = literals.iter().map(Vec::len).sum();
        let nfa = noncontiguous::Builder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(literals)
            .map_err(|error| error.to_string())?;
        let automaton = if bytes <= DFA_LITERAL_BYTES {
            dfa::Builder::new()
                .start_kind(StartKind::Unanchored)
                .build_from_noncontiguous(&nfa)
                .map(|dfa| Either::Dfa(Box::new(dfa)))
        } else {
            contiguous::Builder::new()
                .build_from_noncontiguous(&nfa)
                .map(|nfa| Either::Nfa(Box::new(nfa)))
        };
        Ok(Self {
            automaton: automaton.map_err(|error| error.to_string())?,
            owners,
        })
    }

    /// Calls `owner` with the owner of each literal that occurs in `text`, once for each occurrence or more rarely.
    pub(super) fn seen(&self, text: &[u8], owner: impl FnMut(u32)) {
        match &self.automaton {
            Either::Dfa(dfa) => self.walk(&**dfa, text, owner),
            Either::Nfa(nfa) => self.walk(&**nfa, text, owner),
        }
    }

    fn walk(&self, automaton: &impl Automaton, text: &[u8], mut owner: impl FnMut(u32)) {
        let Ok(mut state) = automaton.start_state(Anchored::No) else {
            // Cannot be, since the automaton is built for just this. If it were, no pattern may be missed.
            self.owners.iter().copied().for_each(owner);
            return;
        };
        for &byte in text {
            state = automaton.next_state(Anchored::No, state, byte);
            if !automaton.is_special(state) || !automaton.is_match(state) {
                continue;
            }
            for index in 0..automaton.match_len(state) {
                let literal = automaton.match_pattern(state, index).as_usize();
                if let Some(&pattern) = self.owners.get(literal) {
                    owner(pattern);
                }
            }
        }
    }
}
