#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use std::collections::BTreeMap;
use bursar_screening::{Name, compare_names};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t: u16 = a.get(2).map_or(7000, |x| x.parse().unwrap());
    let show = a.get(3).is_some();
    let text = std::fs::read_to_string(&a[1]).unwrap();
    let mut by: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    let mut cm = [0u32; 4];
    for line in text.lines() {
        let (q, names, m, g): (String, Vec<String>, bool, String) = if line.starts_with('{') {
            let v: serde_json::Value = serde_json::from_str(line).unwrap();
            (v["query"].as_str().unwrap().into(), v["names"].as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_string()).collect(), v["match"].as_bool().unwrap(), format!("{} {}", v["script"], v["kind"]))
        } else {
            let f: Vec<&str> = line.split(',').collect();
            if f.len() != 3 || f[0] == "name1" { continue }
            (f[0].into(), vec![f[1].into()], f[2] == "1", f[2].to_string())
        };
        let qn = Name::of(&q);
        let (s, best) = names.iter().map(|n| (compare_names(&qn, &Name::of(n)), n)).max().unwrap();
        let hit = s >= t;
        let e = by.entry(g.clone()).or_default(); e[0] += 1; e[1] += u32::from(hit);
        cm[usize::from(m) * 2 + usize::from(hit)] += 1;
        if show && m != hit { println!("{} {s} {q} | {best} {:?} {:?}", if m {"MISS"} else {"FLAG"}, qn.forms().iter().map(|f| f.tokens()).collect::<Vec<_>>(), Name::of(best).forms()[0].tokens()); }
    }
    for (g, [n, h]) in by { println!("{g}: {h}/{n} = {:.3}", f64::from(h) / f64::from(n)); }
    let (tp, fp, fneg) = (f64::from(cm[3]), f64::from(cm[1]), f64::from(cm[2]));
    println!("P {:.3} R {:.3} F1 {:.3}", tp / (tp + fp), tp / (tp + fneg), 2.0 * tp / (2.0 * tp + fp + fneg));
}
