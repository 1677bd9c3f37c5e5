//! Counts of requests, and the rates that they make.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::cli::recorded::Label;

/// How many requests of a kind were judged, and how many of them rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) right: usize,
    pub(super) all: usize,
}

/// The rates of the requests of one label, overall and by what their recording says of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Rates {
    pub(super) overall: Rate,
    /// The mean of the rates of the categories, in which a small one counts as much as a large one.
    pub(super) balanced: Option<f64>,
    pub(super) by_category: BTreeMap<String, Rate>,
    pub(super) by_source: BTreeMap<String, Rate>,
    pub(super) by_placement: BTreeMap<String, Rate>,
}

/// In how many requests a rule found something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct RuleCount {
    /// Attacks that were refused.
    pub(super) hits: usize,
    /// Legitimate requests that were refused.
    pub(super) false_alarms: usize,
    /// Requests of either kind that passed, since what was found weighed too little.
    pub(super) passed: usize,
}

impl Rate {
    pub(super) fn add(&mut self, is_right: bool) {
        self.right += usize::from(is_right);
        self.all += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.right += other.right;
        self.all += other.all;
    }

    /// From 0 to 1; `None` where nothing was judged.
    pub(super) fn fraction(self) -> Option<f64> {
        (self.all > 0).then(|| self.right as f64 / self.all as f64)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            rate: Option<f64>,
            right: usize,
            all: usize,
        }
        let shown = Shown {
            rate: self.fraction(),
            right: self.right,
            all: self.all,
        };
        shown.serialize(serializer)
    }
}

impl Rates {
    pub(super) fn add(&mut self, is_right: bool, category: &str, source: &str, placement: &str) {
        self.overall.add(is_right);
        for (rates, name) in [
            (&mut self.by_category, category),
            (&mut self.by_source, source),
            (&mut self.by_placement, placement),
        ] {
            match rates.get_mut(name) {
                Some(rate) => rate.add(is_right),
                None => rates.entry(name.to_owned()).or_default().add(is_right),
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.overall.merge(other.overall);
        for (ours, theirs) in [
            (&mut self.by_category, other.by_category),
            (&mut self.by_source, other.by_source),
            (&mut self.by_placement, other.by_placement),
        ] {
            for (name, rate) in theirs {
                ours.entry(name).or_default().merge(rate);
            }
        }
    }

    /// Works out what can be only once all is counted.
    pub(super) fn finish(&mut self) {
        let rates: Vec<f64> = self
            .by_category
            .values()
            .filter_map(|rate| rate.fraction())
            .collect();
        self.balanced = (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64);
    }
}

impl RuleCount {
    pub(super) fn add(&mut self, label: Label, is_refused: bool) {
        match (label, is_refused) {
            (Label::Malicious, true) => self.hits += 1,
            (Label::Legit, true) => self.false_alarms += 1,
            (_, false) => self.passed += 1,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
        self.passed += other.passed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_over_categories_weighs_a_small_one_as_much_as_a_large_one() {
        let mut rates = Rates::default();
        for _ in 0..9 {
            rates.add(true, "large", "s", "query");
        }
        rates.add(false, "small", "s", "body");
        let mut all = Rates::default();
        all.merge(rates);
        all.finish();
        assert_eq!(all.overall, Rate { right: 9, all: 10 });
        assert_eq!(all.balanced, Some(0.5));
        assert_eq!(all.by_source.get("s"), Some(&Rate { right: 9, all: 10 }));
        assert_eq!(all.by_placement.len(), 2);
        let mut none = Rates::default();
        none.finish();
        assert_eq!((none.balanced, none.overall.fraction()), (None, None));
    }
}
