//! The texts of all messages in all languages, from the files in `templates/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::decision;
use super::facts::Facts;
use super::locale::Locale;
use super::template::{Malformed, MissingFact, Template};
use crate::providers::code::Purpose;

const ZH_CN: &str = include_str!("../../templates/zh-CN.toml");
const EN: &str = include_str!("../../templates/en.toml");

/// Template of the notice that a customer can be reached elsewhere.
pub const CONTACT_CHANGED: &str = "contact_changed";
/// Template of a digest.
pub const DIGEST: &str = "digest";

/// Why the texts cannot be used. A fault of the files in this crate, found at the start and by its tests.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file is no TOML of the expected shape.
    #[error("templates/{locale}.toml: {problem}")]
    File {
        /// Language of the file.
        locale: Locale,
        /// What is wrong with it.
        problem: String,
    },
    /// A template cannot be read.
    #[error("templates/{locale}.toml: {template}: {source}")]
    Template {
        /// Language of the file.
        locale: Locale,
        /// Name of the template.
        template: String,
        /// What is wrong with it.
        source: Malformed,
    },
    /// A template that some event needs is not there.
    #[error("templates/{locale}.toml has no template `{template}`")]
    Missing {
        /// Language of the file.
        locale: Locale,
        /// Name of the template.
        template: String,
    },
}

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}` in {locale}: {problem}")]
pub struct RenderError {
    /// Name of the template.
    pub template: String,
    /// Its language.
    pub locale: Locale,
    /// What is wrong.
    pub problem: String,
}

/// A message as a person reads it.
pub struct Text {
    /// Title, for the inbox.
    pub title: Zeroizing<String>,
    /// The text itself.
    pub body: Zeroizing<String>,
}

/// The texts of all messages in all languages.
#[derive(Debug)]
pub struct Catalog {
    zh_cn: Language,
    en: Language,
}

#[derive(Debug)]
struct Language {
    sms_signature: String,
    templates: BTreeMap<String, TitleAndBody>,
}

#[derive(Debug)]
struct TitleAndBody {
    title: Template,
    body: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sms_signature: String,
    templates: BTreeMap<String, FileTemplate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTemplate {
    title: String,
    body: String,
}

impl Catalog {
    /// The texts this program was built with.
    ///
    /// # Errors
    /// [`CatalogError`] if they cannot be read or one is missing.
    pub fn builtin() -> Result<Self, CatalogError> {
        Ok(Self { zh_cn: Language::read(Locale::ZhCn, ZH_CN)?, en: Language::read(Locale::En, EN)? })
    }

    /// The message `template` in `locale`.
    ///
    /// # Errors
    /// [`RenderError`] if there is no such template, or it needs a fact that is not there.
    pub fn render(&self, template: &str, locale: Locale, facts: &Facts) -> Result<Text, RenderError> {
        let failed = |problem: String| RenderError { template: template.to_owned(), locale, problem };
        let found = self
            .language(locale)
            .templates
            .get(template)
            .ok_or_else(|| failed("there is no such template".to_owned()))?;
        let missing = |fact: MissingFact| failed(fact.to_string());
        Ok(Text {
            title: found.title.render(facts).map_err(missing)?,
            body: found.body.render(facts).map_err(missing)?,
        })
    }

    /// The text message of `template` in `locale`.
    ///
    /// # Errors
    /// As [`Catalog::render`].
    pub fn render_sms(
        &self,
        template: &str,
        locale: Locale,
        facts: &Facts,
    ) -> Result<Zeroizing<String>, RenderError> {
        let body = self.render(template, locale, facts)?.body;
        let signature = &self.language(locale).sms_signature;
        let mut text = Zeroizing::new(String::with_capacity(signature.len() + body.len()));
        text.push_str(signature);
        text.push_str(&body);
        Ok(text)
    }

    /// Whether the message can be written in every language, so that what is stored can be read in any.
    ///
    /// # Errors
    /// [`RenderError`] of the first language it cannot be written in.
    pub fn check(&self, template: &str, facts: &Facts) -> Result<(), RenderError> {
        Locale::ALL.into_iter().try_for_each(|locale| self.render(template, locale, facts).map(drop))
    }

    const fn language(&self, locale: Locale) -> &Language {
        match locale {
            Locale::ZhCn => &self.zh_cn,
            Locale::En => &self.en,
        }
    }
}

impl Language {
    fn read(locale: Locale, source: &str) -> Result<Self, CatalogError> {
        let file: File = toml::from_str(source)
            .map_err(|error| CatalogError::File { locale, problem: error.to_string() })?;
        let mut templates = BTreeMap::new();
        for (name, texts) in file.templates {
            let read = |text: &str| {
                Template::parse(text).map_err(|source| CatalogError::Template {
                    locale,
                    template: name.clone(),
                    source,
                })
            };
            let parsed = TitleAndBody { title: read(&texts.title)?, body: read(&texts.body)? };
            templates.insert(name, parsed);
        }
        for needed in needed() {
            if !templates.contains_key(needed) {
                return Err(CatalogError::Missing { locale, template: needed.to_owned() });
            }
        }
        Ok(Self { sms_signature: file.sms_signature, templates })
    }
}

/// The names of all templates that the program uses.
fn needed() -> impl Iterator<Item = &'static str> {
    let events = decision::RULES.iter().map(|rule| rule.template);
    events.chain(Purpose::ALL.into_iter().map(Purpose::template)).chain([CONTACT_CHANGED, DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::decision::{RULES, decide};
    use crate::samples;

    #[test]
    fn every_event_can_be_told_in_every_language_full_and_bare() {
        let catalog = Catalog::builtin().unwrap();
        for rule in RULES {
            for event in [samples::event(rule.event_type), samples::bare_event(rule.event_type)] {
                let notice = decide(&event).unwrap().expect("a sample becomes a message");
                for locale in Locale::ALL {
                    let text = catalog.render(rule.template, locale, &notice.facts).unwrap();
                    assert!(!text.title.is_empty() && !text.body.is_empty());
                    assert!(text.body.chars().all(|c| !"{}[]".contains(c)), "{}", *text.body);
                }
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_templates_and_none_is_unused() {
        let catalog = Catalog::builtin().unwrap();
        let mut wanted: Vec<_> = needed().collect();
        wanted.sort_unstable();
        for locale in Locale::ALL {
            let has: Vec<_> = catalog.language(locale).templates.keys().map(String::as_str).collect();
            assert_eq!(has, wanted, "{locale}");
        }
    }

    #[test]
    fn both_languages_say_the_same_facts() {
        let catalog = Catalog::builtin().unwrap();
        let said = |language: &Language, name: &str| -> Vec<String> {
            let texts = &language.templates[name];
            let names = texts.title.placeholders().into_iter().chain(texts.body.placeholders());
            // Texts that exist in one language each count as one fact.
            let mut names: Vec<_> =
                names.map(|n| n.trim_end_matches("_zh").trim_end_matches("_en").to_owned()).collect();
            names.sort_unstable();
            names
        };
        for name in needed() {
            assert_eq!(said(&catalog.zh_cn, name), said(&catalog.en, name), "{name}");
        }
    }

    #[test]
    fn a_missing_template_or_fact_is_an_error_that_names_it() {
        let broken = ZH_CN.replacen("templates.welcome", "templates.welcom", 1);
        let error = Language::read(Locale::ZhCn, &broken).unwrap_err().to_string();
        assert!(error.contains("`welcome`"), "{error}");
        let catalog = Catalog::builtin().unwrap();
        let error = catalog.check("kyc_approved", &Facts::default()).unwrap_err();
        assert!(error.to_string().contains("`level`"), "{error}");
    }

    #[test]
    fn an_approved_payment_tells_amount_merchant_card_and_balance() {
        let catalog = Catalog::builtin().unwrap();
        let notice = decide(&samples::event("ledger.payment.approved")).unwrap().unwrap();
        let en = catalog.render_sms("payment_approved", Locale::En, &notice.facts).unwrap();
        assert_eq!(
            *en,
            "Bursar: You paid 312.40 CNY at Blue Bottle with your card ending 1234. Available balance: 687.60 CNY."
        );
        let zh = catalog.render_sms("payment_approved", Locale::ZhCn, &notice.facts).unwrap();
        assert_eq!(*zh, "【Bursar】您尾号1234的卡在Blue Bottle消费312.40 CNY。可用余额687.60 CNY。");
    }
}
