//! Dashboards and alerts, against the metrics that the code really exports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{below, list, text, tree, words};

/// Labels that Prometheus gives every series of ours.
const TARGET_LABELS: [&str; 3] = ["job", "instance", "service"];

/// A metric of the code.
#[derive(Debug, Default)]
struct Metric {
    histogram: bool,
    labels: BTreeSet<String>,
}

type Metrics = BTreeMap<String, Metric>;

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// What stands between the parenthesis that `text` begins after and its partner.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.char_indices().find(|(_, character)| {
        depth += i32::from(*character == '(') - i32::from(*character == ')');
        depth == 0
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The metrics that these sources record. A name is a literal or a constant.
fn recorded(sources: &[String]) -> Result<Metrics, String> {
    let mut constants = BTreeMap::new();
    for line in sources.iter().flat_map(|source| source.lines()) {
        let constant = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": &str = \""));
        if let Some((name, value)) = constant {
            constants.insert(name, value.split('"').next().unwrap_or_default());
        }
    }
    let mut all = Metrics::new();
    for source in sources {
        for kind in ["counter!(", "gauge!(", "histogram!("] {
            for (at, _) in source.match_indices(kind) {
                // `describe_counter!` records nothing.
                if source[..at].ends_with(is_word) {
                    continue;
                }
                let inside = arguments(&source[at + kind.len()..]);
                let (first, labels) = inside.split_once(',').unwrap_or((inside, ""));
                let first = first.trim();
                let name = match first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                    Some(name) => name,
                    None => constants
                        .get(first.rsplit("::").next().unwrap_or(first))
                        .ok_or_else(|| format!("the name of a metric is not known: {first}"))?,
                };
                let metric = all.entry(name.to_owned()).or_default();
                metric.histogram |= kind.starts_with("histogram");
                let keys = labels.split("=>").map(|before| before.trim_end().trim_end_matches('"'));
                let keys: Vec<&str> =
                    keys.map(|before| before.rsplit('"').next().unwrap_or_default()).collect();
                // What stands before the last arrow are keys; the last piece is a value.
                metric.labels.extend(keys[..keys.len() - 1].iter().map(|key| (*key).to_owned()));
            }
        }
    }
    Ok(all)
}

/// The metrics of the whole code, tests left out.
fn exported() -> Metrics {
    let is_source =
        |path: &String| path.contains("/src/") && path.ends_with(".rs") && !path.contains("/tests");
    let sources: Vec<String> = below("crates")
        .into_iter()
        .filter(is_source)
        .map(|path| text(&path).split("#[cfg(test)]").next().unwrap_or_default().to_owned())
        .collect();
    recorded(&sources).unwrap_or_else(|error| panic!("{error}"))
}

/// The metric of a series, and whether it is one of a histogram's buckets.
fn metric_of<'a>(metrics: &'a Metrics, series: &str) -> Option<(&'a Metric, bool)> {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| series.strip_suffix(suffix));
    let of_histogram = base.and_then(|base| metrics.get(base)).filter(|metric| metric.histogram);
    match of_histogram {
        Some(metric) => Some((metric, series.ends_with("_bucket"))),
        None => metrics.get(series).filter(|metric| !metric.histogram).map(|metric| (metric, false)),
    }
}

/// The expression without what stands in quotes: no name in there is one.
fn unquoted(expression: &str) -> String {
    expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// What is wrong with an expression; on success, the labels that may stand on what it gives.
fn problems(metrics: &Metrics, expression: &str, names: &[&str]) -> Vec<String> {
    let expression = unquoted(expression);
    let (mut found, mut allowed, mut of_ours) =
        (Vec::new(), BTreeSet::from(TARGET_LABELS.map(str::to_owned)), false);
    let mut selectors = Vec::new();
    for (at, word) in
        words(&expression, is_word).map(|word| (word.as_ptr().addr() - expression.as_ptr().addr(), word))
    {
        if !word.starts_with("bursar_") {
            continue;
        }
        of_ours = true;
        let Some((metric, bucket)) = metric_of(metrics, word) else {
            found.push(format!("nothing exports {word}"));
            continue;
        };
        let mut labels = metric.labels.clone();
        labels.extend(TARGET_LABELS.map(str::to_owned));
        if bucket {
            labels.insert("le".to_owned());
        }
        if let Some(selector) = expression[at + word.len()..].strip_prefix('{') {
            let inside = selector.split('}').next().unwrap_or_default();
            for label in words(inside, is_word).filter(|label| !labels.contains(*label)) {
                selectors.push(format!("{word} has no label {label}"));
            }
        }
        allowed.extend(labels);
    }
    found.extend(selectors);
    for keyword in ["by (", "without (", "on (", "by(", "without(", "on("] {
        for rest in expression.split(keyword).skip(1) {
            let grouped = words(rest.split(')').next().unwrap_or_default(), is_word);
            found.extend(
                grouped
                    .filter(|label| !allowed.contains(*label))
                    .map(|label| format!("nothing there has a label {label}")),
            );
        }
    }
    if of_ours {
        let unknown = names.iter().filter(|name| !allowed.contains(**name));
        found.extend(unknown.map(|name| format!("its text names the label {name}, which nothing there has")));
    }
    found
}

/// The labels that a legend or an annotation shows: `{{label}}`, `{{ $labels.label }}`.
fn shown(template: &str) -> Vec<&str> {
    let inside = template.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::trim);
    inside
        .filter(|name| !name.starts_with("$value"))
        .map(|name| name.trim_start_matches("$labels."))
        .collect()
}

/// Every expression of a dashboard, with the labels its legend shows.
fn expressions<'a>(value: &'a Value, all: &mut Vec<(&'a str, Vec<&'a str>)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| expressions(item, all)),
        Value::Object(fields) => {
            let legend = fields.get("legendFormat").and_then(Value::as_str).unwrap_or_default();
            for key in ["expr", "definition"] {
                if let Some(expression) = fields.get(key).and_then(Value::as_str) {
                    all.push((expression, shown(legend)));
                }
            }
            fields.values().for_each(|field| expressions(field, all));
        }
        _ => {}
    }
}

#[test]
fn dashboards_show_what_is_exported() {
    let (metrics, sources) = (exported(), tree("deploy/grafana/provisioning/datasources/bursar.yaml"));
    let uids: Vec<&str> = sources["datasources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|source| source["uid"].as_str())
        .collect();
    for path in below("deploy/grafana/dashboards") {
        let dashboard = tree(&path);
        let mut all = Vec::new();
        expressions(&dashboard, &mut all);
        assert!(all.len() >= 10, "{path} has expressions: {}", all.len());
        for (expression, legend) in all {
            let problems = problems(&metrics, expression, &legend);
            assert!(problems.is_empty(), "{path}: {expression}: {problems:?}");
        }
        super::walk("", &dashboard, &mut |at, text| {
            assert!(!at.ends_with("datasource.uid") || uids.contains(&text), "{path}: no data source {text}");
        });
    }
}

#[test]
fn alerts_watch_what_is_exported_and_say_what_to_do() {
    let (metrics, file) = (exported(), tree("deploy/prometheus/alerts.yaml"));
    let groups = file["groups"].as_array().into_iter().flatten();
    let rules: Vec<&Value> =
        groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
    assert!(rules.len() >= 10, "there are alerts: {}", rules.len());
    for rule in rules {
        let name = rule["alert"].as_str().expect("each rule is an alert");
        let summary = rule["annotations"]["summary"].as_str().unwrap_or_default();
        let description = rule["annotations"]["description"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && !description.is_empty(), "{name} says what is wrong and what to do");
        assert!(
            ["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()),
            "{name}"
        );
        let names: Vec<&str> = shown(summary).into_iter().chain(shown(description)).collect();
        let problems = problems(&metrics, rule["expr"].as_str().unwrap_or_default(), &names);
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
    let tests = tree("deploy/prometheus/alerts_test.yaml");
    assert_eq!(list(&tests["rule_files"]), ["alerts.yaml"]);
}

#[test]
fn these_checks_find_what_they_look_for() {
    let source = r#"
        const SHED: &str = "bursar_shed_total";
        metrics::counter!(names::SHED, "service" => shared.name()).increment(1);
        metrics::histogram!(
            "bursar_answer_seconds", "code" => code, "method" => method.label(),
        )
        .record(1.0);
        describe_gauge!("bursar_described", "never recorded");
        metrics::gauge!("bursar_lag").set(1.0);
    "#;
    let metrics = recorded(&[source.to_owned()]).unwrap();
    assert_eq!(
        metrics.keys().collect::<Vec<_>>(),
        ["bursar_answer_seconds", "bursar_lag", "bursar_shed_total"]
    );
    assert_eq!(metrics["bursar_answer_seconds"].labels, ["code", "method"].map(str::to_owned).into());
    assert!(recorded(&["gauge!(SOMEWHERE_ELSE)".to_owned()]).is_err());
    let count = |expression: &str, names: &[&str]| problems(&metrics, expression, names).len();
    assert_eq!(
        count("sum by (code, le) (rate(bursar_answer_seconds_bucket{method=\"a\"}[5m]))", &["code"]),
        0
    );
    assert_eq!(count("up{job=\"bursar_x\"} == 0", &["service"]), 0);
    assert_eq!(count("bursar_lags", &[]), 1);
    assert_eq!(count("bursar_described", &[]), 1);
    assert_eq!(count("bursar_answer_seconds", &[]), 1, "a histogram has series of its own names only");
    assert_eq!(count("bursar_lag_sum", &[]), 1);
    assert_eq!(count("bursar_lag{code=\"a\"}", &[]), 1);
    assert_eq!(count("sum by (method) (bursar_lag)", &[]), 1);
    assert_eq!(count("bursar_lag", &["method"]), 1);
    assert_eq!(shown("{{ $labels.a }} {{b}} {{ $value }}"), ["a", "b"]);
}
