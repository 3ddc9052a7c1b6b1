//! Screens names against a list: `cargo run --example screen -- LIST NAME…`.

use std::fs::File;
use std::io::{BufReader, Read as _};

use bursar_screening::{Format, Index, List, Person, Policy};

#[allow(clippy::print_stdout)] // what was found is the output
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: screen LIST NAME…")?;
    let mut head = vec![0; 4_096];
    let length = File::open(&path)?.read(&mut head)?;
    let format = Format::guess(&path, &head[..length]).ok_or("this list is in no format that is known")?;
    let list = List::read(&path, format, BufReader::new(File::open(&path)?))?;
    println!("{} entries, version {}", list.version.entries, list.version.hash);
    let index = Index::of([list.into()]);
    for name in arguments {
        let found = index.screen(&Person::named(&name), &Policy::default());
        println!("{name}: {} hits", found.hits.len());
        for hit in found.hits {
            println!("  {:>5} bps  {} {}: {}", hit.bps, hit.entry_id, hit.entry_name, hit.explanation);
        }
    }
    Ok(())
}
