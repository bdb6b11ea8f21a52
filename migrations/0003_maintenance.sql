-- Partitions: made days ahead and dropped past retention by whichever worker holds the maintenance lock. Security definer,
-- because only the owner of a table may add or drop its partitions.

set local lock_timeout = '5s';

create function postrider.partitioned_tables() returns text[]
    language sql immutable parallel safe
    return array['event', 'attempt', 'dead_letter', 'idempotency'];
comment on function postrider.partitioned_tables() is 'Tables partitioned by day of an event id.';

-- The parts of a partitioned table that differ from table to table; refuses any other table.
create function postrider.partition_key(parent text) returns text
    language plpgsql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
begin
    if parent is null or not parent = any (postrider.partitioned_tables()) then
        raise exception using errcode = '22023', message = format('postrider: %L is not one of the partitioned tables', parent);
    end if;
    return case parent when 'event' then 'id' when 'idempotency' then 'first_id' else 'event_id' end;
end
$$;
comment on function postrider.partition_key(text) is 'The column a partitioned table is partitioned by.';

-- One table at a time, in a transaction of its own: while locks on one table's partitions are held, waiting for those of
-- another could meet a reader that took them in the other order.
--
-- A new partition is built beside its parent and then attached: attaching does not block readers or writers of the
-- parent, CREATE TABLE ... PARTITION OF does. A day that already has rows in the default partition keeps using it.
create function postrider.create_partitions(parent text, days_ahead integer) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
as $$
declare
    key constant text := postrider.partition_key(parent);
    day date;
    lower_id bigint;
    upper_id bigint;
    child text;
    in_default boolean;
    made integer := 0;
begin
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
    return made;
end
$$;
comment on function postrider.create_partitions(text, integer) is
    'Makes the missing day partitions of a table from yesterday to so many days ahead; returns how many it made.';

-- Dropping locks the parent against everybody, so it gives up soon rather than let writers queue behind it.
create function postrider.drop_partitions(parent text, retention_days integer) returns integer
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
    'Drops day partitions of a table older than the retention that no outbox, deferred, delivery or lease row still needs; '
    'returns how many.';

select postrider.create_partitions(t.parent, 7) from unnest(postrider.partitioned_tables()) as t (parent);
