-- record: writes down what came of one flush of deliveries, all or nothing, and once even if it is sent twice.
-- $1 worker, $2 number of this flush.
with fence as materialized (
    -- A flush whose answer was lost is sent again; its number is then taken, and every part below does nothing.
    update postrider.worker w set flushed = $2, heartbeat_at = clock_timestamp()
     where w.id = $1 and w.flushed = $2 - 1
    returning w.id
), attempted as materialized (
    -- $3 to $12: attempts made. The database's clock dates them: started so many microseconds ago.
    select a.*, clock_timestamp() - a.age_us * interval '1 microsecond' as started_at
      from fence cross join unnest($3::bigint[], $4::bigint[], $5::smallint[], $6::smallint[], $7::bigint[], $8::integer[],
                                   $9::smallint[], $10::text[], $11::text[], $12::bytea[])
           as a (event_id, webhook_id, bucket, number, age_us, duration_us, status, error, error_detail, response)
), history as (
    insert into postrider.attempt
           (event_id, webhook_id, started_at, duration_us, bucket, number, status, error, error_detail, response)
    select a.event_id, a.webhook_id, a.started_at, a.duration_us, a.bucket, a.number, a.status, a.error, a.error_detail,
           a.response
      from attempted a
), waiting as (
    -- $13 to $19: deliveries that leave the fast path for their lane, if their lease is still ours. One that is still
    -- in flight keeps the lease id as its token.
    insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, token)
    select d.webhook_id, d.event_id, d.bucket, d.attempts, clock_timestamp() + d.delay_ms * interval '1 millisecond',
           case when d.in_flight then d.lease_id end
      from fence cross join unnest($13::bigint[], $14::bigint[], $15::bigint[], $16::smallint[], $17::smallint[],
                                   $18::bigint[], $19::boolean[])
           as d (lease_id, webhook_id, event_id, bucket, attempts, delay_ms, in_flight)
      join postrider.lease l on l.id = d.lease_id and l.worker_id = $1
      join postrider.webhook w on w.id = d.webhook_id
     order by d.webhook_id, d.event_id
    on conflict do nothing
    returning webhook_id, due_at
), settled as (
    -- $20 to $22: claimed deliveries that are done, if the claim is still ours.
    delete from postrider.delivery d
     using fence cross join unnest($20::bigint[], $21::bigint[], $22::bigint[]) as s (webhook_id, event_id, token)
     where d.webhook_id = s.webhook_id and d.event_id = s.event_id and d.token = s.token
    returning d.webhook_id, d.event_id
), postponed as (
    -- $23 to $27: claimed deliveries that go on waiting, if the claim is still ours.
    update postrider.delivery d
       set attempts = s.attempts, due_at = clock_timestamp() + s.delay_ms * interval '1 millisecond', token = null
      from fence cross join unnest($23::bigint[], $24::bigint[], $25::bigint[], $26::smallint[], $27::bigint[])
           as s (webhook_id, event_id, token, attempts, delay_ms)
     where d.webhook_id = s.webhook_id and d.event_id = s.event_id and d.token = s.token
    returning d.webhook_id, d.due_at
), lanes as (
    insert into postrider.lane (webhook_id, due_at)
    select c.webhook_id, min(c.due_at)
      from (select * from waiting union all select * from postponed) c
     group by c.webhook_id
     order by c.webhook_id
    on conflict (webhook_id) do update set due_at = excluded.due_at where lane.due_at > excluded.due_at
), buried as (
    -- $28 to $33: deliveries given up; from the fast path under their lease, from a lane when settled above.
    insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason)
    select g.webhook_id, g.event_id, g.bucket, g.attempts, g.reason
      from fence cross join unnest($28::bigint[], $29::bigint[], $30::smallint[], $31::smallint[], $32::text[], $33::bigint[])
           as g (webhook_id, event_id, bucket, attempts, reason, lease_id)
      left join postrider.lease l on l.id = g.lease_id and l.worker_id = $1
      left join settled s on s.webhook_id = g.webhook_id and s.event_id = g.event_id
     where l.id is not null or s.webhook_id is not null
    on conflict do nothing
    returning webhook_id
), counted as (
    -- One row for the whole flush, so that no row of statistics is hot.
    insert into postrider.stats_delta (webhook_ids, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
    select array_agg(s.webhook_id), array_agg(s.delivered), array_agg(s.failed_attempts), array_agg(s.given_up),
           array_agg(s.last_triggered_at), array_agg(s.last_success_at)
      from (select c.webhook_id, sum(c.delivered) as delivered, sum(c.failed) as failed_attempts,
                   sum(c.given_up) as given_up, max(c.started_at) as last_triggered_at,
                   max(c.started_at) filter (where c.delivered = 1) as last_success_at
              from (select a.webhook_id, (a.error is null)::integer as delivered, (a.error is not null)::integer as failed,
                           0 as given_up, a.started_at
                      from attempted a
                    union all
                    select b.webhook_id, 0, 0, 1, null from buried b) c
             group by c.webhook_id) s
    having count(*) > 0
), finished as (
    -- $34: leases of which nothing is left.
    delete from postrider.lease l using fence where l.id = any ($34::bigint[]) and l.worker_id = $1
), gone as (
    -- $35: webhooks whose receiver answered 410.
    update postrider.webhook w
       set is_active = false, disabled_at = clock_timestamp(), disabled_reason = 'gone', version = w.version + 1,
           updated_at = clock_timestamp()
      from fence
     where w.id = any ($35::bigint[]) and w.is_active
)
-- Whether this flush was recorded now, and the number reached before it: null when the worker was declared dead.
select exists (select from fence) as recorded, (select w.flushed from postrider.worker w where w.id = $1) as flushed
