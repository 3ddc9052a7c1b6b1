//! Which types of events a reader wants.

use super::EventError;

/// Most patterns of a filter.
const PATTERNS_MAX: usize = 100;
/// Longest pattern.
const PATTERN_LENGTH_MAX: usize = 200;

/// Patterns of event types: `ledger.payment.approved`, or `ledger.payment.*` for all that start so.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    exact: Vec<String>,
    prefixes: Vec<String>,
}

impl Filter {
    /// Reads the patterns; none of them: every type passes.
    pub(super) fn parse(field: &'static str, patterns: &[String]) -> Result<Self, EventError> {
        let refuse = |what: String| Err(EventError::Field { field, what });
        if patterns.len() > PATTERNS_MAX {
            return refuse(format!("at most {PATTERNS_MAX} types"));
        }
        let mut filter = Self::default();
        for pattern in patterns {
            let stem = pattern.strip_suffix(".*").unwrap_or(pattern);
            let proper = !stem.is_empty()
                && stem.len() <= PATTERN_LENGTH_MAX
                && stem
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'_');
            if !proper {
                return refuse(
                    "a type is lower case words and dots, with `.*` at its end for all that start so".into(),
                );
            }
            match pattern.strip_suffix('*') {
                Some(prefix) => filter.prefixes.push(prefix.to_owned()),
                None => filter.exact.push(pattern.clone()),
            }
        }
        Ok(filter)
    }

    pub(super) fn passes(&self, event_type: &str) -> bool {
        (self.exact.is_empty() && self.prefixes.is_empty())
            || self.exact.iter().any(|exact| exact == event_type)
            || self.prefixes.iter().any(|prefix| event_type.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(patterns: &[&str]) -> Result<Filter, EventError> {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Filter::parse("types", &patterns)
    }

    #[test]
    fn a_star_stands_for_a_whole_word_at_the_end() {
        let some = filter(&["ledger.payment.*", "ledger.account.opened"]).unwrap();
        for (event_type, passes) in [
            ("ledger.payment.approved", true),
            ("ledger.payments.approved", false),
            ("ledger.payment", false),
            ("ledger.account.opened", true),
            ("ledger.account.opened_again", false),
        ] {
            assert_eq!(some.passes(event_type), passes, "{event_type}");
        }
        assert!(filter(&[]).unwrap().passes("anything.at_all"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "*", ".*", "a*", "a.*.b", "A.b", "a b"] {
            assert!(filter(&[bad]).is_err(), "{bad}");
        }
        assert!(filter(&["a.b"; PATTERNS_MAX + 1]).is_err());
    }
}
