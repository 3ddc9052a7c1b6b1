//! The nine figures of the ledger, each a ratio: ours against what the same machine does without the ledger's work.

mod bulk;
mod growth;
mod latency;
mod load;
mod plan;
mod sql;
pub(super) mod stage;
pub(super) mod start;
mod stream;
mod unary;
mod verify;
mod wire;

use bursar_loadgen::Figure;

use crate::cli::{Bench, BenchFigure};
use crate::exit::Exit;
pub(super) use load::Ids;
use plan::Plan;
use sql::Sql;
use stage::Stage;

/// Accounts that transfers are spread over.
const ACCOUNTS: usize = 10_000;

/// What of the bench is asked for.
struct Asked<'a> {
    arguments: &'a Bench,
    plan: Plan,
}

impl Asked<'_> {
    fn wants(&self, figure: BenchFigure) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&figure)
    }

    fn wants_any(&self, figures: &[BenchFigure]) -> bool {
        figures.iter().any(|figure| self.wants(*figure))
    }
}

/// Measures what was asked for, in the order of the table.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    use BenchFigure::{
        BulkHot, BulkUniform, Growth, Start, Stream1024, Unary256, UnaryHot, UnaryP99, Verify,
    };
    let asked = Asked { arguments, plan: if arguments.quick { Plan::QUICK } else { Plan::FULL } };
    let mut figures = Vec::new();
    if asked.wants_any(&[Unary256, Stream1024, UnaryP99, BulkUniform, BulkHot, UnaryHot]) {
        let stage = Stage::set(&arguments.databases, ACCOUNTS).await?;
        let measured = speed(&asked, &stage).await;
        figures.extend(stage.clear(measured).await?);
    }
    // A ledger of its own each: what others wrote must not be in the way of what is measured.
    if asked.wants(Growth) {
        let stage = Stage::set(&arguments.databases, ACCOUNTS).await?;
        let measured = growth::figure(&stage, asked.plan).await;
        figures.push(stage.clear(measured).await?);
    }
    if asked.wants_any(&[Verify, Start]) {
        let stage = Stage::set(&arguments.databases, ACCOUNTS).await?;
        if asked.wants(Verify) {
            match verify::figure(&stage, asked.plan).await {
                Ok(figure) => figures.push(figure),
                Err(exit) => return stage.clear(Err(exit)).await,
            }
        }
        if asked.wants(Start) {
            figures.push(start::figure(stage, asked.plan).await?);
        } else {
            stage.clear(Ok(())).await?;
        }
    }
    Ok(figures)
}

/// The figures that are rates of one kind of load, on one ledger.
async fn speed(asked: &Asked<'_>, stage: &Stage) -> Result<Vec<Figure>, Exit> {
    use BenchFigure::{BulkUniform, Stream1024, Unary256, UnaryHot, UnaryP99};
    let plan = asked.plan;
    let mut figures = Vec::new();
    let mut most = None;
    if asked.wants(Unary256) {
        let figure = unary::uniform(stage, plan).await?;
        most = Some(figure.value);
        figures.push(figure);
    }
    if asked.wants(Stream1024) {
        figures.push(stream::transfers(stage, plan).await?);
    }
    if asked.wants(UnaryP99) {
        figures.push(latency::p99(stage, plan, most).await?);
    }
    let sql = match asked.wants_any(&[BulkUniform, UnaryHot]) {
        true => Some(Sql::open(asked.arguments, stage.folder()).await?),
        false => None,
    };
    let measured = against_sql(asked, stage, sql.as_ref()).await;
    if let Some(sql) = sql {
        sql.close().await;
    }
    figures.extend(measured?);
    Ok(figures)
}

async fn against_sql(asked: &Asked<'_>, stage: &Stage, sql: Option<&Sql>) -> Result<Vec<Figure>, Exit> {
    use BenchFigure::{BulkHot, BulkUniform, UnaryHot};
    let wanted = bulk::Wanted { uniform: asked.wants(BulkUniform), hot: asked.wants(BulkHot) };
    let mut figures = Vec::new();
    if wanted.uniform || wanted.hot {
        figures.extend(bulk::figures(stage, sql.filter(|_| wanted.uniform), wanted, asked.plan).await?);
    }
    if let Some(sql) = sql.filter(|_| asked.wants(UnaryHot)) {
        figures.push(unary::hot(stage, sql, asked.plan).await?);
    }
    Ok(figures)
}
