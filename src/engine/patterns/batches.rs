//! Several expressions asked at once whether any of them is in a long text.
//!
//! A long text sets off most triggers somewhere, and then each expression reads all of it, nearly always in vain. So some
//! of them together are one automaton, a batch, that only says whether any matches. Where none does, the text was read once
//! instead of once for each. The automaton is made while it runs, as those of single expressions are; where that would take
//! too much room the batch stands open, and each expression is run as if there were none.

use std::panic::{RefUnwindSafe, UnwindSafe};

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_syntax::hir::Hir;

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// All batches of a set.
#[derive(Default)]
pub(super) struct Batches {
    batches: Vec<Batch>,
    /// The batch of each search.
    of_search: Vec<Option<usize>>,
}

/// Some expressions.
struct Batch {
    automaton: DFA,
    caches: Pool<Cache, NewCache>,
    /// Their searches.
    members: Vec<usize>,
}

/// From how many bytes on a text is worth asking a batch first.
pub(super) const LONG: usize = 2 << 10;

/// How many expressions are behind one batch. More of them would be found less often to be in no text.
const MEMBERS: usize = 8;

/// The room for the states of a batch, for each thread that judges.
const ROOM: usize = 2 << 20;

/// How large the expressions of a batch may be.
const LARGEST: usize = 4 << 20;

impl Batches {
    /// Batches for the searches that have an expression.
    pub(super) fn new(expressions: &[Option<Hir>]) -> Self {
        let mut batches = Self {
            batches: Vec::new(),
            of_search: vec![None; expressions.len()],
        };
        let all: Vec<(usize, &Hir)> = expressions
            .iter()
            .enumerate()
            .filter_map(|(search, hir)| Some((search, hir.as_ref()?)))
            .collect();
        for members in all.chunks(MEMBERS) {
            let Some(batch) = Batch::new(members) else {
                continue;
            };
            for search in &batch.members {
                if let Some(of_search) = batches.of_search.get_mut(*search) {
                    *of_search = Some(batches.batches.len());
                }
            }
            batches.batches.push(batch);
        }
        batches
    }

    /// The batch of a search, if there is one.
    pub(super) fn of(&self, search: usize) -> Option<usize> {
        self.of_search.get(search).copied().flatten()
    }

    /// The searches behind a batch.
    pub(super) fn members(&self, batch: usize) -> &[usize] {
        self.batches.get(batch).map_or(&[], |batch| &batch.members)
    }

    /// Whether some expression behind a batch may match.
    pub(super) fn is_open(&self, batch: usize, text: &[u8]) -> bool {
        self.batches
            .get(batch)
            .is_none_or(|batch| batch.is_open(text))
    }
}

impl Batch {
    fn new(members: &[(usize, &Hir)]) -> Option<Self> {
        if members.len() < 2 {
            return None;
        }
        let any = Hir::alternation(members.iter().map(|(_, hir)| (*hir).clone()).collect());
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(LARGEST))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build_from_hir(&any)
            .ok()?;
        // It must be cheaper to give up than to go on.
        let config = DFA::config()
            .cache_capacity(ROOM)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(2))
            .minimum_bytes_per_state(Some(32))
            .unicode_word_boundary(true);
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let of = automaton.clone();
        Some(Self {
            caches: Pool::new(Box::new(move || of.create_cache())),
            automaton,
            members: members.iter().map(|(search, _)| *search).collect(),
        })
    }

    fn is_open(&self, text: &[u8]) -> bool {
        let mut cache = self.caches.get();
        let input = Input::new(text).earliest(true);
        let found = self.automaton.try_search_fwd(&mut cache, &input);
        !matches!(found, Ok(None))
    }
}
