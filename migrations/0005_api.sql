-- What the management API needs beyond the shared tables: its long-running jobs, and the right to write a test event.

set local lock_timeout = '5s';

-- A recovery moves up to millions of dead letters back to their lane, and a deleted webhook can leave as many rows
-- behind. Neither fits into one request, so each is a row here that any API process carries on, batch by batch.
create table postrider.job (
    id bigint primary key default postrider.next_id(),
    kind text not null check (kind in ('recover', 'erase')),
    webhook_id bigint not null,
    since timestamptz,
    position bigint not null default 0,
    moved bigint not null default 0,
    due_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    check ((kind = 'recover') = (since is not null))
);
create index job_due on postrider.job (due_at, id) where finished_at is null;
create index job_webhook on postrider.job (webhook_id, id);

comment on table postrider.job is 'Work of the management API that outlives a request; carried out in bounded batches.';
comment on column postrider.job.id is 'Time-ordered id; a recovery is shown to users as recovery_<id>.';
comment on column postrider.job.kind is
    'recover: sends dead letters of a webhook again. erase: removes what a deleted webhook left behind.';
comment on column postrider.job.webhook_id is 'The webhook.';
comment on column postrider.job.since is 'Of a recovery: deliveries given up at this moment or later are sent again.';
comment on column postrider.job.position is 'Of a recovery: dead letters up to this event id are done. Of an erasure: how often everything was found gone.';
comment on column postrider.job.moved is 'Deliveries sent again, or rows removed, so far.';
comment on column postrider.job.due_at is 'When its next batch may be done; each batch moves it behind the other jobs.';
comment on column postrider.job.created_at is 'When it was asked for; deliveries given up later are not part of it.';
comment on column postrider.job.finished_at is 'When its last batch was done; null until then.';

grant select, insert, update, delete on postrider.job to postrider_api;

-- A test event goes to one webhook only: it gets an event row and a delivery row, but never an outbox row.
grant insert on postrider.event to postrider_api;
