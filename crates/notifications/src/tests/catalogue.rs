//! The catalogue of events, `docs/events.md`: made from the contract, and everything in it checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bursar_proto::FILE_DESCRIPTOR_SET;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions, Value,
};

/// How deep an example goes into messages within messages.
const DEPTH_MAX: usize = 4;

/// Words in the name of a field that holds what must be in no event. `card_password` events tell that there is one.
const FORBIDDEN: [&str; 16] = [
    "pan",
    "cvv",
    "cvc",
    "pin",
    "password",
    "passcode",
    "secret",
    "otp",
    "code",
    "document",
    "id_number",
    "token",
    "phone",
    "email",
    "key",
    "track",
];

/// Names of fields that hold such a word and mean something harmless.
const HARMLESS: [&str; 14] = [
    "masked_pan",         // first six and last four digits
    "authorization_code", // of a payment, printed on its receipt
    "card_token",         // stands for a card, and is worth nothing elsewhere
    "mcc",                // a merchant's line of business
    "response_code",      // of a network
    "code",               // of an account: its number in the books
    "currency_code",
    "reason_code",
    "processing_code",
    "country_code",
    "key_id",
    "original_key",
    "entry_mode_code",
    "document_type", // of a bank's file: camt.053
];

struct Event {
    types: Vec<String>,
    text: String,
    message: MessageDescriptor,
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

/// The comment before an element of a file.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let found = locations.into_iter().find(|location| location.path == path);
    let text = found.and_then(|location| location.leading_comments.clone()).unwrap_or_default();
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The types that a comment begins with: `` `a.b.c`, `.d`: what happened ``.
fn types(comment: &str) -> Option<(Vec<String>, String)> {
    let (names, text) = comment.split_once("`: ")?;
    let mut all: Vec<String> = Vec::new();
    for name in format!("{names}`").split('`').skip(1).step_by(2) {
        let full = match name.strip_prefix('.') {
            Some(last) => format!("{}.{last}", all.first()?.rsplit_once('.')?.0),
            None => name.to_owned(),
        };
        all.push(full);
    }
    (!all.is_empty()).then(|| (all, text.to_owned()))
}

fn events(pool: &DescriptorPool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut files: Vec<_> = pool.files().filter(|file| file.name().ends_with("/events.proto")).collect();
    files.sort_by(|a, b| a.name().cmp(b.name()));
    for file in files {
        for (place, message) in (0_i32..).zip(file.messages()) {
            let comment = comment(file.file_descriptor_proto(), &[4, place]);
            if let Some((types, text)) = types(&comment) {
                events.push(Event { types, text, message });
            }
        }
    }
    events
}

fn field_comment(field: &FieldDescriptor) -> String {
    let message = field.parent_message();
    let file = message.parent_file();
    let mut path: Vec<i32> = message.path().to_vec();
    path.extend_from_slice(&[2, field_place(message, field)]);
    comment(file.file_descriptor_proto(), &path)
}

fn field_place(message: &MessageDescriptor, field: &FieldDescriptor) -> i32 {
    let fields = &message.descriptor_proto().field;
    fields.iter().position(|other| other.name() == field.name()).map_or(0, |place| place as i32)
}

fn example(message: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    if message.full_name() == "google.protobuf.Timestamp" {
        made.set_field_by_name("seconds", Value::I64(1_795_336_200));
        return made;
    }
    let mut chosen = BTreeSet::new();
    for field in message.fields() {
        let second_of_oneof =
            field.containing_oneof().is_some_and(|oneof| !chosen.insert(oneof.full_name().to_owned()));
        if field.is_map() || second_of_oneof {
            continue;
        }
        let Some(value) = value(&field, depth) else { continue };
        made.set_field(&field, if field.is_list() { Value::List(vec![value]) } else { value });
    }
    made
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    Some(match field.kind() {
        Kind::String => Value::String(text_value(field)),
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(if field.name() == "minor_units" { 31_240 } else { 1 })
        }
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
        Kind::Enum(kind) => Value::EnumNumber(kind.values().find(|value| value.number() > 0)?.number()),
        Kind::Message(inner) if depth < DEPTH_MAX => Value::Message(example(&inner, depth + 1)),
        Kind::Message(_) | Kind::Bytes | Kind::Double | Kind::Float => return None,
    })
}

/// An id of the kind that the comment names, or something that fits the name.
fn text_value(field: &FieldDescriptor) -> String {
    let comment = field_comment(field);
    if let Some((_, prefix)) = comment.split_once("(`").filter(|(_, rest)| rest.contains("_…`)")) {
        let prefix = prefix.split('_').next().unwrap_or_default();
        return format!("{prefix}_01j9zq8m7x4v6k2w3h5t8n0p1r");
    }
    match field.name() {
        "asset" => "CNY",
        "locale" => "zh-CN",
        "masked_pan" => "622848******1234",
        "country" => "CN",
        "mcc" => "5411",
        "merchant_id" => "SHOP-1",
        "channel" => "sms",
        _ => "…",
    }
    .to_owned()
}

fn catalogue() -> String {
    let pool = pool();
    let mut text = String::from(
        "# Events\n\nEvery event type of the platform, made from the comments of `proto/bursar/*/v1/events.proto` by the test that \
         checks this file. Each service publishes its own on `bursar.event.v1.EventService`, with the attributes of CloudEvents \
         1.0; an issuer's webhook has the same payload as proto3 JSON: `{\"type\", \"timestamp\", \"data\"}`. A new field may \
         come at any time, so readers leave aside what they do not know; a change that breaks readers gets a new package \
         (`v2`), which the payload's type names.\n\nNo event holds a card number, CVV2, password, one-time code, document or \
         identity number, phone number or e-mail address.\n",
    );
    let mut service = String::new();
    for event in events(&pool) {
        let own = event.types[0].split('.').next().unwrap_or_default().to_owned();
        if own != service {
            let _ = write!(text, "\n## {own}\n");
            service = own;
        }
        let names: Vec<String> = event.types.iter().map(|name| format!("`{name}`")).collect();
        let mut sentence = event.text.chars();
        let first: String = sentence.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
        let _ = write!(text, "\n### {}\n\n{first}{}\n", names.join(", "), sentence.as_str());
        let _ = write!(
            text,
            "\nPayload: `{}`\n\n| field | meaning |\n| --- | --- |\n",
            event.message.full_name()
        );
        for field in event.message.fields() {
            let meaning = field_comment(&field).replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {meaning} |", field.json_name());
        }
        let example = example(&event.message, 0);
        let data =
            example.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new()).unwrap();
        let body =
            serde_json::json!({ "type": event.types[0], "timestamp": "2026-11-22T08:30:00Z", "data": data });
        let _ = write!(text, "\n```json\n{}\n```\n", serde_json::to_string_pretty(&body).unwrap());
    }
    text
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_catalogue_is_what_the_contract_says() {
    let path = root().join("docs/events.md");
    let made = catalogue();
    #[allow(clippy::disallowed_methods)] // not configuration: how its writer runs this test
    if std::env::var("BURSAR_WRITE_DOCS").is_ok() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/events.md is old: run this test with BURSAR_WRITE_DOCS=1");
}

#[test]
fn every_type_in_the_code_is_in_the_catalogue() {
    let pool = pool();
    let known: BTreeSet<String> = events(&pool).into_iter().flat_map(|event| event.types).collect();
    // Words of tests that are to be no type, and the type of a message that no event causes.
    let others = ["ledger.payments.approved", "ledger.account.opened_again", "notifications.contact.changed"];
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                for text in source.split('"') {
                    if is_type(text) {
                        found.insert(text.to_owned(), path.clone());
                    }
                }
            }
        }
    }
    let strangers: Vec<_> =
        found.iter().filter(|(name, _)| !known.contains(*name) && !others.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "not in the catalogue: {strangers:?}");
    assert!(known.iter().filter(|name| found.contains_key(*name)).count() > 30, "the search finds types");
}

fn is_type(text: &str) -> bool {
    let words: Vec<&str> = text.split('.').collect();
    let word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    words.len() == 3
        && words.iter().all(word)
        && ["identity", "vault", "ledger", "gateway", "notifications"].contains(&words[0])
}

#[test]
fn no_event_has_a_field_for_a_secret() {
    let pool = pool();
    let sensitive = pool.get_extension_by_name("bursar.type.v1.sensitive").unwrap();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<(String, MessageDescriptor)> =
        events(&pool).into_iter().map(|event| (event.types[0].clone(), event.message)).collect();
    assert!(waiting.len() > 15);
    while let Some((way, message)) = waiting.pop() {
        if !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        for field in message.fields() {
            let (name, way) = (field.name().to_owned(), format!("{way} → {}", field.full_name()));
            let marked = field.options().get_extension(&sensitive).as_bool() == Some(true);
            assert!(!marked, "{way} is marked as sensitive");
            let words: Vec<&str> = name.split('_').collect();
            let secret = FORBIDDEN
                .iter()
                .find(|word| words.contains(*word) || name.contains(*word) && word.contains('_'));
            assert!(secret.is_none() || HARMLESS.contains(&name.as_str()), "{way} is named like a secret");
            if let Kind::Message(inner) = field.kind() {
                waiting.push((way, inner));
            }
        }
    }
}
