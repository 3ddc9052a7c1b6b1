//! One sealed record opened, in process.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round};
use bursar_vault::measure::Envelopes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::plan::Plan;
use crate::bench::tell;
use crate::exit::Exit;

/// Records that are opened in turn.
const RECORDS: usize = 1_024;

const GOAL: Goal = Goal { name: "open", unit: "ns", bar: Bar::AtMost(6.0), aim: 3.0 };

/// The whole envelope, its data key unwrapped and its message key derived, against AES-256-GCM with a ready key.
pub(super) fn figure(plan: Plan) -> Result<Figure, Exit> {
    let envelopes = Envelopes::new(RECORDS);
    let ring = ready_key(envelopes.plaintext(), envelopes.context())?;
    let mut pairs = Pairs::default();
    for number in 1..=plan.open.rounds {
        let value = nanoseconds(plan.open.length, |index| envelopes.open(index % RECORDS))?;
        let reference = nanoseconds(plan.open.length, |_| ring())?;
        pairs.push(value, reference);
        tell::round(GOAL, Round { number, of: plan.open.rounds, value, reference });
    }
    Ok(Figure::of(GOAL, &pairs))
}

/// Opens the same bytes with ring again and again.
fn ready_key(plaintext: &[u8], context: Vec<u8>) -> Result<impl Fn() -> bool + use<>, Exit> {
    let failed = |_| Exit::software("AES-256-GCM failed");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(failed)?);
    let nonce = || Nonce::assume_unique_for_key([3; NONCE_LEN]);
    let mut sealed = plaintext.to_vec();
    key.seal_in_place_append_tag(nonce(), Aad::from(&context), &mut sealed).map_err(failed)?;
    Ok(move || {
        let mut buffer = sealed.clone();
        key.open_in_place(nonce(), Aad::from(&context), black_box(&mut buffer)).is_ok()
    })
}

fn nanoseconds(length: Duration, open: impl Fn(usize) -> bool) -> Result<f64, Exit> {
    let (began, mut opened) = (Instant::now(), 0_usize);
    while began.elapsed() < length {
        for _ in 0..64 {
            if !open(opened) {
                return Err(Exit::software("a record did not open"));
            }
            opened += 1;
        }
    }
    Ok(began.elapsed().as_nanos() as f64 / opened as f64)
}
