//! The codec on one core, against a codec in common use and against the least work there could be.

mod messages;
mod peer;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bursar_iso8583::{Profile, SecretBytes};
use bursar_loadgen::{Bar, Figure, Goal, in_turns};

use crate::bench::tell;
use crate::cli::Bench;
use crate::exit::Exit;
use messages::Sample;
use peer::Peer;

/// Messages are read and written, against pyiso8583 with the same layout and the same bytes.
const PEER: Goal = Goal { name: "codec_peer", unit: "1/s", bar: Bar::AtLeast(100.0), aim: 300.0 };
/// Messages are read, against one copy of each of their values.
const LIMIT: Goal = Goal { name: "codec_limit", unit: "ns", bar: Bar::AtMost(25.0), aim: 8.0 };

/// How often the two sides take turns, and how long each turn is.
struct Plan {
    rounds: usize,
    turn: Duration,
}

/// Measures both figures.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    let plan = match arguments.quick {
        true => Plan { rounds: 5, turn: Duration::from_millis(500) },
        false => Plan { rounds: 9, turn: Duration::from_secs(2) },
    };
    let profile = messages::profile()?;
    let samples = messages::samples(&profile)?;
    let limit = limit(&profile, &samples, &plan).await?;
    Ok(vec![against_peer(arguments, &profile, &samples, &plan).await?, limit])
}

async fn against_peer(
    arguments: &Bench,
    profile: &Profile,
    samples: &[Sample],
    plan: &Plan,
) -> Result<Figure, Exit> {
    let mut peer = Peer::start(arguments.peer_python.as_deref(), samples).await?;
    let ours = async || Ok(there_and_back(profile, samples, plan.turn));
    let pairs = in_turns(
        plan.rounds,
        ours,
        async || peer.rate(plan.turn).await,
        |round| {
            tell::round(PEER, round);
        },
    )
    .await?;
    let note = format!("{} of {} fields, {}", samples.len(), messages::FIELDS, peer.end().await);
    Ok(Figure::of(PEER, &pairs).with_note(note))
}

async fn limit(profile: &Profile, samples: &[Sample], plan: &Plan) -> Result<Figure, Exit> {
    let ours = async || Ok::<_, Exit>(reading(profile, samples, plan.turn));
    let pairs = in_turns(
        plan.rounds,
        ours,
        async || Ok(copying(samples, plan.turn)),
        |round| {
            tell::round(LIMIT, round);
        },
    )
    .await?;
    Ok(Figure::of(LIMIT, &pairs))
}

/// Runs `once` over the samples again and again for about `turn`; seconds a message.
fn timed(samples: &[Sample], turn: Duration, mut once: impl FnMut(&Sample)) -> f64 {
    let began = Instant::now();
    let mut messages = 0_u32;
    loop {
        for sample in samples {
            once(sample);
        }
        messages += u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let taken = began.elapsed();
        if taken >= turn {
            return taken.as_secs_f64() / f64::from(messages);
        }
    }
}

/// Messages read and written a second.
fn there_and_back(profile: &Profile, samples: &[Sample], turn: Duration) -> f64 {
    let mut written = SecretBytes::default();
    1.0 / timed(samples, turn, |sample| {
        written.clear();
        if let Some(message) = profile.decode(black_box(&sample.bytes)).message {
            // What was read can be written: the samples were compared once, before the clock ran.
            let _ = profile.encode_into(&message, &mut written);
        }
        black_box(&written);
    })
}

/// Nanoseconds to read a message.
fn reading(profile: &Profile, samples: &[Sample], turn: Duration) -> f64 {
    1e9 * timed(samples, turn, |sample| {
        black_box(profile.decode(black_box(&sample.bytes)));
    })
}

/// Nanoseconds to copy the values of a message one by one, their places known.
fn copying(samples: &[Sample], turn: Duration) -> f64 {
    let mut copy = vec![0_u8; samples.iter().map(|sample| sample.bytes.len()).max().unwrap_or(0)];
    1e9 * timed(samples, turn, |sample| {
        let mut at = 0;
        for value in black_box(&sample.values) {
            if let (Some(from), Some(to)) =
                (sample.bytes.get(value.clone()), copy.get_mut(at..at + value.len()))
            {
                to.copy_from_slice(from);
            }
            at += value.len();
        }
        black_box(&mut copy);
    })
}
