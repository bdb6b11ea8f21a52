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
    -- $13 to $20: deliveries that leave the fast path for their lane, if their lease is still ours. One that is still
    -- in flight keeps the lease id as its token.
    insert into postrider.delivery (webhook_id, event_id, bucket, attempts, redelivery, due_at, token)
    select d.webhook_id, d.event_id, d.bucket, d.attempts, d.redelivery,
           clock_timestamp() + d.delay_ms * interval '1 millisecond', case when d.in_flight then d.lease_id end
      from fence cross join unnest($13::bigint[], $14::bigint[], $15::bigint[], $16::smallint[], $17::smallint[],
                                   $18::smallint[], $19::bigint[], $20::boolean[])
           as d (lease_id, webhook_id, event_id, bucket, attempts, redelivery, delay_ms, in_flight)
      join postrider.lease l on l.id = d.lease_id and l.worker_id = $1
      join postrider.webhook w on w.id = d.webhook_id
     order by d.webhook_id, d.event_id
    on conflict do nothing
    returning webhook_id, due_at
), settled as (
    -- $21 to $23: claimed deliveries that are done, if the claim is still ours.
    delete from postrider.delivery d
     using fence cross join unnest($21::bigint[], $22::bigint[], $23::bigint[]) as s (webhook_id, event_id, token)
     where d.webhook_id = s.webhook_id and d.event_id = s.event_id and d.token = s.token
    returning d.webhook_id, d.event_id, d.ordering_key, d.place
), postponed as (
    -- $24 to $30: claimed deliveries that go on waiting, if the claim is still ours. One in order waits by its key.
    update postrider.delivery d
       set attempts = s.attempts, probes = s.probes, redelivery = s.redelivery, token = null,
           due_at = case when d.place is null then clock_timestamp() + s.delay_ms * interval '1 millisecond' else d.due_at end
      from fence cross join unnest($24::bigint[], $25::bigint[], $26::bigint[], $27::smallint[], $28::smallint[], $29::smallint[],
                                   $30::bigint[])
           as s (webhook_id, event_id, token, attempts, probes, redelivery, delay_ms)
     where d.webhook_id = s.webhook_id and d.event_id = s.event_id and d.token = s.token
    returning d.webhook_id, d.ordering_key,
              clock_timestamp() + s.delay_ms * interval '1 millisecond' as due_at
), given_up as materialized (
    -- $31 to $36: deliveries given up; from the fast path under their lease, from a lane when settled above.
    select g.webhook_id, g.event_id, g.bucket, g.attempts, g.reason, s.place, s.ordering_key
      from fence cross join unnest($31::bigint[], $32::bigint[], $33::smallint[], $34::smallint[], $35::text[], $36::bigint[])
           as g (webhook_id, event_id, bucket, attempts, reason, lease_id)
      left join postrider.lease l on l.id = g.lease_id and l.worker_id = $1
      left join settled s on s.webhook_id = g.webhook_id and s.event_id = g.event_id
     where l.id is not null or s.webhook_id is not null
), buried as (
    insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason, place)
    select g.webhook_id, g.event_id, g.bucket, g.attempts, g.reason, g.place from given_up g
    on conflict do nothing
    returning webhook_id, event_id, attempts, reason
), turns as materialized (
    -- Keys of deliveries in order: the next may go, the same one later, or none after one that was given up.
    select s.webhook_id, s.ordering_key, w.id is not null as halts,
           case when w.id is null then clock_timestamp() else 'infinity' end as due_at
      from settled s
      left join given_up g on g.webhook_id = s.webhook_id and g.event_id = s.event_id
      left join postrider.webhook w on w.id = g.webhook_id and w.on_give_up = 'halt' and w.ordering = 'key'
     where s.ordering_key is not null
    union all
    select p.webhook_id, p.ordering_key, false, p.due_at from postponed p where p.ordering_key is not null
), locked as materialized (
    -- Keys before lanes and lanes before webhooks, each in its order, so that nobody deadlocks.
    select k.webhook_id, k.ordering_key, t.halts, t.due_at
      from postrider.ordered_key k join turns t on t.webhook_id = k.webhook_id and t.ordering_key = k.ordering_key
     order by k.webhook_id, k.ordering_key
       for update of k
), keys as (
    update postrider.ordered_key k
       set due_at = l.due_at, halted_at = case when l.halts then clock_timestamp() end
      from locked l
     where k.webhook_id = l.webhook_id and k.ordering_key = l.ordering_key
    returning k.webhook_id, k.due_at
), changed as materialized (
    -- $38 to $41: what attempts changed about webhooks: failed, recovered, or opened (the breaker).
    select c.* from fence cross join unnest($38::bigint[], $39::text[], $40::bigint[], $41::smallint[])
        as c (webhook_id, word, open_ms, trips)
      join postrider.webhook w on w.id = c.webhook_id
), lanes as (
    -- One statement for all that happens to a lane: it becomes due for what is written to it, and its breaker changes.
    -- While the breaker is open, nothing makes the lane due before its time is over.
    insert into postrider.lane as l
           (webhook_id, due_at, opened_at, open_until, trips, failing_since, last_failed_at)
    select coalesce(d.webhook_id, c.webhook_id),
           case when c.word = 'opened' then c.until else coalesce(d.due_at, 'infinity') end,
           case when c.word = 'opened' then clock_timestamp() end, c.until, coalesce(c.trips, 0),
           case when c.word <> 'recovered' then clock_timestamp() end,
           case when c.word <> 'recovered' then clock_timestamp() end
      from (select q.webhook_id, min(q.due_at) as due_at
              from (select * from waiting
                    union all select p.webhook_id, p.due_at from postponed p where p.ordering_key is null
                    union all select * from keys) q
             group by q.webhook_id) d
      full join (select *, case when word = 'opened' then clock_timestamp() + open_ms * interval '1 millisecond' end as until
                   from changed) c on c.webhook_id = d.webhook_id
     order by 1
    on conflict (webhook_id) do update
       set due_at = case when excluded.open_until is not null then excluded.due_at
                         when l.opened_at is not null and excluded.webhook_id = any ($38) and excluded.last_failed_at is null
                              then clock_timestamp()
                         else least(l.due_at, greatest(excluded.due_at, l.open_until)) end,
           opened_at = case when excluded.open_until is not null then coalesce(l.opened_at, excluded.opened_at)
                            when excluded.webhook_id = any ($38) and excluded.last_failed_at is null then null
                            else l.opened_at end,
           open_until = case when excluded.open_until is not null then excluded.open_until
                             when excluded.webhook_id = any ($38) and excluded.last_failed_at is null then null
                             else l.open_until end,
           is_probing = l.is_probing and excluded.webhook_id <> all ($38),
           trips = case when excluded.open_until is not null then excluded.trips
                        when excluded.webhook_id = any ($38) and excluded.last_failed_at is null then 0
                        else l.trips end,
           failing_since = case when excluded.last_failed_at is not null then coalesce(l.failing_since, excluded.failing_since)
                                when excluded.webhook_id = any ($38) then null
                                else l.failing_since end,
           last_failed_at = coalesce(excluded.last_failed_at, l.last_failed_at)
     where excluded.webhook_id = any ($38) or l.due_at > greatest(excluded.due_at, l.open_until)
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
    -- $37: leases of which nothing is left.
    delete from postrider.lease l using fence where l.id = any ($37::bigint[]) and l.worker_id = $1
), gone as (
    -- $42: webhooks whose receiver answered 410.
    update postrider.webhook w
       set is_active = false, disabled_at = clock_timestamp(), disabled_reason = 'gone', version = w.version + 1,
           updated_at = clock_timestamp()
      from fence
     where w.id = any ($42::bigint[]) and w.is_active
    returning w.id
), told as materialized (
    -- The tenant is told: of webhooks deactivated, and of deliveries lost in spite of all retries.
    select postrider.tell_disabled(g.id, 'gone') as event_id from gone g
    union all
    select postrider.tell_exhausted(b.webhook_id, b.event_id, b.attempts, b.reason)
      from buried b where b.reason in ('exhausted', 'poison')
)
-- Whether this flush was recorded now, and the number reached before it: null when the worker was declared dead.
select exists (select from fence) as recorded, (select w.flushed from postrider.worker w where w.id = $1) as flushed,
       (select count(t.event_id) from told t) as told
