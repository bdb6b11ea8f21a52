-- claim: moves the oldest waiting events of each bucket from the outbox into one new lease of this worker.
-- $1 worker, $2 buckets, $3 for each bucket the low-water id, $4 most events of one bucket, $5 most events.
with me as materialized (
    -- A worker that was declared dead must not claim: nobody would reclaim from it in time.
    -- Its commit need not wait for the disk: losing a claim in a crash only means claiming again.
    select w.id, set_config('synchronous_commit', 'off', true) from postrider.worker w where w.id = $1
), picked as materialized (
    select q.*
      from me
     cross join unnest($2::smallint[], $3::bigint[]) as b (bucket, low)
     cross join lateral (
        -- Ids up to the low-water mark were seen: skipping them steps over the dead index entries that an open
        -- transaction somewhere keeps alive. Without it a held transaction slows every claim.
        select o.ctid as place, o.bucket, o.event_id, o.tenant, o.redelivery
          from postrider.outbox o
         where o.bucket = b.bucket and o.event_id > b.low
         order by o.event_id
         limit $4
           for update skip locked
     ) q
     limit $5
), removed as (
    -- By place: the rows are locked, so they cannot move. A join on the key costs twice as much.
    delete from postrider.outbox where ctid = any (array(select p.place from picked p))
), leased as (
    insert into postrider.lease (id, worker_id, event_ids, buckets, redeliveries)
    select nextval('postrider.token_seq'), $1, array_agg(p.event_id), array_agg(p.bucket), array_agg(p.redelivery)
      from picked p
    having count(*) > 0
    returning id
)
select l.id as lease_id, p.event_id, p.bucket, p.redelivery, p.tenant, e.type, e.payload::text as payload,
       -- Subscriptions are the same for all events of a tenant and type: only the first row of each group carries them,
       -- as id, version, id, version …
       case when row_number() over (partition by p.tenant, e.type order by p.event_id) = 1 then
            array(select unnest(array[w.id, w.version])
                    from postrider.webhook w
                   where w.tenant = p.tenant and w.is_active and w.event_types && array[e.type, '*']
                   order by w.id)
       end as subscriptions
  from picked p
 cross join leased l
  join postrider.event e on e.bucket = p.bucket and e.id = p.event_id
 order by p.tenant, e.type, p.event_id
