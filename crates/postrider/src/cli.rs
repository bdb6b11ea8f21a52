//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use postrider_core::secret::KeyRing;

use crate::config::{self, Config};
use crate::exit::{self, Exit};
use crate::{command, dev};

/// Durable webhooks for applications on Postgres.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, about, after_help = exit::DOCUMENTATION, max_term_width = 100)]
struct Cli {
    /// TOML file with settings; the environment, POSTRIDER_ and the key in capitals, wins over it
    #[arg(
        long,
        value_name = "FILE",
        env = "POSTRIDER_CONFIG",
        hide_env_values = true,
        global = true
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deliver committed events to webhooks, until SIGTERM or SIGINT
    Worker,
    /// Serve the management API and the dashboard, until SIGTERM or SIGINT
    Api,
    /// Try everything on a private Postgres: demo app, API, worker and test receiver
    Dev(DevArguments),
    /// Bring the database to the schema of this program
    Migrate,
    /// Encrypt the secrets of all webhooks with the first key of encryption_keys
    Rekey,
    /// Print all settings with meaning, unit and default
    Config,
    /// Print a new entry for the setting encryption_keys
    Keygen,
}

/// Arguments of `postrider dev`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DevArguments {
    /// Where Postgres and the keys live [default: .postrider; with --once a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the app, the API and the test receiver; metrics are on the next one; 0 picks free ports [default: 3000; with --once 0]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Write URLs and the session token to this file once all is ready
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Check one delivery on free ports, then stop
    #[arg(long)]
    pub(crate) once: bool,
    /// Keep the address rules of production: nothing on this machine can receive
    #[arg(long, conflicts_with = "once")]
    pub(crate) strict_egress: bool,
    /// Folder with the Postgres programs to use [default: the newest that is found]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) postgres_bin: Option<PathBuf>,
}

/// Reads the command line, carries it out, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider of cryptography for everything in this process that speaks TLS. It fails only when one is chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postrider: {error:#}");
            Exit::of(&error).into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    // An empty variable counts as not set, as for every setting.
    let file = cli.config.filter(|path| !path.as_os_str().is_empty());
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = || Config::load(file.as_deref(), environment.collect());
    match cli.command {
        Command::Worker => command::worker(&config()),
        Command::Api => command::api(&config()),
        Command::Dev(arguments) => dev::dev(&config(), &arguments),
        Command::Migrate => command::migrate(&config()),
        Command::Rekey => command::rekey(&config()),
        Command::Config => print(&config::table()),
        Command::Keygen => keygen(),
    }
}

/// A new key under an id of its own, so that it can stand beside older ones.
fn keygen() -> anyhow::Result<()> {
    let mut id = [0_u8; 4];
    getrandom::fill(&mut id).context("the operating system gives no random bytes")?;
    let generated = KeyRing::generate().expose();
    let (_, key) = generated.split_once(':').context("a generated key has an id")?;
    print(&format!("k{}:{key}\n", hex::encode(id)))
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;

    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}
