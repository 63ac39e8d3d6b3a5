-- depends: 0002_traces

set local lock_timeout = '10s';
set local statement_timeout = '30min';

-- The inbox holds only what waits. What had its effect leaves a trail: one row for all events of a transaction, in the
-- order in which they were handled (what was handled before this table was made: in the order of the events' ids).
-- That each has its effect once is the marks of its stream, not the trail.
create table handled (
    at timestamptz not null default now(),
    subjects uuid[] not null,
    producers text[] not null,
    sequences bigint[] not null
);
insert into handled (at, subjects, producers, sequences)
    select handled_at, array_agg(subject order by event_id), array_agg(producer order by event_id),
        array_agg(sequence order by event_id)
    from inbox where state = 'done' group by handled_at;
create index handled_at on handled (at);

create temporary table waits on commit drop as select * from inbox where state <> 'done';
truncate inbox;
drop index inbox_waiting, inbox_waiting_event, inbox_handled_at;
alter table inbox
    drop constraint inbox_state_known,
    add constraint inbox_state_known check (state in ('parked', 'quarantined')),
    alter column body set not null,
    drop column handled_at;
insert into inbox (event_id, subject, producer, sequence, type, body, state, received_at, tries, next_try_at, error)
    select event_id, subject, producer, sequence, type, body, state, received_at, tries, next_try_at, error from waits;
create index inbox_event on inbox (event_id);

-- Which events of the outbox the broker has not taken yet. A row of the outbox itself is never changed: it carries the
-- whole event, and each change would write it, and its place in every index, anew.
create table unpublished (position bigint primary key);
insert into unpublished (position) select position from outbox where published_at is null;
drop index outbox_unpublished, outbox_published_at;
alter table outbox drop column published_at;
-- A process of an earlier version that still runs must not go on saying events that are not named above: it finds the
-- column no more, and what it does fails instead of being accepted.
alter table outbox rename column routing_key to bus_key;
