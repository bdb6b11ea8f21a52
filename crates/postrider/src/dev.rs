//! `postrider dev`: everything on this machine, with one command and no set-up. A private Postgres, the demo main app,
//! the API, a worker and the test receiver; then one lead goes all the way.

mod client;
mod database;
mod delivery;
mod env_file;
mod folder;
mod login;
mod owner;
mod parts;
mod ports;
mod text;
mod webhook;

use std::time::Duration;

use anyhow::Context;
use postrider_api::test_receiver::TestReceiver;
use postrider_worker::Stop;

use crate::cli::DevArguments;
use crate::command::runtime;
use crate::config::Config;
use crate::{logging, signals};

use client::Client;
use database::Database;
use delivery::Delivered;
use folder::DataFolder;
use owner::Owner;
use parts::Parts;
use ports::Ports;
use webhook::Webhook;

/// Between two looks at something that happens soon.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Runs the whole product until a signal, or with `--once` until one delivery is checked.
pub(crate) fn dev(config: &Config, arguments: &DevArguments) -> anyhow::Result<()> {
    logging::start(&config.log_with("warn,sqlx=error"));
    runtime(1)?.block_on(async {
        let stop = Stop::default();
        signals::listen(stop.clone())?;
        if let Some(path) = &arguments.env_file {
            // A script that waits for the file must not find the one of an earlier run.
            env_file::remove(path)?;
        }
        let folder = DataFolder::prepare(arguments.data_dir.as_deref(), arguments.once)?;
        text::starting(folder.path())?;
        let database = Database::start(folder.path(), arguments.postgres_bin.as_deref()).await?;
        let ended = run(config, arguments, &folder, &database, stop).await;
        let stopped = database.stop().await;
        ended.and(stopped)
    })
}

async fn run(
    config: &Config,
    arguments: &DevArguments,
    folder: &DataFolder,
    database: &Database,
    stop: Stop,
) -> anyhow::Result<()> {
    let ports = Ports::bind(
        arguments
            .port
            .unwrap_or(if arguments.once { 0 } else { ports::DEFAULT }),
    )?;
    let key_ring = folder.key_ring()?;
    let worker = parts::worker_config(config, database, &key_ring, arguments.strict_egress)?;
    let receiver = TestReceiver::stdout();
    let client = Client::new(ports.url())?;

    let owner = Owner::log_in(&database.demo()).await?;
    let mut parts = Parts::start(worker, database, &ports, receiver.clone(), stop.clone()).await?;
    let show = async {
        let webhook = webhook::create(&client, &owner, &ports.receiver_url()).await?;
        let delivered = match &webhook {
            Webhook::Created(webhook_id) => {
                let secret = database.secret(&key_ring, &owner.chatbot_id, *webhook_id).await?;
                delivery::deliver(&database.demo(), &client, &owner, &receiver, &secret, *webhook_id).await
            }
            Webhook::Refused(reason) => Ok(Delivered::Refused(reason.clone())),
        };
        if let Some(path) = &arguments.env_file {
            env_file::write(path, &ports, &database.url(), &owner)?;
        }
        if arguments.once {
            return text::checked(&delivered.context("the delivery was not as promised")?);
        }
        text::welcome(&ports, &database.url(), folder.path(), &owner, &delivered)
    };
    let ended = tokio::select! {
        biased;
        () = stop.drain.cancelled() => Ok(()),
        died = parts.died() => Err(died),
        shown = show => match shown {
            Ok(()) if !arguments.once => until_stopped(&mut parts, &stop).await,
            shown => shown,
        },
    };
    let stopped = parts.stop(&stop).await;
    ended.and(stopped)
}

async fn until_stopped(parts: &mut Parts, stop: &Stop) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        () = stop.drain.cancelled() => Ok(()),
        died = parts.died() => Err(died),
    }
}
