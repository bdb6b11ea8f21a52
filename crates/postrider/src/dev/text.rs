//! What people read.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::delivery::Delivered;
use super::owner::Owner;
use super::ports::Ports;

/// The first line: what follows takes a moment.
pub(super) fn starting(folder: &Path) -> anyhow::Result<()> {
    print(&format!("Starting a private Postgres in {} …\n", folder.display()))
}

/// The end of `dev --once`.
pub(super) fn checked(delivered: &Delivered) -> anyhow::Result<()> {
    match delivered {
        Delivered::Arrived { after, success_count } => print(&format!(
            "Delivery checked: arrived {:.1} ms after the commit, signature valid, successCount {success_count}.\n",
            after.as_secs_f64() * 1000.0
        )),
        Delivered::Refused(reason) => anyhow::bail!("the webhook was refused: {reason}"),
    }
}

/// What happened, and what to try next.
pub(super) fn welcome(
    ports: &Ports,
    database_url: &str,
    folder: &Path,
    owner: &Owner,
    delivered: &anyhow::Result<Delivered>,
) -> anyhow::Result<()> {
    let happened = match delivered {
        Ok(Delivered::Arrived { after, .. }) => format!(
            "A lead was written together with its event, and the test receiver above got it {:.1} ms after the commit,\n\
             with a valid signature.",
            after.as_secs_f64() * 1000.0
        ),
        Ok(Delivered::Refused(reason)) => format!(
            "No webhook points at the test receiver: with --strict-egress its address is refused, as in production\n({reason})."
        ),
        Err(error) => format!("The first lead did not get through: {error:#}"),
    };
    let (url, metrics, folder) = (ports.local_url(), ports.monitoring_url(), folder.display());
    let Owner {
        chatbot_id,
        session_token,
    } = owner;
    print(&format!(
        "
{happened}

  Dashboard   {url}/dev/login/{chatbot_id}?session={session_token}
  API         {url}/api/v1/chatbots/{chatbot_id}/webhooks
  Metrics     {metrics}/metrics
  Database    {database_url}
  Data        {folder}

Create a lead:
  curl -sS {url}/api/v1/chatbots/{chatbot_id}/leads -H 'Authorization: Bearer {session_token}' \\
    -H 'Content-Type: application/json' -d '{{\"name\":\"Ada Lovelace\",\"email\":\"ada@example.com\"}}'

List the webhooks with their counts:
  curl -sS {url}/api/v1/chatbots/{chatbot_id}/webhooks -H 'Authorization: Bearer {session_token}'

Point another webhook at a program of yours:
  curl -sS {url}/api/v1/chatbots/{chatbot_id}/webhooks -H 'Authorization: Bearer {session_token}' \\
    -H 'Content-Type: application/json' \\
    -d '{{\"name\":\"Mine\",\"url\":\"http://localhost:8080/\",\"eventTypes\":[\"LEAD_CREATED\"]}}'

Enqueue from SQL, in any transaction:
  psql '{database_url}' \\
    -c \"select postrider.enqueue('{chatbot_id}', 'CONVERSATION_STARTED', '{{\\\"id\\\":\\\"c1\\\"}}')\"

Everything runs. Ctrl-C stops it, Postgres too.
"
    ))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}
