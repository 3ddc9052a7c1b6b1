//! The automatic checks of an application: each has a stable name, an outcome, and an explanation for the reviewer
//! that holds nothing personal. None of them decides; a reviewer does.

use jiff::civil::Date;

use super::applicant::{Applicant, age};
use super::document::DocumentKind;
use crate::customer::named_states;
use crate::screening::Screened;

named_states! {
    /// What a check found.
    CheckOutcome {
        /// Nothing against the customer.
        Passed = "PASSED",
        /// A person must look at it.
        Review = "REVIEW",
        /// It speaks against the customer.
        Failed = "FAILED",
    }
}

/// One check and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name.
    pub name: String,
    /// Outcome.
    pub outcome: CheckOutcome,
    /// Explanation for the reviewer.
    pub detail: String,
}

impl Check {
    fn new(name: &str, outcome: CheckOutcome, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), outcome, detail: detail.into() }
    }
}

/// What the checks look at.
pub struct Evidence<'a> {
    /// What the applicant states; its parsing was the first check.
    pub applicant: &'a Applicant,
    /// Least age in full years.
    pub years_min: u8,
    /// The day where the issuer is.
    pub today: Date,
    /// Kinds of the documents there are.
    pub documents: &'a [DocumentKind],
    /// Other customers who applied with the same ID number.
    pub same_id_number: i64,
    /// Other customers who handed in one of these very images.
    pub same_image: i64,
    /// What the screening found.
    pub screened: &'a Screened,
}

/// Runs all checks.
pub fn run(evidence: &Evidence<'_>) -> Vec<Check> {
    vec![
        id_number(),
        birth_date(evidence),
        adult(evidence),
        duplicate(evidence),
        documents(evidence),
        screening(evidence),
    ]
}

/// The type [`Applicant`] cannot hold a number that does not pass; the reviewer still wants to see that it did.
fn id_number() -> Check {
    Check::new(
        "id_number_checksum",
        CheckOutcome::Passed,
        "region, date and check character of the number hold together",
    )
}

fn birth_date(evidence: &Evidence<'_>) -> Check {
    let agree = evidence.applicant.birth_date == evidence.applicant.id_number.birth_date();
    let name = "id_number_birth_date";
    if agree {
        Check::new(name, CheckOutcome::Passed, "the number holds the stated birth date")
    } else {
        Check::new(name, CheckOutcome::Failed, "the number holds another birth date than the stated one")
    }
}

fn adult(evidence: &Evidence<'_>) -> Check {
    let years = age(evidence.applicant.birth_date, evidence.today);
    let least = evidence.years_min;
    if years >= i16::from(least) {
        Check::new("age", CheckOutcome::Passed, format!("{least} years or older"))
    } else {
        Check::new("age", CheckOutcome::Failed, format!("younger than {least} years"))
    }
}

fn duplicate(evidence: &Evidence<'_>) -> Check {
    let name = "duplicate";
    match (evidence.same_id_number, evidence.same_image) {
        (0, 0) => Check::new(name, CheckOutcome::Passed, "no other customer has this number or these images"),
        (0, images) => Check::new(
            name,
            CheckOutcome::Review,
            format!("{images} other customer(s) handed in the same image"),
        ),
        (numbers, _) => Check::new(
            name,
            CheckOutcome::Review,
            format!("{numbers} other customer(s) applied with the same number"),
        ),
    }
}

fn documents(evidence: &Evidence<'_>) -> Check {
    let missing = super::document::missing(evidence.documents);
    if missing.is_empty() {
        return Check::new("documents_present", CheckOutcome::Passed, "all needed documents are there");
    }
    let names = missing.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    Check::new("documents_present", CheckOutcome::Failed, format!("missing: {names}"))
}

/// A hit never rejects, and a list that cannot be used never means "no hit".
fn screening(evidence: &Evidence<'_>) -> Check {
    let name = "screening";
    match evidence.screened {
        Screened::Unavailable { reason } => {
            Check::new(name, CheckOutcome::Review, format!("not screened: {reason}"))
        }
        Screened::Run { list, version, hits, entries, stale, .. } => {
            let open = hits.iter().filter(|hit| !hit.cleared);
            let best = open.clone().map(|hit| hit.score_bps).max();
            let cleared = hits.len() - open.clone().count();
            let also = if cleared > 0 { format!(", {cleared} cleared before") } else { String::new() };
            match (best, stale) {
                (Some(best), _) => {
                    let found = open.count();
                    let text = format!("{found} hit(s) on {list} {version}, the best {best} bps{also}");
                    Check::new(name, CheckOutcome::Review, text)
                }
                (None, Some(stale)) => Check::new(
                    name,
                    CheckOutcome::Review,
                    format!("no hit on {list} {version}{also}, but {stale}"),
                ),
                (None, None) => {
                    let text = format!("no hit among {entries} entries of {list} {version}{also}");
                    Check::new(name, CheckOutcome::Passed, text)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::Timestamp;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::kyc::applicant::AgePolicy;

    fn applicant() -> Applicant {
        let policy = AgePolicy { years_min: 18, time_zone: TimeZone::UTC };
        let now = Timestamp::from_micros(1_795_348_800_000_000);
        Applicant::parse("王小明", "11010519491231002X", "1949-12-31", "CN", "", &policy, now).unwrap()
    }

    fn outcome(checks: &[Check], name: &str) -> (CheckOutcome, String) {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        (check.outcome, check.detail.clone())
    }

    #[test]
    fn each_finding_is_its_own_check_and_names_nobody() {
        let applicant = applicant();
        let screened = Screened::Unavailable { reason: "the list is empty".into() };
        let checks = run(&Evidence {
            applicant: &applicant,
            years_min: 18,
            today: date(1960, 1, 1),
            documents: &[DocumentKind::Passport],
            same_id_number: 1,
            same_image: 0,
            screened: &screened,
        });
        assert_eq!(outcome(&checks, "age").0, CheckOutcome::Failed);
        assert_eq!(outcome(&checks, "duplicate").0, CheckOutcome::Review);
        assert_eq!(outcome(&checks, "documents_present"), (CheckOutcome::Failed, "missing: SELFIE".into()));
        assert_eq!(
            outcome(&checks, "screening"),
            (CheckOutcome::Review, "not screened: the list is empty".into())
        );
        for check in &checks {
            assert!(!check.detail.contains("王") && !check.detail.contains("1949"), "{check:?}");
        }
    }

    #[test]
    fn an_applicant_without_findings_passes_all() {
        let applicant = applicant();
        let screened = Screened::Run {
            list: "own".into(),
            version: "1".into(),
            lists_hash: "00".into(),
            entries: 3,
            hits: Vec::new(),
            stale: None,
        };
        let checks = run(&Evidence {
            applicant: &applicant,
            years_min: 18,
            today: date(2026, 11, 22),
            documents: &[DocumentKind::Passport, DocumentKind::Selfie],
            same_id_number: 0,
            same_image: 0,
            screened: &screened,
        });
        assert!(checks.iter().all(|check| check.outcome == CheckOutcome::Passed), "{checks:?}");
        let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "id_number_checksum",
                "id_number_birth_date",
                "age",
                "duplicate",
                "documents_present",
                "screening"
            ]
        );
    }
}
