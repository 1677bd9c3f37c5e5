//! Which patterns a value may match, asked before any of them is run.
//!
//! Each pattern has [`Trigger`]s, and a value in which none goes off cannot match. Literals of some length are found by
//! [`Grams`]; too many of them, as in a user's list of words, by an automaton (Aho–Corasick), whose time does not grow
//! with their number. Triggers with a short literal or none ask for the bytes that they need, and most values have none
//! of these.

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::{contiguous, noncontiguous};
use aho_corasick::{Anchored, MatchKind};

use super::candidates::Triggered;
use super::grams::Grams;
use super::rarity;
use super::triggers::Trigger;
use crate::request::Marks;

/// All triggers of all patterns.
pub(super) struct Prefilter {
    long: Long,
    short: Short,
}

/// Finds literals of some length.
enum Long {
    None,
    Grams(Grams),
    Automaton {
        automaton: Box<contiguous::NFA>,
        /// What else the n-th literal needs, its [`Trigger::mark`], and whose it is.
        triggers: Vec<(Box<[Marks]>, Marks, u32)>,
    },
}

/// Triggers that are looked for one by one, because their literals are too short for anything else or have a byte so
/// rare that this is cheaper.
struct Short {
    /// A value that has none of these sets off none of them.
    gate: Marks,
    /// For each kind of byte the triggers for which a value with such a byte is looked at.
    by_kind: Vec<Vec<One>>,
}

/// A trigger that is looked for by itself.
#[derive(Clone)]
struct One {
    needs: Box<[Marks]>,
    literal: Box<[u8]>,
    /// The place of the literal's rarest byte.
    rarest: usize,
    /// See [`Trigger::mark`].
    mark: Marks,
    owner: u32,
}

/// From this size of all literals together on, an automaton finds them.
const MOST_GRAM_BYTES: usize = 64 << 10;

/// Units of work for each byte that the automaton reads, for each place at which a single literal is looked for, and for how
/// many bytes among which there is no such place.
const FOR_EACH_STATE: usize = 8;
const FOR_EACH_PLACE: usize = 4;
const BYTES_FOR_ONE: usize = 16;

impl Prefilter {
    /// Triggers, each belonging to an owner. A trigger without literal and needs is none: its owner is always to be run.
    ///
    /// # Errors
    /// When the literals are too many for one automaton.
    pub(super) fn new(triggers: &[(Trigger, u32)]) -> Result<Self, String> {
        let (long, short): (Vec<_>, Vec<_>) =
            triggers.iter().partition(|(trigger, _)| trigger.is_long());
        Ok(Self {
            long: Long::new(&long)?,
            short: Short::new(&short),
        })
    }

    /// Tells of each trigger that goes off in `text`, and how much work that was.
    pub(super) fn find(&self, text: &[u8], marks: Marks, owners: &mut impl Triggered) -> usize {
        let of_short = self.short.find(text, marks, owners);
        let of_long = match &self.long {
            Long::None => 0,
            Long::Grams(grams) => grams.find(text, marks, owners),
            Long::Automaton {
                automaton,
                triggers,
            } => {
                walk(automaton, triggers, text, marks, owners);
                FOR_EACH_STATE * text.len()
            }
        };
        of_short + of_long
    }
}

fn walk(
    automaton: &contiguous::NFA,
    triggers: &[(Box<[Marks]>, Marks, u32)],
    text: &[u8],
    marks: Marks,
    owners: &mut impl Triggered,
) {
    let Ok(mut state) = automaton.start_state(Anchored::No) else {
        // Cannot be, since the automaton is built for just this. If it were, no pattern may be missed.
        return triggers
            .iter()
            .for_each(|(_, mark, owner)| owners.add(*owner, *mark));
    };
    // State by state instead of match by match, so that literals inside others count as well.
    for &byte in text {
        state = automaton.next_state(Anchored::No, state, byte);
        if !automaton.is_special(state) || !automaton.is_match(state) {
            continue;
        }
        for index in 0..automaton.match_len(state) {
            let literal = automaton.match_pattern(state, index).as_usize();
            if let Some((needs, mark, owner)) = triggers.get(literal)
                && needs.iter().all(|need| need.meets(marks))
            {
                owners.add(*owner, *mark);
            }
        }
    }
}

// === impl Long ===

impl Long {
    fn new(triggers: &[&(Trigger, u32)]) -> Result<Self, String> {
        let bytes: usize = triggers
            .iter()
            .map(|(trigger, _)| trigger.literal.len())
            .sum();
        if bytes == 0 {
            return Ok(Self::None);
        }
        if bytes <= MOST_GRAM_BYTES {
            let triggers = triggers.iter().map(|(trigger, owner)| (trigger, *owner));
            return Ok(Self::Grams(Grams::new(triggers)));
        }
        let nfa = noncontiguous::Builder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(triggers.iter().map(|(trigger, _)| &trigger.literal))
            .map_err(|error| error.to_string())?;
        let automaton = contiguous::Builder::new()
            .build_from_noncontiguous(&nfa)
            .map_err(|error| error.to_string())?;
        Ok(Self::Automaton {
            automaton: Box::new(automaton),
            triggers: triggers
                .iter()
                .map(|(trigger, owner)| (trigger.needs.as_slice().into(), trigger.mark(), *owner))
                .collect(),
        })
    }
}

// === impl Short ===

impl Short {
    fn new(triggers: &[&(Trigger, u32)]) -> Self {
        let mut short = Self {
            gate: Marks::default(),
            by_kind: vec![Vec::new(); Marks::KINDS],
        };
        for (trigger, owner) in triggers {
            let (rarest, needs) = match trigger.needs.as_slice() {
                [rarest, needs @ ..] => (*rarest, needs),
                // Looked for in any text that is not empty.
                [] => (Marks::ANY, &[][..]),
            };
            short.gate = short.gate.or(rarest);
            for kind in rarest.kinds() {
                if let Some(list) = short.by_kind.get_mut(kind) {
                    list.push(One::new(trigger, needs, *owner));
                }
            }
        }
        short
    }

    fn find(&self, text: &[u8], marks: Marks, owners: &mut impl Triggered) -> usize {
        let mut work = 0;
        let pairs = (text.len() >= LONG).then(|| {
            work += FOR_EACH_PAIR * text.len();
            Pairs::of(text)
        });
        for kind in marks.and(self.gate).kinds() {
            for one in self.by_kind.get(kind).into_iter().flatten() {
                if one.needs.iter().all(|need| need.meets(marks))
                    && owners.wants(one.owner, one.mark)
                    && one.is_in(text, pairs.as_ref(), &mut work)
                {
                    owners.add(one.owner, one.mark);
                }
            }
        }
        work
    }
}

/// From how many bytes on it is noted which pairs of bytes a text has, before single literals are looked for.
pub(super) const LONG: usize = 4 << 10;

/// Units of work for each byte of that.
const FOR_EACH_PAIR: usize = 1;

/// Which two bytes stand side by side in a text, in ASCII lower case: a text of some length is full of places where a
/// single literal could begin, and this is one look at each instead of one for each literal.
struct Pairs([u64; 1 << 10]);

impl Pairs {
    fn of(text: &[u8]) -> Self {
        let mut pairs = Self([0; 1 << 10]);
        for [first, second] in text.array_windows() {
            let pair = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
            let (word, bit) = Self::place(pair);
            if let Some(word) = pairs.0.get_mut(word) {
                *word |= bit;
            }
        }
        pairs
    }

    /// The word and the bit of a pair.
    const fn place([first, second]: [u8; 2]) -> (usize, u64) {
        let index = (first as usize) << 8 | second as usize;
        (index >> 6, 1 << (index & 63))
    }

    fn has(&self, pair: [u8; 2]) -> bool {
        let (word, bit) = Self::place(pair);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl One {
    fn new(trigger: &Trigger, needs: &[Marks], owner: u32) -> Self {
        let shares = trigger.literal.iter().map(|&byte| rarity::of_byte(byte));
        let rarest = shares.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        Self {
            needs: needs.into(),
            literal: trigger.literal.as_slice().into(),
            rarest: rarest.map_or(0, |(at, _)| at),
            mark: trigger.mark(),
            owner,
        }
    }

    /// Whether the literal occurs. A single byte does, because it is among the needs or nearly everywhere.
    fn is_in(&self, text: &[u8], pairs: Option<&Pairs>, work: &mut usize) -> bool {
        let Some(&byte) = self.literal.get(self.rarest) else {
            return true;
        };
        if self.literal.len() == 1 {
            return true;
        }
        if let Some(pairs) = pairs {
            let mut all = self.literal.array_windows();
            if !all.all(|pair| pairs.has(*pair)) {
                return false;
            }
            if self.literal.len() == 2 {
                return true;
            }
        }
        *work += text.len() / BYTES_FOR_ONE;
        let is_here = |at: usize| {
            *work += FOR_EACH_PLACE;
            let start = at.checked_sub(self.rarest);
            let found = start.and_then(|start| text.get(start..start + self.literal.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(&self.literal))
        };
        if byte.is_ascii_lowercase() {
            memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), text).any(is_here)
        } else {
            memchr::memchr_iter(byte, text).any(is_here)
        }
    }
}
