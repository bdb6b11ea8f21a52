-- What an application calls, inside its own transaction. Security definer, so that an application needs EXECUTE and no
-- table privilege; the fixed search_path keeps a caller from putting its own operators in front of ours. Only the two
-- functions that applications call set it, and so for those they call: setting it costs more than a microsecond.

set local lock_timeout = '5s';

-- Wakes the workers if, and only if, all of them sleep. A sleeping worker holds the wake lock exclusively, so failing
-- to share it means somebody must be told. Sharing it to the end of the transaction keeps a worker from falling asleep
-- between this transaction's insert and its commit. NOTIFY on every transaction would serialise all commits.
create function postrider.wake_workers() returns void
    language plpgsql volatile
as $$
begin
    if not pg_try_advisory_xact_lock_shared(8103510517862818085) then
        perform pg_notify('postrider', '');
    end if;
end
$$;
comment on function postrider.wake_workers() is
    'Sends a notice if every worker sleeps. Lock 8103510517862818085 (the bytes of "postride") is the wake gate.';

create function postrider.check_event(tenant text, type text, payload json, idempotency_key text, ordering_key text)
    returns void
    language plpgsql stable
as $$
declare
    max_bytes constant integer := coalesce(nullif(current_setting('postrider.max_payload_bytes', true), ''), '262144');
begin
    if coalesce(tenant, '') = '' or length(tenant) > 200 then
        raise exception using errcode = '22023', message = 'postrider: tenant must have 1 to 200 characters';
    end if;
    -- Not as {0,99} in the pattern: a counted repetition takes 20 times as long.
    if type is null or type !~ '^[A-Z][A-Z0-9_]*$' or length(type) > 100 then
        raise exception using errcode = '22023',
            message = format('postrider: invalid event type %s', coalesce(quote_literal(left(type, 120)), 'null')),
            hint = 'An event type is 1 to 100 characters of A-Z, 0-9 and _, and begins with a letter, such as LEAD_CREATED.';
    end if;
    if payload is null then
        raise exception using errcode = '22023', message = 'postrider: payload must not be null',
            hint = 'For an event without data pass the JSON null: ''null''.';
    end if;
    if octet_length(payload::text) > max_bytes then
        raise exception using errcode = '22023',
            message = format('postrider: payload has %s bytes, the limit is %s', octet_length(payload::text), max_bytes),
            hint = 'Send a reference to large data, or raise the setting postrider.max_payload_bytes of the database.';
    end if;
    if idempotency_key = '' or length(idempotency_key) > 200 then
        raise exception using errcode = '22023', message = 'postrider: idempotency_key must have 1 to 200 characters, or be null';
    end if;
    if ordering_key = '' or length(ordering_key) > 200 then
        raise exception using errcode = '22023', message = 'postrider: ordering_key must have 1 to 200 characters, or be null';
    end if;
end
$$;
comment on function postrider.check_event(text, text, json, text, text) is
    'Refuses a malformed event with SQLSTATE 22023 and a message that says what is allowed.';

-- Returns the event that owns the key: the given one if the key is new, else the one that the first call made.
-- Uniqueness over day partitions: each use writes a row for its day and one for the day before, so that two
-- transactions that begin up to a day apart meet in one partition.
create function postrider.claim_idempotency_key(tenant text, key text, event_id bigint) returns bigint
    language plpgsql volatile
as $$
#variable_conflict use_column
declare
    today constant bigint := postrider.first_id_at(date_trunc('day', now(), 'UTC'));
    yesterday constant bigint := postrider.first_id_at(date_trunc('day', now(), 'UTC') - interval '1 day');
    owner bigint;
begin
    select i.event_id into owner from postrider.idempotency i
     where i.tenant = claim_idempotency_key.tenant and i.key = claim_idempotency_key.key limit 1;
    if owner is not null then
        return owner;
    end if;

    insert into postrider.idempotency (first_id, tenant, key, event_id)
    values (yesterday, claim_idempotency_key.tenant, claim_idempotency_key.key, claim_idempotency_key.event_id)
    on conflict do nothing;
    if not found then
        select i.event_id into strict owner from postrider.idempotency i
         where i.tenant = claim_idempotency_key.tenant and i.key = claim_idempotency_key.key
           and i.first_id = yesterday;
        return owner;
    end if;

    insert into postrider.idempotency (first_id, tenant, key, event_id)
    values (today, claim_idempotency_key.tenant, claim_idempotency_key.key, claim_idempotency_key.event_id)
    on conflict do nothing;
    if not found then
        select i.event_id into strict owner from postrider.idempotency i
         where i.tenant = claim_idempotency_key.tenant and i.key = claim_idempotency_key.key and i.first_id = today;
        update postrider.idempotency i set event_id = owner
         where i.tenant = claim_idempotency_key.tenant and i.key = claim_idempotency_key.key
           and i.first_id = yesterday;
        return owner;
    end if;
    return claim_idempotency_key.event_id;
end
$$;
comment on function postrider.claim_idempotency_key(text, text, bigint) is
    'The event that owns an idempotency key; waits for a concurrent transaction that uses the same key.';

-- The whole of enqueue, for the calls that its short way does not cover.
create function postrider.enqueue_in_full(
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
    else
        insert into postrider.outbox (bucket, event_id, tenant) values (new_bucket, new_id, tenant);
    end if;
    perform postrider.wake_workers();
    return new_id;
end
$$;
comment on function postrider.enqueue_in_full(text, text, json, text, text, timestamptz) is
    'What enqueue does when an option is given or the event is malformed.';

create function postrider.enqueue(
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
    if (idempotency_key is null and ordering_key is null and deliver_after is null
        and length(tenant) between 1 and 200 and length(type) <= 100 and type ~ '^[A-Z][A-Z0-9_]*$'
        and octet_length(payload::text) <= 262144 and current_setting('postrider.max_payload_bytes', true) is null)
       is not true
    then
        return postrider.enqueue_in_full(tenant, type, payload, idempotency_key, ordering_key, deliver_after);
    end if;
    insert into postrider.event (id, bucket, tenant, type, payload) values (new_id, new_bucket, tenant, type, payload);
    insert into postrider.outbox (bucket, event_id, tenant) values (new_bucket, new_id, tenant);
    if not pg_try_advisory_xact_lock_shared(8103510517862818085) then
        perform pg_notify('postrider', '');
    end if;
    return new_id;
end
$$;
comment on function postrider.enqueue(text, text, json, text, text, timestamptz) is
    'Writes one event in the transaction of the caller and returns its id. Nothing is sent unless that transaction commits.';

create function postrider.enqueue_many(
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
               e.tenant, e.type, e.payload, e.ordering_key, e.deliver_after
          from unnest(ids, owners, tenants, types, payloads, ordering_keys, deliver_after)
               as e (id, owner, tenant, type, payload, ordering_key, deliver_after)
         where e.owner is null or e.owner = e.id
    ), recorded as (
        insert into postrider.event (id, bucket, tenant, type, ordering_key, payload)
        select i.id, i.bucket, i.tenant, i.type, i.ordering_key, i.payload from input i
    ), later as (
        insert into postrider.deferred (due_at, bucket, event_id, tenant)
        select i.deliver_after, i.bucket, i.id, i.tenant from input i where i.deliver_after > statement_timestamp()
    )
    insert into postrider.outbox (bucket, event_id, tenant)
    select i.bucket, i.id, i.tenant from input i
     where i.deliver_after is null or i.deliver_after <= statement_timestamp();
    perform postrider.wake_workers();
    return coalesce(owners, ids);
end
$$;
comment on function postrider.enqueue_many(text[], text[], json[], text[], text[], timestamptz[]) is
    'Bulk form of enqueue over parallel arrays; returns the ids in their order.';
