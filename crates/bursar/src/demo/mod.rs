//! `bursar demo`: the platform plays a customer's first day through its public interfaces, then checks the books.
//!
//! The people of the journey are those of [`outside`](crate::outside): it knows only what they know.

mod report;
mod secrets;
mod shop;
mod story;

use std::path::{Path, PathBuf};

use crate::cli::Demo;
use crate::exit::Exit;
use crate::platform::{self, Endpoints, FleetEvent, Platform, Running, SERVICES, Setup};
use crate::up;
use report::Report;
use secrets::Secrets;

/// Plays the demo.
pub(crate) async fn run(arguments: &Demo) -> Result<(), Exit> {
    let mut report = Report::new(arguments.json);
    if arguments.attach {
        let data = arguments.data.clone().unwrap_or_default();
        let endpoints = Endpoints::read(&data)?;
        report.title(&format!("Bursar demo, against the platform in {}", data.display()));
        return play(&mut report, &endpoints, &data.join("demo.json"), arguments).await;
    }

    let folder = platform::folder(arguments.data.as_deref(), "bursar-demo-")?;
    let data = folder.path().to_owned();
    report.title(&format!("Bursar demo, in {}", data.display()));

    let stop = up::stop_signal()?;
    tokio::pin!(stop);
    let running = tokio::select! {
        running = start(arguments, data, &mut report) => running?,
        () = &mut stop => return Err(Exit::software("stopped before the platform served")),
    };
    let memory = running.layout.root().join("demo.json");
    let played = tokio::select! {
        played = play(&mut report, &running.endpoints, &memory, arguments) => played,
        () = &mut stop => Err(Exit::software("stopped in the middle of the journey")),
    };
    if arguments.keep && played.is_ok() {
        report
            .note(&format!("serving on; {} says where; Ctrl-C stops", running.layout.endpoints().display()));
        return up::serve(running, stop).await;
    }
    running.stop().await;
    played
}

async fn start(arguments: &Demo, data: PathBuf, report: &mut Report) -> Result<Running, Exit> {
    let setup = Setup {
        data,
        database_url: arguments.databases.database_url.clone(),
        database_prefix: arguments.databases.database_prefix.clone(),
        ports: arguments.ports.into(),
    };
    report.begin("platform", "starting five services");
    let database = if setup.database_url.is_some() { "PostgreSQL" } else { "embedded databases" };
    let platform = Platform::prepare(&setup).await;
    let running = match platform {
        Err(exit) => Err(exit),
        Ok(platform) => {
            let mut serving = 0;
            platform
                .start(|event| match event {
                    FleetEvent::Serving { service } => {
                        serving += 1;
                        report.progress(&format!("{serving} of 5 serve: {service}"));
                    }
                    FleetEvent::Died { service, how, .. } => {
                        report.progress(&format!("{service} ended: {how}"));
                    }
                    FleetEvent::Started { .. } | FleetEvent::Refused { .. } => {}
                })
                .await
        }
    };
    match running {
        Err(exit) => {
            report.failed(&exit.line);
            Err(exit)
        }
        Ok(running) => {
            let pids = running.fleet.pids();
            let list: Vec<String> = SERVICES
                .iter()
                .map(|service| format!("{service} {}", pids.get(service).copied().unwrap_or_default()))
                .collect();
            report.held(&format!("five processes on {database}, gRPC over mutual TLS ({})", list.join(", ")));
            Ok(running)
        }
    }
}

async fn play(
    report: &mut Report,
    endpoints: &Endpoints,
    memory: &Path,
    arguments: &Demo,
) -> Result<(), Exit> {
    let mut secrets = Secrets::default();
    let played = story::play(report, endpoints, memory, &mut secrets).await;
    if let Some(file) = &arguments.tell_secrets {
        secrets.tell(file)?;
    }
    match played {
        Ok(()) => {
            report.end("every step held");
            Ok(())
        }
        Err(problem) => {
            report.failed(&problem);
            Err(Exit::software(format!("step `{}` did not hold: {problem}", report.step())))
        }
    }
}
