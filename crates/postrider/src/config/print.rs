//! The documentation of all settings, as `postrider config` prints it.

use super::keys::KEYS;

/// Every key with its meaning, form and default. No value of this installation is in it.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "Settings come from a TOML file (--config FILE, or POSTRIDER_CONFIG) with flat keys,\n\
         and from the environment: POSTRIDER_ and the key in capitals. The environment wins.\n\
         An empty environment variable counts as not set. Unknown keys are errors.\n",
    );
    for (commands, keys) in KEYS {
        text.push_str(&format!("\n# {commands}\n"));
        for key in *keys {
            let default = match key.default {
                None => "must be set".to_owned(),
                Some("") => "may be left out".to_owned(),
                Some(default) => format!("default {default}"),
            };
            text.push_str(&format!(
                "\n{}  ({}; {default})\n    {}\n",
                key.name, key.unit, key.meaning
            ));
        }
    }
    text
}
