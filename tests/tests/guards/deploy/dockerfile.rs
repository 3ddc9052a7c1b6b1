//! `deploy/Dockerfile` and `.dockerignore`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;

use super::{root, settings, text, unpinned};

/// A stage: what it starts from, what it is called, and its instructions, each on one line.
#[derive(Debug)]
struct Stage {
    from: String,
    name: String,
    steps: Vec<String>,
}

impl Stage {
    fn steps<'a>(&'a self, instruction: &'a str) -> impl Iterator<Item = &'a str> {
        self.steps.iter().filter_map(move |step| step.strip_prefix(instruction)?.strip_prefix(' '))
    }
}

/// The stages, and the defaults of the arguments before them.
fn stages(dockerfile: &str) -> (Vec<Stage>, BTreeMap<String, String>) {
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let (mut stages, mut arguments) = (Vec::<Stage>::new(), BTreeMap::new());
    for line in joined.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        match (parts.as_slice(), stages.last_mut()) {
            (["FROM", from, "AS", name], _) => {
                stages.push(Stage { from: (*from).into(), name: (*name).into(), steps: Vec::new() });
            }
            (["FROM", ..], _) => panic!("a stage without a name: {line}"),
            (["ARG", argument], None) => {
                let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
                arguments.insert(name.to_owned(), value.to_owned());
            }
            (_, None) => panic!("before the first stage: {line}"),
            (parts, Some(stage)) => stage.steps.push(parts.join(" ")),
        }
    }
    (stages, arguments)
}

/// The programs of the workspace that are shipped.
pub(super) fn programs() -> BTreeSet<String> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata works");
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    targets
        .filter(|target| target.is_bin() && target.name != "xtask")
        .map(|target| target.name.clone())
        .collect()
}

/// The names of the stages.
pub(super) fn targets() -> BTreeSet<String> {
    stages(&text("deploy/Dockerfile")).0.into_iter().map(|stage| stage.name).collect()
}

/// What is wrong with the Dockerfile.
fn problems(dockerfile: &str, ignore: &str) -> Vec<String> {
    let (stages, arguments) = stages(dockerfile);
    let mut found = Vec::new();
    let names: BTreeSet<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    for stage in &stages {
        let from = arguments
            .iter()
            .fold(stage.from.clone(), |from, (name, value)| from.replace(&format!("${{{name}}}"), value));
        if !names.contains(from.as_str()) {
            found.extend(unpinned(&from));
        }
        for sources in stage.steps("COPY").filter(|step| !step.contains("--from=")) {
            let mut paths: Vec<&str> = sources.split(' ').collect();
            paths.pop();
            for path in paths {
                if !root().join(path).exists() {
                    found.push(format!("{} copies {path}, which is not there", stage.name));
                }
                if !ignore.lines().any(|line| line == format!("!{path}")) {
                    found.push(format!("{} copies {path}, which .dockerignore keeps out", stage.name));
                }
            }
        }
        for secret in stage.steps("ENV").chain(stage.steps("ARG")) {
            let name = secret.to_ascii_uppercase();
            if ["PASSWORD", "SECRET", "TOKEN"].iter().any(|word| name.contains(word)) {
                found.push(format!("{} has a secret in the image: {secret}", stage.name));
            }
        }
    }
    let programs = programs();
    for program in &programs {
        match stages.iter().find(|stage| stage.name == *program) {
            Some(stage) => found.extend(run_problems(stage)),
            None => found.push(format!("no stage for {program}")),
        }
    }
    for stage in stages.iter().filter(|stage| stage.from == "run" && !programs.contains(&stage.name)) {
        found.push(format!("{} is no program of the workspace", stage.name));
    }
    found.extend(build_problems(&stages, &programs));
    found
}

/// A stage that is shipped has one program, starts it without a shell, and probes it.
fn run_problems(stage: &Stage) -> Vec<String> {
    let mut found = Vec::new();
    let name = &stage.name;
    let path = format!("/usr/local/bin/{name}");
    let copied: Vec<&str> = stage.steps("COPY").collect();
    if copied != [format!("--from=build /out/bin/{name} {path}")] {
        found.push(format!("{name} holds something else than its program: {copied:?}"));
    }
    let list = |instruction| stage.steps(instruction).next().unwrap_or_default().to_owned();
    let mut expected = format!("[\"{path}\"]");
    let mut probe = "NONE".to_owned();
    if let Some(service) = name.strip_prefix("bursar-") {
        let config = format!("\"{path}\", \"--config\", \"/bursar/config/{service}.toml\"");
        expected = format!("[{config}]");
        probe = format!("CMD [{config}, \"--probe\"]");
        let ports: Vec<String> = settings::ports()[service].iter().map(u16::to_string).collect();
        if list("EXPOSE") != ports.join(" ") {
            found.push(format!("{name} exposes {}; its ports are {ports:?}", list("EXPOSE")));
        }
    }
    if list("ENTRYPOINT") != expected {
        found.push(format!("{name} starts {}, not {expected}", list("ENTRYPOINT")));
    }
    if !list("HEALTHCHECK").ends_with(&probe) {
        found.push(format!("{name} is not probed by {probe}"));
    }
    if stage.from != "run" {
        found.push(format!("{name} does not start from the stage `run`"));
    }
    found
}

/// The build takes the locked dependencies, and makes each program; the run stage has an unprivileged user.
fn build_problems(stages: &[Stage], programs: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let step = |name: &str, instruction: &str| -> String {
        let stage = stages.iter().find(|stage| stage.name == name);
        stage.into_iter().flat_map(|stage| stage.steps(instruction)).collect::<Vec<_>>().join(" ")
    };
    let run = step("build", "RUN");
    let built: BTreeSet<String> = run
        .split("--package ")
        .skip(1)
        .filter_map(|rest| rest.split([' ', ';']).next())
        .map(str::to_owned)
        .collect();
    if built != *programs {
        found.push(format!("the build makes {built:?}; the programs are {programs:?}"));
    }
    if !run.contains("cargo build --locked --release") {
        found.push("the build does not take the locked dependencies".to_owned());
    }
    let user = step("run", "USER");
    if !user.split(':').next().is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id > 0)) {
        found.push(format!("the run stage has no unprivileged user by number: {user:?}"));
    }
    found
}

#[test]
fn the_dockerfile_makes_an_image_of_each_program() {
    let problems = problems(&text("deploy/Dockerfile"), &text(".dockerignore"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_image_is_built_with_the_repositorys_toolchain() {
    let (_, arguments) = stages(&text("deploy/Dockerfile"));
    let toolchain = text("rust-toolchain.toml");
    assert!(toolchain.contains(&format!("channel = \"{}\"", arguments["RUST_VERSION"])), "{arguments:?}");
}

#[test]
fn these_checks_find_what_they_look_for() {
    let (good, ignore) = (text("deploy/Dockerfile"), text(".dockerignore"));
    let breaks = [
        ("COPY proto proto", "COPY protos proto"),
        ("gcr.io/distroless/cc-debian13:nonroot", "gcr.io/distroless/cc-debian13"),
        ("gcr.io/distroless/cc-debian13:nonroot", "gcr.io/distroless/cc-debian13:latest"),
        ("/out/bin/bursar-vault", "/out/bin/bursar-ledger"),
        ("AS bursar-vault", "AS bursar-vaults"),
        ("\"/bursar/config/ledger.toml\", \"--probe\"", "\"/bursar/config/ledger.toml\""),
        ("\"/bursar/config/ledger.toml\"]", "\"/bursar/ledger.toml\"]"),
        ("ENTRYPOINT [\"/usr/local/bin/bursar\"]", "ENTRYPOINT /usr/local/bin/bursar"),
        ("EXPOSE 7101 7201", "EXPOSE 7101 7202"),
        ("USER 65532:65532", "USER root"),
        ("--package bursar-vault ", ""),
        ("--locked ", ""),
        ("WORKDIR /bursar", "ENV API_TOKEN=x"),
    ];
    for (from, to) in breaks {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from} is in the Dockerfile");
        assert!(!problems(&broken, &ignore).is_empty(), "{from} → {to} is not found");
    }
    assert!(!problems(&good, &ignore.replace("!proto", "")).is_empty());
}
