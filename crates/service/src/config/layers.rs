//! The layers themselves: one tree of values, and for each value where it came from.

use std::collections::BTreeMap;

use bursar_proto::access::Identity;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{COMMON_DEFAULTS, CommonConfig, ConfigError, LoadOptions};

/// Prefix of the variables that configure; the rest is `<SECTION>__<KEY>`.
const PREFIX: &str = "BURSAR_";

/// The merged tree.
pub(super) struct Layers {
    tree: Table,
    /// Where the value at a dotted path came from, if not from the defaults.
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// Reads and merges all layers.
    pub(super) fn read(defaults: &str, options: &LoadOptions) -> Result<Self, ConfigError> {
        let mut layers = Self { tree: Table::new(), origins: BTreeMap::new() };
        layers.lay_text(COMMON_DEFAULTS, None)?;
        layers.lay_text(defaults, None)?;
        if let Some(file) = &options.file {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|error| {
                ConfigError::new(format!("cannot read the configuration file {name}: {error}"))
            })?;
            layers.lay_text(&text, Some(&name))?;
        }
        layers.lay_variables(options)?;
        for set in &options.sets {
            let (path, value) =
                set.split_once('=').filter(|(path, _)| path.contains('.')).ok_or_else(|| {
                    ConfigError::new(format!("--set {set}: write it as --set section.key=value"))
                })?;
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            layers.lay_one(&keys, value, &format!("--set {path}"))?;
        }
        Ok(layers)
    }

    fn lay_text(&mut self, text: &str, origin: Option<&str>) -> Result<(), ConfigError> {
        let name = origin.unwrap_or("the built-in default.toml");
        // The message alone, without the quoted line: the line may hold a secret.
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line =
                error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            ConfigError::new(format!("{name}, line {line}: {}", error.message()))
        })?;
        merge(&mut self.tree, table, "", &mut |path| {
            if let Some(origin) = origin {
                self.origins.insert(path.to_owned(), origin.to_owned());
            }
        });
        Ok(())
    }

    fn lay_variables(&mut self, options: &LoadOptions) -> Result<(), ConfigError> {
        let mut variables = options.variables.clone();
        variables.sort();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && name.contains("__"))
            else {
                continue;
            };
            let Some(value) = value.to_str() else {
                return Err(ConfigError::new(format!("the variable {name} is not UTF-8")));
            };
            let keys: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
            // The services of one machine may share an environment: another's own section is no mistake here.
            let anothers = !self.tree.contains_key(&keys[0]) && Identity::from_name(&keys[0]).is_some();
            if !anothers {
                self.lay_one(&keys, value, &format!("the variable {name}"))?;
            }
        }
        Ok(())
    }

    /// Lays one text over the value at `keys`; it takes the type of the value below it, text where there is none.
    fn lay_one(&mut self, keys: &[String], text: &str, origin: &str) -> Result<(), ConfigError> {
        let path = keys.join(".");
        let Some((last, sections)) = keys.split_last().filter(|_| keys.iter().all(|key| !key.is_empty()))
        else {
            return Err(ConfigError::new(format!("{origin} names no key: write section and key")));
        };
        let mut table = &mut self.tree;
        for section in sections {
            let slot = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !slot.is_table() {
                *slot = Value::Table(Table::new());
            }
            let Value::Table(inner) = slot else {
                return Err(ConfigError::new(format!("{origin}: {path} is not a key")));
            };
            table = inner;
        }
        let value = typed_like(table.get(last), text)
            .ok_or_else(|| ConfigError::new(format!("{origin}: {path} takes a {}", kind(table.get(last)))))?;
        table.insert(last.clone(), value);
        self.origins.insert(path, origin.to_owned());
        Ok(())
    }

    /// The tree as `T`. Keys that `T` does not know are looked for in [`Layers::shown`].
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        Value::Table(self.tree.clone()).try_into().map_err(|error: toml::de::Error| {
            let text = error.to_string();
            // toml names the path in its last line: "in `service.sandbox`".
            let path = text.lines().rev().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
            let problem = error.message().to_owned();
            match path {
                Some(path) => ConfigError::new(format!("{}{path}: {problem}", self.told(path))),
                None => ConfigError::new(problem),
            }
        })
    }

    /// Both halves as TOML with secrets hidden, after checking that each key of the tree is in one of them.
    pub(super) fn shown<T: Serialize>(&self, own: &T, common: &CommonConfig) -> Result<String, ConfigError> {
        let table = |result: Result<Table, toml::ser::Error>| {
            result.map_err(|error| ConfigError::new(format!("the configuration cannot be shown: {error}")))
        };
        let mut known = table(Table::try_from(common))?;
        merge(&mut known, table(Table::try_from(own))?, "", &mut |_| {});
        if let Some(path) = unknown(&self.tree, &known, "") {
            return Err(ConfigError::new(format!(
                "{}unknown key {path}{}",
                self.told(&path),
                near(&path, &known)
            )));
        }
        toml::to_string(&known).map_err(|error| ConfigError::new(error.to_string()))
    }

    /// "<origin>: " of the value at `path`, or of what is above or below it.
    fn told(&self, path: &str) -> String {
        let origin = self
            .origins
            .iter()
            .find(|(at, _)| *at == path || at.starts_with(&format!("{path}.")))
            .or_else(|| self.origins.iter().find(|(at, _)| path.starts_with(&format!("{at}."))))
            .map(|(_, origin)| origin.as_str());
        origin.map_or(String::new(), |origin| format!("{origin}: "))
    }
}

/// Lays `over` onto `under`, table by table; tells the dotted path of each value that was laid.
fn merge(under: &mut Table, over: Table, prefix: &str, laid: &mut dyn FnMut(&str)) {
    for (key, value) in over {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above, &path, laid),
            (_, value) => {
                laid(&path);
                under.insert(key, value);
            }
        }
    }
}

/// The first path in `given` that `known` does not have. What `known` holds as a plain value is not looked into.
fn unknown(given: &Table, known: &Table, prefix: &str) -> Option<String> {
    given.iter().find_map(|(key, value)| {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (value, known.get(key)) {
            (Value::Table(table), None) if table.is_empty() => None,
            (_, None) => Some(path),
            (Value::Table(given), Some(Value::Table(known))) => unknown(given, known, &path),
            _ => None,
        }
    })
}

/// The keys that stand where `path` was looked for.
fn near(path: &str, known: &Table) -> String {
    let mut table = known;
    let mut place = Vec::new();
    for key in path.split('.') {
        match table.get(key) {
            Some(Value::Table(inner)) => {
                place.push(key);
                table = inner;
            }
            _ => break,
        }
    }
    let keys = table.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if place.is_empty() {
        format!(" (sections here: {keys})")
    } else {
        format!(" (set keys of [{}]: {keys})", place.join("."))
    }
}

fn typed_like(below: Option<&Value>, text: &str) -> Option<Value> {
    match below {
        Some(Value::Integer(_)) => text.trim().parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => text.trim().parse().ok().map(Value::Boolean),
        Some(Value::Float(_)) => text.trim().parse().ok().map(Value::Float),
        Some(Value::Array(_)) => {
            let table: Table = format!("value = {text}").parse().ok()?;
            table.get("value").filter(|value| value.is_array()).cloned()
        }
        Some(Value::String(_) | Value::Datetime(_) | Value::Table(_)) | None => {
            Some(Value::String(text.to_owned()))
        }
    }
}

fn kind(below: Option<&Value>) -> &'static str {
    match below {
        Some(Value::Integer(_)) => "whole number",
        Some(Value::Boolean(_)) => "true or false",
        Some(Value::Float(_)) => "number",
        Some(Value::Array(_)) => "list such as [\"a\", \"b\"]",
        _ => "text",
    }
}
