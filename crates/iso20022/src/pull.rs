//! From bytes to the elements that somebody wants: each known by its place in the document, the rest passed over.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::bounded::Bounded;
use crate::error::FileError;

/// Deepest nesting of elements: the messages that are read here have 16, and supplementary data may nest further.
const DEPTH_MAX: usize = 64;
/// Longest text of an element that is read, in bytes: the schemas allow at most 500 characters.
const TEXT_MAX: usize = 4_096;
/// Elements that networks wrap around header and document.
const ENVELOPES: [&str; 2] = ["Envelope", "BizMsgEnvlp"];
/// Namespaces that an envelope may declare.
const DECLARED_MAX: usize = 16;
/// Namespaces of ISO 20022 messages start so.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// A place in a kind of document.
pub(crate) trait Place: Copy + Eq {
    /// `Document`.
    const DOCUMENT: Self;
    /// Anything that nobody wants, with all that is in it.
    const ELSEWHERE: Self;
    /// The place of the child with this name.
    fn child(self, name: &str) -> Self;
    /// Whether its text is wanted, or that of its last child.
    fn is_leaf(self) -> bool;
    /// Whether it is an amount, with its currency in an attribute. Amounts are leaves.
    fn is_amount(self) -> bool {
        false
    }
}

/// What was met.
pub(crate) enum Step<P> {
    /// An element that is no leaf begins.
    Begin(P),
    /// An element ends; a leaf's text is in [`Pull::text`].
    End(P),
}

/// Walks a document.
pub(crate) struct Pull<R, P> {
    reader: Reader<Bounded<R>>,
    buffer: Vec<u8>,
    open: Vec<P>,
    envelopes: usize,
    declared: Vec<(String, String)>,
    prefix: String,
    message: String,
    text: String,
    currency: String,
    at: u64,
    /// An empty element has begun and must end.
    ending: Option<P>,
    done: bool,
}

/// What one event of the parser means.
enum Met<P> {
    Step(Step<P>),
    Nothing,
    Eof,
}

impl<R: BufRead, P: Place> Pull<R, P> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            reader: Reader::from_reader(Bounded::new(input)),
            buffer: Vec::with_capacity(512),
            open: Vec::with_capacity(DEPTH_MAX),
            envelopes: 0,
            declared: Vec::new(),
            prefix: String::new(),
            message: String::new(),
            text: String::new(),
            currency: String::new(),
            at: 0,
            ending: None,
            done: false,
        }
    }

    /// The message of the document's namespace, such as `camt.053.001.08`; empty before the document.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The text of the leaf that just ended, without the space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim_ascii()
    }

    /// The currency of the amount that just ended; empty if it had none.
    pub(crate) fn currency(&self) -> &str {
        &self.currency
    }

    /// An error at the place that was read last.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> FileError {
        FileError { offset: self.at, problem: problem.into() }
    }

    /// What comes next; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Step<P>>, FileError> {
        if let Some(place) = self.ending.take() {
            return Ok(Some(Step::End(place)));
        }
        if self.done {
            return Ok(None);
        }
        loop {
            match self.event()? {
                Met::Step(step) => return Ok(Some(step)),
                Met::Nothing => {}
                Met::Eof => {
                    self.finished()?;
                    self.done = true;
                    return Ok(None);
                }
            }
        }
    }

    /// Gives the end of an element once more: what was made of it needs two answers.
    pub(crate) fn again(&mut self, place: P) {
        self.ending = Some(place);
    }

    fn finished(&self) -> Result<(), FileError> {
        let at_end =
            |problem: &str| FileError { offset: self.reader.buffer_position(), problem: problem.into() };
        if self.envelopes > 0 || !self.open.is_empty() {
            return Err(at_end("it ends inside an element: it was cut short"));
        }
        if self.message.is_empty() { Err(at_end("it has no <Document> of ISO 20022")) } else { Ok(()) }
    }

    fn event(&mut self) -> Result<Met<P>, FileError> {
        self.at = self.reader.buffer_position();
        self.reader.get_mut().refill();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let read = self.reader.read_event_into(&mut buffer);
        let met = match read {
            Ok(event) => self.met(event),
            Err(quick_xml::Error::Io(error)) => Err(format!("it cannot be read: {error}")),
            Err(error) => Err(format!("it is not well-formed XML: {error}")),
        };
        self.buffer = buffer;
        met.map_err(|problem| self.wrong(problem))
    }

    fn met(&mut self, event: Event<'_>) -> Result<Met<P>, String> {
        match event {
            Event::Start(start) => self.begin(&start),
            Event::Empty(start) => {
                let met = self.begin(&start)?;
                match (met, self.end()) {
                    (Met::Step(begin), Met::Step(Step::End(place))) => {
                        self.ending = Some(place);
                        Ok(Met::Step(begin))
                    }
                    (Met::Nothing, end) => Ok(end),
                    (begin, _) => Ok(begin),
                }
            }
            Event::End(_) => Ok(self.end()),
            Event::Text(piece) => self.push(|| piece.xml10_content()),
            Event::CData(piece) => self.push(|| piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = resolve(&reference)?;
                self.push(|| character)
            }
            Event::DocType(_) => Err("document type definitions are not taken".into()),
            Event::Decl(declaration) => declared(&declaration),
            Event::PI(_) | Event::Comment(_) => Ok(Met::Nothing),
            Event::Eof => Ok(Met::Eof),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<Met<P>, String> {
        let name = start.name();
        let name: &str = name.0;
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let Some(parent) = self.open.last().copied() else { return self.outside(start, prefix, local) };
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("elements are nested more than {DEPTH_MAX} deep"));
        }
        // What has another prefix is another vocabulary's, even if it is called the same.
        let same = prefix.len() == self.prefix.len() && (prefix.is_empty() || prefix == self.prefix);
        let place = if same { parent.child(local) } else { P::ELSEWHERE };
        self.open.push(place);
        if place.is_leaf() {
            self.text.clear();
            self.reader.config_mut().trim_text_start = false;
            if place.is_amount() {
                self.currency.clear();
                let found = start.try_get_attribute("Ccy");
                let found =
                    found.map_err(|error| format!("the attributes of <{name}> are damaged: {error}"))?;
                if let Some(currency) = found {
                    self.currency.push_str(&currency.value);
                }
            }
            return Ok(Met::Nothing);
        }
        Ok(if place == P::ELSEWHERE { Met::Nothing } else { Met::Step(Step::Begin(place)) })
    }

    /// An element around the document, or the document itself.
    fn outside(&mut self, start: &BytesStart<'_>, prefix: &str, local: &str) -> Result<Met<P>, String> {
        if !self.message.is_empty() && self.envelopes == 0 {
            return Err("there is more than one root element".into());
        }
        self.declare(start)?;
        if ENVELOPES.contains(&local) && self.envelopes == 0 {
            self.envelopes += 1;
            return Ok(Met::Nothing);
        }
        if local != "Document" {
            if self.envelopes == 0 {
                return Err(format!("it is <{local}>, not a <Document> of ISO 20022"));
            }
            // The header beside the document.
            self.open.push(P::ELSEWHERE);
            return Ok(Met::Nothing);
        }
        if !self.message.is_empty() {
            return Err("there is more than one <Document>".into());
        }
        let namespace = self.declared.iter().rev().find(|(declared, _)| declared == prefix);
        let namespace = namespace.map_or("", |(_, namespace)| namespace.as_str());
        match namespace.strip_prefix(NAMESPACE) {
            Some(message) if !message.is_empty() => self.message = message.to_owned(),
            _ => return Err(format!("<Document> is of `{namespace}`, which is not ISO 20022")),
        }
        self.prefix = prefix.to_owned();
        self.open.push(P::DOCUMENT);
        Ok(Met::Step(Step::Begin(P::DOCUMENT)))
    }

    fn declare(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("attributes are damaged: {error}"))?;
            let key: &str = attribute.key.0;
            let prefix = match key.split_once(':') {
                Some(("xmlns", prefix)) => prefix,
                None if key == "xmlns" => "",
                _ => continue,
            };
            if self.declared.len() >= DECLARED_MAX {
                return Err(format!("more than {DECLARED_MAX} namespaces are declared"));
            }
            self.declared.push((prefix.to_owned(), attribute.value.into_owned()));
        }
        Ok(())
    }

    fn end(&mut self) -> Met<P> {
        self.reader.config_mut().trim_text_start = true;
        match self.open.pop() {
            Some(place) if place != P::ELSEWHERE => Met::Step(Step::End(place)),
            Some(_) => Met::Nothing,
            // The parser has seen to it that something is open.
            None => {
                self.envelopes = self.envelopes.saturating_sub(1);
                Met::Nothing
            }
        }
    }

    fn push<T: AsRef<str>>(&mut self, piece: impl FnOnce() -> T) -> Result<Met<P>, String> {
        if self.open.last().is_some_and(|place| place.is_leaf()) {
            let piece = piece();
            let piece = piece.as_ref();
            if self.text.len() + piece.len() > TEXT_MAX {
                return Err(format!("the text of one element is longer than {TEXT_MAX} bytes"));
            }
            self.text.push_str(piece);
        }
        Ok(Met::Nothing)
    }
}

fn declared<P>(declaration: &BytesDecl<'_>) -> Result<Met<P>, String> {
    match declaration.encoding() {
        None => Ok(Met::Nothing),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(Met::Nothing),
        Some(Ok(encoding)) => Err(format!("it is written in `{encoding}`; give UTF-8")),
        Some(Err(error)) => Err(format!("its declaration is damaged: {error}")),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    let character = reference.resolve_char_ref();
    if let Some(character) = character.map_err(|error| format!("a character reference: {error}"))? {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    resolve_xml_entity(name)
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity &{name}; is not one of XML's own"))
}
