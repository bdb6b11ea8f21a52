-- Partitions: made days ahead and dropped past retention by whichever worker holds the maintenance lock. Security definer,
-- because only the owner of a table may add or drop its partitions.

set local lock_timeout = '5s';

create function postrider.partitioned_tables() returns text[]
    language sql immutable parallel safe
    return array['event', 'attempt', 'dead_letter', 'idempotency'];
comment on function postrider.partitioned_tables() is 'Tables partitioned by day of an event id.';

-- A new partition is built beside its parent and then attached: attaching does not block readers or writers of the
-- parent, CREATE TABLE ... PARTITION OF does. A day that already has rows in the default partition keeps using it.
create function postrider.create_partitions(days_ahead integer) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '2s'
as $$
declare
    parent text;
    day date;
    lower_id bigint;
    upper_id bigint;
    child text;
    in_default boolean;
    key text;
    made integer := 0;
begin
    foreach parent in array postrider.partitioned_tables() loop
        key := case parent when 'event' then 'id' when 'idempotency' then 'first_id' else 'event_id' end;
        for day in
            select d::date from generate_series((now() at time zone 'UTC')::date - 1,
                                                (now() at time zone 'UTC')::date + days_ahead, interval '1 day') d
        loop
            child := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
            continue when to_regclass(format('postrider.%I', child)) is not null;
            lower_id := postrider.first_id_at(day::timestamp at time zone 'UTC');
            upper_id := postrider.first_id_at((day + 1)::timestamp at time zone 'UTC');
            execute format('select exists (select from postrider.%I where %I >= $1 and %I < $2)',
                           parent || '_default', key, key) into in_default using lower_id, upper_id;
            continue when in_default;
            execute format('create table postrider.%I (like postrider.%I including all)', child, parent);
            execute format('alter table postrider.%I attach partition postrider.%I for values from (%s) to (%s)',
                           parent, child, lower_id, upper_id);
            execute format('comment on table postrider.%I is %L', child, format('Rows of %s of %s (UTC).', parent, day));
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
comment on function postrider.create_partitions(integer) is
    'Makes the missing day partitions from yesterday to so many days ahead; returns how many it made.';

create function postrider.drop_partitions(retention_days integer) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '2s'
as $$
declare
    parent text;
    child record;
    lower_id bigint;
    upper_id bigint;
    day date;
    dropped integer := 0;
begin
    if retention_days is null or retention_days < 1 then
        raise exception using errcode = '22023', message = 'postrider: retention_days must be at least 1';
    end if;
    foreach parent in array postrider.partitioned_tables() loop
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
                       or exists (select from postrider.deferred d where d.event_id >= lower_id and d.event_id < upper_id)
                       or exists (select from postrider.delivery d where d.event_id >= lower_id and d.event_id < upper_id)
                       or exists (select from postrider.lease l, unnest(l.event_ids) as e (id)
                                   where e.id >= lower_id and e.id < upper_id);
            execute format('drop table postrider.%I', child.name);
            dropped := dropped + 1;
        end loop;
    end loop;
    return dropped;
end
$$;
comment on function postrider.drop_partitions(integer) is
    'Drops day partitions older than the retention that no outbox, deferred, delivery or lease row still needs; returns how many.';

select postrider.create_partitions(7);
