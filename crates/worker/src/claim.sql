-- claim: moves the oldest waiting events of each bucket from the outbox into one new lease of this worker.
-- $1 worker; ranges to look at: $2 their buckets, $3 ids after this, $4 up to this, $5 most events of each; $6 most events in
-- all, $7 whether to take suspects, events that workers died with, or all others; $8 the worker's mark.
with me as materialized (
    -- A worker that was declared dead must not claim: nobody would reclaim from it in time.
    -- Its commit need not wait for the disk: losing a claim in a crash only means claiming again.
    select w.id, set_config('synchronous_commit', 'off', true) from postrider.worker w where w.id = $1
), picked as materialized (
    select q.*
      from me
     cross join unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::integer[]) as b (bucket, low, high, most)
     cross join lateral (
        -- Ids up to the low-water mark were seen: skipping them steps over the dead index entries that an open
        -- transaction somewhere keeps alive. Without it a held transaction slows every claim.
        select o.ctid as place, o.bucket, o.event_id, o.tenant, o.redelivery, o.placed
          from postrider.outbox o
         where o.bucket = b.bucket and o.event_id > b.low and o.event_id <= b.high and (o.redelivery >= 2) = $7
         order by o.event_id
         limit b.most
           for update skip locked
     ) q
     limit $6
), removed as (
    -- By place: the rows are locked, so they cannot move. A join on the key costs twice as much.
    delete from postrider.outbox where ctid = any (array(select p.place from picked p))
), leased as (
    insert into postrider.lease (id, worker_id, event_ids, buckets, redeliveries)
    -- Drawn by chance, not from a sequence: this commit does not wait for the disk, and after a crash of Postgres a sequence
    -- hands out again what such commits took. A result of a lease that is undone would then end another one, and what
    -- its worker still holds of that would be lost with the worker. The high bit keeps them apart from lane tokens.
    select (1::bigint << 62) | ($8::bigint << 32) | floor(random() * (1::bigint << 32))::bigint, $1,
           array_agg(p.event_id), array_agg(p.bucket), array_agg(p.redelivery)
      from picked p
    having count(*) > 0
    returning id
)
select l.id as lease_id, p.event_id, p.bucket, p.redelivery, p.tenant, e.type, e.payload::text as payload,
       -- Subscriptions are the same for all events of a tenant and type: only the first row of each group carries them,
       -- as id, version, state of the lane (1: its breaker is open, 2: it is failing), id, version …
       case when row_number() over (partition by p.tenant, e.type order by p.event_id) = 1 then
            array(select unnest(array[w.id, w.version, case when n.opened_at is not null then 3
                                                            when n.failing_since is not null then 2 else 0 end])
                    from postrider.webhook w
                    left join postrider.lane n on n.webhook_id = w.id
                   where w.tenant = p.tenant and w.is_active and w.event_types && array[e.type, '*']
                   order by w.id)
       end as subscriptions,
       -- Whether some webhooks have their delivery already: it came by way of ordered, or a worker died with it.
       p.placed or p.redelivery > 0 as may_be_settled
  from picked p
 cross join leased l
  join postrider.event e on e.bucket = p.bucket and e.id = p.event_id
 order by p.tenant, e.type, p.event_id
