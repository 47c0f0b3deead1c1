//! Comparisons of durations: `"> 2h"`, `"<= 30s"`.

use std::time::Duration;

use crate::event::duration;

/// A compiled comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison {
    relation: Relation,
    than: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    /// Reads a relation and a duration; the error is a sentence.
    pub fn parse(text: &str) -> Result<Comparison, String> {
        // The longer signs first: `<` opens `<=` too.
        let signs = [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Less), (">", Relation::More)];
        let text = text.trim();
        let (relation, rest) = signs
            .into_iter()
            .find_map(|(sign, relation)| Some((relation, text.strip_prefix(sign)?)))
            .ok_or_else(|| format!("{text:?} does not compare: begin with <, <=, > or >=, as in \"> 2h\""))?;
        Ok(Comparison { relation, than: duration::parse(rest)? })
    }

    /// Whether it holds for every duration there is.
    pub fn always_holds(self) -> bool {
        self.relation == Relation::AtLeast && self.than.is_zero()
    }

    /// Whether it holds for no duration.
    pub fn never_holds(self) -> bool {
        self.relation == Relation::Less && self.than.is_zero()
    }

    /// Whether every duration for which this holds fulfils `other`.
    pub fn implies(self, other: Comparison) -> bool {
        use Relation::{AtLeast, AtMost, Less, More};
        match (self.relation, other.relation) {
            (Less, Less | AtMost) | (AtMost, AtMost) => self.than <= other.than,
            (AtMost, Less) => self.than < other.than,
            (More, More | AtLeast) | (AtLeast, AtLeast) => self.than >= other.than,
            (AtLeast, More) => self.than > other.than,
            (Less | AtMost, More | AtLeast) | (More | AtLeast, Less | AtMost) => false,
        }
    }

    /// Whether no duration fulfils both.
    pub fn excludes(self, other: Comparison) -> bool {
        self.implies(other.opposite())
    }

    fn opposite(self) -> Comparison {
        let relation = match self.relation {
            Relation::Less => Relation::AtLeast,
            Relation::AtMost => Relation::More,
            Relation::More => Relation::AtMost,
            Relation::AtLeast => Relation::Less,
        };
        Comparison { relation, ..self }
    }

    pub fn holds(self, duration: Duration) -> bool {
        match self.relation {
            Relation::Less => duration < self.than,
            Relation::AtMost => duration <= self.than,
            Relation::More => duration > self.than,
            Relation::AtLeast => duration >= self.than,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_compare() {
        for (text, below, equal, above) in [
            ("< 30s", true, false, false),
            ("<= 30s", true, true, false),
            (">30s", false, false, true),
            (" >=  30 s ", false, true, true),
        ] {
            let comparison = Comparison::parse(text).expect(text);
            let held = [29_999, 30_000, 30_001].map(|ms| comparison.holds(Duration::from_millis(ms)));
            assert_eq!(held, [below, equal, above], "{text}");
        }
    }

    #[test]
    fn what_does_not_compare_says_how() {
        for (text, said) in
            [("2h", "begin with <"), ("= 2h", "begin with <"), ("> 2 hours", "30s, 15m"), (">", "30s, 15m")]
        {
            assert!(Comparison::parse(text).expect_err(text).contains(said), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_implied_holds(signs in prop::array::uniform2(0..4_usize), than in prop::array::uniform2(0..4_u64), seconds in 0..5_u64) {
            let read = |n: usize| Comparison::parse(&format!("{}{}s", ["<", "<=", ">", ">="][signs[n]], than[n])).expect("reads");
            let (this, other) = (read(0), read(1));
            let held = |comparison: Comparison| comparison.holds(Duration::from_secs(seconds));
            prop_assert!(!this.implies(other) || !held(this) || held(other));
            prop_assert!(!this.excludes(other) || !held(this) || !held(other));
            prop_assert!(!this.always_holds() || held(this));
            prop_assert!(!this.never_holds() || !held(this));
        }
    }
}
