//! The checker: reconciles what the producers committed, what the receiver saw and what the database says.

mod database;
mod deliveries;
mod duplicates;
mod events;
mod figures;
mod order;
mod transactions;

use crate::outcome::Outcome;
use crate::stage::Stage;
use database::Found;

/// Adds every check that each scenario must pass. The database must run; no worker should.
pub(crate) async fn reconcile(stage: &Stage, outcome: &mut Outcome) {
    let found = Found::read(&stage.pool).await;
    events::check(stage, &found, outcome);
    requests(stage, outcome);
    deliveries::check(stage, &found, outcome);
    duplicates::check(stage, &found, outcome).await;
    order::check(stage, &found, outcome);
    figures::check(stage, &found, outcome);
    transactions::check(stage, outcome);
}

/// Every request was signed with the right secret, went to a known path and named its event.
fn requests(stage: &Stage, outcome: &mut Outcome) {
    let (count, first) = stage.receiver.shared.log.problems();
    outcome.check("every signature valid", count == 0, format!("{count} wrong {first:?}"));
    outcome.figure("requests", stage.receiver.shared.log.count() as f64);
}
