-- deliveries::page: the newest deliveries of a webhook in a range of event ids. Work is bounded whatever the webhook did:
-- each of the three places a delivery can be in is looked through for at most $6 rows.
-- $1 webhook, $2 first event id, $3 end of the range (exclusive), $4 state or null for all, $5 page size, $6 bound.
with attempted as materialized (
    select a.event_id, a.bucket, a.error is null as delivered
      from postrider.attempt a
     where a.webhook_id = $1 and a.event_id >= $2 and a.event_id < $3 and ($4 is null or $4 = 'delivered')
     order by a.event_id desc
     limit $6
), waiting as materialized (
    select d.event_id, d.bucket, d.attempts, d.due_at, d.token is not null as is_held, d.place,
           d.ordering_key as placed_key
      from postrider.delivery d
     where d.webhook_id = $1 and d.event_id >= $2 and d.event_id < $3
       and ($4 is null or $4 in ('pending', 'retrying'))
     order by d.event_id desc
     limit $6
), given_up as materialized (
    select l.event_id, l.bucket, l.reason
      from postrider.dead_letter l
     where l.webhook_id = $1 and l.event_id >= $2 and l.event_id < $3 and ($4 is null or $4 = 'failed')
     order by l.event_id desc
     limit $6
), edge as (
    -- Where a place was not looked through to its end, only the deliveries above its last row are certain. If all its
    -- rows are of one event, that event is taken with it, so that the next page gets further.
    select max(e.last) as below
      from (select case when min(a.event_id) < max(a.event_id) then min(a.event_id) else min(a.event_id) - 1 end as last
              from attempted a having count(*) = $6
            union all
            select min(w.event_id) - 1 from waiting w having count(*) = $6
            union all
            select min(g.event_id) - 1 from given_up g having count(*) = $6) e
), found as (
    -- A delivery that is sent again has older rows too: waiting counts most, then given up.
    select w.event_id, w.bucket, case when w.attempts = 0 then 'pending' else 'retrying' end as state, w.due_at,
           w.is_held, w.place, w.placed_key, null::text as reason
      from waiting w
    union all
    select a.event_id, min(a.bucket), case when bool_or(a.delivered) then 'delivered' else 'failed' end, null,
           null, null, null, null
      from attempted a
     where not exists (select from waiting w where w.event_id = a.event_id)
       and not exists (select from given_up g where g.event_id = a.event_id)
       -- With a filter on delivered, the other places were not looked at above.
       and ($4 is null
            or not exists (select from postrider.delivery d where d.webhook_id = $1 and d.event_id = a.event_id)
           and not exists (select from postrider.dead_letter l where l.webhook_id = $1 and l.event_id = a.event_id))
     group by a.event_id
    union all
    select g.event_id, g.bucket, 'failed', null, null, null, null, g.reason
      from given_up g
     where not exists (select from waiting w where w.event_id = g.event_id)
), page as (
    select f.*
      from found f cross join edge e
     where ($4 is null or f.state = $4) and (e.below is null or f.event_id > e.below)
     order by f.event_id desc
     limit $5
), breaker as (
    -- While it is open nothing is sent before this, unless something made the lane due; while it is probing, nothing but
    -- the probes before their claim ends or they have an answer.
    select least(l.open_until, l.due_at) as opens_at
      from postrider.lane l
     where l.webhook_id = $1 and l.opened_at is not null and l.open_until > now()
)
select e.below, p.event_id, p.state, p.reason, v.type as event_type, v.ordering_key, t.attempts, t.last_attempt_at,
       t.last_status, t.last_error,
       case when n.due_at = 'infinity' or p.is_held then nullif(n.due_at, 'infinity')
            when n.due_at is not null then greatest(n.due_at, b.opens_at)
       end as due_at
  from edge e
  left join page p on true
  left join breaker b on true
  left join lateral (
        select p.due_at where p.place is null
        union all
        -- In order only the first has a time.
        select k.due_at
          from postrider.ordered_key k
         where p.place is not null and k.webhook_id = $1 and k.ordering_key = p.placed_key
           and not exists (select from postrider.delivery d
                            where d.webhook_id = $1 and d.ordering_key = p.placed_key and d.place is not null
                              and d.place < p.place)
       ) n on true
  left join postrider.event v on v.bucket = p.bucket and v.id = p.event_id
  left join lateral (
        select count(*) as attempts, max(a.started_at) as last_attempt_at,
               (array_agg(a.status order by a.started_at desc))[1] as last_status,
               (array_agg(a.error order by a.started_at desc))[1] as last_error
          from postrider.attempt a
         where a.webhook_id = $1 and a.event_id = p.event_id
       ) t on p.event_id is not null
 order by p.event_id desc
