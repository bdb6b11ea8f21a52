-- Breakers, deactivation of webhooks that only fail, order per key, and what finds an event that kills workers.

set local lock_timeout = '5s';

-- Breaker -----------------------------------------------------------------------------------------------------------

alter table postrider.lane
    add column opened_at timestamptz,
    add column open_until timestamptz,
    add column is_probing boolean not null default false,
    add column trips smallint not null default 0,
    add column failing_since timestamptz,
    add column last_failed_at timestamptz;

comment on column postrider.lane.opened_at is
    'When the breaker opened; null while it is closed. New deliveries wait in the lane meanwhile.';
comment on column postrider.lane.open_until is
    'Until when the open breaker lets nothing through, then a few probes; while they are on their way, when their claim ends. '
    'Null while it is closed.';
comment on column postrider.lane.is_probing is 'Whether probes of the open breaker are on their way.';
comment on column postrider.lane.trips is 'How often the breaker opened since it was last closed: each time for twice as long.';
comment on column postrider.lane.failing_since is 'First failure after the last success; null when the last attempt succeeded.';
comment on column postrider.lane.last_failed_at is 'Last failure.';

create index lane_failing on postrider.lane (failing_since) where failing_since is not null;

comment on column postrider.webhook.disabled_reason is
    'Why postrider deactivated it: gone (the receiver answered 410), or failing (nothing but failures for days).';

-- Poison ------------------------------------------------------------------------------------------------------------

alter table postrider.delivery
    add column redelivery smallint not null default 0,
    add column probes smallint not null default 0;
comment on column postrider.delivery.redelivery is 'How often a claim of it ended without a result: a worker died holding it.';
comment on column postrider.delivery.probes is
    'Attempts that were probes of an open breaker and do not count against the retries of the webhook.';

-- Events that several workers died with are claimed alone. There are hardly ever any.
create index outbox_suspect on postrider.outbox (redelivery, event_id) where redelivery >= 2;
create index delivery_suspect on postrider.delivery (webhook_id, due_at) where redelivery >= 1;

-- Order -------------------------------------------------------------------------------------------------------------

alter table postrider.webhook
    add column ordering text not null default 'none' check (ordering in ('none', 'key')),
    add column on_give_up text not null default 'skip' check (on_give_up in ('skip', 'halt'));
create index webhook_ordered on postrider.webhook (tenant) where ordering = 'key';
comment on column postrider.webhook.ordering is
    'key: deliveries with the same ordering key arrive in the order of their commits, one at a time. none: side by side.';
comment on column postrider.webhook.on_give_up is
    'With ordering key, what a delivery given up does to the later ones of its key: skip (they go on) or halt (they wait).';
comment on column postrider.event.ordering_key is
    'Events of one tenant with the same key arrive in order at webhooks that ask for it.';

create sequence postrider.place_seq;
comment on sequence postrider.place_seq is 'Places of ordered events, in the order of their commits.';

create table postrider.ordered (
    bucket smallint not null,
    event_id bigint not null,
    tenant text not null,
    place bigint,
    primary key (bucket, event_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);
create index ordered_place on postrider.ordered (bucket, place);
create index ordered_without_place on postrider.ordered (bucket, event_id) where place is null;

comment on table postrider.ordered is
    'Like outbox, for events with an ordering key of tenants that have a webhook which wants order: their way to its lane.';
comment on column postrider.ordered.bucket is 'Bucket of the event.';
comment on column postrider.ordered.event_id is 'The event.';
comment on column postrider.ordered.tenant is 'Tenant of the event.';
comment on column postrider.ordered.place is 'Its place in the order of commits; taken when its transaction commits, so no other sees a null.';

create table postrider.turn (
    bucket smallint not null,
    side text not null,
    primary key (bucket, side)
);
insert into postrider.turn (bucket, side)
select b::smallint, s from generate_series(0, 255) b cross join unnest(array['commit', 'claim']) s;

comment on table postrider.turn is
    'Rows to lock, never changed: whose turn it is in a bucket to commit ordered events, or to move them to their lanes.';
comment on column postrider.turn.bucket is 'The bucket.';
comment on column postrider.turn.side is 'commit: for applications. claim: for workers.';

-- Gives the events of the committing transaction their places. Ids are made when an event is written, and transactions
-- do not commit in that order. Whoever has the turn of a bucket keeps it to the end of the transaction, so places become
-- visible in their order: whoever sees one has seen all before it. It is held for the commit only, not since the write,
-- and in the order of the buckets, so transactions that wrote the same keys in another order neither wait nor deadlock.
create function postrider.take_places() returns trigger
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- The call for the first row does it for all of them. No other transaction shows a row without a place.
    if not exists (select from postrider.ordered o
                    where o.bucket = new.bucket and o.event_id = new.event_id and o.place is null) then
        return null;
    end if;
    perform from postrider.turn t
      where t.side = 'commit' and t.bucket in (select o.bucket from postrider.ordered o where o.place is null)
      order by t.bucket
        for update;
    update postrider.ordered o
       set place = p.place
      from (select q.bucket, q.event_id, nextval('postrider.place_seq') as place
              from (select r.bucket, r.event_id from postrider.ordered r
                     where r.place is null order by r.event_id) q) p
     where o.bucket = p.bucket and o.event_id = p.event_id;
    return null;
end
$$;
comment on function postrider.take_places() is 'At commit: places the ordered events of the transaction behind all that committed before.';

create constraint trigger ordered_take_places after insert on postrider.ordered
    deferrable initially deferred for each row execute function postrider.take_places();

alter table postrider.outbox add column placed boolean not null default false;
comment on column postrider.outbox.placed is 'True when it came from ordered: webhooks that want order have their delivery already.';

alter table postrider.delivery
    add column ordering_key text,
    add column place bigint;
create index delivery_order on postrider.delivery (webhook_id, ordering_key, place) where place is not null;
comment on column postrider.delivery.ordering_key is 'Of a delivery in order: the ordering key of its event.';
comment on column postrider.delivery.place is
    'Of a delivery in order: its place among those of its key, which go one at a time. Its due_at is infinity: ordered_key has it.';

create table postrider.ordered_key (
    webhook_id bigint not null,
    ordering_key text not null,
    due_at timestamptz not null,
    halted_at timestamptz,
    primary key (webhook_id, ordering_key)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
create index ordered_key_due on postrider.ordered_key (webhook_id, due_at);
create index ordered_key_halted on postrider.ordered_key (webhook_id) where halted_at is not null;

comment on table postrider.ordered_key is
    'One row per webhook and ordering key with waiting deliveries, of which only the first may be sent.';
comment on column postrider.ordered_key.webhook_id is 'The webhook.';
comment on column postrider.ordered_key.ordering_key is 'The key.';
comment on column postrider.ordered_key.due_at is
    'When the first delivery of the key is due; while a worker has it, when its claim ends; infinity while halted.';
comment on column postrider.ordered_key.halted_at is
    'When a delivery of the key was given up, at a webhook that halts then; the later ones wait for its owner.';

alter table postrider.dead_letter add column place bigint;
comment on column postrider.dead_letter.place is 'Of a delivery in order: its place, which it takes again when it is sent again.';
comment on column postrider.dead_letter.reason is 'Why it was given up: exhausted, gone, failing, poison or inactive.';

-- Enqueue: events that must be in order at some webhook go to ordered instead of the outbox. Whether the tenant has such a
-- webhook is read without a lock, and only for events with a key. A webhook that begins to want order has it for the
-- events written afterwards.
create or replace function postrider.enqueue_in_full(
    tenant text,
    type text,
    payload json,
    idempotency_key text,
    ordering_key text,
    deliver_after timestamptz
) returns bigint
    language plpgsql volatile
as $$
declare
    new_id constant bigint := postrider.next_id();
    new_bucket constant smallint := hashtextextended(tenant, 0) & 255;
    owner bigint;
begin
    perform postrider.check_event(tenant, type, payload, idempotency_key, ordering_key);
    if idempotency_key is not null then
        owner := postrider.claim_idempotency_key(tenant, idempotency_key, new_id);
        if owner <> new_id then
            return owner;
        end if;
    end if;

    insert into postrider.event (id, bucket, tenant, type, ordering_key, payload)
    values (new_id, new_bucket, tenant, type, ordering_key, payload);
    if deliver_after > clock_timestamp() then
        insert into postrider.deferred (due_at, bucket, event_id, tenant)
        values (deliver_after, new_bucket, new_id, tenant);
    elsif ordering_key is not null and exists (select from postrider.webhook w
                                                where w.tenant = enqueue_in_full.tenant and w.ordering = 'key') then
        insert into postrider.ordered (bucket, event_id, tenant) values (new_bucket, new_id, tenant);
    else
        insert into postrider.outbox (bucket, event_id, tenant) values (new_bucket, new_id, tenant);
    end if;
    perform postrider.wake_workers();
    return new_id;
end
$$;

create or replace function postrider.enqueue(
    tenant text,
    type text,
    payload json,
    idempotency_key text default null,
    ordering_key text default null,
    deliver_after timestamptz default null
) returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    new_id constant bigint := postrider.next_id();
    new_bucket constant smallint := hashtextextended(tenant, 0) & 255;
begin
    -- The short way of the common call, in the producer's transaction: one condition instead of six statements, because
    -- in each transaction PL/pgSQL prepares every expression anew. What fails it is judged, and named, in full.
    if (idempotency_key is null and (ordering_key is null or length(ordering_key) between 1 and 200)
        and deliver_after is null
        and length(tenant) between 1 and 200 and length(type) <= 100 and type ~ '^[A-Z][A-Z0-9_]*$'
        and octet_length(payload::text) <= 262144 and current_setting('postrider.max_payload_bytes', true) is null)
       is not true
    then
        return postrider.enqueue_in_full(tenant, type, payload, idempotency_key, ordering_key, deliver_after);
    end if;
    if ordering_key is not null then
        if exists (select from postrider.webhook w where w.tenant = enqueue.tenant and w.ordering = 'key') then
            return postrider.enqueue_in_full(tenant, type, payload, idempotency_key, ordering_key, deliver_after);
        end if;
    end if;
    insert into postrider.event (id, bucket, tenant, type, ordering_key, payload)
    values (new_id, new_bucket, tenant, type, ordering_key, payload);
    insert into postrider.outbox (bucket, event_id, tenant) values (new_bucket, new_id, tenant);
    if not pg_try_advisory_xact_lock_shared(8103510517862818085) then
        perform pg_notify('postrider', '');
    end if;
    return new_id;
end
$$;

create or replace function postrider.enqueue_many(
    tenants text[],
    types text[],
    payloads json[],
    idempotency_keys text[] default null,
    ordering_keys text[] default null,
    deliver_after timestamptz[] default null
) returns bigint[]
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    total constant integer := coalesce(cardinality(tenants), 0);
    -- Made before anything else and in the order of the batch: the order of ids is the order of delivery.
    ids constant bigint[] := array(select postrider.next_id() from generate_series(1, total));
    owners bigint[];
    one record;
begin
    if total <> coalesce(cardinality(types), 0) or total <> coalesce(cardinality(payloads), 0)
       or cardinality(idempotency_keys) <> total or cardinality(ordering_keys) <> total
       or cardinality(deliver_after) <> total then
        raise exception using errcode = '22023', message = 'postrider: the arrays must have the same length',
            detail = format('tenants %s, types %s, payloads %s, idempotency_keys %s, ordering_keys %s, deliver_after %s',
                            total, coalesce(cardinality(types), 0), coalesce(cardinality(payloads), 0),
                            coalesce(cardinality(idempotency_keys)::text, 'null'),
                            coalesce(cardinality(ordering_keys)::text, 'null'),
                            coalesce(cardinality(deliver_after)::text, 'null'));
    end if;
    perform postrider.check_event(e.tenant, e.type, e.payload, e.idempotency_key, e.ordering_key)
       from unnest(tenants, types, payloads, idempotency_keys, ordering_keys)
            as e (tenant, type, payload, idempotency_key, ordering_key);
    if idempotency_keys is not null then
        owners := ids;
        -- In key order, so that two bulk calls over the same keys cannot deadlock.
        for one in
            select * from unnest(tenants, idempotency_keys) with ordinality as e (tenant, idempotency_key, place)
             where e.idempotency_key is not null
             order by e.tenant, e.idempotency_key, e.place
        loop
            owners[one.place] := postrider.claim_idempotency_key(one.tenant, one.idempotency_key, ids[one.place]);
        end loop;
    end if;

    with input as materialized (
        select e.id, (hashtextextended(e.tenant, 0) & 255)::smallint as bucket,
               e.tenant, e.type, e.payload, e.ordering_key, e.deliver_after,
               e.deliver_after > statement_timestamp() as is_for_later,
               e.ordering_key is not null
               and exists (select from postrider.webhook w where w.tenant = e.tenant and w.ordering = 'key') as is_ordered
          from unnest(ids, owners, tenants, types, payloads, ordering_keys, deliver_after)
               as e (id, owner, tenant, type, payload, ordering_key, deliver_after)
         where e.owner is null or e.owner = e.id
    ), recorded as (
        insert into postrider.event (id, bucket, tenant, type, ordering_key, payload)
        select i.id, i.bucket, i.tenant, i.type, i.ordering_key, i.payload from input i
    ), later as (
        insert into postrider.deferred (due_at, bucket, event_id, tenant)
        select i.deliver_after, i.bucket, i.id, i.tenant from input i where i.is_for_later
    ), in_order as (
        insert into postrider.ordered (bucket, event_id, tenant)
        select i.bucket, i.id, i.tenant from input i where i.is_for_later is not true and i.is_ordered
    )
    insert into postrider.outbox (bucket, event_id, tenant)
    select i.bucket, i.id, i.tenant from input i where i.is_for_later is not true and not i.is_ordered;
    perform postrider.wake_workers();
    return coalesce(owners, ids);
end
$$;

-- As before, and neither what waits in ordered is dropped.
create or replace function postrider.drop_partitions(parent text, retention_days integer) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '200ms'
as $$
declare
    checked constant text := postrider.partition_key(parent);
    child record;
    lower_id bigint;
    upper_id bigint;
    day date;
    dropped integer := 0;
begin
    if retention_days is null or retention_days < 1 then
        raise exception using errcode = '22023', message = 'postrider: retention_days must be at least 1';
    end if;
    for child in
        select c.relname as name
          from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = format('postrider.%I', parent)::regclass
           and c.relname ~ ('^' || parent || '_[0-9]{8}$')
         order by c.relname
    loop
        day := to_date(right(child.name, 8), 'YYYYMMDD');
        continue when day >= (now() at time zone 'UTC')::date - retention_days;
        lower_id := postrider.first_id_at(day::timestamp at time zone 'UTC');
        upper_id := postrider.first_id_at((day + 1)::timestamp at time zone 'UTC');
        continue when exists (select from postrider.outbox o where o.event_id >= lower_id and o.event_id < upper_id)
                   or exists (select from postrider.ordered o where o.event_id >= lower_id and o.event_id < upper_id)
                   or exists (select from postrider.deferred d where d.event_id >= lower_id and d.event_id < upper_id)
                   or exists (select from postrider.delivery d where d.event_id >= lower_id and d.event_id < upper_id)
                   or exists (select from postrider.lease l, unnest(l.event_ids) as e (id)
                               where e.id >= lower_id and e.id < upper_id);
        execute format('drop table postrider.%I', child.name);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;
comment on function postrider.drop_partitions(text, integer) is
    'Drops day partitions of a table older than the retention that no outbox, ordered, deferred, delivery or lease row still '
    'needs; returns how many.';

-- Operational events --------------------------------------------------------------------------------------------------

-- Tells a tenant, by an event like any other, what postrider did to one of its webhooks. Written only if another webhook of
-- the tenant wants to know: the one it is about does not get it.
create function postrider.tell(about bigint, event_type text, data json) returns bigint
    language sql volatile
as $$
    select postrider.enqueue(w.tenant, event_type, data)
      from postrider.webhook w
     where w.id = about
       and exists (select from postrider.webhook o
                    where o.tenant = w.tenant and o.id <> w.id and o.is_active and o.event_types && array[event_type, '*'])
$$;
comment on function postrider.tell(bigint, text, json) is
    'Writes an operational event about a webhook if another webhook of its tenant is subscribed to it; returns its id, or null.';

create function postrider.tell_disabled(webhook_id bigint, reason text) returns bigint
    language sql volatile
as $$
    select postrider.tell(w.id, 'WEBHOOK_DISABLED', json_build_object(
               'webhookId', 'webhook_' || w.id, 'name', w.name, 'url', w.url, 'reason', reason,
               'disabledAt', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
      from postrider.webhook w
     where w.id = tell_disabled.webhook_id
$$;
comment on function postrider.tell_disabled(bigint, text) is
    'Writes the event WEBHOOK_DISABLED, if anybody wants it; returns its id, or null.';

-- Not about a delivery of these events themselves: they would never end.
create function postrider.tell_exhausted(webhook_id bigint, event_id bigint, attempts smallint, reason text) returns bigint
    language sql volatile
as $$
    select postrider.tell(w.id, 'DELIVERY_EXHAUSTED', json_build_object(
               'webhookId', 'webhook_' || w.id, 'deliveryId', 'evt_' || e.id, 'event', e.type, 'attempts', attempts,
               'reason', reason))
      from postrider.webhook w
      join postrider.event e on e.bucket = hashtextextended(w.tenant, 0) & 255 and e.id = tell_exhausted.event_id
     where w.id = tell_exhausted.webhook_id and e.type not in ('WEBHOOK_DISABLED', 'DELIVERY_EXHAUSTED')
$$;
comment on function postrider.tell_exhausted(bigint, bigint, smallint, text) is
    'Writes the event DELIVERY_EXHAUSTED, if anybody wants it; returns its id, or null.';

-- Roles -------------------------------------------------------------------------------------------------------------

revoke all on function postrider.take_places(), postrider.tell(bigint, text, json), postrider.tell_disabled(bigint, text),
    postrider.tell_exhausted(bigint, bigint, smallint, text) from public;
revoke all on postrider.ordered, postrider.ordered_key, postrider.turn from public;
grant select, insert, update, delete on postrider.ordered, postrider.ordered_key to postrider_worker;
grant select, update on postrider.turn to postrider_worker;
grant select, insert, update, delete on postrider.ordered_key to postrider_api;
grant execute on function postrider.enqueue(text, text, json, text, text, timestamptz), postrider.tell(bigint, text, json),
    postrider.tell_disabled(bigint, text), postrider.tell_exhausted(bigint, bigint, smallint, text) to postrider_worker;
