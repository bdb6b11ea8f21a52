//! `postrider rekey`.

use crate::config::Config;
use crate::logging;
use crate::rekey::{Rekeyed, rekey as rekey_secrets};

use super::runtime;

/// Encrypts the secrets of all webhooks with the first key, and says how many it changed and which it could not.
pub(crate) fn rekey(config: &Config) -> anyhow::Result<()> {
    let settings = config.rekey()?;
    logging::start(&config.log());
    let Rekeyed {
        changed,
        undecryptable,
        locked,
    } = runtime(1)?.block_on(rekey_secrets(&settings.database, &settings.key_ring))?;
    println!("encrypted {changed} secrets again");
    let mut unreadable = 0;
    for (webhook, secrets) in undecryptable {
        for secret in secrets {
            unreadable += 1;
            eprintln!("{webhook}, {}: {}", secret.column, secret.error);
        }
    }
    for webhook in &locked {
        eprintln!("{webhook}: another transaction keeps it locked");
    }
    anyhow::ensure!(
        unreadable == 0 && locked.is_empty(),
        "{unreadable} secrets could not be decrypted, {} webhooks stayed locked: keep all keys, and run this again",
        locked.len()
    );
    println!("all secrets are under the first key: the others can be removed");
    Ok(())
}
