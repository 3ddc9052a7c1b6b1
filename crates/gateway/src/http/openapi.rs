//! The interface in JSON as an OpenAPI 3.1 description, made of the contract itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::table::{ENTRIES, Entry, Verb};
use crate::grpc::{CONTRACT, method};

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);

/// The description.
pub(crate) fn document() -> Value {
    DOCUMENT.clone()
}

fn build() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for entry in ENTRIES {
        let verb = match entry.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        paths.entry(entry.url).or_default().insert(verb.to_owned(), operation(entry, &mut schemas));
    }
    let mut components = schemas.done;
    components.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bursar gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The gateway's public methods for partners who do not speak gRPC. Callers show a certificate of the platform; what is done for a customer also needs the customer's token. A method that changes something takes a UUID, as `requestId` or in the header Idempotency-Key: the same one again gets the same answer, for ever.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "certificate": { "type": "mutualTLS", "description": "A certificate of the platform's authority." },
                "customer": { "type": "http", "scheme": "bearer", "description": "A customer's access token." },
            },
        },
    })
}

fn operation(entry: &Entry, schemas: &mut Schemas) -> Value {
    let Some(method) = method(entry) else { return Value::Null };
    let rule = bursar_proto::access::method(&entry.path());
    let security = match rule.is_some_and(|rule| rule.customer) {
        true => json!([{ "certificate": [], "customer": [] }]),
        false => json!([{ "certificate": [] }]),
    };
    let problem = json!({
        "description": "A problem (RFC 9457).",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let mut operation = json!({
        "operationId": format!("{}.{}", entry.service, entry.method),
        "summary": entry.summary,
        "security": security,
        "responses": {
            "200": {
                "description": "The answer.",
                "content": { "application/json": { "schema": schemas.reference(&method.output()) } },
            },
            "4XX": problem.clone(),
            "5XX": problem,
        },
    });
    let mut parameters: Vec<Value> = Vec::new();
    if method.input().fields().any(|field| field.name() == "request_id") {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The request's id, in the place of `requestId`.",
            "schema": { "type": "string", "format": "uuid" },
        }));
    }
    match entry.verb {
        Verb::Post => {
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": schemas.reference(&method.input()) } },
            });
        }
        Verb::Get => parameters.extend(method.input().fields().map(
            |field| json!({ "name": field.json_name(), "in": "query", "schema": schemas.field(&field) }),
        )),
    }
    operation["parameters"] = Value::Array(parameters);
    operation
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    let violation = json!({
        "type": "object",
        "required": ["field", "description"],
        "properties": { "field": text, "description": text },
    });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "reason"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": text,
            "status": { "type": "integer" },
            "detail": text,
            "reason": { "type": "string", "description": "Stable: the same as over gRPC." },
            "metadata": { "type": "object", "additionalProperties": text },
            "violations": { "type": "array", "items": violation },
        },
    })
}

#[derive(Default)]
struct Schemas {
    done: Map<String, Value>,
    begun: BTreeSet<String>,
}

impl Schemas {
    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.full_name().to_owned();
        if name == "google.protobuf.Timestamp" {
            return json!({ "type": "string", "format": "date-time" });
        }
        if self.begun.insert(name.clone()) {
            let properties: Map<String, Value> =
                message.fields().map(|field| (field.json_name().to_owned(), self.field(&field))).collect();
            let schema = json!({ "type": "object", "properties": properties });
            self.done.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = match field.kind() {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0 }),
            // JSON has no numbers of 64 bits.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "string", "format": "int64" })
            }
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(kind) => {
                let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
                json!({ "type": "string", "enum": names })
            }
            Kind::Message(message) => self.reference(&message),
        };
        if is_sensitive(field) {
            schema["writeOnly"] = json!(true);
        }
        if field.cardinality() == Cardinality::Repeated {
            json!({ "type": "array", "items": schema })
        } else {
            schema
        }
    }
}

fn is_sensitive(field: &FieldDescriptor) -> bool {
    let extension = CONTRACT.get_extension_by_name("bursar.type.v1.sensitive");
    extension.is_some_and(|it| field.options().get_extension(&it).as_bool() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                for (key, inner) in object {
                    match inner.as_str().filter(|_| key == "$ref") {
                        Some(target) => found.push(target),
                        None => references(inner, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_method_of_the_table_is_one_of_the_contract_and_every_reference_leads_somewhere() {
        let document = document();
        for entry in ENTRIES {
            assert!(method(entry).is_some(), "{}", entry.path());
            assert!(bursar_proto::access::method(&entry.path()).is_some(), "{} has a rule", entry.path());
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn what_must_not_be_shown_is_write_only() {
        let document = document();
        let field = &document["components"]["schemas"]["bursar.gateway.v1.PayRequest"]["properties"];
        assert_eq!(field["cardPassword"]["writeOnly"], true);
        assert_eq!(field["cardId"]["writeOnly"], Value::Null);
        let security = &document["paths"]["/v1/payments"]["post"]["security"][0];
        assert!(security["customer"].is_array() && security["certificate"].is_array());
    }
}
