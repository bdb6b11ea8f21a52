//! Transactions: a worker holds none for long, as it would keep Postgres from cleaning up behind everybody.

use crate::outcome::Outcome;
use crate::stage::Stage;

/// The promise.
const LIMIT_MS: f64 = 1000.0;

/// Adds the figure, and the check where it means something.
pub(super) fn check(stage: &Stage, outcome: &mut Outcome) {
    let (longest_ms, at) = stage.longest_transaction.so_far();
    outcome.figure("longest transaction, ms", longest_ms);
    let can_be_kept_open = stage.allowed.long_transactions;
    outcome.figure("transactions can be kept open", f64::from(u8::from(can_be_kept_open)));
    if longest_ms > LIMIT_MS {
        let at = at.lines().next().unwrap_or_default();
        outcome.note(format!("longest transaction of a worker, {longest_ms:.0} ms: {at}"));
    }
    // A debug build beside other scenarios waits for a processor, and not for itself.
    if !can_be_kept_open && !cfg!(debug_assertions) {
        let found = format!("{longest_ms:.0} ms");
        outcome.check("no transaction of a second", longest_ms < LIMIT_MS, found);
    }
}
