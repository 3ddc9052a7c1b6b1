#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use std::{fs::File, io::BufReader, sync::Arc, time::Instant};
use bursar_screening::{Format, Index, List, Person, Policy};
fn main() {
    let d = "/work/shared/data/screening";
    let f = |p: &str| BufReader::new(File::open(format!("{d}/{p}")).unwrap());
    let t0 = Instant::now();
    let ofac = List::ofac("ofac", f("ofac/sdn.csv"), f("ofac/alt.csv"), Some(f("ofac/add.csv")), Some(f("ofac/sdn_comments.csv"))).unwrap();
    let un = List::read("un", Format::UnXml, f("un/UN_consolidated.xml")).unwrap();
    let t1 = t0.elapsed();
    println!("{} {} names {}", ofac.entries.len(), un.entries.len(), ofac.entries.iter().chain(&un.entries).map(|e| e.names.len()).sum::<usize>());
    let index = Index::of([Arc::new(ofac), Arc::new(un)]);
    println!("load {t1:?} build {:?} {index:?}", t0.elapsed() - t1);
    let t: u16 = std::env::args().nth(1).map_or(7000, |x| x.parse().unwrap());
    let show = std::env::args().nth(2).unwrap_or_default();
    let policy = Policy { threshold_bps: t, ..Policy::default() };
    let mut s = index.searcher();
    let (mut n, mut found, mut scored) = (0, 0, 0);
    for tf in ["treated", "light"] { let text = std::fs::read_to_string(format!("/tmp/scr/{tf}.txt")).unwrap(); (n, found, scored) = (0, 0, 0);
    let t0 = Instant::now();
    for line in text.lines() {
        let c: Vec<&str> = line.split('\t').collect();
        let r = s.screen(&Person::named(c[0]), &policy);
        n += 1; scored += r.scored;
        if r.hits.iter().any(|h| h.entry_id == c[1]) { found += 1 } else if show.contains('m') { println!("MISS {line} {:?}", r.hits.first().map(|h| (&h.entry_name, h.bps))) }
    }
    let el = t0.elapsed();
    println!("{tf} {found}/{n} = {:.4}  {:?}/query scored {}", f64::from(found) / f64::from(n), el / n, scored / n as usize); }
    let text = std::fs::read_to_string("/tmp/scr/treated.txt").unwrap();
    for file in ["ordinary", "ordinary_latin"] {
        let text = std::fs::read_to_string(format!("/tmp/scr/{file}.txt")).unwrap();
        let (mut n, mut flagged, mut dob, mut scored) = (0, 0, 0, 0);
        let t0 = Instant::now();
        for line in text.lines() {
            let (name, born) = line.split_once('\t').unwrap();
            let p = Person::named(name);
            let r = s.screen(&p, &policy);
            n += 1; scored += r.scored;
            flagged += u32::from(!r.hits.is_empty());
            if let Some(h) = r.hits.first() {
                let r2 = s.screen(&p.born(born.parse().unwrap()), &policy);
                dob += u32::from(!r2.hits.is_empty());
                if show.contains('f') { println!("FLAG {name} | {} {} [{}] dob:{}", h.entry_name, h.bps, h.explanation, !r2.hits.is_empty()) }
            }
        }
        let el = t0.elapsed();
        println!("{file} flagged {flagged} of {n} = {:.2}/2000, with dob {:.2}/2000  {:?}/query scored {}", f64::from(flagged) * 2000.0 / f64::from(n), f64::from(dob) * 2000.0 / f64::from(n), el / n, scored / n as usize); println!("considered {}", s.considered);
    }
    let (mut wrong, mut m) = (0, 0);
    let mut tb = std::time::Duration::ZERO; let mut ti = tb;
    for line in text.lines().step_by(8) {
        let p = Person::named(line.split('\t').next().unwrap());
        let a = Instant::now(); let x = s.screen(&p, &policy); ti += a.elapsed();
        let b = Instant::now(); let y = s.screen_each(&p, &policy); tb += b.elapsed();
        if let Some(top) = y.hits.first() { m += 1; if x.hits.first().map(|h| h.bps) != Some(top.bps) { wrong += 1; println!("RECALL {line}: {} {} vs {:?}", top.entry_name, top.bps, x.hits.first().map(|h| (&h.entry_name, h.bps))); } }
    }
    println!("index recall {}/{m}; brute {:?} index {:?} ratio {:.1}", m - wrong, tb / (text.lines().count() as u32 / 8), ti / (text.lines().count() as u32 / 8), tb.as_secs_f64() / ti.as_secs_f64());
}
