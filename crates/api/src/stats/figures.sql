-- stats::figures: counts and latencies of the attempts made in a range of time, per interval and in all.
-- $1 webhook, $2 and $3 first event id of the range and of what follows it, $4 most attempts of its events, $5 most
-- attempts of older events, $6 interval in seconds, $7 and $8 the range.
with of_range as materialized (
    select a.event_id, a.started_at, a.duration_us, a.status is not null as answered, a.error is null as delivered
      from postrider.attempt a
     where a.webhook_id = $1 and a.event_id >= $2 and a.event_id < $3
     order by a.event_id desc
     limit $4
), of_older as (
    select a.event_id, a.started_at, a.duration_us, a.status is not null as answered, a.error is null as delivered
      from postrider.attempt a
     where a.webhook_id = $1 and a.event_id < $2
     order by a.event_id desc
     limit $5
), counted as (
    select date_bin($6 * interval '1 second', l.started_at, 'epoch') as begin, l.duration_us, l.answered, l.delivered
      from (select * from of_range union all select * from of_older) l
     where l.started_at >= $7 and l.started_at < $8
)
select c.begin,
       count(*) filter (where c.delivered) as delivered,
       count(*) filter (where not c.delivered) as failed,
       percentile_cont(array[0.5, 0.95, 0.99]::float8[]) within group (order by c.duration_us)
           filter (where c.answered) as percentiles_us,
       (select case when count(*) = $4 then postrider.time_of_id(min(r.event_id)) end from of_range r) as complete_since
  from counted c
 group by grouping sets ((c.begin), ())
