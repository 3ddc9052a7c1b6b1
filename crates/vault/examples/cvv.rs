//! Reads `KEY PAN YYMM` a line, the key in 32 hexadecimal digits, and writes the CVV2: for a comparison with other
//! implementations.
#![allow(clippy::print_stdout)] // the answer is the output

use std::io::BufRead as _;

fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cvv2 = match words.as_slice() {
            [key, pan, expiry] => data_encoding::HEXUPPER_PERMISSIVE
                .decode(key.as_bytes())
                .ok()
                .and_then(|key| key.try_into().ok())
                .and_then(|key| bursar_vault::measure::cvv2(&key, pan, expiry)),
            _ => None,
        };
        println!("{}", cvv2.unwrap_or_else(|| "?".to_owned()));
    }
}
