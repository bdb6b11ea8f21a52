-- dashboard::activity: attempts of the last day of some webhooks, in slots of equal length.
-- $1 webhooks, $2 first event id, $3 most attempts of each, $4 and $5 the range, $6 slots.
with looked_at as materialized (
    select w.id as webhook_id, a.started_at, a.delivered
      from unnest($1::bigint[]) as w (id)
     cross join lateral (
            select a.started_at, a.error is null as delivered
              from postrider.attempt a
             where a.webhook_id = w.id and a.event_id >= $2
             order by a.event_id desc
             limit $3
          ) a
), span as (
    select l.webhook_id, case when count(*) = $3 then greatest(min(l.started_at), $4) else $4 end as since,
           max(l.started_at) filter (where l.delivered) as last_success
      from looked_at l
     group by l.webhook_id
), failing as (
    select l.webhook_id, min(l.started_at) as since
      from looked_at l join span s using (webhook_id)
     where not l.delivered and (s.last_success is null or l.started_at > s.last_success)
     group by l.webhook_id
)
select l.webhook_id, s.since,
       -- An attempt of this very moment belongs to the last slot.
       least(width_bucket(extract(epoch from l.started_at), extract(epoch from s.since),
                          greatest(extract(epoch from $5), extract(epoch from s.since) + 1), $6), $6) as slot,
       count(*) filter (where l.delivered) as delivered, count(*) filter (where not l.delivered) as failed,
       f.since as failing_since
  from looked_at l
  join span s using (webhook_id)
  left join failing f using (webhook_id)
 group by l.webhook_id, s.since, slot, f.since
