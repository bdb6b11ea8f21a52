-- Least privilege: one group role for each part. Grant them to the login roles the parts connect as.
-- Roles belong to the whole cluster, so they may exist already.

set local lock_timeout = '5s';

do $$
declare
    wanted text;
begin
    foreach wanted in array array['postrider_enqueue', 'postrider_worker', 'postrider_api'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception
                -- Another database of the cluster is being migrated at the same moment.
                when duplicate_object or unique_violation then null;
                when insufficient_privilege then
                    raise exception using errcode = '42501',
                        message = format('postrider: the role %s does not exist and this user may not create it', wanted),
                        hint = 'Let an administrator run: create role postrider_enqueue nologin; '
                               'create role postrider_worker nologin; create role postrider_api nologin;';
            end;
        end if;
    end loop;
end
$$;

revoke all on all functions in schema postrider from public;
revoke all on all tables in schema postrider from public;

grant usage on schema postrider to postrider_enqueue, postrider_worker, postrider_api;
grant select on postrider.schema_migration to postrider_worker, postrider_api;

grant execute on function
    postrider.enqueue(text, text, json, text, text, timestamptz),
    postrider.enqueue_many(text[], text[], json[], text[], text[], timestamptz[])
    to postrider_enqueue, postrider_api;

grant execute on function postrider.first_id_at(timestamptz), postrider.time_of_id(bigint)
    to postrider_worker, postrider_api;
grant execute on function postrider.partitioned_tables(), postrider.create_partitions(text, integer),
    postrider.drop_partitions(text, integer), postrider.wake_workers() to postrider_worker;
grant usage on sequence postrider.token_seq to postrider_worker;
grant select on postrider.webhook, postrider.event to postrider_worker;
grant update (is_active, disabled_at, disabled_reason, version, updated_at) on postrider.webhook to postrider_worker;
grant select, insert, update, delete on
    postrider.outbox, postrider.deferred, postrider.worker, postrider.lease, postrider.delivery, postrider.lane,
    postrider.webhook_stats, postrider.stats_delta
    to postrider_worker;
grant select, insert on postrider.attempt, postrider.dead_letter to postrider_worker;

grant execute on function postrider.next_id(), postrider.wake_workers() to postrider_api;
grant usage on sequence postrider.event_id_seq to postrider_api;
grant select, insert, update, delete on postrider.webhook, postrider.delivery, postrider.lane to postrider_api;
grant select, delete on postrider.dead_letter, postrider.webhook_stats to postrider_api;
grant select on postrider.event, postrider.attempt, postrider.stats_delta, postrider.webhook_statistics,
    postrider.worker to postrider_api;
