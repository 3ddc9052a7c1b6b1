//! The template language: text with `{fact}` placeholders, and `[optional parts]` that are left out when a fact in
//! them is empty. Strict: an unknown or empty fact outside an optional part is an error, never a gap in a message.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::facts::Facts;

/// Longest value put into a message, in characters: names come from networks, and a text message is paid by length.
const VALUE_CHARS_MAX: usize = 120;

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A bracket has no partner, or optional parts are nested.
    #[error("`{0}` at byte {1} has no partner, or is nested")]
    Bracket(char, usize),
    /// A placeholder is empty or has other characters than a-z and _.
    #[error("placeholder `{0}` may consist of a-z and _ only")]
    Placeholder(String),
    /// An optional part without a placeholder would always or never be shown.
    #[error("the optional part `{0}` has no placeholder")]
    PointlessOption(String),
}

/// Why a template cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fact `{0}` is missing or empty")]
pub struct MissingFact(pub String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Fact(String),
    Optional(Vec<Part>),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`Malformed`] if brackets do not match or a placeholder is not a name.
    pub fn parse(source: &str) -> Result<Self, Malformed> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find(['[', ']', '{', '}']) {
            let here = source.len() - rest.len() + at;
            push_text(&mut parts, &rest[..at]);
            let after = &rest[at + 1..];
            rest = match rest.as_bytes()[at] {
                b'[' => {
                    let inner = until(after, ']', '[', here)?;
                    let option = Self::parse(inner)?;
                    if option.placeholders().is_empty() {
                        return Err(Malformed::PointlessOption(inner.to_owned()));
                    }
                    parts.push(Part::Optional(option.parts));
                    &after[inner.len() + 1..]
                }
                b'{' => {
                    let name = until(after, '}', '{', here)?;
                    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                    {
                        return Err(Malformed::Placeholder(name.to_owned()));
                    }
                    parts.push(Part::Fact(name.to_owned()));
                    &after[name.len() + 1..]
                }
                stray => return Err(Malformed::Bracket(char::from(stray), here)),
            };
        }
        push_text(&mut parts, rest);
        Ok(Self { parts })
    }

    /// The names of all placeholders, in the order they stand.
    pub fn placeholders(&self) -> Vec<&str> {
        fn collect<'a>(parts: &'a [Part], names: &mut Vec<&'a str>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Fact(name) => names.push(name),
                    Part::Optional(inner) => collect(inner, names),
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.parts, &mut names);
        names
    }

    /// The text with the facts filled in.
    ///
    /// # Errors
    /// [`MissingFact`] if a placeholder names a fact that is not there, or an empty one outside an optional part.
    pub fn render(&self, facts: &Facts) -> Result<Zeroizing<String>, MissingFact> {
        // Room for one growth step at most: a reallocated buffer would leave its old bytes, perhaps a code's, behind.
        let mut text = Zeroizing::new(String::with_capacity(1024));
        for part in &self.parts {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Fact(name) => push_value(&mut text, required(facts, name)?),
                Part::Optional(inner) => render_option(inner, facts, &mut text)?,
            }
        }
        Ok(text)
    }
}

fn render_option(parts: &[Part], facts: &Facts, text: &mut String) -> Result<(), MissingFact> {
    for part in parts {
        if let Part::Fact(name) = part
            && facts.get(name).ok_or_else(|| MissingFact(name.clone()))?.is_empty()
        {
            return Ok(());
        }
    }
    for part in parts {
        match part {
            Part::Text(words) => text.push_str(words),
            Part::Fact(name) => push_value(text, required(facts, name)?),
            Part::Optional(_) => {} // parse() refuses a bracket within brackets
        }
    }
    Ok(())
}

fn until(after: &str, close: char, open: char, here: usize) -> Result<&str, Malformed> {
    let end = after.find(close).ok_or(Malformed::Bracket(open, here))?;
    let inner = &after[..end];
    if inner.contains(open) { Err(Malformed::Bracket(open, here)) } else { Ok(inner) }
}

fn push_text(parts: &mut Vec<Part>, words: &str) {
    if !words.is_empty() {
        parts.push(Part::Text(words.to_owned()));
    }
}

fn required<'a>(facts: &'a Facts, name: &str) -> Result<&'a str, MissingFact> {
    facts.get(name).filter(|value| !value.is_empty()).ok_or_else(|| MissingFact(name.to_owned()))
}

/// Puts a value in: without characters that break lines or turn the direction of writing, for merchants' names come
/// from outside and could else make a message look like two, or like another.
fn push_value(text: &mut String, value: &str) {
    let shown = value.chars().filter(|c| !c.is_control() && !turns_direction(*c)).take(VALUE_CHARS_MAX);
    for character in shown {
        let _ = text.write_char(character); // writing to a String cannot fail
    }
}

const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, facts: &[(&'static str, &str)]) -> Result<String, MissingFact> {
        let facts = facts.iter().fold(Facts::default(), |facts, (name, value)| facts.with(name, *value));
        Template::parse(source).unwrap().render(&facts).map(|text| text.to_string())
    }

    #[test]
    fn facts_are_filled_in_and_options_vanish_when_empty() {
        let source = "at {merchant}[ by {card}][ of {card}, {amount}].";
        assert_eq!(
            render(source, &[("merchant", "Shop"), ("card", "1234"), ("amount", "1 CNY")]),
            Ok("at Shop by 1234 of 1234, 1 CNY.".to_owned())
        );
        assert_eq!(
            render(source, &[("merchant", "Shop"), ("card", ""), ("amount", "1 CNY")]),
            Ok("at Shop.".to_owned())
        );
    }

    #[test]
    fn a_missing_fact_is_an_error_even_within_an_option() {
        assert_eq!(render("{a}", &[]), Err(MissingFact("a".into())));
        assert_eq!(render("{a}", &[("a", "")]), Err(MissingFact("a".into())));
        assert_eq!(render("x[{a}]", &[]), Err(MissingFact("a".into())));
    }

    #[test]
    fn malformed_templates_are_refused() {
        for bad in ["{a", "a}", "[{a}", "]", "[[{a}]]", "{{a}}", "{}", "{A}", "{a b}", "[plain]"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_cannot_break_out_of_its_place() {
        let hostile = format!("Shop\r\nYou won\u{202e}{{code}}[x]{}", "y".repeat(500));
        let text = render("<{m}>", &[("m", &hostile)]).unwrap();
        assert!(text.starts_with("<ShopYou won{code}[x]yyy"), "{text}");
        assert_eq!(text.chars().count(), VALUE_CHARS_MAX + 2);
    }
}
