//! `bursar scenario`: the book of card payments. Each scenario is a small file that says what is done and what comes of
//! it; they are played one after another against the five processes, by those who stand outside, and time is moved
//! where a scenario needs it.

mod act;
mod book;
mod check;
mod explain;
mod invariants;
mod merchants;
mod rules;
mod scene;
mod script;
mod stage;
mod tell;

use std::time::Instant;

use crate::cli::{RunScenarios, Scenarios};
use crate::exit::Exit;
use crate::outside::books;
use crate::platform::{self, Platform, Running, Setup};
use crate::up;
use book::Scenario;
use scene::Scene;
use stage::Stage;
use tell::Teller;

/// Lists, shows or plays.
pub(crate) async fn run(arguments: &Scenarios) -> Result<(), Exit> {
    match arguments {
        Scenarios::List { json } => {
            tell::list(&book::all()?, *json);
            Ok(())
        }
        Scenarios::Show { name } => {
            for scenario in book::named(std::slice::from_ref(name))? {
                tell::show(&scenario);
            }
            Ok(())
        }
        Scenarios::Run(arguments) => play_on_a_platform(arguments).await,
    }
}

async fn play_on_a_platform(arguments: &RunScenarios) -> Result<(), Exit> {
    let scenarios = book::named(&arguments.names)?;
    let folder = platform::folder(arguments.data.as_deref(), "bursar-scenario-")?;
    let setup = Setup {
        data: folder.path().to_owned(),
        database_url: arguments.databases.database_url.clone(),
        database_prefix: arguments.databases.database_prefix.clone(),
        ports: arguments.ports.into(),
    };
    let teller = Teller::new(arguments.json, scenarios.len() <= 3);
    teller.note(&format!("Bursar scenario book, in {}", folder.path().display()));
    let stop = up::stop_signal()?;
    tokio::pin!(stop);
    let platform = Platform::prepare(&setup).await?;
    let running = tokio::select! {
        running = platform.start(|_| {}) => running?,
        () = &mut stop => return Err(Exit::software("stopped before the platform served")),
    };
    let played = tokio::select! {
        played = play(&running, &scenarios, &teller) => played,
        () = &mut stop => Err("stopped in the middle of the book".to_owned()),
    };
    running.stop().await;
    played.map_err(Exit::software)
}

/// Plays all of them; a scenario that does not hold does not keep the others from being played.
async fn play(running: &Running, scenarios: &[Scenario], teller: &Teller) -> Result<(), String> {
    let mut stage =
        Stage::set(running).await.map_err(|problem| format!("the stage cannot be set: {problem}"))?;
    let (mut failed, mut first) = (Vec::new(), None);
    for scenario in scenarios {
        teller.begin(scenario);
        let began = Instant::now();
        let mut outcome = one(&mut stage, scenario, teller).await;
        if let Err(problem) = stage.clear().await {
            outcome = outcome.and(Err(format!("what it left cannot be taken away: {problem}")));
        }
        teller.end(scenario, began.elapsed(), &outcome);
        if let Err(problem) = outcome {
            failed.push(scenario.name.to_owned());
            first.get_or_insert(format!("scenario `{}`: {problem}", scenario.name));
        }
    }
    let verified = books::verify(&stage.callers, |_, _| {}).await;
    teller.over(scenarios.len(), &failed);
    match (first, verified) {
        (Some(problem), _) => Err(problem),
        (None, Err(problem)) => Err(format!("the journal does not verify after the book: {problem}")),
        (None, Ok(_)) => Ok(()),
    }
}

async fn one(stage: &mut Stage, scenario: &Scenario, teller: &Teller) -> Result<String, String> {
    let script = &scenario.script;
    let mut scene = Scene::open(stage, scenario.name, &script.setup)
        .await
        .map_err(|problem| format!("set-up: {problem}"))?;
    for (number, step) in (1..).zip(&script.steps) {
        let done = act::act(stage, &mut scene, number, &step.act).await;
        let outcome = check::check(stage, &mut scene, step, done).await;
        teller.step(scenario, number, &outcome);
        outcome.map_err(|problem| format!("step {number} ({}): {problem}", step.text))?;
    }
    invariants::hold(stage, &scene, script.setup.product.is_some())
        .await
        .map_err(|problem| format!("after its steps: {problem}"))?;
    Ok(String::new())
}
