#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use std::{fs::File, io::BufReader, sync::Arc};
use bursar_screening::{Format, Index, List, Person, Policy};
fn main() {
    let d = "/work/shared/data/screening";
    let f = |p: &str| BufReader::new(File::open(format!("{d}/{p}")).unwrap());
    let ofac = List::ofac("ofac", f("ofac/sdn.csv"), f("ofac/alt.csv"), Some(f("ofac/add.csv")), Some(f("ofac/sdn_comments.csv"))).unwrap();
    let un = List::read("un", Format::UnXml, f("un/UN_consolidated.xml")).unwrap();
    let index = Index::of([Arc::new(ofac), Arc::new(un)]);
    let mut s = index.searcher();
    for name in std::env::args().skip(1) {
        let c = s.considered; let t = std::time::Instant::now();
        let r = s.screen(&Person::named(&name), &Policy::default());
        println!("{name}: considered {} scored {} {:?}", s.considered - c, r.scored, t.elapsed());
        let p = Person::named(&name); let t = std::time::Instant::now();
        for _ in 0..1000 { std::hint::black_box(s.screen(&p, &Policy::default())); }
        println!("  {:?}", t.elapsed() / 1000);
    }
}
