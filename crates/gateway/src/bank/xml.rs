//! A bounded walk over an XML document: elements by their path, text of the leaves, nothing else. No document type
//! definitions and no entities but the five of XML itself, so nothing can be made to expand or to be fetched.

use bursar_types::{Failure, Reason};
use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Deepest nesting of elements: camt.054 has 16.
const DEPTH_MAX: usize = 32;
/// Longest text of one element, in bytes: the schemas allow at most 500 characters.
const TEXT_MAX: usize = 4_096;

/// Why a bank file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {problem}")]
pub(crate) struct Camt054Error {
    /// Byte of the document at which it was found.
    pub(crate) offset: u64,
    /// What is wrong and what would be right.
    pub(crate) problem: String,
}

impl Failure for Camt054Error {
    fn reason(&self) -> Reason {
        Reason::BankFileInvalid
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("offset", self.offset.to_string()), ("problem", self.problem.clone())]
    }
}

/// What the walk tells its reader.
pub(super) trait Visitor {
    /// An element begins. `path` ends with its name; `namespace` is its own.
    fn begin(&mut self, path: &[String], namespace: &str, currency: Option<String>) -> Result<(), String>;
    /// An element ends. `text` is its own text, trimmed.
    fn end(&mut self, path: &[String], text: &str) -> Result<(), String>;
}

/// Walks the document.
pub(super) fn walk(document: &[u8], visitor: &mut impl Visitor) -> Result<(), Camt054Error> {
    let document = std::str::from_utf8(document).map_err(|error| Camt054Error {
        offset: u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX),
        problem: "it is not UTF-8".into(),
    })?;
    let mut reader = NsReader::from_str(document);
    reader.config_mut().check_end_names = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut roots = 0_u32;
    loop {
        let at = reader.buffer_position();
        let wrong = |problem: String| Camt054Error { offset: at, problem };
        let (namespace, event) = reader
            .read_resolved_event()
            .map_err(|error| wrong(format!("it is not well-formed XML: {error}")))?;
        match event {
            Event::Start(ref start) => {
                roots += u32::from(path.is_empty());
                enter(&mut path, start, &namespace, visitor).map_err(wrong)?;
                text.clear();
            }
            Event::Empty(ref start) => {
                roots += u32::from(path.is_empty());
                enter(&mut path, start, &namespace, visitor).map_err(wrong)?;
                visitor.end(&path, "").map_err(wrong)?;
                path.pop();
                text.clear();
            }
            Event::End(_) => {
                visitor.end(&path, text.trim()).map_err(wrong)?;
                path.pop();
                text.clear();
            }
            Event::Text(piece) => {
                push(&mut text, &piece.xml10_content()).map_err(wrong)?;
            }
            Event::CData(piece) => {
                push(&mut text, &piece.xml10_content()).map_err(wrong)?;
            }
            Event::GeneralRef(reference) => {
                push(&mut text, &resolve(&reference).map_err(wrong)?).map_err(wrong)?;
            }
            Event::DocType(_) => return Err(wrong("document type definitions are not taken".into())),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        if roots > 1 {
            return Err(Camt054Error { offset: at, problem: "there is more than one root element".into() });
        }
    }
    let offset = reader.buffer_position();
    match (path.last(), roots) {
        (Some(open), _) => {
            Err(Camt054Error { offset, problem: format!("it ends inside <{open}>: it was cut short") })
        }
        (None, 0) => Err(Camt054Error { offset, problem: "it has no elements".into() }),
        (None, _) => Ok(()),
    }
}

fn enter(
    path: &mut Vec<String>,
    start: &BytesStart<'_>,
    namespace: &ResolveResult<'_>,
    visitor: &mut impl Visitor,
) -> Result<(), String> {
    if path.len() >= DEPTH_MAX {
        return Err(format!("elements are nested more than {DEPTH_MAX} deep"));
    }
    let name = start.local_name().into_inner().to_owned();
    let namespace = match namespace {
        ResolveResult::Bound(namespace) => namespace.0,
        ResolveResult::Unbound => "",
        ResolveResult::Unknown(_) => return Err(format!("<{name}> has a prefix that is not declared")),
    };
    let currency = start
        .try_get_attribute("Ccy")
        .map_err(|error| format!("the attributes of <{name}> are damaged: {error}"))?
        .map(|attribute| attribute.value.into_owned());
    path.push(name);
    visitor.begin(path, namespace, currency)
}

fn push(text: &mut String, piece: &str) -> Result<(), String> {
    if text.len() + piece.len() > TEXT_MAX {
        return Err(format!("the text of one element is longer than {TEXT_MAX} bytes"));
    }
    text.push_str(piece);
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) =
        reference.resolve_char_ref().map_err(|error| format!("a character reference: {error}"))?
    {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    resolve_xml_entity(name)
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity &{name}; is not one of XML's own"))
}
