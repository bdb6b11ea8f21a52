-- Tables of postrider. Every object is schema-qualified; hot tables have no foreign keys and no triggers
-- (a foreign key locks the parent row inside the application's transaction).

set local lock_timeout = '5s';

comment on schema postrider is 'Durable webhooks: events written by the application, delivered by postrider workers.';

-- Ids ---------------------------------------------------------------------------------------------------------------

create sequence postrider.event_id_seq;
comment on sequence postrider.event_id_seq is 'Low 22 bits of the time-ordered ids made by postrider.next_id().';

create sequence postrider.token_seq;
comment on sequence postrider.token_seq is 'Lease ids, and the fencing tokens of claimed deliveries.';

create function postrider.next_id() returns bigint
    language sql volatile parallel unsafe
    return ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000) << 22
           | (nextval('postrider.event_id_seq') & 4194303);
comment on function postrider.next_id() is
    'A new time-ordered id: milliseconds since 2024-01-01T00:00:00Z in the high 41 bits, a sequence in the low 22.';

create function postrider.first_id_at(moment timestamptz) returns bigint
    language sql immutable parallel safe
    return ((extract(epoch from moment) * 1000)::bigint - 1704067200000) << 22;
comment on function postrider.first_id_at(timestamptz) is
    'The smallest id that next_id() can make at this moment: turns a time range into an id range.';

create function postrider.time_of_id(id bigint) returns timestamptz
    language sql immutable parallel safe
    return to_timestamp(((id >> 22) + 1704067200000) / 1000.0);
comment on function postrider.time_of_id(bigint) is 'The moment, to the millisecond, at which next_id() made this id.';

-- Webhooks ----------------------------------------------------------------------------------------------------------

create table postrider.webhook (
    id bigint primary key default postrider.next_id(),
    tenant text not null,
    name text not null,
    url text not null,
    event_types text[] not null,
    is_active boolean not null default true,
    max_retries integer not null default 3,
    retry_delay_ms integer not null default 1000,
    timeout_ms integer not null default 15000,
    max_in_flight integer not null default 32,
    rate_limit_per_second integer,
    headers jsonb not null default '{}',
    secret bytea not null,
    previous_secret bytea,
    previous_secret_expires_at timestamptz,
    paused_at timestamptz,
    disabled_at timestamptz,
    disabled_reason text,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index webhook_tenant on postrider.webhook (tenant);

comment on table postrider.webhook is 'A URL subscribed to events of one tenant, and how to deliver to it.';
comment on column postrider.webhook.id is 'Time-ordered id; shown to users as webhook_<id>.';
comment on column postrider.webhook.tenant is 'Owner of the webhook; the chatbot id in the public API.';
comment on column postrider.webhook.name is 'What the owner calls it.';
comment on column postrider.webhook.url is 'Where deliveries are sent, as checked by the egress rules at its last change.';
comment on column postrider.webhook.event_types is 'Subscribed event types; * subscribes to all.';
comment on column postrider.webhook.is_active is 'False: no event is kept for it.';
comment on column postrider.webhook.max_retries is 'Retries after the first attempt before the delivery becomes a dead letter.';
comment on column postrider.webhook.retry_delay_ms is 'Base of the exponential delay between attempts, in milliseconds.';
comment on column postrider.webhook.timeout_ms is 'Limit of one whole attempt, response body included, in milliseconds.';
comment on column postrider.webhook.max_in_flight is 'Requests one worker may have open to it at a time.';
comment on column postrider.webhook.rate_limit_per_second is 'Requests one worker may start per second; null means no limit.';
comment on column postrider.webhook.headers is 'Extra request headers, an object of names to values.';
comment on column postrider.webhook.secret is 'Signing secret, encrypted; see the secret module of postrider-core for the format.';
comment on column postrider.webhook.previous_secret is 'The secret before the last rotation, encrypted; signs too until it expires.';
comment on column postrider.webhook.previous_secret_expires_at is 'When the previous secret stops signing.';
comment on column postrider.webhook.paused_at is 'Set while paused: events wait in its lane and flow on resume.';
comment on column postrider.webhook.disabled_at is 'When postrider itself deactivated it; null when its owner did, or while active.';
comment on column postrider.webhook.disabled_reason is 'Why postrider deactivated it: gone.';
comment on column postrider.webhook.version is 'Raised by every change, so that workers know when their compiled form is stale.';
comment on column postrider.webhook.created_at is 'When it was created.';
comment on column postrider.webhook.updated_at is 'When its configuration last changed.';

-- Events ------------------------------------------------------------------------------------------------------------

create table postrider.event (
    id bigint not null,
    bucket smallint not null,
    tenant text not null,
    type text not null,
    ordering_key text,
    payload json not null,
    primary key (bucket, id)
) partition by range (id);
create table postrider.event_default partition of postrider.event default;

comment on table postrider.event is 'Append-only record of what happened; partitioned by day of its id.';
comment on column postrider.event.id is 'Time-ordered id; its time is the timestamp receivers see.';
comment on column postrider.event.bucket is 'hash(tenant) % 256: spreads claims over tenants; the future distribution column.';
comment on column postrider.event.tenant is 'Whose event it is; the chatbot id in the public API.';
comment on column postrider.event.type is 'Event type such as LEAD_CREATED: [A-Z][A-Z0-9_]*, at most 100 characters.';
comment on column postrider.event.ordering_key is 'Events of one tenant with the same key are meant to arrive in order.';
comment on column postrider.event.payload is
    'The data of the event. json, never jsonb: it keeps every byte as written, and the signature covers bytes.';
comment on table postrider.event_default is 'Events of days without a partition, when no worker has run for long.';

create table postrider.outbox (
    bucket smallint not null,
    redelivery smallint not null default 0,
    event_id bigint not null,
    tenant text not null,
    primary key (bucket, event_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_cost_delay = 0);

comment on table postrider.outbox is 'Narrow hot queue of events not yet claimed by a worker.';
comment on column postrider.outbox.bucket is 'Bucket of the event; first key column, so that a claim is fair over tenants.';
comment on column postrider.outbox.redelivery is 'How often a worker died holding the event.';
comment on column postrider.outbox.event_id is 'The event.';
comment on column postrider.outbox.tenant is 'Tenant of the event.';

create table postrider.deferred (
    due_at timestamptz not null,
    bucket smallint not null,
    event_id bigint not null,
    tenant text not null,
    primary key (due_at, event_id)
);

comment on table postrider.deferred is 'Events enqueued with deliver_after; a worker moves them to the outbox when due.';
comment on column postrider.deferred.due_at is 'Not delivered before this moment.';
comment on column postrider.deferred.bucket is 'Bucket of the event.';
comment on column postrider.deferred.event_id is 'The event.';
comment on column postrider.deferred.tenant is 'Tenant of the event.';

create table postrider.idempotency (
    first_id bigint not null,
    tenant text not null,
    key text not null,
    event_id bigint not null,
    primary key (tenant, key, first_id)
) partition by range (first_id);
create table postrider.idempotency_default partition of postrider.idempotency default;

comment on table postrider.idempotency is 'Idempotency keys seen within the retention, and the event each made first.';
comment on column postrider.idempotency.first_id is 'First id of the day the row stands for; each use writes its day and the day before.';
comment on column postrider.idempotency.tenant is 'Tenant that used the key.';
comment on column postrider.idempotency.key is 'The key, unique per tenant.';
comment on column postrider.idempotency.event_id is 'The event the first call with this key made.';
comment on table postrider.idempotency_default is 'Keys of days without a partition, when no worker has run for long.';

-- Workers and what they hold ----------------------------------------------------------------------------------------

create table postrider.worker (
    id uuid primary key,
    name text not null,
    version text not null,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    flushed bigint not null default 0
) with (fillfactor = 50);

comment on table postrider.worker is 'Running workers. One silent past the lease time is removed and what it held given back.';
comment on column postrider.worker.id is 'Fresh random id per process start: the fencing epoch.';
comment on column postrider.worker.name is 'Host name and process id, for people.';
comment on column postrider.worker.version is 'Version of the program.';
comment on column postrider.worker.started_at is 'When it registered.';
comment on column postrider.worker.heartbeat_at is 'Last sign of life.';
comment on column postrider.worker.flushed is
    'Number of its last recorded flush: a flush repeated after a lost answer finds it and does nothing twice.';

create table postrider.lease (
    id bigint primary key,
    worker_id uuid not null,
    claimed_at timestamptz not null default now(),
    event_ids bigint[] not null,
    buckets smallint[] not null,
    redeliveries smallint[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
alter table postrider.lease alter column event_ids set storage plain;
alter table postrider.lease alter column buckets set storage plain;
alter table postrider.lease alter column redeliveries set storage plain;

comment on table postrider.lease is 'One row per claimed batch of events, removed when all of it is recorded.';
comment on column postrider.lease.id is 'From token_seq.';
comment on column postrider.lease.worker_id is 'The worker that holds it; a lease without a living worker goes back to the outbox.';
comment on column postrider.lease.claimed_at is 'When the batch was claimed.';
comment on column postrider.lease.event_ids is 'Events of the batch.';
comment on column postrider.lease.buckets is 'Bucket of each event.';
comment on column postrider.lease.redeliveries is 'Redelivery count of each event when claimed.';

create table postrider.delivery (
    webhook_id bigint not null,
    event_id bigint not null,
    bucket smallint not null,
    attempts smallint not null,
    due_at timestamptz not null,
    token bigint,
    primary key (webhook_id, event_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
create index delivery_due on postrider.delivery (webhook_id, due_at, event_id);

comment on table postrider.delivery is 'Deliveries that wait: to be retried, parked, or claimed by a worker on the slow path.';
comment on column postrider.delivery.webhook_id is 'The webhook; its deliveries are its lane.';
comment on column postrider.delivery.event_id is 'The event.';
comment on column postrider.delivery.bucket is 'Bucket of the event.';
comment on column postrider.delivery.attempts is 'Attempts made so far.';
comment on column postrider.delivery.due_at is
    'When the next attempt is due; for a claimed delivery, when its claim ends (visibility timeout).';
comment on column postrider.delivery.token is 'Fencing token of the claim; a result counts only under the token it was claimed with.';

create table postrider.lane (
    webhook_id bigint primary key,
    due_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
create index lane_due on postrider.lane (due_at);

comment on table postrider.lane is 'One row per webhook with waiting deliveries.';
comment on column postrider.lane.webhook_id is 'The webhook.';
comment on column postrider.lane.due_at is 'Not later than the due_at of its first delivery; infinity when nothing may be claimed.';

-- History -----------------------------------------------------------------------------------------------------------

create table postrider.attempt (
    event_id bigint not null,
    webhook_id bigint not null,
    started_at timestamptz not null,
    duration_us integer not null,
    bucket smallint not null,
    number smallint not null,
    status smallint,
    error text,
    error_detail text,
    response bytea
) partition by range (event_id);
create index attempt_webhook_event on postrider.attempt (webhook_id, event_id);
create table postrider.attempt_default partition of postrider.attempt default;

comment on table postrider.attempt is 'Append-only history: one row per request on the wire; partitioned by day of the event.';
comment on column postrider.attempt.event_id is 'The event.';
comment on column postrider.attempt.webhook_id is 'The webhook.';
comment on column postrider.attempt.started_at is 'When the request began.';
comment on column postrider.attempt.duration_us is 'From the begin of the request to the end of the response or the failure, in microseconds.';
comment on column postrider.attempt.bucket is 'Bucket of the event.';
comment on column postrider.attempt.number is '1 for the first attempt of a delivery.';
comment on column postrider.attempt.status is 'HTTP status of the response; null when there was none.';
comment on column postrider.attempt.error is 'Kind of failure; null for a success.';
comment on column postrider.attempt.error_detail is 'What exactly failed, for people.';
comment on column postrider.attempt.response is 'First bytes of the response body, at most 1 KiB; null when empty.';
comment on table postrider.attempt_default is 'Attempts for events of days without a partition.';

create table postrider.dead_letter (
    event_id bigint not null,
    webhook_id bigint not null,
    bucket smallint not null,
    attempts smallint not null,
    reason text not null,
    created_at timestamptz not null default now(),
    primary key (webhook_id, event_id)
) partition by range (event_id);
create table postrider.dead_letter_default partition of postrider.dead_letter default;

comment on table postrider.dead_letter is 'Deliveries given up, kept to be seen and resent until the event leaves retention.';
comment on column postrider.dead_letter.event_id is 'The event.';
comment on column postrider.dead_letter.webhook_id is 'The webhook.';
comment on column postrider.dead_letter.bucket is 'Bucket of the event.';
comment on column postrider.dead_letter.attempts is 'Attempts made.';
comment on column postrider.dead_letter.reason is 'Why it was given up: exhausted, gone, poison or inactive.';
comment on column postrider.dead_letter.created_at is 'When it was given up.';
comment on table postrider.dead_letter_default is 'Dead letters for events of days without a partition.';

-- Statistics --------------------------------------------------------------------------------------------------------

create table postrider.webhook_stats (
    webhook_id bigint primary key,
    delivered bigint not null default 0,
    failed_attempts bigint not null default 0,
    given_up bigint not null default 0,
    last_triggered_at timestamptz,
    last_success_at timestamptz
) with (fillfactor = 50);

comment on table postrider.webhook_stats is 'Folded statistics of each webhook; readers add the rows of stats_delta.';
comment on column postrider.webhook_stats.webhook_id is 'The webhook.';
comment on column postrider.webhook_stats.delivered is 'Deliveries that succeeded.';
comment on column postrider.webhook_stats.failed_attempts is 'Attempts that failed.';
comment on column postrider.webhook_stats.given_up is 'Deliveries given up.';
comment on column postrider.webhook_stats.last_triggered_at is 'When the last attempt began.';
comment on column postrider.webhook_stats.last_success_at is 'When the last successful attempt began.';

create table postrider.stats_delta (
    id bigint generated always as identity primary key,
    webhook_ids bigint[] not null,
    delivered integer[] not null,
    failed_attempts integer[] not null,
    given_up integer[] not null,
    last_triggered_at timestamptz[] not null,
    last_success_at timestamptz[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

comment on table postrider.stats_delta is 'What one flush of a worker adds to the statistics; folded into webhook_stats soon after.';
comment on column postrider.stats_delta.id is 'Row id.';
comment on column postrider.stats_delta.webhook_ids is 'The webhooks of the flush; the other arrays are parallel to it.';
comment on column postrider.stats_delta.delivered is 'Deliveries that succeeded.';
comment on column postrider.stats_delta.failed_attempts is 'Attempts that failed.';
comment on column postrider.stats_delta.given_up is 'Deliveries given up.';
comment on column postrider.stats_delta.last_triggered_at is 'When the last attempt began; null without one.';
comment on column postrider.stats_delta.last_success_at is 'When the last successful attempt began; null without one.';

create view postrider.webhook_statistics as
    select w.id as webhook_id,
           coalesce(s.delivered, 0) + coalesce(d.delivered, 0) as delivered,
           coalesce(s.failed_attempts, 0) + coalesce(d.failed_attempts, 0) as failed_attempts,
           coalesce(s.given_up, 0) + coalesce(d.given_up, 0) as given_up,
           greatest(s.last_triggered_at, d.last_triggered_at) as last_triggered_at,
           greatest(s.last_success_at, d.last_success_at) as last_success_at
      from postrider.webhook w
      left join postrider.webhook_stats s on s.webhook_id = w.id
      left join (
            select r.webhook_id, sum(r.delivered) as delivered, sum(r.failed_attempts) as failed_attempts,
                   sum(r.given_up) as given_up, max(r.last_triggered_at) as last_triggered_at,
                   max(r.last_success_at) as last_success_at
              from postrider.stats_delta t,
                   unnest(t.webhook_ids, t.delivered, t.failed_attempts, t.given_up, t.last_triggered_at, t.last_success_at)
                   as r (webhook_id, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
             group by r.webhook_id
           ) d on d.webhook_id = w.id;

comment on view postrider.webhook_statistics is
    'Exact statistics of each webhook as of the last committed flush: folded figures plus the deltas not folded yet.';
comment on column postrider.webhook_statistics.webhook_id is 'The webhook.';
comment on column postrider.webhook_statistics.delivered is 'Deliveries that succeeded: successCount of the API.';
comment on column postrider.webhook_statistics.failed_attempts is 'Attempts that failed: failureCount of the API.';
comment on column postrider.webhook_statistics.given_up is 'Deliveries given up.';
comment on column postrider.webhook_statistics.last_triggered_at is 'When the last attempt began.';
comment on column postrider.webhook_statistics.last_success_at is 'When the last successful attempt began.';
