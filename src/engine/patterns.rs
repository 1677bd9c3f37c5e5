//! Many patterns over one value: one automaton over required literals first, then the regular expressions whose
//! literals were seen.
